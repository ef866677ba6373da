"""The console script ``infinium-traces``."""

__all__: list[str] = []
