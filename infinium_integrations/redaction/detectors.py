"""Where secrets lie in a text, by their shape or by the name before them.

Every rule takes time in proportion to the text's length. It yields spans (start, end) of what must go. With
``open_end`` the text is known to be cut short: what may be the beginning of a secret and reaches the end is given too.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple, cast

from infinium_integrations.redaction.key_names import HIDDEN, is_secret_key, words

__all__ = ["Scan", "Span", "pattern", "rule", "spans"]

Span = tuple[int, int]


class _Pattern:
    """A regular expression that is compiled when first used: by the writer's thread, not while a user imports us."""

    def __init__(self, text: str, flags: int) -> None:
        self._given = text, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._given), name)
        setattr(self, name, found)  # from now on it is found without this method
        return found


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what works as ``re.compile(text, flags)``; may be used from any thread."""
    return cast("re.Pattern[str]", _Pattern(text, flags))


_WORD = "[A-Za-z0-9_-]"
_FREE_RULES = {
    **dict.fromkeys(("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), "[A-Za-z0-9]{16,}+"),
    "github_pat_": "[A-Za-z0-9_]{16,}+",
    **dict.fromkeys(("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glsoat-"), f"{_WORD}{{16,}}+"),
    **dict.fromkeys(("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-ant-", "sk-or-v1-", "sk-lf-"), f"{_WORD}{{10,}}+"),
    **dict.fromkeys(("sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"), "[A-Za-z0-9]{10,}+"),
    "AIza": f"{_WORD}{{30,}}+",
    "nvapi-": f"{_WORD}{{20,}}+",
    **dict.fromkeys(("sq0atp-", "sq0csp-", "sq0idp-"), f"{_WORD}{{16,}}+"),
    "GOCSPX-": f"{_WORD}{{16,}}+",
    "ya29.": f"{_WORD}{{16,}}+",
    "xox": "(?:[abeoprs]|e\\.xox[bp])-[A-Za-z0-9-]{10,}+",
    "xapp-": "[A-Za-z0-9-]{10,}+",
    "hooks.slack.com/services/": "([A-Za-z0-9/]{16,}+)",
    "/api/webhooks/": f"[0-9]{{10,24}}/({_WORD}{{30,}}+)",
    "pcsk_": "[A-Za-z0-9_]{16,}+",
    "lsv2_": "(?:pt|sk)_[A-Za-z0-9_]{16,}+",
    "npm_": "[A-Za-z0-9]{30,}+",
    "hvs.": f"{_WORD}{{20,}}+",
    "glsa_": "[A-Za-z0-9_]{20,}+",
    "shp": "(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}",
    **dict.fromkeys(("dop_v1_", "doo_v1_", "dor_v1_"), "[a-f0-9]{32,}+"),
    "lin_api_": "[A-Za-z0-9]{20,}+",
    "AGE-SECRET-KEY-1": "[A-Z0-9]{20,}+",
    "ignature=": "([A-Za-z0-9%+/=_-]{16,}+)",
    "sig=": "(?<=[?&;]sig=)([A-Za-z0-9%+/=_-]{16,}+)",
}
_WORD_RULES = {
    "sk-": "(?:[A-Za-z0-9]{16,}+|(?:[A-Za-z0-9]{1,12}-){1,3}(?=[A-Za-z_]{0,80}[0-9])[A-Za-z0-9_]{16,}+)[\\w-]*+",
    **dict.fromkeys(("AKIA", "ASIA", "ABIA"), "[A-Z0-9]{16,}+"),
    "hf_": "[A-Za-z0-9]{16,}+",
    "gsk_": "[A-Za-z0-9]{16,}+",
    "xai-": "[A-Za-z0-9]{16,}+",
    "r8_": "[A-Za-z0-9]{30,}+",
    "pplx-": "[A-Za-z0-9]{30,}+",
    "tvly-": f"{_WORD}{{20,}}+",
    "fw_": "[A-Za-z0-9]{20,}+",
    "ntn_": "[A-Za-z0-9]{30,}+",
    "dapi": "[a-f0-9]{32}",
    "key-": "[a-f0-9]{32}",
    "pypi-": f"A{_WORD}{{15,}}+",
    "SG.": f"{_WORD}{{10,64}}+\\.{_WORD}{{10,128}}+",
    "SK": "[a-f0-9]{32}",
    "AC": "[a-f0-9]{32}",
    "bot": f"([0-9]{{6,12}}:{_WORD}{{30,}}+)",
    "eyJ": f"{_WORD}{{8,}}+\\.\\.?{_WORD}{{4,}}+(?:\\.{_WORD}*+){{0,3}}+",
}
_BEFORE = (
    "\\\\[nrtbfv0]",
    "%[0-9A-Fa-f]{2}",
    "\\\\u[0-9A-Fa-f]{4}",
    "\\\\x[0-9A-Fa-f]{2}",
    "\\[[0-9]m",
    "\\[[0-9]{2}m",
)
"""What may stand right before a secret though it ends in a letter: escapes of JSON, URLs and terminals."""


def _whole_word(start: str, body: str) -> str:
    """Make a pattern that begins with its literal, so that the search is quick, and looks back from there."""
    literal = re.escape(start)
    escapes = "|".join(f"(?<={before}{literal})" for before in _BEFORE)
    return f"{literal}(?:(?<![A-Za-z0-9]{literal})|{escapes}){body}"


_RULES = [(start, pattern(re.escape(start) + body, re.ASCII)) for start, body in _FREE_RULES.items()]
_RULES += [(start, pattern(_whole_word(start, body), re.ASCII)) for start, body in _WORD_RULES.items()]
_STARTS = (*_FREE_RULES, *_WORD_RULES)


class Scan(NamedTuple):
    """A text, the same in lower case, and whether it is known to be cut short."""

    text: str
    low: str
    open_end: bool


_SPAN_RULES: list[Callable[[Scan], Iterator[Span]]] = []


def rule(find: Callable[[Scan], Iterator[Span]]) -> Callable[[Scan], Iterator[Span]]:
    """Register a rule: it returns the spans of a text that must go."""
    _SPAN_RULES.append(find)
    return find


def spans(text: str, *, open_end: bool) -> Iterator[Span]:
    """Return the spans of a text that hold secrets, in no order; they may overlap."""
    low = text.lower()
    low = low if len(low) == len(text) else re.sub("[A-Z]+", lambda found: found[0].lower(), text)
    scan = Scan(text, low, open_end)
    for find in _SPAN_RULES:
        yield from find(scan)


_SHORTEST = 15


@rule
def _vendors(scan: Scan) -> Iterator[Span]:
    text = scan.text
    long_words = " ".join([word for word in text.split() if len(word) >= _SHORTEST])  # quicker than a generator
    for start, shape in _RULES if long_words else ():
        if start in long_words:
            for found in shape.finditer(text):
                yield found.span(found.lastindex or 0)


_BEGIN = pattern(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END = pattern(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_BODY = pattern(
    r"""(?: (?:\\++[nrt]|[\s"'+,\\])*+ (?:[A-Za-z0-9+/=]{16,}+ | [A-Z][A-Za-z-]{1,20}:[^\n\\]{0,100}+) )*+
        (?: (?:\\++[nrt]|[\s"'+,\\])*+ [A-Za-z0-9+/=]++ )?""",
    re.VERBOSE,
)


@rule
def _private_keys(scan: Scan) -> Iterator[Span]:
    """Find PEM blocks, whole or cut off."""
    text, _, open_end = scan
    begins = list(_BEGIN.finditer(text)) if "PRIVATE KEY" in text else []
    for begin, following in zip(begins, [*begins[1:], None], strict=False):
        until = following.start() if following else len(text)
        end = _END.search(text, begin.end(), until)
        if end:
            yield begin.start(), end.end()
        elif open_end and following is None:
            yield begin.start(), len(text)
        elif body := _BODY.match(text, begin.end(), until):
            yield begin.start(), body.end()


_AUTHORITY = pattern(r"""://([^\s/"'<>\\`]{3,}+)""")
_USER = pattern(r"[\w.%+~$!*-]*+", re.ASCII)
_PLACEHOLDER = pattern(r"\{.*\}|\$\{?[A-Z_][A-Z0-9_]*\}?|[*•x.…]+|\[REDACTED\]|%s|:?password")


@rule
def _urls(scan: Scan) -> Iterator[Span]:
    text = scan.text
    if "://" not in text or "@" not in text:
        return
    for found in _AUTHORITY.finditer(text):
        login, at, _ = found[1].rpartition("@")
        user, colon, password = login.partition(":")
        if at and colon and password and _USER.fullmatch(user) and not _PLACEHOLDER.fullmatch(password):
            start = found.start(1) + len(user) + 1
            yield start, start + len(password)
        elif at and not colon and _is_token(user):
            yield found.start(1), found.start(1) + len(user)


def _is_token(user: str) -> bool:
    """Return whether a token stands where a user's name would: ``https://TOKEN@github.com``."""
    return len(user) >= _LONG_WORD and any(map(str.isdigit, user)) and any(map(str.isalpha, user))


_TELEGRAM = pattern(r"(?<![0-9:])[0-9]{8,12}:AA[A-Za-z0-9_-]{30,}+", re.ASCII)
_TELEGRAM_BEGUN = pattern(r"(?<![0-9:])[0-9]{8,12}(?::[A-Za-z0-9_-]*+)?\Z", re.ASCII)
_LONGEST_BOT = 60
_LOGIN = pattern(r"""(?:[ \t]-u|--user)[ =]["']?[^\s:"']{1,64}:([^\s"']{4,}+)""")


@rule
def _logins(scan: Scan) -> Iterator[Span]:
    """Find a Telegram bot's token, and ``curl -u user:password``."""
    text = scan.text
    if ":AA" in text:
        yield from (found.span() for found in _TELEGRAM.finditer(text))
    if " -u" in text or "--user" in text:
        for found in _LOGIN.finditer(text):
            if not found[1].isdigit() and not _PLACEHOLDER.fullmatch(found[1]):
                yield found.span(1)


_BEARER = pattern(r"bearer(?:[ \t]|%20|\+)++([a-z0-9._~+/=-]{8,}+)")
_BASIC = pattern(r"basic(?:[ \t]|%20|\+)++([a-z0-9+/_-]{6,}+={0,2})")
_LONG_WORD = 24


@rule
def _schemes(scan: Scan) -> Iterator[Span]:
    text, low, _ = scan
    if "bearer" in low:
        for found in _BEARER.finditer(low):
            if len(found[1]) >= _LONG_WORD or any(letter.isdigit() for letter in found[1]):
                yield found.span(1)
    if "basic" in low:
        for found in _BASIC.finditer(low):
            if _is_login(text[found.start(1) : found.end(1)]):
                yield found.span(1)


def _is_login(token: str) -> bool:
    """Return whether a value is the base64 of ``user:password``."""
    try:
        plain = base64.b64decode(token + "=" * (-len(token) % 4), validate=True)
    except (ValueError, binascii.Error):
        return False
    return b":" in plain and plain.decode("latin-1").isprintable()


_RUN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.=+/%~:"
_START = pattern(f"(?=({'|'.join(re.escape(start) for start in _STARTS)})[^ ])")


@rule
def _unfinished(scan: Scan) -> Iterator[Span]:
    """Find what begins like a secret in the last unbroken run of the text."""
    if not scan.open_end:
        return
    text = scan.text
    start = len(text.rstrip(_RUN))
    places = (found.start() for found in _START.finditer(text, start))
    first = next((at for at in places if _may_begin(text, at)), None)
    if first is not None:
        yield first, len(text)
    before = text[max(0, start - _REACH) : start].lower()
    if start < len(text) and before.rstrip(" \t") != before and before.rstrip(" \t").endswith(("bearer", "basic")):
        yield start, len(text)


_REACH = 12


def _may_begin(text: str, at: int) -> bool:
    """Return whether a secret may begin here: at a word's start, or with a start that stands for itself."""
    return (
        at == 0
        or not text[at - 1].isalnum()
        or text.startswith(tuple(_FREE_RULES), at)
        or (_ESCAPED.search(text, max(0, at - 6), at) is not None)
    )


_ESCAPED = pattern(f"(?:{'|'.join(_BEFORE)})\\Z")


@rule
def _unfinished_url(scan: Scan) -> Iterator[Span]:
    if not scan.open_end:
        return
    text = scan.text
    start = text.rfind("://")
    found = _AUTHORITY.match(text, start) if start >= 0 else None
    if found and found.end() == len(text) and ":" in found[1]:
        yield start + 3 + found[1].index(":") + 1, len(text)
    elif found and found.end() == len(text) and len(found[1]) >= _LONG_WORD:
        yield start + 3, len(text)
    if bot := _TELEGRAM_BEGUN.search(text, max(0, len(text) - _LONGEST_BOT)):
        yield bot.start(), len(text)


# -- secrets after a name that says so: ``password=…``, ``"api_key": "…"``, ``Cookie: …``, ``--token …``

_KEYWORDS = ("pass", "pwd", "secret", "token", "key", "auth", "cookie", "credential", "jwt", "signature", "cvv", "otp")
_NAME_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_NAME_REACH = 64
_AFTER = pattern(
    r"""(?P<tail>[A-Za-z0-9_-]{0,40}+)
        (?P<close>\\{0,8}["'`]\]?)? (?P<space>[ \t]{0,4}+)
        (?P<sep> :[ ]?[A-Za-z_][\w.]{0,30}[ ]=(?=[ ]) | (?<=[ ])is:?(?=[ ]) | => | := | ={1,2} | : | %3[Dd]
               | ,(?=[ ]?["']) | > | (?<=[ ]) )
        [ \t]{0,4}+ (?:[bruf]{1,2}(?=["']))? (?P<quote>\\{0,8}["'])?""",
    re.VERBOSE | re.ASCII,
)
_BARE = pattern(
    r"""(?: \[REDACTED\]
          | [^\s"'`<>\\&;,)\]}]
          | [&;,)\]}] (?=[^\s&;,)\]}"'<>\\`:.]) (?![A-Za-z_][\w.-]{0,40}=)
          | \\ (?![nrtbfuUx"'\\/]) )++""",
    re.VERBOSE,
)
_LINE = pattern(r"""[^\r\n"'<>\\`]*+""")
_HEADERS = ("authorization", "cookie")
_BLANK = " \t\r\n\\\"'"
_ENOUGH = 1_000
"""Characters of a value that are looked at to judge it."""


class _Pair(NamedTuple):
    """A secret's name, what stands between, and where the value lies; of a long value, its first part."""

    name: str
    sep: str
    quote: str
    start: int
    end: int


@rule
def _pairs(scan: Scan) -> Iterator[Span]:
    """Return the spans of values that follow a secret's name; ``low`` is the text in lower case."""
    text, low, open_end = scan
    for keyword in _KEYWORDS:
        at = low.find(keyword)
        while at >= 0:
            pair = _read(text, at, len(keyword))
            end = _secret_end(text, pair, open_end=open_end) if pair else None
            if pair and end:
                yield pair.start, end
            at = low.find(keyword, end or max(at + len(keyword), pair.start if pair else 0))


def _read(text: str, at: int, length: int) -> _Pair | None:
    found = _AFTER.match(text, at + length)
    if not found:
        return None
    name = _name(text, at) + text[at : at + length] + found["tail"]
    sep = _separator(text, at, found)
    if sep is None or not is_secret_key(name):
        return None
    pair = _Pair(name.lower(), sep, found["quote"] or "", found.end(), 0)
    return pair._replace(end=_end(text, pair, found.end() + _ENOUGH)[0])


def _secret_end(text: str, pair: _Pair, *, open_end: bool) -> int | None:
    """Return where a secret value ends, None where it is none; in a text cut short, what reaches the end is one."""
    if open_end and pair.end == len(text):
        end, closed = _end(text, pair, len(text))
        return end if not closed and text[pair.start : end].strip(_BLANK) else _secret_end(text, pair, open_end=False)
    if not _is_secret_value(text, pair):
        return None
    end, closed = _end(text, pair, len(text))
    return len(text) if open_end and not closed else end


def _name(text: str, at: int) -> str:
    """Return what of a name stands before a place; of ``api key`` the word before, too."""
    before = text[max(0, at - _NAME_REACH) : at]
    own = before[len(before.rstrip(_NAME_CHARS)) :]
    if not own and before.endswith(" ") and before[-2:-1].isalpha():
        word = before[:-1].rpartition(" ")[2]
        return f"{word}_" if text[at : at + 3].lower() == "key" and word.isalpha() else ""
    return own


def _separator(text: str, at: int, found: re.Match[str]) -> str | None:
    """Return the kind of separator, or None where it does not separate a name from its value."""
    sep = found["sep"]
    start = at - len(text[max(0, at - _NAME_REACH) : at]) + len(text[max(0, at - _NAME_REACH) : at].rstrip(_NAME_CHARS))
    if sep == "":
        return "option" if text.startswith("--", start) and found["space"] else None
    if sep.startswith("is"):
        return None if text[start : found.end("tail")].lower().endswith(_HEADERS) else "is"
    if sep == ">":
        return "tag" if text[start - 1 : start] == "<" else None
    if sep == ",":
        return "tuple" if found["close"] and text[max(0, start - 8) : start].rstrip("\\\"'b").endswith("(") else None
    if sep in {"=", "%3D", "%3d"}:
        return "=" if not found["space"] and text[found.end("sep") : found.end("sep") + 1] not in {" ", "\t"} else " = "
    return ":" if sep == ":" and not found["close"] else " = "


def _end(text: str, pair: _Pair, reach: int) -> tuple[int, bool]:
    """Return where a value ends, and whether it is known to end there; without quotes it is followed to ``reach``."""
    if pair.quote:
        end = _quote_end(text, pair.start, pair.quote)
        if end is not None:
            return end, True
    bare = (_LINE if pair.name.endswith(_HEADERS) else _BARE).match(text, pair.start, reach)
    end = bare.end() if bare else pair.start
    return end, end < len(text) and not pair.quote


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


_HARMLESS = words(
    """
    none null nil true false undefined required optional string str bytes int integer number bool boolean
    secretstr text any yes no empty missing invalid expired unset hidden masked redacted n/a unknown default
    object array field password token secret key apikey api_key access_token input header cookie auth bearer
    basic revoked valid ok denied failed disabled enabled authentication credentials varchar type os env
    environment the a an is oauth oauth2 oidc saml ldap
    """
)
_EMPTY = pattern(r"\{.*+|\$\{?[A-Z_][A-Z0-9_]*\}?|\$\(.*+|<.*+|\(.*+|\[.*+|%\(?\w*\)?s?|[*•.…xX_-]++", re.DOTALL)
_CODE = pattern(
    r"(?:[A-Za-z_][\w.]*+|\[REDACTED\])[(\[]|(?:self|cls|os|settings|config|args|request|env|cfg|ctx|options)\.\w"
)
_SCHEME = pattern(r"(?:(?:bearer|basic|token|apikey|api-key)\s++)", re.IGNORECASE)
_COOKIE = pattern(r"\s*+[^\s=;,]++=")
_OTHER_SCHEME = pattern(
    r"\s*+(?:digest|negotiate|aws4-hmac-sha256|signature|hawk|ntlm|oauth|key)\b.*[=\d]", re.IGNORECASE
)
_ENCODING = pattern(r"base\d|sha\d|md\d|utf|x509|oauth|aes|rsa|pbkdf", re.IGNORECASE)
_STOPS = ".,;!?:"
_MIN_VALUE = 6
_LONG_NUMBER = 8


def _is_secret_value(text: str, pair: _Pair) -> bool:
    value = text[pair.start : min(pair.end, pair.start + _ENOUGH)]
    if not value.strip() or value == HIDDEN:
        return False
    core = value.strip().rstrip(_STOPS).lower()
    if not pair.name.endswith(_HEADERS) and (
        core in _HARMLESS or core == pair.name.lstrip("_-") or _is_placeholder(text, pair, value)
    ):
        return False
    if pair.name.endswith("authorization"):
        return not _is_placeholder(text, pair, value.strip()) and _is_authorization(
            value.strip(), alone=bool(pair.quote)
        )
    if pair.quote:
        return pair.sep != "tuple" or not value.isalpha()
    if pair.name.endswith("cookie"):
        return _COOKIE.match(value) is not None
    return _is_bare_secret(text, pair, value)


def _is_placeholder(text: str, pair: _Pair, value: str) -> bool:
    """Return whether a value is a placeholder: ``{password}``, ``<your-key>``, ``${TOKEN}``, ``Bearer ***``."""
    core = _SCHEME.sub("", value, count=1)
    if core[:1] in {"{", "<"} or (pair.quote and core[:1] in {"(", "["}):
        closing = core[-1:] if pair.quote else core[-1:] + text[pair.end : pair.end + 1]
        return any(mark in closing for mark in "}>)]") and not core.startswith(HIDDEN)
    return _EMPTY.fullmatch(core) is not None and not core.startswith(HIDDEN)


def _is_authorization(value: str, *, alone: bool) -> bool:
    scheme = _SCHEME.match(value)
    token, _, rest = value[scheme.end() if scheme else 0 :].rstrip(_STOPS).partition(" ")
    token = token.rstrip(_STOPS)
    if token in {HIDDEN, ""} or token.lower() in _HARMLESS:
        return False
    if scheme:
        return not rest or not token.isalpha()
    return alone or _OTHER_SCHEME.match(value) is not None or (len(token) >= _MIN_VALUE and not token.isalpha())


def _is_bare_secret(text: str, pair: _Pair, value: str) -> bool:
    if pair.sep == "tag":
        return text.startswith("</", pair.end)
    shortest = _LONG_NUMBER if "token" in pair.name or "key" in pair.name else _MIN_VALUE - 2
    if _CODE.match(value) or (value.isdigit() and len(value) < shortest):  # a count is no code: ``token: 1204``
        return False
    core = value.rstrip(_STOPS)
    is_word = core.isalpha() and not _is_mixed(core)  # of prose, with what ends a sentence
    if pair.sep == "is" and ("token" in pair.name or _ENCODING.match(value) or is_word):
        return False
    return pair.sep == "=" or _looks_secret(text, pair, value)


def _is_mixed(value: str) -> bool:
    """Return whether letters change between lower and upper case as no word's do."""
    core = value.rstrip(_STOPS)
    return len(core) >= _LONG_NUMBER and sum(a.islower() and b.isupper() for a, b in pairwise(core)) > 1


def _looks_secret(text: str, pair: _Pair, value: str) -> bool:
    """Return whether a value is a secret rather than a word of prose or code."""
    if all(letter.isalpha() or letter in "._" for letter in value.rstrip(_STOPS)):
        return any(word in pair.name for word in ("pass", "pwd", "secret")) and _is_alone(text, pair, value)
    if pair.sep == "is" and not any(letter.isdigit() for letter in value):
        return _is_mixed(value)
    if ("token" in pair.name or "key" in pair.name) and not value.isdigit() and not any(map(str.isalpha, value)):
        return False
    return len(value) >= _MIN_VALUE or _is_alone(text, pair, value)


def _is_alone(text: str, pair: _Pair, value: str) -> bool:
    """Return whether a value is the last word of its line."""
    return len(value) >= _MIN_VALUE - 2 and text[pair.end : pair.end + 1] in {"", "\n", "\r", "\\"}
