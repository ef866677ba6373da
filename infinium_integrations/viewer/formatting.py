"""How numbers, times and foreign texts are written, the same on page, in notebook and terminal."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    "counted",
    "deletion",
    "differing",
    "duration",
    "moment",
    "number",
    "one_line",
    "pretty",
    "printable",
    "seconds",
    "tick",
    "utc",
    "word_changes",
]

Part = tuple[str, str, str]
"""``equal``, ``delete``, ``insert`` or ``replace``; the words before; the words after."""

SECOND, MINUTE, HOUR = 1_000.0, 60_000.0, 3_600_000.0
UNKNOWN = "\N{EN DASH}"
TEXT_LIMIT = 20_000
"""Characters of one text that are shown; the JSON has all."""

WORDS = 4_000
"""Words up to which two texts are compared word by word, and lines up to which they are compared line by line."""
PAIRS = 50_000
"""Places at which two texts may have the same word; beyond, the commonest words are not looked for by themselves."""
SHORT_CHANGE = 4_000
"""Characters up to which a change of some lines is shown word by word."""
EQUAL_LIMIT = 2_000
"""Characters of what is equal in two texts, beyond which its middle is left out."""


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


def counted(number: int, noun: str) -> str:
    """Write how many there are, such as ``1 step``, ``1,000 steps``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def differing(number: int, of: int, noun: str) -> str:
    """Write how many of some things differ, such as ``2 of 3 steps differ``, ``1 of 1 step differs``."""
    return f"{number:,} of {counted(of, noun)} differ{'s' if of == 1 else ''}"


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
    parts = [f"{counted(total, 'trace')} deleted."]
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


def one_line(text: str, limit: int) -> str:
    """Return a text of several lines on one, cut to ``limit`` characters with an ellipsis."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[: limit - 1]}…"


def word_changes(left: str, right: str) -> list[Part]:
    """Return what became of a text, in parts.

    Of a long stretch that is equal, the beginning and the end are given; what differs is compared word by word, where
    it is long line by line first, and cut at ``TEXT_LIMIT`` characters.
    """
    parts: list[Part] = []
    for tag, old, new in _peeled(left, right, _changes):
        if parts and parts[-1][0] == tag:
            parts[-1] = (tag, parts[-1][1] + old, parts[-1][2] + new)
        else:
            parts.append((tag, old, new))
    return [(tag, _folded(old), _folded(new)) if tag == "equal" else (tag, old, new) for tag, old, new in parts]


def _peeled(left: str, right: str, inner: Callable[[str, str], Iterable[Part]]) -> Iterator[Part]:
    """Return the words that two texts begin and end with alike, and between them what ``inner`` makes of the rest."""
    before = _words_alike(left, right)
    after = _words_alike(left[before:][::-1], right[before:][::-1])
    if before:
        yield "equal", left[:before], right[:before]
    old, new = left[before : len(left) - after], right[before : len(right) - after]
    if old and new:
        yield from inner(old, new)
    elif old or new:
        yield "delete" if old else "insert", clipped(old), clipped(new)
    if after:
        yield "equal", left[len(left) - after :], right[len(right) - after :]


def _words_alike(left: str, right: str) -> int:
    """Return how many characters two texts begin with alike, up to the end of a word."""
    length, beyond = 0, min(len(left), len(right)) + 1
    while beyond - length > 1:  # comparing is a hundred times faster than a loop over the letters
        middle = (length + beyond) // 2
        length, beyond = (middle, beyond) if left[:middle] == right[:middle] else (length, middle)
    if all(length == len(text) or not (text[length].isalnum() or text[length] == "_") for text in (left, right)):
        return length
    while length and (left[length - 1].isalnum() or left[length - 1] == "_"):
        length -= 1
    return length


def _changes(left: str, right: str) -> Iterator[Part]:
    left, right = clipped(left), clipped(right)
    before, after = _words(left), _words(right)
    if len(before) + len(after) <= WORDS:
        yield from _differences(before, after)
        return
    before, after = left.splitlines(keepends=True), right.splitlines(keepends=True)
    if len(before) + len(after) > WORDS:
        yield "replace", left, right
        return
    for tag, old, new in _differences(before, after):
        if tag == "replace" and len(old) + len(new) <= SHORT_CHANGE:
            yield from _differences(_words(old), _words(new))
        else:
            yield tag, old, new


def _differences(before: list[str], after: list[str]) -> Iterator[Part]:
    """Compare parts of texts. What occurs all over both is no place to begin at: hostile texts would take minutes."""
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    ours, theirs = Counter(before), Counter(after)
    pairs = Counter({part: ours[part] * theirs[part] for part in ours.keys() & theirs.keys()})
    left = pairs.total()
    for part, number in pairs.most_common():
        if left <= PAIRS:
            break
        del matcher.b2j[part]  # type: ignore[attr-defined]  # documented, and not in the stubs
        left -= number
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        old, new = "".join(before[i1:i2]), "".join(after[j1:j2])
        if tag == "replace":
            yield from _peeled(old, new, lambda old, new: [("replace", old, new)])
        else:
            yield tag, old, new


def _folded(text: str) -> str:
    if len(text) <= EQUAL_LIMIT:
        return text
    ends = EQUAL_LIMIT // 4
    return f"{text[:ends]}\n… {len(text) - 2 * ends:,} characters are the same …\n{text[-ends:]}"


def _words(text: str) -> list[str]:
    """Return the words of a text, each with the space behind it."""
    return re.findall(r"\w+\s*|[^\w\s]\s*|\s+", text)
