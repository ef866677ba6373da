"""Runs become traces: the run tree, when a trace is complete, and how it ended. It knows no framework."""

__all__: list[str] = []
