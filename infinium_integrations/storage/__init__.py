"""Where finished traces are kept: one file a trace in a folder, or memory."""

__all__: list[str] = []
