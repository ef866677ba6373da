"""Traces made visible: one rendering for the page, the notebook and the terminal."""

__all__: list[str] = []
