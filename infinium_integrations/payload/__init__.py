"""A sealed trace becomes what is stored and sent: built, priced, redacted and cut to the platform's limits."""

__all__: list[str] = []
