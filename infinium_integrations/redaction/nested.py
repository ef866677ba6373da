"""What lies in objects and lists as tools write them: under a secret's name, in a column of that name, in cookies.

The text may be broken off, and it may lie in a string of another: all quotes then have as many backslashes before them.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from string import ascii_lowercase

from infinium_integrations.redaction.forms import Named
from infinium_integrations.redaction.key_names import HARMLESS, Kind, is_secret_key, kind_of, secret_columns, words
from infinium_integrations.redaction.lists import FACTS, LONGEST, ROOM, is_secret_item
from infinium_integrations.redaction.scan import Scan, Span, pattern, places
from infinium_integrations.redaction.values import HEADERS, is_odd, is_secret_word

__all__ = ["cookies", "nested", "rows"]

NAME = "object or list under a name"
_NEAR = 600
"""Characters before a name in which the value it names may begin: ``{"value": …, "name": "password"}``."""
_DEEPEST = 64
_FEW_WORDS, _LEAST, _NUMBER = 4, 6, 4
_MOST_SLASHES = 7
_OPENS = pattern(r"(\\{0,7})[\"']\]?(?:\s|\\{1,7}[nrt]){0,40}+(?::|=>)(?:\s|\\{1,7}[nrt]){0,200}+(?=[\[{])")
_CLOSES = pattern(r"(\\{0,7})[\"'](?:\s|\\{1,7}[nrt]){0,40}+,")
_NAMING = pattern(
    r"(\\{0,7})[\"'](?:name|key|k|variable|header)\\{0,7}[\"']\s{0,3}:\s{0,3}\\{0,7}[\"'][\w.-]{0,40}\Z", re.IGNORECASE
)
_VALUE = pattern(r"\\{0,7}[\"'](?:value|v)\\{0,7}[\"']\s{0,3}:", re.IGNORECASE)
_VALUES = frozenset({"value", "v"})
_QUOTED = tuple(f"{quote}{name}" for quote in "\"'" for name in ("value", 'v"', "v'", "v\\"))
_SCHEME = pattern(r"(?:bearer|basic|token|apikey|api-key)\s++", re.IGNORECASE)
_FACTS = FACTS | words(
    """
    ids hostname port scopes expiry expiration exp iat nbf at count limit domain samesite ref kind provider method
    status role roles text message msg error errors field placeholder hint version date time comment reason icon class
    loc style
    """
)
"""Names in an object whose values are no secrets though the object's is a secret's name."""
_SCHEMA = words(
    "$ref anyof oneof allof properties additionalproperties enum maxlength minlength version integrity resolved"
)
"""Names that only descriptions have: of types, or of packages that are called ``cookie`` or ``jwt``."""
_OF_SECRETS, _WORD = ("credentials", "secrets", "api_keys", "apikeys", "api-keys"), 6
"""Names of objects whose plain words of six letters are secrets too, where nothing in them is a fact."""
_TYPES = words("string object array integer number boolean null str int dict list float bool password text")


class _Frame:
    """A container that is open: by what it closes, under which name, and what was found in it."""

    __slots__ = ("closing", "found", "has_facts", "is_schema", "key", "kind", "name", "words")

    def __init__(self, closing: str, name: str, kind: Kind) -> None:
        self.closing = closing
        self.name, self.kind = name, kind
        self.key: str | None = None
        self.found: list[Span] = []
        self.words: list[Span] = []
        """Plain words: what they are depends on what else is there."""
        self.is_schema = self.has_facts = False

    def results(self) -> list[Span]:
        """Return what of it is to be hidden."""
        if self.is_schema:
            return []
        return self.found if self.has_facts else self.found + self.words


_Token = tuple[str, int, int, int, bool]
"""A bracket or a comma, ``s`` for a string, ``k`` for a key, ``b`` for a bare word; where it begins and ends, where the
next may begin, and whether it is closed."""


@lru_cache(maxsize=_MOST_SLASHES + 1)
def _token_pattern(slashes: int) -> re.Pattern[str]:
    before, period = rf"\\{{{slashes}}}", rf"(?:\\{{{2 * (slashes + 1)}}})"
    string = "|".join(
        rf"{before}{quote}(?P<{name}>(?:[^{quote}\\]++|(?!{period}*+{before}{quote})\\++{quote}?)*+){period}*+(?:(?P<{name}_end>{before}{quote})|(?=(?P<{name}_cut>\Z|[{quote}\\])))"
        for quote, name in (('"', "double"), ("'", "single"))
    )
    gap = r"(?:\s|\\{1,7}[nrt](?![A-Za-z]))*+"
    return re.compile(
        rf"{gap}(?:(?P<mark>[\[\](){{}},])|[bruf]{{0,2}}(?:{string})(?P<colon>{gap}(?::|=>))?|(?P<bare>[^\s\"'`\[\](){{}},:\\]++):?)"
    )


def _tokens(text: str, at: int, reach: int, slashes: int) -> Iterator[_Token]:
    match = _token_pattern(slashes).match
    while found := match(text, at, reach):
        kind = found.lastgroup
        at = found.end()
        if kind == "mark":
            yield found["mark"], at - 1, at, at, True
        elif kind == "bare":
            yield "b", *found.span("bare"), at, at < len(text)
        else:
            name = "double" if found["double"] is not None else "single"
            closed = found[f"{name}_end"] is not None
            yield "k" if found["colon"] else "s", *found.span(name), at, closed
            if not closed:
                return


def nested(scan: Scan, named: Named) -> Iterator[Span]:
    """Find the secrets in what a name in quotes stands for."""
    text = scan.text
    if text[named.end : named.end + 1] not in _QUOTES:
        return
    if found := _OPENS.match(text, named.end):
        if named.start >= scan.reached.get("nested", 0):
            yield from _walk(scan, named, found.end(), len(found[1]), is_value=True)
    elif named.start >= scan.reached.get("pair", 0) and _is_named(text, named.start):
        yield from _beside(scan, named)


def _is_named(text: str, start: int) -> bool:
    """Return whether a name stands as a value: ``"name": "DB_PASSWORD"``."""
    before = text[max(0, start - 50) : start]
    quote = max(before.rfind('"'), before.rfind("'"))
    if quote < 0 or not before[:quote].rstrip(" \\").endswith(":"):
        return False
    return _NAMING.search(text, max(0, start - 90), start) is not None


def _beside(scan: Scan, named: Named) -> Iterator[Span]:
    """Find the value that is named: ``{"name": "password", "value": …}``, in either order."""
    text = scan.text
    if scan.reached.get("next value", -1) < named.end:
        following = scan.low.find("value", named.end)
        scan.reached["next value"] = following if following >= 0 else len(text)
    is_near = scan.reached["next value"] < min(len(text), named.end + ROOM)
    if is_near and (found := _CLOSES.match(text, named.end)):
        yield from _walk(scan, named, found.end(), len(found[1]), is_value=False)
    first = max(scan.reached.get("value", 0), named.start - _NEAR)
    at = max(scan.low.rfind(quoted, first, named.start) for quoted in _QUOTED)
    if at < 0:
        return
    scan.reached["value"] = at + 2
    while at > 0 and text[at - 1] == "\\":
        at -= 1
    if found := _VALUE.match(text, at):
        slashes = len(text[at : found.end()]) - len(text[at : found.end()].lstrip("\\"))
        yield from _walk(scan, named, at, min(slashes, _MOST_SLASHES), is_value=False, until=named.start)


def _walk(  # noqa: C901, PLR0912  (one token after the other)
    scan: Scan, named: Named, start: int, slashes: int, *, is_value: bool, until: int = 0
) -> Iterator[Span]:
    """Walk an object: from its opening bracket, or among the fields beside a name up to where the object ends."""
    text, reach = scan.text, min(len(scan.text), start + ROOM)
    frames = [] if is_value else [_Frame("}", "", "")]
    found: list[Span] = []
    end, is_reached = start, False
    for token in _tokens(text, start, reach, slashes):
        mark, first, last, end, is_closed = token
        frame = frames[-1] if frames else None
        if until and len(frames) == 1 and last >= until:
            is_reached = True
            break
        if mark in _BRACKETS:
            name = frame.key or frame.name if frame else named.name
            kind = (kind_of(name) or frame.kind) if frame else named.kind
            if not is_value and len(frames) == 1:
                name, kind = (named.name, named.kind) if frame and frame.key in _VALUES else ("", "")
            if len(frames) > _DEEPEST:
                break
            frames.append(_Frame(_BRACKETS[mark], name.lower(), kind))
        elif frame is None:
            break
        elif mark in _CLOSING:
            if mark != frame.closing:
                break
            frames.pop()
            (frames[-1].found if frames else found).extend(frame.results())
            if not frames:
                break
        elif mark == ",":
            frame.key = None
        elif mark == "k":
            frame.key = text[first : min(last, first + 128)].lower()
            frame.is_schema = frame.is_schema or (frame.key in _SCHEMA and len(frames) > (not is_value))
        elif first == last or (is_closed and mark == "b" and not frame.key and not text[first].isdigit()):
            continue
        elif not is_value and len(frames) == 1:
            if frame.key in _VALUES:
                _judge(scan, frame, token, named.name, named.kind, is_list=False)
        else:
            is_list = len(frames) == 1 and frame.closing == "]"
            _judge(scan, frame, token, frame.name, frame.kind, is_list=is_list)
    for frame in frames:
        found += frame.results()
    if until:
        yield from found if is_reached else ()
        return
    place = "nested" if is_value else "pair"
    scan.reached[place] = max(end, scan.reached.get(place, 0))
    yield from found


_QUOTES = frozenset("\"'\\")
_BRACKETS = {"{": "}", "[": "]", "(": ")"}
_CLOSING = frozenset("}])")


def _judge(scan: Scan, frame: _Frame, token: _Token, name: str, kind: Kind, *, is_list: bool) -> None:
    """Keep a string or a number that is a secret."""
    mark, start, end, _, _ = token
    key = frame.key or ""
    own_kind = kind_of(key) if key and key not in _VALUES else ""
    if not (own_kind or kind):
        return
    value = scan.text[start : min(end, start + LONGEST)]
    if not value.strip():
        return
    if key == "type" and value.lower() in _TYPES:
        frame.is_schema = True
    if own_kind not in {"", kind}:
        name, kind = key, own_kind
    if key == "key" and frame.name.endswith("ref"):  # as Kubernetes says where a secret is
        return
    if key in _FACTS or (key and "cookie" not in frame.name and key[len(key.rstrip(ascii_lowercase)) :] in _FACTS):
        frame.has_facts = True
    elif _is_item(scan, token, value, name, kind, is_list=is_list):
        frame.found.append((start, end, NAME))
    elif (
        mark == "s" and value.islower() and value.isalpha() and value not in HARMLESS and _is_of(name, kind, key, value)
    ):
        frame.words.append((start, end, NAME))


def _is_of(name: str, kind: Kind, key: str, value: str) -> bool:
    """Return whether a plain word in an object may be a secret by the object's name."""
    return kind == "password" or (
        name.endswith(_OF_SECRETS) and len(value) >= _WORD and is_secret_key(f"secret_{key}")  # ``mode``: a fact
    )


def _is_item(scan: Scan, token: _Token, value: str, name: str, kind: Kind, *, is_list: bool) -> bool:
    mark, _, end, _, is_closed = token
    is_end = end == len(scan.text)
    if is_end and scan.open_end and not is_closed:
        return True
    if mark == "b":
        return value.isdigit() and kind != "weak" and len(value) >= _NUMBER
    if is_end and not is_closed:
        core = _without_scheme(value).rstrip("…")
        return (" " not in core and is_secret_word(core, "password")) or _is_secret(value, kind, name)
    if is_list and not name.endswith(HEADERS):
        return is_secret_item(value, kind)
    return _is_secret(value, kind, name)


def _is_secret(value: str, kind: Kind, name: str) -> bool:
    """Judge a string in an object; there it may be a sentence, too."""
    core = _without_scheme(value)
    if name.endswith((*HEADERS, "cookies")):
        core = core.partition(";")[0]
    parts = core.split()
    if len(parts) == 1:
        return is_odd(core, kind)
    return len(parts) <= _FEW_WORDS and any(
        len(part) >= _LEAST and any(map(str.isdigit, part)) and any(map(str.isalpha, part)) and is_odd(part, "weak")
        for part in parts
    )


def _without_scheme(value: str) -> str:
    scheme = _SCHEME.match(value)
    return value[scheme.end() :] if scheme else value


_SPACE = r"(?:\s|\\{1,7}[nrt]){0,200}+"
_AFTER_AN_ITEM = pattern(rf"(\\{{0,7}})[\"']{_SPACE}[,\]]")
_COLUMNS = pattern(
    r"(?<![\w\"'])(?:\\{0,7}[\"'])?(?:columns?|cols|column_?names|fields|field_?names|headers?|keys|names)(?:\\{0,7}[\"'])?\s?[:=]\s?\Z",
    re.IGNORECASE,
)
_ROWS = pattern(
    rf"{_SPACE},{_SPACE}(?:\\{{0,7}}[\"']\w{{1,20}}\\{{0,7}}[\"']\s?:\s?(?:\[[^\[\]]{{0,5000}}\]|[\w.]{{1,20}}){_SPACE},{_SPACE}){{0,2}}"
    rf"\\{{0,7}}[\"']?(?:rows|data|values|records|results?)\\{{0,7}}[\"']?\s?[:=]\s?[\[(](?={_SPACE}[\[(])",
    re.IGNORECASE,
)
"""What stands between the columns' names and the first row; pandas puts its index there, others a count or types."""
_LONGEST_LIST, _BEFORE_A_LIST, _IN_A_ROW = 2_000, 40, 2


def rows(scan: Scan, named: Named) -> Iterator[Span]:
    """Find the values of a column in rows that lie beside the columns' names: ``{"columns": […], "rows": [[…]]}``."""
    text = scan.text
    item = _AFTER_AN_ITEM.match(text, named.end) if named.start >= scan.reached.get("rows", 0) else None
    begin = text.rfind("[", max(0, named.start - _LONGEST_LIST), named.start) if item else -1
    end = text.find("]", named.end, named.end + _LONGEST_LIST)
    if not item or begin < 0 or end < 0 or not _COLUMNS.search(text, max(0, begin - _BEFORE_A_LIST), begin):
        return
    scan.reached["rows"] = end
    found = _ROWS.match(text, end + 1)
    if not found:
        return
    columns = secret_columns(text[begin + 1 : end].replace("\\n", "").split(","))
    depth, column = 1, 0
    for mark, first, last, at, is_closed in _tokens(text, found.end(), len(text), len(item[1])):
        scan.reached["rows"] = at
        if mark in _BRACKETS:
            depth += 1
            column = 0 if depth == _IN_A_ROW else column
        elif mark in _CLOSING:
            depth -= 1
            if not depth:
                return
        elif mark == "," and depth == _IN_A_ROW:
            column += 1
        elif first < last and depth == _IN_A_ROW and column in columns:
            is_cut = scan.open_end and not is_closed
            if is_cut or is_secret_item(text[first : min(last, first + LONGEST)], columns[column]):
                yield first, last, "column of rows"


def cookies(scan: Scan) -> Iterator[Span]:
    """Find what cookies hold, as browsers' tools list them: ``{"name": …, "value": …, "httpOnly": true}``."""
    text = scan.text
    ends = [*places(scan.low, "httponly")]
    if scan.open_end and ends:  # of the last one what says that it is a cookie may be cut off
        ends.append(len(text))
    first_keys = {found.start(): len(found[1]) for end in ends if (found := _first_key(text, end))}
    for start, slashes in first_keys.items():
        key = ""
        for mark, first, last, _, is_closed in _tokens(text, start, start + _LONGEST_COOKIE, slashes):
            if mark in _BRACKETS or mark in _CLOSING:
                break
            if mark == "k" or (mark == "b" and text.startswith(":", last)):
                key = text[first:last].lower()
            elif mark == "s" and key == "value":
                is_cut = scan.open_end and not is_closed
                if is_cut or is_odd(text[first : min(last, first + LONGEST)], "weak"):
                    yield first, last, "cookie"


def _first_key(text: str, end: int) -> re.Match[str] | None:
    """Return the first key of the object that is open at a place; a brace in a string is followed by none."""
    for _ in range(_MOST_BRACES):
        end = text.rfind("{", max(0, end - _LONGEST_COOKIE), end)
        if end < 0 or (found := _FIRST_KEY.match(text, end + 1)):
            return found if end >= 0 else None
    return None


_FIRST_KEY = pattern(rf"{_SPACE}(?:\w{{1,30}}:\s?)?(\\{{0,7}})[\"']")
_LONGEST_COOKIE, _MOST_BRACES = 5_000, 4
