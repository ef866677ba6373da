"""Traces as HTML, the same for the page and the notebook."""

__all__: list[str] = []
