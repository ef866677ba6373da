"""Text in a terminal: how many columns it takes, cutting it to fit, and setting it in columns."""

import codecs
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from infinium_integrations.viewer.formatting import clean

__all__ = ["PLAIN", "cut", "flat", "flowed", "left", "right", "width", "wrapped"]

PLAIN = "infinium-plain"
"""What to do with characters that an output's encoding lacks: the name of an error handler of codecs."""

_PLAIN = str.maketrans("✓✕⊘↩‖→…·●◆↺█━╸╌─└├│“”‘’–—×−⟨⟩␍", "+x/<=>.-o*~#=-.-`||\"\"''--x-<>?")  # noqa: RUF001


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain = error.object[error.start : error.end].translate(_PLAIN)
    return "".join(character if character.isascii() else "?" for character in plain), error.end


codecs.register_error(PLAIN, _plainly)


def width(text: str) -> int:
    """Return the columns that a text without styles takes; wide characters take two, combining ones none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


@lru_cache(4096)
def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def flat(text: str, limit: int = 1_000) -> str:
    """Return a foreign text on one line, its control characters made visible, its far end left out."""
    return clean(" ".join(text[:limit].split())).translate(_HARMLESS)


_HARMLESS = {0x0B: "␋", 0x0C: "␌", 0x0D: "␍", **dict.fromkeys((*range(0x2028, 0x202A), *range(0x2066, 0x206A)), " ")}


def cut(text: str, columns: int) -> str:
    """Cut a text to so many columns, with an ellipsis where something is missing."""
    if width(text) <= columns:
        return text
    taken, room = [], max(0, columns - 1)
    for character in text:
        room -= _columns(character)
        if room < 0:
            break
        taken.append(character)
    return "".join(taken).rstrip() + "…" if columns > 0 else ""


def left(text: str, columns: int) -> str:
    """Cut or fill a text to so many columns, its beginning at the left."""
    short = cut(text, columns)
    return short + " " * (columns - width(short))


def right(text: str, columns: int) -> str:
    """Cut or fill a text to so many columns, its end at the right."""
    short = cut(text, columns)
    return " " * (columns - width(short)) + short


def wrapped(text: str, columns: int, lines: int) -> list[str]:
    """Break a text between words into at most so many lines; the last says by an ellipsis that there is more."""
    return flowed(text.split(), " ", columns, lines)


def flowed(items: Sequence[str], between: str, columns: int, lines: int) -> list[str]:
    """Set items one after the other on at most so many lines, each item whole where there is room for it."""
    made: list[str] = []
    for place, item in enumerate(items):
        longer = f"{made[-1]}{between}{item}" if made else item
        if made and width(longer) <= columns:
            made[-1] = longer
        elif len(made) < lines:
            made.append(cut(item, columns))
        else:
            made[-1] = cut(between.join([made[-1], *items[place:]]), columns)
            break
    return made
