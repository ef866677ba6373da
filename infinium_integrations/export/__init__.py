"""From a sealed trace to a stored and delivered one: the pipeline, its writer and its sender."""

__all__: list[str] = []
