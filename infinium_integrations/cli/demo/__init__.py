"""``infinium-traces demo``: an agent that runs offline and is traced."""

__all__: list[str] = []
