# ruff: noqa: RUF001  (other languages have other colons)
"""Secrets after a name that says so: ``password=…``, ``"api_key": "…"``, ``Cookie: …``, ``--token …``."""

import functools
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator

from infinium_integrations.redaction.forms import Named, loosely
from infinium_integrations.redaction.key_names import SECOND_WORDS, Kind, kind_of
from infinium_integrations.redaction.lists import items, more
from infinium_integrations.redaction.nested import nested, rows
from infinium_integrations.redaction.scan import Pair, Scan, Span, pattern
from infinium_integrations.redaction.values import (
    ENOUGH,
    HEADERS,
    is_odd,
    is_secret_at_a_glance,
    is_secret_value,
    is_secret_word,
)

__all__ = ["pairs"]

Judge = Callable[[str, Pair], bool]

_NAME_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_NAME_LETTERS = frozenset(_NAME_CHARS)
_LONGEST = 128
"""Characters of a name that are read: its last, which say what it is."""
_TAIL = pattern(r"[A-Za-z0-9_-]*+")
_LETTERS = pattern(r"(?:\\{1,7}u(?!00[0-7])[0-9A-Fa-f]{4}[A-Za-z0-9_-]{0,8}+){1,12}+[A-Za-z0-9_-]{0,40}+")
_LETTER = pattern(r"\\{1,7}u([0-9A-Fa-f]{4})")
"""A letter of a name as JSON writes it: ``contrase\\u00f1a``."""
_AFTER = pattern(
    r"""(?P<close>\\{0,8}["'`]\]?|\[\w{0,12}\](?==)|%5B\d?%5D(?==)|\](?=[ ]?=(?!=))|\*{1,3}|_{1,2})?
        (?P<space>[ \t]{0,40}+)
        (?P<sep> :[ ]?[A-Za-z_][\w.]{0,30}(?:\[[\w.,| \[\]]{0,40}\])?(?:[ ]\|[ ][\w.]{1,20}){0,3}[ ]=(?=[ ])
               | (?<=[ ])is:?(?=[ ]) | ={1,2}> | := | !?={1,3} | : | [+]?%3[DdAa](?:%20|[+](?=[^+]))?
               | ,(?=[ ]?\\{0,8}["']) | > | ：|＝| (?<=[ ]) )
        (?P<open>(?:\*{1,3}|_{1,2}(?=[ ]))?) [ \t]{0,40}+
        (?:\*{1,3}|(?:<(?:b|code|strong|em|i|kbd|pre|samp|br[ ]?/?)>){1,2})?
        (?:[bruf]{1,2}(?=["'])|(?<=:[ ])!{1,2}[a-z]{1,20}[ ])? (?P<quote>\\{0,8}["'`])?""",
    re.VERBOSE | re.ASCII,
)
_BARE = pattern(
    r"""(?: \[REDACTED\]
          | [^\s"'`<>\\&;,)\]}\[]++ | \[
          | & (?=[^\s&;,)\]}"'<>\\`:.]) (?![A-Za-z_][\w.-]{0,40}=)
          | [;,)\]}] (?=[^\s&;,)\]}"'<>\\`:.]) (?![A-Za-z_][\w.-]{0,40}=|[A-Za-z_]{3,40}:)
          | \\ (?![nrtbfuUx"'\\/]) )++""",
    re.VERBOSE,
)
_AHEAD = 50
"""Characters that ``_BARE`` looks ahead."""
_LINE = pattern(r"""(?:[^\r\n"'<>\\`]++|(?<==)\\{0,8}"[^"\r\n\\]{0,400}\\{0,8}"(?=[;,\s\\]|\Z))*+""")
_ESCAPES = frozenset("nrt")
_ESCAPED = pattern(r".*\\[nrt]")
_MANY, _PACE = 100, 1 / 100
"""How many names in a row are read in full, and how many more for each character."""
_IN_ALL, _OF_LISTS, _IN_VAIN = (2_400, 80), (1_200, 90), (700, 100)
"""How many names with some room are read in full, and for how many characters one more: in all, with a list near, which
takes longest, and in vain."""
_HASTY = 1_500, 100
"""How many of the others are judged; of more, what follows a mark is hidden if it is no number; of a token, no word."""
_LISTS_OPEN, _NEAR = frozenset("[{("), 12
_GIVEN = pattern(
    r"(?: (?:for|of|to|on) \S{1,40})?[ \"'`\\]{0,4}(?:[=:>]|->|is(?= \S{0,60}[A-Z0-9]))"
    r"[ \"'`\\]{0,4}([^\s\"'`<>\\(){}\[\]]{3,100})"
)
_STOPS, _SHORTEST_TOKEN = ",;:.", 7
_LETTER_OR_MARK, _TOKEN = (
    pattern(r"[^\W\d_]{2}|[A-Za-z][0-9]|[0-9][A-Za-z]|[!@#$%^&*]"),
    pattern(r"[A-Za-z][^A-Za-z]{0,60}[0-9]|[0-9][^0-9]{0,60}[A-Za-z]"),
)
"""What a value has that is no number, and what a token has."""
_GAPS: dict[Kind, int] = {"password": 14, "code": 14, "weak": 20}
_NO_GAP = 6
"""How close to the next a name in a row stands; a token has more characters than a password."""
_LEAST = {
    (True, True): pattern("[0-9](?:[^0-9]{0,2}[0-9]){2}"),
    (True, False): pattern("[0-9]"),
    (False, True): pattern(r"[0-9]\S{0,2}[A-Za-z0-9]|[A-Za-z0-9]\S{0,2}[0-9]"),
}
"""What stands at least before the next name, of names in a row: by whether it is a code, and whether that is close."""
_REMEMBERED = 256
"""Names of a text whose meaning is remembered."""
_NEXT_NAME = pattern(r"[ ]([A-Za-z]{3,20})\d{0,4}(?=[ ,.;]|$)")
_BLANK = " \t\r\n\\\"'"


def pairs(scan: Scan, found_at: dict[int, str]) -> Iterator[Span]:
    """Find values that follow a secret's name; what ``keywords`` found is given."""
    text, low = scan.text, scan.low
    order = list(found_at)
    resume = dict.fromkeys(found_at.values(), 0)
    kinds: dict[str, Kind] = {}
    row = _Row(order, low)
    before, until = (0, 0), 0
    for number, (at, following) in enumerate(zip(order, [*order[1:], -1], strict=False)):
        keyword = found_at[at]
        if at < resume[keyword] or (
            following == at + len(keyword) and _is_read_by(found_at[following], low, at, keyword)
        ):
            continue
        name, start, end = _read(text, at, keyword)
        kind = kinds.get(name)
        if kind is None:
            if len(kinds) >= _REMEMBERED:
                kinds.clear()
            kind = kinds[name] = kind_of(name)
        resume[keyword] = end
        if not kind:
            continue
        is_in_one_that_gave = end == before[1] and start > before[0] and until > end  # ``api keypwd``
        if (start, end) == before or is_in_one_that_gave:  # by another keyword: ``client_secret_key``
            resume[keyword] = max(end, until)
        elif kind == "weak" and low[end : end + 1] == " " and _leads_to_a_name(text, end):
            resume[keyword] = max(end, _run(keyword).match(low, at).end())  # type: ignore[union-attr]
        else:
            named = Named(name[-_LONGEST:].lower(), kind, start, end)
            found = row.secrets(scan, number, named)
            before, until = (start, end), end
            if found:
                yield from found
                yield from more(scan, named, found[-1][1])
                until = resume[keyword] = max(end, found[-1][1])


def _is_read_by(following: str, low: str, at: int, keyword: str) -> bool:
    """Return whether a name is read whole from the keyword that follows at once, as ``secretkey`` is from ``key``."""
    is_second = low[at - 1 : at] == " " and keyword.startswith(SECOND_WORDS)
    return keyword.isalpha() and keyword.isascii() == following.isascii() and not is_second


class _Row:
    """How close to each other names stand: of very many in a row, only what follows right after each is looked at.

    Each that has some room before the next is read in full; of others a hundred, and then one in so many characters. Of
    those with some room, no more are read in full than the text has characters for, of lists and of those in vain less.
    """

    def __init__(self, order: list[int], low: str) -> None:
        self._order, self._low = order, low
        self._left: float = _MANY
        self._last = self._in_all = self._of_lists = self._in_vain = self._judged = 0
        self._fruitless: set[str] = set()

    def secrets(self, scan: Scan, number: int, named: Named) -> list[Span]:
        """Return what the name gives away that is this one in order."""
        following = number + 1
        if following < len(self._order) and self._order[following] < named.end:
            following = bisect_left(self._order, named.end, following)
        until = self._order[following] if following < len(self._order) else len(self._low)
        has_room = until - named.end > _GAPS[named.kind] or following == len(self._order)
        if has_room and not self._leaves_room(named):
            return self._hastily(scan, named, until) or _crudely(scan.text, named, is_odd)
        if not has_room and not self._leaves_time(named):
            return self._hastily(scan, named, until)
        found = _secrets(scan, named)
        if has_room:
            self._in_all += 1
            self._of_lists += not _LISTS_OPEN.isdisjoint(scan.text[named.end : named.end + _NEAR])
            if not found:
                self._in_vain += self._notes(scan.text[named.start : named.end + _AHEAD])
        return found

    def _leaves_room(self, named: Named) -> bool:
        """Return whether not too many names were read in full, of those that have some room before the next."""
        return (
            _is_within(self._in_all, _IN_ALL, named.end)
            and _is_within(self._of_lists, _OF_LISTS, named.end)
            and _is_within(self._in_vain, _IN_VAIN, named.end)
        )

    def _leaves_time(self, named: Named) -> bool:
        """Return whether there is time to look at all ways to write a name that stands close to the next."""
        left = min(_MANY, self._left + (named.start - self._last) * _PACE)
        self._left, self._last = max(0, left - 1), named.start
        return left >= 1

    def _hastily(self, scan: Scan, named: Named, until: int) -> list[Span]:
        """Return what follows right after a name; nothing where the next follows at once: ``token=token=token=``.

        Codes without a digit are passed over too, and short ones of fewer than three. After thousands none is judged.
        """
        between = self._low[named.end : until]
        least = _LEAST.get((named.kind == "code", len(between) <= _NO_GAP))
        if least and not least.search(between):
            return []
        self._judged += 1
        if not _is_within(self._judged, _HASTY, named.end):
            return _crudely(scan.text, named, is_secret_word)
        around = scan.text[named.start : named.end + _AHEAD]
        if around in self._fruitless:
            return []
        enough = _AHEAD if named.end + 2 * ENOUGH < len(self._low) else ENOUGH
        found = [*_pair(scan, named, is_secret_at_a_glance, enough)]
        if not found:
            self._notes(around)
        return found

    def _notes(self, around: str) -> bool:
        """Note a name with what follows it that led to nothing; return whether it is new, or was long ago."""
        is_new = around not in self._fruitless
        if len(self._fruitless) >= _REMEMBERED:
            self._fruitless.clear()
        self._fruitless.add(around)
        return is_new


def _is_within(count: int, bound: tuple[int, int], at: int) -> bool:
    """Return whether no more were counted up to a place than a bound allows: so many, and one for some characters."""
    first, each = bound
    return count <= first + at / each


def _crudely(text: str, named: Named, is_secret: Callable[[str, Kind], bool]) -> list[Span]:
    """Return what is given right after a name, with no look at how: of a token, what has letters and digits."""
    found = _GIVEN.match(text, named.end) if named.name != "pass" else None
    value = found[1].rstrip(_STOPS) if found else ""
    if not found or not _LETTER_OR_MARK.search(value) or not is_secret(value, "password"):
        return []
    if named.kind != "password" and (len(value) < _SHORTEST_TOKEN or not _TOKEN.search(value)):
        return []
    return [(found.start(1), found.start(1) + len(value), _RULES["="])]


def _read(text: str, at: int, keyword: str) -> tuple[str, int, int]:
    """Return the name that a keyword is in, and where it begins and ends."""
    previous, before = text[at - 1 : at], ""
    if previous in _NAME_LETTERS:
        before = _name(text, at)
    elif previous == " " and keyword.startswith(SECOND_WORDS) and text[at - 2 : at - 1].isalpha():
        before = _word_before(text, at)
    end = at + len(keyword)
    following = text[end : end + 1]
    if following in _NAME_LETTERS:
        end = _TAIL.match(text, end).end()  # type: ignore[union-attr]
        following = text[end : end + 1]
    name = before + text[at:end]
    if following == "\\" or "\\" in keyword:
        end, name = _written(text, at, end, before)
    return name, at - len(before), end


def _secrets(scan: Scan, named: Named) -> list[Span]:
    """Return what a name gives away: the first way to write it that fits counts."""
    following = scan.text[named.end : named.end + 1]
    if following in _NO_MARKS or following.isalnum():
        return [*loosely(scan, named)]
    inside = ([*nested(scan, named)] or [*rows(scan, named)]) if following in _QUOTES else []
    return inside or [*items(scan, named)] or [*_pair(scan, named)] or [*loosely(scan, named)]


_QUOTES = frozenset("\"'\\")
_NO_MARKS = frozenset("/.)(;?|&<}~!@#$^{")
"""What a name may be followed by that leads to no value right after it."""


def _written(text: str, at: int, end: int, before: str) -> tuple[int, str]:
    """Return where a name ends that has letters as JSON writes them, and the name."""
    rest = _LETTERS.match(text, end)
    end = rest.end() if rest else end
    return end, _LETTER.sub(lambda letter: chr(int(letter[1], 16)), before + text[at:end])


def _leads_to_a_name(text: str, end: int) -> bool:
    """Return whether another name follows, as in ``token1 token2``: what it names is looked for after that."""
    found = _NEXT_NAME.match(text, end)
    return found is not None and kind_of(found[1]) != ""


@functools.cache
def _run(keyword: str) -> re.Pattern[str]:
    """Return the pattern of a name again and again, but for the last time: ``token1 token2 token3``."""
    name = rf"{re.escape(keyword)}\d{{0,4}}"
    return pattern(rf"(?:{name}[ ](?={name}(?:[ ,.;]|$)))*+")


def _pair(scan: Scan, named: Named, is_secret: Judge = is_secret_value, enough: int = ENOUGH) -> Iterator[Span]:
    text = scan.text
    found = _AFTER.match(text, named.end)
    begin = max(named.start, 0)
    if not found or _is_in_a_sum(text, begin, found):
        return
    sep = _separator(text, begin, named.end, found)
    if sep is None:
        return
    start = found.end()
    if text[start - 1] == "*" and text[named.start - 1 : named.start] != "*":
        start = _before_stars(text, start)
    quote = found["quote"] or ""
    seen, closed = _end(text, named.name, quote, start, start + enough)
    pair = Pair(named.name, named.kind, sep, quote, start, seen)
    end = _secret_end(text, pair, is_secret, start + enough, closed=closed, open_end=scan.open_end)
    if end is not None:
        yield start, end, _RULES[sep]


_RULES = {
    "is": "value after a name in a sentence",
    "tag": "value after a tag",
    "option": "value after an option",
    "tuple": "value after a name in a pair",
    **{sep: f"value after {sep.strip()}" for sep in ("==", "=", " = ", ":")},
}


def _secret_end(text: str, pair: Pair, is_secret: Judge, reach: int, *, closed: bool, open_end: bool) -> int | None:
    """Return where a secret value ends, None where it is none; in a text cut short, what reaches the end is one."""
    if open_end and pair.end == len(text):
        end, closed = _end(text, pair.name, pair.quote, pair.start, len(text))
        if not closed and text[pair.start : end].strip(_BLANK):
            return end
        open_end = False
    if not is_secret(text, pair):
        return None
    end = pair.end
    if not (pair.quote and closed) and end >= reach - _AHEAD:  # of a long value, no more was looked at
        end, closed = _end(text, pair.name, pair.quote, pair.start, len(text))
    return len(text) if open_end and not closed else end


def _name(text: str, at: int) -> str:
    """Return what of a name stands before a place in it."""
    before = text[max(0, at - _LONGEST) : at]
    own = before[len(before.rstrip(_NAME_CHARS)) :]
    return own[1:] if own[0] in _ESCAPES and before[-len(own) - 1 : -len(own)] == "\\" else own


def _word_before(text: str, at: int) -> str:
    """Return the word before ``key`` in ``api key``, as a part of the name."""
    before = text[max(0, at - _LONGEST) : at]
    word = (before[:-1].rsplit(None, 1) or [""])[-1]
    word = (_ESCAPED.sub("", word) if "\\" in word else word).rpartition(">")[2].lstrip("*_`(|\"'")
    return f"{word}_" if word.replace("-", "").isalnum() else ""


def _before_stars(text: str, start: int) -> int:
    """Return where a value begins, which stars that nothing closes are a part of."""
    begin = start - 1
    while text[begin - 1] == "*":
        begin -= 1
    line = text.find("\n", start)
    return start if text.find("*", start, min(start + ENOUGH, line if line >= 0 else len(text))) >= 0 else begin


def _separator(text: str, start: int, after: int, found: re.Match[str]) -> str | None:  # noqa: PLR0911  (one mark after the other)
    """Return the kind of separator, or None where it does not separate a name from its value."""
    sep = found["sep"]
    if sep == ":":
        if found["close"] and _is_choice(text, start, found.end(), found["close"][-1]):
            return None
        return " = " if found["close"] else ":"
    if sep == "":
        return "option" if text.startswith("-", start) and found["space"] else None
    if sep.startswith("is"):
        return None if text[start:after].lower().endswith(HEADERS) else "is"
    if sep == ">":
        return (
            "tag"
            if text[start - 1 : start] == "<"
            or text[max(0, start - 20) : start].rpartition("<")[2].endswith((":", "parameter="))
            else None
        )
    if sep == ",":
        if text.startswith("-", start) and found["close"]:
            return "option"
        return "tuple" if found["close"] and text[max(0, start - 8) : start].rstrip("\\\"'b").endswith("(") else None
    if sep in _COMPARISONS:
        return None if found["close"] and found["close"][-1] in "\"'`" else "=="
    if sep == "=" or "%3" in sep:
        return "=" if not found["space"] and text[found.end("sep") : found.end("sep") + 1] not in {" ", "\t"} else " = "
    return ":" if sep == "：" and not found["close"] else " = "


def _is_in_a_sum(text: str, start: int, found: re.Match[str]) -> bool:
    """Return whether a name is a part of what stands in brackets: ``row[x - pw] = char2``."""
    return found["close"] == "]" and bool(found["space"]) and text[start - 1 : start] != "["


def _is_choice(text: str, start: int, after: int, quote: str) -> bool:
    """Return whether a string is one of two that code chooses between: ``isNew ? "Set password" : "Reset"``."""
    at = text.rfind(quote, max(0, start - _CHOICE), start + 1)
    before = text[max(0, at - _BLANK_BEFORE) : max(0, at)]
    question = before.rstrip(" ")
    if not question.endswith("?") or (question != before and question[-2:-1] != " ") or _STRONG.match(text, after):
        return False
    return question[:-1].rstrip(" ")[-1:] not in {"", "\n"}


_CHOICE, _BLANK_BEFORE = 60, 6
_STRONG = pattern(r"(?=[^\s\"']{0,60}[0-9])(?=[^\s\"']{0,60}[A-Za-z])[^\s\"']{0,60}[!#$%^&*?~@]")
_COMPARISONS = frozenset({"==", "===", "!=", "!=="})


def _end(text: str, name: str, quote: str, start: int, reach: int) -> tuple[int, bool]:
    """Return where a value ends, and whether it is known to end there; without quotes it is followed to ``reach``."""
    if quote:
        end = _quote_end(text, start, quote)
        if end is not None:
            return end, True
    bare = (_LINE if name.endswith(HEADERS) else _BARE).match(text, start, reach)
    end = bare.end() if bare else start
    while end > start and text[end - 1] == "*" and text[start - 1] == "*":
        end -= 1
    return end, end < len(text) and not quote


def _quote_end(text: str, start: int, quote: str) -> int | None:
    """Find the closing quote: the next with no more backslashes before it than the opening one has."""
    mark, level = quote[-1], len(quote) - 1
    at = text.find(mark, start)
    while at >= 0:
        before = text[max(start, at - 16) : at]
        slashes = len(before) - len(before.rstrip("\\"))
        if slashes <= level:
            return at - slashes
        if level == 0 and slashes % 2 == 0:
            return at
        at = text.find(mark, at + 1)
    return None
