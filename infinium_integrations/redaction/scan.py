"""A text in the forms in which it is searched, a pair found in it, and patterns that are compiled when first used."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from infinium_integrations.redaction.key_names import Kind

__all__ = ["Pair", "Scan", "Span", "pattern", "places", "scan"]

Span = tuple[int, int, str]
"""Where a secret begins and ends, and the name of the rule that says so."""


class _Pattern:
    """A regular expression that is compiled when first used: by the writer's thread, not while a user imports us."""

    def __init__(self, text: str, flags: int) -> None:
        self.pattern, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self.pattern, self._flags), name)
        setattr(self, name, found)  # from now on it is found without this method
        return found


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what works as ``re.compile(text, flags)``; may be used from any thread."""
    return cast("re.Pattern[str]", _Pattern(text, flags))


def places(text: str, part: str) -> Iterator[int]:
    """Return where a part stands in a text."""
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


@dataclass(slots=True)
class Scan:
    """A text, how it is searched, whether it is known to be cut short, and what detectors note of it."""

    text: str
    low: str
    """The text in lower case, of the same length."""
    plain: str
    """The text with a question mark for each character that is not ASCII, as prefilters read it."""
    open_end: bool
    reached: dict[str, int] = field(default_factory=dict)
    """How far a detector that looks ahead has come."""
    seen: set[str] = field(default_factory=set)
    """Some names with what follows them at once, of a long text."""
    fruitless: set[str] = field(default_factory=set)
    """Names with all around them of which no form gave anything: in a text that repeats itself they come again."""


@dataclass(slots=True)
class Pair:
    """A secret's name, its kind, what stands between, and where the value lies; of a long value, its first part."""

    name: str
    kind: Kind
    sep: str
    quote: str
    start: int
    end: int


def scan(text: str, *, open_end: bool) -> Scan:
    """Return a text in the forms in which it is searched."""
    low = text.lower()
    low = low if len(low) == len(text) else re.sub("[A-Z]+", lambda found: found[0].lower(), text)
    plain = text if text.isascii() else text.replace(_KELVIN, "k").encode("ascii", "replace").decode()
    return Scan(text, low, plain, open_end)


_KELVIN = "\u212a"
"""The one letter from abroad whose lower case is none: a k."""
