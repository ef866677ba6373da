"""How numbers, times and foreign texts are written, the same on page, in notebook and terminal."""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher

from infinium_integrations.storage.record import EPOCH

__all__ = [
    "TEXT_LIMIT",
    "clean",
    "clipped",
    "clipped_line",
    "cost",
    "count",
    "deletion",
    "duration",
    "moment",
    "number",
    "pretty",
    "printable",
    "seconds",
    "tick",
    "utc",
    "word_changes",
]

SECOND, MINUTE, HOUR = 1_000.0, 60_000.0, 3_600_000.0
UNKNOWN = "\N{EN DASH}"
TEXT_LIMIT = 20_000
"""Characters of one text that are shown; the JSON has all."""

WORDS = 1_500
"""Words up to which two texts are compared word by word."""


def duration(milliseconds: float | None) -> str:
    """Write a time, such as ``812 ms``, ``11.5 s``, ``2 min 05 s``; a dash where it is unknown."""
    if milliseconds is None or not math.isfinite(milliseconds):
        return UNKNOWN
    if milliseconds < SECOND:
        return f"{milliseconds:.0f} ms" if milliseconds >= 1 or milliseconds == 0 else "<1 ms"
    if milliseconds < MINUTE - 50:
        return f"{milliseconds / SECOND:.{1 if milliseconds >= 10 * SECOND else 2}f} s"
    minutes, seconds = divmod(round(milliseconds / SECOND), 60)
    if milliseconds < HOUR:
        return f"{minutes} min {seconds:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def seconds(value: float | None) -> str:
    """Write a time that is given in seconds, as ``duration`` does."""
    return duration(None if value is None else SECOND * value)


def utc(nanoseconds: int) -> datetime:
    """Return a moment given in nanoseconds since the epoch."""
    return EPOCH + timedelta(microseconds=nanoseconds // 1_000)


def tick(milliseconds: float) -> str:
    """Write a round time beside a scale, such as ``0``, ``500 ms``, ``2 s``, ``80 s``, ``15 min``."""
    for size, unit in ((HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        if milliseconds >= size and (2 * milliseconds % size == 0 or unit == "s"):
            return f"{milliseconds / size:g} {unit}"
    return f"{milliseconds:g} ms" if milliseconds else "0"


def count(number: float | None) -> str:
    """Write a number with its thousands apart; a dash where it is unknown."""
    return UNKNOWN if number is None else f"{number:,}"


def cost(dollars: float | None) -> str:
    """Write an amount in US dollars, with as many places as it needs; a dash where it is unknown."""
    if dollars is None:
        return UNKNOWN
    if dollars == 0 or dollars >= 1:
        return f"${dollars:,.2f}"
    return f"${dollars:.4f}" if dollars >= 0.0001 else "<$0.0001"  # noqa: PLR2004


def moment(given: str | datetime) -> str:
    """Write a moment to the second, in UTC; a text that is no ISO 8601 time stands as it is."""
    try:
        when = (datetime.fromisoformat(given) if isinstance(given, str) else given).astimezone(UTC)
    except (ValueError, OverflowError):
        return str(given)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def pretty(value: object) -> str:
    """Write a JSON-like value over several lines."""
    try:
        return json.dumps(value, ensure_ascii=False, indent=2, default=str)
    except (ValueError, TypeError, RecursionError):
        return str(value)


def clipped(text: str, limit: int = TEXT_LIMIT, whole: str = "the JSON") -> str:
    """Cut a very long text, and say so; ``whole`` is where it stands uncut."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n… {len(text) - limit:,} more characters ({whole} has them all)"


def number(value: object) -> float | None:
    """Return a foreign value as a float; None where it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def deletion(counts: Mapping[str, int]) -> str:
    """Say how many traces were deleted, given how many of each state of delivery."""
    total, pending, sent = sum(counts.values()), counts.get("pending", 0), counts.get("sent", 0)
    parts = [f"{total:,} trace{'' if total == 1 else 's'} deleted."]
    if pending:
        parts.append(f"{pending:,} had not been sent, and never will be.")
    if sent:
        parts.append(f"{sent:,} had been sent already: delete {'it' if sent == 1 else 'them'} at Infinium too.")
    return " ".join(parts)


def clean(text: str) -> str:
    """Make characters visible that a reader would not see, or that would turn the text around them.

    Control characters become their pictures (``␀``), direction overrides their names, lone surrogates ``�``.
    """
    return text if text.isascii() and text.isprintable() else text.translate(_VISIBLE)


_VISIBLE: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: "␡",
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
    **dict.fromkeys((0xFFFE, 0xFFFF), "\ufffd"),
    0x202D: "⟨U+202D⟩",
    0x202E: "⟨U+202E⟩",
}
del _VISIBLE[0x0D]


def printable(text: str) -> str:
    """Make a foreign text harmless in a terminal: as ``clean`` does, and no carriage return hides what stood before."""
    return clean(text).replace("\r", "␍")


def clipped_line(text: str, limit: int) -> str:
    """Return the first line of a text, cut to ``limit`` characters with an ellipsis."""
    line = text.strip()[: limit + 1].split("\n", 1)[0].strip()
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def word_changes(left: str, right: str) -> list[tuple[str, str, str]]:
    """Return what became of a text, in parts.

    Each part is a triple: ``equal``, ``delete``, ``insert`` or ``replace``; the words before; the words after.
    """
    before, after = _words(clipped(left)), _words(clipped(right))
    if len(before) + len(after) > WORDS:
        return [("replace", "".join(before), "".join(after))]
    codes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [(tag, "".join(before[i1:i2]), "".join(after[j1:j2])) for tag, i1, i2, j1, j2 in codes]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|\s+|[^\w\s]", text)
