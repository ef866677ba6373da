"""Clients for direct calls to the platform, blocking and asyncio. Each is loaded when first used."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infinium_integrations.client.async_client import AsyncInfiniumClient
    from infinium_integrations.client.client import InfiniumClient

__all__ = ["AsyncInfiniumClient", "InfiniumClient"]


def __getattr__(name: str) -> object:
    if name == "InfiniumClient":
        from infinium_integrations.client.client import InfiniumClient  # noqa: PLC0415

        return InfiniumClient
    if name == "AsyncInfiniumClient":
        from infinium_integrations.client.async_client import AsyncInfiniumClient  # noqa: PLC0415

        return AsyncInfiniumClient
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
