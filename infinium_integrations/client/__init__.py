"""Clients for direct calls to the platform, blocking and asyncio. Each is loaded when first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infinium_integrations.client.async_client import AsyncInfiniumClient
    from infinium_integrations.client.client import InfiniumClient

__all__ = ["AsyncInfiniumClient", "InfiniumClient"]

_HOME = {"AsyncInfiniumClient": "async_client", "InfiniumClient": "client"}


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
