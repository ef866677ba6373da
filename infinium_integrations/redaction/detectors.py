"""Where secrets lie in a text, told by their shape. Every rule takes time in proportion to the text's length.

Each rule gives spans (start, end) of what must go. With ``open_end`` the text is known to be cut short: what may be
the beginning of a secret and reaches the end is given too.
"""

import base64
import binascii
import re
from collections.abc import Iterator

from infinium_integrations.redaction.pairs import pairs

__all__ = ["Span", "spans"]

Span = tuple[int, int]

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


_RULES = [(start, re.compile(re.escape(start) + body, re.ASCII)) for start, body in _FREE_RULES.items()]
_RULES += [(start, re.compile(_whole_word(start, body), re.ASCII)) for start, body in _WORD_RULES.items()]
_STARTS = (*_FREE_RULES, *_WORD_RULES)


def spans(text: str, *, open_end: bool) -> Iterator[Span]:
    """Give the spans of a text that hold secrets, in no order; they may overlap."""
    low = _lower(text)
    yield from _vendors(text)
    yield from _private_keys(text, open_end=open_end)
    yield from _urls(text)
    yield from _logins(text)
    yield from _schemes(text, low)
    yield from pairs(text, low, open_end=open_end)
    if open_end:
        yield from _unfinished(text)


def _lower(text: str) -> str:
    low = text.lower()
    return low if len(low) == len(text) else re.sub("[A-Z]+", lambda found: found[0].lower(), text)


_SHORTEST = 15


def _vendors(text: str) -> Iterator[Span]:
    long_words = " ".join(word for word in text.split() if len(word) >= _SHORTEST)
    for start, pattern in _RULES if long_words else ():
        if start in long_words:
            for found in pattern.finditer(text):
                yield found.span(found.lastindex or 0)


_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_BODY = re.compile(
    r"""(?: (?:\\++[nrt]|[\s"'+,\\])*+ (?:[A-Za-z0-9+/=]{16,}+ | [A-Z][A-Za-z-]{1,20}:[^\n\\]{0,100}+) )*+
        (?: (?:\\++[nrt]|[\s"'+,\\])*+ [A-Za-z0-9+/=]++ )?""",
    re.VERBOSE,
)


def _private_keys(text: str, *, open_end: bool) -> Iterator[Span]:
    """Find PEM blocks, whole or cut off."""
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


_AUTHORITY = re.compile(r"""://([^\s/"'<>\\`]{3,}+)""")
_USER = re.compile(r"[\w.%+~$!*-]*+", re.ASCII)
_PLACEHOLDER = re.compile(r"\{.*\}|\$\{?[A-Z_][A-Z0-9_]*\}?|[*•x.…]+|\[REDACTED\]|%s|:?password")


def _urls(text: str) -> Iterator[Span]:
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
    """Tell a token that stands where a user's name would: ``https://TOKEN@github.com``."""
    return len(user) >= _LONG_WORD and any(map(str.isdigit, user)) and any(map(str.isalpha, user))


_TELEGRAM = re.compile(r"(?<![0-9:])[0-9]{8,12}:AA[A-Za-z0-9_-]{30,}+", re.ASCII)
_TELEGRAM_BEGUN = re.compile(r"(?<![0-9:])[0-9]{8,12}(?::[A-Za-z0-9_-]*+)?\Z", re.ASCII)
_LONGEST_BOT = 60
_LOGIN = re.compile(r"""(?:[ \t]-u|--user)[ =]["']?[^\s:"']{1,64}:([^\s"']{4,}+)""")


def _logins(text: str) -> Iterator[Span]:
    """Find a Telegram bot's token, and ``curl -u user:password``."""
    if ":AA" in text:
        yield from (found.span() for found in _TELEGRAM.finditer(text))
    if " -u" in text or "--user" in text:
        for found in _LOGIN.finditer(text):
            if not found[1].isdigit() and not _PLACEHOLDER.fullmatch(found[1]):
                yield found.span(1)


_BEARER = re.compile(r"bearer(?:[ \t]|%20|\+)++([a-z0-9._~+/=-]{8,}+)")
_BASIC = re.compile(r"basic(?:[ \t]|%20|\+)++([a-z0-9+/_-]{6,}+={0,2})")
_LONG_WORD = 24


def _schemes(text: str, low: str) -> Iterator[Span]:
    if "bearer" in low:
        for found in _BEARER.finditer(low):
            if len(found[1]) >= _LONG_WORD or any(letter.isdigit() for letter in found[1]):
                yield found.span(1)
    if "basic" in low:
        for found in _BASIC.finditer(low):
            if _is_login(text[found.start(1) : found.end(1)]):
                yield found.span(1)


def _is_login(token: str) -> bool:
    """Tell base64 of ``user:password``."""
    try:
        plain = base64.b64decode(token + "=" * (-len(token) % 4), validate=True)
    except (ValueError, binascii.Error):
        return False
    return b":" in plain and plain.decode("latin-1").isprintable()


_RUN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.=+/%~:"
_START = re.compile(f"(?=({'|'.join(re.escape(start) for start in _STARTS)})[^ ])")


def _unfinished(text: str) -> Iterator[Span]:
    """Find what begins like a secret in the last unbroken run of the text."""
    start = len(text.rstrip(_RUN))
    places = (found.start() for found in _START.finditer(text, start))
    first = next((at for at in places if _may_begin(text, at)), None)
    if first is not None:
        yield first, len(text)
    before = text[max(0, start - _REACH) : start].lower()
    if start < len(text) and before.rstrip(" \t") != before and before.rstrip(" \t").endswith(("bearer", "basic")):
        yield start, len(text)
    yield from _unfinished_url(text)


_REACH = 12


def _may_begin(text: str, at: int) -> bool:
    """Tell whether a secret may begin here: at a word's start, or with a start that stands for itself."""
    return at == 0 or not text[at - 1].isalnum() or text.startswith(tuple(_FREE_RULES), at) or _escaped(text, at)


_ESCAPED = re.compile(f"(?:{'|'.join(_BEFORE)})\\Z")


def _escaped(text: str, at: int) -> bool:
    return _ESCAPED.search(text, max(0, at - 6), at) is not None


def _unfinished_url(text: str) -> Iterator[Span]:
    start = text.rfind("://")
    found = _AUTHORITY.match(text, start) if start >= 0 else None
    if found and found.end() == len(text) and ":" in found[1]:
        yield start + 3 + found[1].index(":") + 1, len(text)
    elif found and found.end() == len(text) and len(found[1]) >= _LONG_WORD:
        yield start + 3, len(text)
    if bot := _TELEGRAM_BEGUN.search(text, max(0, len(text) - _LONGEST_BOT)):
        yield bot.start(), len(text)
