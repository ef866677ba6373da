"""Bounded text of anything, taken in the user's own thread.

Nothing is consumed, changed or waited for: only containers of known types are opened, by their type's own methods,
and no method of a user's class is called. What is unknown becomes ``<ClassName>``.
"""

from typing import Any

from infinium_integrations.capture.media import encoded
from infinium_integrations.capture.serializer import DEPTH, ITEMS, LARGE, NUMBERS, SHORT, Copier, encode
from infinium_integrations.redaction.key_names import HIDDEN, SLACK, Cut, Redacted, cut, hides, is_secret_key

__all__ = ["HIDDEN", "SLACK", "Cut", "cut", "hides", "is_secret_key", "is_small", "preview", "to_json_value"]


def preview(value: object, limit: int) -> str:
    """Return a bounded text of any value.

    A string stands as it is; anything else is written like JSON, with ``, `` and ``: ``. Values under secret keys are
    hidden; pictures, sound and bytes become type and size.

    Args:
        value: Anything at all. It is neither consumed nor changed, and none of its own code is called.
        limit: Characters that are wanted.

    Returns:
        At most ``limit + SLACK`` characters, as a ``Cut`` where there were more. A text longer than ``limit`` is for
        ``Redactor.redact_and_truncate``.
    """
    room = max(limit, 0) + SLACK
    if type(value) is str:
        if len(value) <= SHORT and len(value) <= room and value[:5] != "data:":
            return value
        return cut(encoded(value) or value, room)
    copy = Copier(room, chars=room).whole_value(value)
    text = copy if isinstance(copy, str) else encode(copy)
    return text[:room] if len(text) < room and type(text) is not Cut else Cut(text[:room])


def is_small(value: object) -> bool:
    """Return whether a value is plain JSON already, and so small that it needs no bounded copy."""
    return _room_left(value, SMALL, 4) >= 0


def _room_left(value: Any, room: int, depth: int) -> int:
    """Return how many characters are left beside a value; -1 where it does not fit, or is not plain."""
    kind = type(value)
    if kind in _TEXTS:
        finished = kind is Redacted or (len(value) <= SHORT and value[:5] != "data:")
        return room - len(value) if finished else -1
    if kind is dict:
        # the last may say of the rest that it is a picture
        if depth == 0 or len(value) > FEW or "type" in value:
            return -1
        for key, item in value.items():
            room = _room_left(item, room - len(key), depth - 1) if type(key) is str and room >= 0 else -1
        return room
    if kind is list:
        if depth == 0 or len(value) > FEW:
            return -1
        for item in value:  # a list in a list may be a name beside its secret
            room = _room_left(item, room, depth - 1) if room >= 0 and type(item) is not list else -1
        return room
    return room if value is None or (kind in NUMBERS and -LARGE < value < LARGE) else -1


SMALL, FEW = 16_000, 30
"""Characters of all texts and keys, entries of a list or dict."""
_TEXTS = frozenset({str, Redacted, Cut})


def to_json_value(
    value: object, limit: int = 1_000, *, room: int = 20_000, items: int = ITEMS, depth: int = DEPTH
) -> object:
    """Return a bounded copy of any value out of dict, list, str, int, float, bool and None, as JSON has them.

    Args:
        value: Anything, as for ``preview``.
        limit: Characters of each string; ``SLACK`` more are kept for the redactor.
        room: Characters in all.
        items: Entries of each dict and list; how many are left out is said.
        depth: Levels of dicts and lists.

    Returns:
        The copy. Values under secret keys are hidden; NaN and infinity become strings.
    """
    return Copier(room, chars=limit + SLACK, whole=True, items=items, depth=depth).whole_value(value)
