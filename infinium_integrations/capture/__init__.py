"""What is taken in the caller's thread: bounded copies and texts of anything, by reference where that is safe."""

__all__: list[str] = []
