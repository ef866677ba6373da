"""Traces as text for a terminal."""

__all__: list[str] = []
