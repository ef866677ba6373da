"""Traces in a notebook: the magic, the list of traces, and plain text where there is no HTML."""

__all__: list[str] = []
