"""Secrets that their shape gives away wherever they stand: vendors' keys, private keys, URLs' logins, links, cookies.

Every rule takes time in proportion to the text's length.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from infinium_integrations.redaction.key_names import any_of
from infinium_integrations.redaction.letters import has_all, is_random
from infinium_integrations.redaction.nested import cookies
from infinium_integrations.redaction.prefilter import Prefilter, loosened
from infinium_integrations.redaction.rules import ESCAPES, VENDORS, Vendor, at_start
from infinium_integrations.redaction.scan import Scan, Span, pattern
from infinium_integrations.redaction.values import is_odd

__all__ = ["shapes", "unfinished"]


class _Rule(NamedTuple):
    start: str
    probe: re.Pattern[str] | None
    """What is looked for in the long words first, before the shape is; None where nothing is."""
    shape: re.Pattern[str]
    width: int
    """How many characters of the secret stand before what the shape matches."""
    name: str


_AFTER_DOTS = pattern(r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}")
"""Asked for by itself: dots are so many that a count behind each would make a prefilter slow."""
_AFTER = {".": _AFTER_DOTS, ":": pattern(r":[a-f0-9]{32}")}
"""What every shape with a mark inside, but without a fixed beginning, has after it: it is looked for quickly."""


def _rule(vendor: Vendor) -> _Rule:
    """Make patterns that begin with their literal, so that the search is quick, and look back from there."""
    literal = re.escape(vendor.start)
    if vendor.where == "any":
        return _Rule(vendor.start, None, pattern(f"{literal}(?:{vendor.body})", re.ASCII), 0, vendor.name)
    if vendor.where == "inside" and not vendor.before:
        shape = pattern(vendor.body, re.ASCII)
        return _Rule(vendor.start, _AFTER.get(vendor.start, shape), shape, 0, vendor.name)
    shape = pattern(f"{at_start(literal, vendor.before)}(?:{vendor.body})", re.ASCII)
    width = vendor.hidden.index(vendor.start) if vendor.before else 0
    return _Rule(vendor.start, shape, shape, width, vendor.name)


class _Group:
    """Rules whose starts have the same mark: most are ruled out by the two letters that stand before it."""

    def __init__(self) -> None:
        self.by_tail: dict[str, list[_Rule]] = {}
        self.others: list[_Rule] = []

    def add(self, rule: _Rule, mark: str) -> None:
        before = rule.start.partition(mark)[0]
        (self.by_tail.setdefault(before[-_TAIL:], []) if len(before) >= _TAIL else self.others).append(rule)

    def asked(self, words: str, mark: str) -> list[_Rule]:
        """Return the rules whose start may be in the words."""
        tails = {part[-_TAIL:] for part in words.split(mark)} if self.by_tail else set()
        return [*self.others, *(rule for tail in self.by_tail.keys() & tails for rule in self.by_tail[tail])]


_TAIL = 2


_MARKS = "_-.:/=~+$"
_GROUPS: dict[str, _Group] = {}
_UNMARKED_RULES: list[_Rule] = []
for _vendor in VENDORS:
    _mark = next((letter for letter in _vendor.start if letter in _MARKS), "")
    _GROUPS.setdefault(_mark, _Group()).add(_rule(_vendor), _mark) if _mark else _UNMARKED_RULES.append(_rule(_vendor))


_SHORT_START = 2
"""Characters of a start that tells little: more is asked for around it, since counts take time."""
_BEFORE_A_SHORT_START, _AFTER_A_SHORT_START, _AFTER_OTHERS = 6, 40, 8


def _inside(vendor: Vendor) -> str:
    """Return what a secret with its start in the middle has at least, from a little before that on."""
    literal = re.escape(vendor.start)
    if not vendor.before:
        after = _AFTER.get(vendor.start)
        return loosened(after.pattern if after else literal + vendor.body.rpartition(literal)[2])
    letter, many = re.findall(r"(\[[^\]]+\])(?:\{(\d+)\})?\Z", vendor.before)[0]
    few = min(int(many or 1), _BEFORE_A_SHORT_START if len(vendor.start) <= _SHORT_START else 1)
    return f"{letter}{{{few}}}{loosened(literal + vendor.body)}"


def _with_starts(where: str) -> str:
    """Return what the secrets have at least that begin with their start; those that go on alike together."""
    starts: dict[str, list[str]] = {}
    for vendor in VENDORS:
        if vendor.where == where:
            most = _AFTER_A_SHORT_START if len(vendor.start) <= _SHORT_START else _AFTER_OTHERS
            starts.setdefault(loosened(vendor.body, most=most), []).append(vendor.start)
    return "|".join(f"(?:{any_of({*ways})})(?:{body})" for body, ways in starts.items())


def _prefilters() -> Iterator[str]:
    yield rf"(?:\A|[^A-Za-z0-9]|{'|'.join(ESCAPES)})(?:{_with_starts('word')})"
    yield _with_starts("any")
    begun = {vendor.start for vendor in VENDORS if vendor.where != "inside"}
    inside = [vendor for vendor in VENDORS if vendor.where == "inside" and vendor.start not in begun]
    yield from (_inside(vendor) for vendor in inside if _AFTER.get(vendor.start) is not _AFTER_DOTS or vendor.before)
    yield from ("PRIVATE KEY", "Private-Lines", "[0-9]{8}:AA")
    yield from (loosened(rf"://[^{_NO_LOGIN}]*@"), loosened(_BEFORE_SOURCES.pattern))
    yield from (r"(?i:httponly)", r"\t(?:TRUE|FALSE)\t", loosened(_LINK.pattern))
    yield rf"(?i:bearer{_BLANK}(?:[a-z._~+/=-]{{0,23}}[0-9]|[a-z._~+/=-]{{24}})|basic{_BLANK}[a-z]*(?-i:[A-Z0-9+/_-]))"


_PREFILTER = Prefilter(_prefilters)


def shapes(scan: Scan) -> Iterator[Span]:
    """Find what a shape gives away."""
    if not _PREFILTER.may_match(scan.plain) and _AFTER_DOTS.search(scan.plain) is None:
        return
    yield from _vendors(scan)
    yield from _private_keys(scan)
    if "@" in scan.text:
        yield from _urls(scan.text)
    if ":AA" in scan.text:
        for found in _TELEGRAM.finditer(scan.text):
            yield *found.span(), "Telegram"
    yield from _schemes(scan)
    if "httponly" in scan.low:
        yield from cookies(scan)
    yield from _jars(scan.text)
    if _LINKS.may_match(scan.plain):
        yield from (
            (*found.span(1), "token in a link") for found in _LINK.finditer(scan.text) if _is_random_token(found[1])
        )


_LONG = 15
_WORD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./~=:%+$@\\["
_WORDS = "".join(chr(code) if chr(code) in _WORD else " " for code in range(128))


def _long_words(plain: str) -> str:
    """Return the words of 15 characters or more: a vendor's secret stands in one of these."""
    return " ".join(dict.fromkeys(word for word in plain.translate(_WORDS).split() if len(word) >= _LONG))


def _vendors(scan: Scan) -> Iterator[Span]:
    text, words = scan.text, _long_words(scan.plain)
    rules = [rule for mark, group in _GROUPS.items() if mark in words for rule in group.asked(words, mark)]
    for start, probe, shape, width, name in (*rules, *_UNMARKED_RULES):
        if start in words and (probe is None or (probe.search(words) and (probe is shape or shape.search(words)))):
            for found in shape.finditer(text):
                first, end = found.span(found.lastindex or 0)
                yield first - width, end, name


_BEGIN = pattern(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END = pattern(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_BODY = pattern(
    r"""(?: (?:\\++[nrt]?|[\s"'+,])*+ (?:[A-Za-z0-9+/=]{16,}+ | [A-Z][A-Za-z-]{1,20}:[^\n\\]{0,100}+) )*+
        (?: (?:\\++[nrt]?|[\s"'+,])*+ [A-Za-z0-9+/=]++ )?""",
    re.VERBOSE,
)
_BLANKS, _FEW = frozenset(" \t\r\n\\nrt\"'+,"), 6
"""A key has more letters than a placeholder has: ``XXXX``, ``...``."""
_NO_KEY = pattern(r"(?:\s|\\n){0,4}<[^<>]{1,60}>(?:\s|\\n){0,4}|[\"']\s{1,20}\w{1,40} = b?[\"']")
"""A placeholder, or the code between the two lines as constants."""
_PUTTY = pattern(r"Private-Lines: \d{1,3}\s{1,2}((?:[A-Za-z0-9+/=]{1,64}+\s{1,2})++)")


def _private_keys(scan: Scan) -> Iterator[Span]:
    """Find PEM blocks, whole or cut off."""
    text, open_end = scan.text, scan.open_end
    begins = list(_BEGIN.finditer(text)) if "PRIVATE KEY" in text else []
    for begin, following in zip(begins, [*begins[1:], None], strict=False):
        until = following.start() if following else len(text)
        end = _END.search(text, begin.end(), until)
        if end:
            between = text[begin.end() : end.start()]
            if len({*between} - _BLANKS) > _FEW and _NO_KEY.fullmatch(between) is None:
                yield begin.start(), end.end(), "private key"
        elif open_end and following is None:
            yield begin.start(), len(text), "private key"
        elif (body := _BODY.match(text, begin.end(), until)) and body.end() - begin.end() > _FEW:
            yield begin.start(), body.end(), "private key"
    if "PuTTY-User-Key-File" in text:
        yield from ((*found.span(1), "private key") for found in _PUTTY.finditer(text))


_NO_LOGIN = r"""\s/"'<>\\`"""
_AUTHORITY = pattern(rf"://([^{_NO_LOGIN}]{{3,}}+)")
_USER = pattern(r"[\w.%+~$!*-]*+", re.ASCII)
_PLACEHOLDER = pattern(
    r"\{.*\}|\$\{?[A-Z_][A-Z0-9_]*\}?|[*•x.…]+|\[?REDACTED\]?|%s"
    r"|:?(?:your|my|the|some)?[_-]?(?:pass(?:word|wd|phrase)?|pwd|pw|secret|xyz|abc|token|user|username|tiger|[A-Z_]{0,20}PASS(?:WORD|WD)?|(?:[A-Z]{2,12}_)?TOKEN)"
)
_LONG_WORD = 24


def _urls(text: str) -> Iterator[Span]:
    if "://" in text:
        for found in _AUTHORITY.finditer(text):
            login, at, _ = found[1].rpartition("@")
            user, colon, password = login.partition(":")
            if at and colon and _is_password(user, password):
                start = found.start(1) + len(user) + 1
                yield start, start + len(password), "password in a URL"
            elif at and not colon and _is_token(user):
                yield found.start(1), found.start(1) + len(user), "token in a URL"
    if _BEFORE_SOURCES.search(text):
        yield from ((*found.span(1), "password in a data source") for found in _SOURCE.finditer(text))


_BEFORE_SOURCES = pattern(r"@(?:(?:tcp|unix)\(|//)")
_SOURCE = pattern(r"(?<![\w:/@.-])[A-Za-z_][\w.-]{0,40}[:/]([^\s:/@\"']{3,100}+)@(?:tcp\(|unix\(|//[A-Za-z0-9])")


def _is_password(user: str, password: str) -> bool:
    """Return whether a URL's user and password are no placeholders, such as ``user:pass`` and ``a:b``."""
    is_short = 0 < len(user) <= _SHORTEST >= len(password)
    return bool(password) and not is_short and bool(_USER.fullmatch(user)) and not _PLACEHOLDER.fullmatch(password)


_SHORTEST = 3


def _is_token(user: str) -> bool:
    """Return whether a token stands where a user's name would: ``https://TOKEN@github.com``."""
    return len(user) >= _LONG_WORD and any(map(str.isdigit, user)) and any(map(str.isalpha, user))


_TELEGRAM = pattern(r"(?<![0-9:])[0-9]{8,12}:AA[A-Za-z0-9_-]{30,}+", re.ASCII)
_TELEGRAM_BEGUN = pattern(r"(?<![0-9:])[0-9]{8,12}(?::[A-Za-z0-9_-]*+)?\Z", re.ASCII)
_LONGEST_BOT = 60
_BLANK = r"(?:[ \t]|%20|\+)+"
_BEARER = pattern(rf"bearer{_BLANK}+([a-z0-9._~+/=-]{{8,}}+)")
_BASIC = pattern(rf"basic{_BLANK}+([a-z0-9+/_-]{{6,}}+={{0,2}})")


def _schemes(scan: Scan) -> Iterator[Span]:
    text, low = scan.text, scan.low
    if "bearer" in low:
        for found in _BEARER.finditer(low):
            if len(found[1]) >= _LONG_WORD or any(letter.isdigit() for letter in found[1]):
                yield *found.span(1), "bearer token"
    if "basic" in low:
        for found in _BASIC.finditer(low):
            if _is_login(text[found.start(1) : found.end(1)]):
                yield *found.span(1), "basic login"


def _is_login(token: str) -> bool:
    """Return whether a value is the base64 of ``user:password``."""
    try:
        plain = base64.b64decode(token + "=" * (-len(token) % 4), validate=True)
    except (ValueError, binascii.Error):
        return False
    return b":" in plain and plain.decode("latin-1").isprintable()


_LINE_OF_A_JAR = pattern(
    r"(?:\A|(?<=\n))(?:#HttpOnly_)?[\w.-]{1,100}\t(?:TRUE|FALSE)\t/[^\t\n]{0,100}\t(?:TRUE|FALSE)\t[0-9]{1,12}\t[^\t\n]{1,100}\t([^\t\n]{4,4096}+)"
)


def _jars(text: str) -> Iterator[Span]:
    """Find the cookies in files of Netscape's format, one in a line."""
    if "\tTRUE\t" in text or "\tFALSE\t" in text:
        for found in _LINE_OF_A_JAR.finditer(text):
            if is_odd(found[1], "weak"):
                yield *found.span(1), "cookie"


_LINK = pattern(
    r"/(?i:(?:reset|forgot|set|change|recover|new)[-_]?password|(?:password[-_/]?)?reset|(?:verify|confirm|activate)(?:[-_/]?(?:email|account))?"
    r"|(?:confirm|activ|verific|invit)ations?|magic(?:[-_]?link)?|(?:accept[-_]?)?invites?)/(?:[A-Za-z0-9_-]{1,16}/){0,2}([A-Za-z0-9_~-]{20,2000}+)",
)
_LINKS = Prefilter(lambda: [loosened(_LINK.pattern)])
_NUMBERS, _FEW_NUMBERS = pattern("[0-9]+"), 2
_HASH = pattern(r"(?:[0-9a-f]{32,200}|[0-9A-F]{32,200})")


def _is_random_token(token: str) -> bool:
    """Return whether the last part of a link has small and capital letters and digits, or a hash; no UUID."""
    if _HASH.fullmatch(token.rpartition("-")[2]):
        return True
    is_mixed = has_all(token) and not token.islower() and not token.isupper()
    return is_mixed and (len(_NUMBERS.findall(token)) > _FEW_NUMBERS or is_random(token))


# -- the end of a text that was cut short

_RUN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.=+/%~:$@"
_STARTS = {vendor.start for vendor in VENDORS if len(vendor.start) > 1}
_ANYWHERE = tuple({vendor.start for vendor in VENDORS if vendor.where != "word" and len(vendor.start) > 1})
_INSIDE = tuple({vendor.start for vendor in VENDORS if vendor.where == "inside" and len(vendor.start) > 1})
_START = pattern(f"(?=({any_of(_STARTS)})[^ ])")
_ESCAPED = pattern(f"(?:{'|'.join(ESCAPES)})\\Z")
_UNMARKED = pattern(
    r"[a-f0-9]{32}[.-][A-Za-z0-9-]{0,16}|[MNO](?=[A-Za-z_-]{0,27}[0-9])[A-Za-z0-9_-]{23,27}\.[\w.-]{0,45}"
    r"|[12]/[0-9]{13,18}[0-9/:a-f]{0,50}|(?=[^0-9]{0,30}[0-9])(?=[^A-Z]{0,30}[A-Z])(?=[^a-z]{0,30}[a-z])[A-Za-z0-9+/]{52,90}"
)
"""What may be the beginning of a secret whose mark comes late."""
_REACH = 12
_LONGEST = 4_096


def unfinished(scan: Scan) -> Iterator[Span]:
    """Find what begins like a secret in the last unbroken run of the text."""
    text = scan.text
    start = len(text.rstrip(_RUN))
    same = len(text.rstrip(text[-1:]))  # what comes behind is one letter again and again, which tells nothing
    places = ((found.start(), found[1]) for found in (_START.finditer(text, start) if start < same else ()))
    begun = (start if literal in _INSIDE else at for at, literal in places if _may_begin(text, at))
    first = next((at for at in begun if at < same), None)
    if first is not None:
        yield first, len(text), "beginning of a secret"
    elif _UNMARKED.fullmatch(text, max(start, len(text) - _LONGEST)):
        yield start, len(text), "beginning of a secret"
    before = text[max(0, start - _REACH) : start].lower()
    if start < len(text) and before.rstrip(" \t") != before and before.rstrip(" \t").endswith(("bearer", "basic")):
        yield start, len(text), "beginning of a token"
    yield from _unfinished_url(text)


def _may_begin(text: str, at: int) -> bool:
    """Return whether a secret may begin here: at a word's start, or with a start that stands for itself."""
    return (
        at == 0
        or not text[at - 1].isalnum()
        or text.startswith(_ANYWHERE, at)
        or (_ESCAPED.search(text, max(0, at - 6), at) is not None)
    )


def _unfinished_url(text: str) -> Iterator[Span]:
    start = text.rfind("://")
    found = _AUTHORITY.match(text, start) if start >= 0 else None
    if found and found.end() == len(text) and ":" in found[1]:
        yield start + 3 + found[1].index(":") + 1, len(text), "beginning of a login"
    elif found and found.end() == len(text) and len(found[1]) >= _LONG_WORD:
        yield start + 3, len(text), "beginning of a login"
    if bot := _TELEGRAM_BEGUN.search(text, max(0, len(text) - _LONGEST_BOT)):
        yield bot.start(), len(text), "beginning of a token"
