"""For whom a stored trace waits: its folder's name has the key of each; whoever has it is taken out of that name.

A trace for two waits in ``outbox/A+B``. When A has it, it is renamed into ``outbox/B`` with A's receipt in its name, so
that each is served on its own, and whatever happens in between no one twice. One that refuses it leaves a receipt, too:
the trace goes to ``rejected/`` when the others are done with it.
"""

import time
from typing import Literal

from infinium_integrations.storage.record import Receipt

__all__ = ["REFUSED", "Place", "after", "joined", "keys_of", "waits_for", "without_refusals"]

Place = Literal["outbox", "history", "rejected"]
"""What became of a trace: it waits for others, all have it, or one has refused it."""

_PLUS = "+"
REFUSED = "refused"
"""The destination of a receipt that says who refused a trace: its ``remote_id``."""


def joined(keys: list[str]) -> str:
    """Return the name of the folder of what waits for all of these."""
    return _PLUS.join(keys)


def keys_of(folder: str) -> list[str]:
    """Return the keys of those for whom the traces of a folder wait."""
    return folder.split(_PLUS)


def waits_for(folder: str, key: str) -> bool:
    """Whether the traces of a folder wait for one."""
    return key in keys_of(folder)


def after(folder: str, name: str, key: str, receipt: Receipt | None) -> tuple[Place, str, str]:
    """Say where a trace goes that one is done with.

    Args:
        folder: The name of the folder in which it waits.
        name: Its file's name.
        key: Who is done with it.
        receipt: Of its delivery; None where it was refused.

    Returns:
        The area, the folder's name in it (empty for the history) and the file's name.
    """
    receipt = receipt or Receipt(REFUSED, time.time_ns() // 1_000_000, key)
    name = receipt.added(name)
    rest = [other for other in keys_of(folder) if other != key]
    if rest:
        return "outbox", joined(rest), name
    refused = _refusals(name)
    return ("rejected", joined(refused), without_refusals(name)) if refused else ("history", "", name)


def without_refusals(name: str) -> str:
    """Return a file's name without what says who refused it."""
    return "~".join(part for part in name.split("~") if not part.startswith(f"{REFUSED},"))


def _refusals(name: str) -> list[str]:
    written = (part.split(",") for part in name.split("~")[1:] if part.startswith(f"{REFUSED},"))
    return [key for _, _, key in written]
