"""The SQLite index beside the files, built lazily, by readers only."""

__all__: list[str] = []
