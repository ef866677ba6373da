"""A first look at a text: whether any of many patterns can match in it, asked of all of them in one search.

A search is that of pydantic's string constraints, in Rust: it takes 1.5 µs a KB, and time in proportion to the
text's length. It knows no assertions, so what it looks for is looser than the patterns are. What it learns of texts it
keeps in 2 MB; where that is too little, as for long counts or many patterns that may go on anywhere, it takes many
times as long (``benchmarks/redaction.py`` shows it: the mean of texts that are seen once).
"""

import re
from collections.abc import Callable, Iterable

from pydantic_core import SchemaError, SchemaValidator, core_schema

__all__ = ["Prefilter", "any_ascii", "loosened"]

_BLANKS, _LETTERS, _DIGITS = r" \t-\r\x1c-\x1f", "0-9A-Za-z_", "0-9"
_ONLY = {"\\s": _BLANKS, "\\w": _LETTERS, "\\d": _DIGITS}
_SETS = {"\\s": f"{_BLANKS}?", "\\w": f"{_LETTERS}?", "\\d": _DIGITS}
"""What ``\\s`` and its like stand for; a question mark may stand for a blank or a letter that isn't ASCII."""
_MOST = 8
"""Repeats that are counted: more make the search slow, fewer find more that is nothing."""
_PIECE = re.compile(
    r"\\.|\[\^?(?:\\.|[^\]\\])+\]|\(\?<?[=!]|\((?:\?(?:P<\w+>|[a-z-]+:|:))?|\{\d+(?:,\d*)?\}[+?]?|[*+?][+?]?|.",
    re.DOTALL,
)
_ESCAPES = {
    **{name: f"[{items}]" for name, items in _SETS.items()},
    **{name.upper(): rf"[\x00-\x7f&&[^{items}]]" for name, items in _ONLY.items()},
    "\\b": r"(?-u:\b)",
    "\\Z": "",
}
_BETWEEN = rf"(?:[{_BLANKS}?\"',\\]+)"
"""What may stand between two arguments, and between two strings of a list."""
_ASSERTIONS = frozenset({"(?=", "(?!", "(?<=", "(?<!"})
_OF_STRINGS = frozenset({'"', "'", '\\"', "\\'", "\\\\", ",", "\\n"})


def _searched_by(pattern: str) -> Callable[[str], bool]:
    """Return what says whether a pattern matches in a text; of one that cannot be built, that it may in any."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")).isinstance_python
    except SchemaError:
        return lambda _plain: True


_searched_by("a")("a")
"""What is set up once for all such searches is so while we are imported, not in a thread: a process that is forked
meanwhile would wait for that thread, which it hasn't."""


class Prefilter:
    """What may be found by some patterns, as one search; it is built when first asked.

    Args:
        parts: Returns the patterns in Rust's syntax, of ASCII alone: see ``loosened``.

    It may be used from any thread.
    """

    def __init__(self, parts: Callable[[], Iterable[str]]) -> None:
        self._parts = parts
        self._search: Callable[[str], bool] | None = None

    def may_match(self, plain: str) -> bool:
        """Return whether a text has what any of the patterns looks for; if not, none of them can match in it.

        Args:
            plain: ``Scan.plain`` of the text.
        """
        if self._search is None:  # two threads may both build it, but none waits for another
            self._search = _searched_by("|".join(f"(?:{part})" for part in self._parts()))
        return self._search(plain)


def any_ascii(but: str) -> str:
    """Return a class of all ASCII characters but some, which are written as in a class."""
    return rf"[\x00-\x7f&&[^{but}]]" if but else r"[\x00-\x7f]"


def loosened(pattern: str, *, joined: bool = False, most: int = _MOST) -> str:
    r"""Return a pattern in Rust's syntax that matches in ``Scan.plain`` where Python's does in the text, or elsewhere.

    Where it asks for a word's edge, a letter beside it that isn't ASCII counts as none.

    Args:
        pattern: A pattern of Python, without references to groups.
        joined: Whether it must match too where the words are the strings of a list: ``"mysql", "-p"``. Counts have no
            end then, and what isn't forbidden to hold blanks may hold quotes.
        most: How many repeats are counted at most.

    Example:
        >>> from infinium_integrations.redaction.prefilter import loosened
        >>> print(loosened(r"(?<!x)a{20,30}+(?=b)[^c]"))
        a{8,}[\x00-\x7f&&[^c]]
    """
    kept: list[str] = []
    assertions = 0
    for piece in _PIECE.findall(pattern):
        if assertions or piece in _ASSERTIONS:
            assertions += (piece[0] == "(") - (piece == ")")
        elif not (kept and kept[-1] == _BETWEEN and piece[:3] in {"{1,", "{2,"}):  # it is repeated already
            kept.append(_looser(piece, joined=joined, most=most))
    return "".join(kept)


def _looser(piece: str, *, joined: bool, most: int) -> str:
    if piece in {"\\s", " "} and joined:
        return _BETWEEN
    if piece[0] == "\\":
        return _ESCAPES.get(piece, piece)
    if piece[0] == "[" and len(piece) > 1:
        return _class(piece[1:-1], joined=joined)
    if piece[0] == "(":
        return "(?:" if piece == "(" or "P<" in piece else piece
    if piece[0] == "{" and len(piece) > 1:
        return _count(piece, joined=joined, most=most)
    return piece[0] if piece[0] in "*+?" else piece


def _class(inside: str, *, joined: bool) -> str:
    is_negated = inside[0] == "^"
    items = re.findall(r"\\.|.", inside[is_negated:], re.DOTALL)
    has_blanks = not {"\\s", " "}.isdisjoint(items)
    if is_negated and joined and not has_blanks:
        items = [item for item in items if item not in _OF_STRINGS]
    sets = _ONLY if is_negated else _SETS
    text = "".join(sets.get(item, f"\\{item}" if item in "[&~" else item) for item in items)
    if is_negated:
        return any_ascii(text)
    return f"(?:[{text}]|{_BETWEEN})" if joined and has_blanks else f"[{text}]"


def _count(piece: str, *, joined: bool, most: int) -> str:
    least, comma, _ = piece.rstrip("+?").strip("{}").partition(",")
    if int(least) <= most and not comma and not joined:
        return f"{{{least}}}"
    return {"0": "*", "1": "+"}.get(least, f"{{{min(int(least), most)},}}")
