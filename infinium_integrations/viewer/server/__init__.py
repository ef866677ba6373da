"""``infinium-traces serve``: the page, and the platform's way in for SDKs on this machine."""

__all__: list[str] = []
