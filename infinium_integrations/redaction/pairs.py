"""Secrets told by the name before them: ``password=…``, ``"api_key": "…"``, ``Cookie: …``, ``--token …``."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from infinium_integrations.redaction.key_names import HIDDEN, is_secret_key, words

__all__ = ["pairs"]

_KEYWORDS = ("pass", "pwd", "secret", "token", "key", "auth", "cookie", "credential", "jwt", "signature", "cvv", "otp")
_NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_NAME_REACH = 64
_AFTER = re.compile(
    r"""(?P<tail>[A-Za-z0-9_-]{0,40}+)
        (?P<close>\\{0,8}["'`]\]?)? (?P<space>[ \t]{0,4}+)
        (?P<sep> :[ ]?[A-Za-z_][\w.]{0,30}[ ]=(?=[ ]) | (?<=[ ])is:?(?=[ ]) | => | := | ={1,2} | : | %3[Dd]
               | ,(?=[ ]?["']) | > | (?<=[ ]) )
        [ \t]{0,4}+ (?:[bruf]{1,2}(?=["']))? (?P<quote>\\{0,8}["'])?""",
    re.VERBOSE | re.ASCII,
)
_BARE = re.compile(
    r"""(?: \[REDACTED\]
          | [^\s"'`<>\\&;,)\]}]
          | [&;,)\]}] (?=[^\s&;,)\]}"'<>\\`:.]) (?![A-Za-z_][\w.-]{0,40}=)
          | \\ (?![nrtbfuUx"'\\/]) )++""",
    re.VERBOSE,
)
_LINE = re.compile(r"""[^\r\n"'<>\\`]*+""")
_HEADERS = ("authorization", "cookie")
_BLANK = " \t\r\n\\\"'"
_ENOUGH = 1_000
"""Characters of a value that are looked at to judge it."""


class _Pair(NamedTuple):
    """A telling name, what stands between, and where the value lies; of a long value, its first part."""

    name: str
    sep: str
    quote: str
    start: int
    end: int


def pairs(text: str, low: str, *, open_end: bool) -> Iterator[tuple[int, int]]:
    """Give the spans of values that stand after a telling name; ``low`` is the text in lower case."""
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
    """Give where a secret value ends, None where it is none; in a text cut short, what reaches the end is one."""
    if open_end and pair.end == len(text):
        end, closed = _end(text, pair, len(text))
        return end if not closed and text[pair.start : end].strip(_BLANK) else _secret_end(text, pair, open_end=False)
    if not _is_secret(text, pair):
        return None
    end, closed = _end(text, pair, len(text))
    return len(text) if open_end and not closed else end


def _name(text: str, at: int) -> str:
    """Give what of a name stands before a place; of ``api key`` the word before, too."""
    before = text[max(0, at - _NAME_REACH) : at]
    own = before[len(before.rstrip(_NAME)) :]
    if not own and before.endswith(" ") and before[-2:-1].isalpha():
        word = before[:-1].rpartition(" ")[2]
        return f"{word}_" if text[at : at + 3].lower() == "key" and word.isalpha() else ""
    return own


def _separator(text: str, at: int, found: re.Match[str]) -> str | None:
    """Give the kind of separator, or None where it does not separate a name from its value."""
    sep = found["sep"]
    start = at - len(text[max(0, at - _NAME_REACH) : at]) + len(text[max(0, at - _NAME_REACH) : at].rstrip(_NAME))
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
    """Give where a value ends, and whether it is known to end there; without quotes it is followed to ``reach``."""
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
_EMPTY = re.compile(r"\{.*+|\$\{?[A-Z_][A-Z0-9_]*\}?|\$\(.*+|<.*+|\(.*+|\[.*+|%\(?\w*\)?s?|[*•.…xX_-]++", re.DOTALL)
_CODE = re.compile(
    r"(?:[A-Za-z_][\w.]*+|\[REDACTED\])[(\[]|(?:self|cls|os|settings|config|args|request|env|cfg|ctx|options)\.\w"
)
_SCHEME = re.compile(r"(?:(?:bearer|basic|token|apikey|api-key)\s++)", re.IGNORECASE)
_COOKIE = re.compile(r"\s*+[^\s=;,]++=")
_OTHER_SCHEME = re.compile(
    r"\s*+(?:digest|negotiate|aws4-hmac-sha256|signature|hawk|ntlm|oauth|key)\b.*[=\d]", re.IGNORECASE
)
_ENCODING = re.compile(r"base\d|sha\d|md\d|utf|x509|oauth|aes|rsa|pbkdf", re.IGNORECASE)
_STOPS = ".,;!?:"
_LEAST = 6
_LONG_NUMBER = 8


def _is_secret(text: str, pair: _Pair) -> bool:
    value = text[pair.start : min(pair.end, pair.start + _ENOUGH)]
    if not value.strip() or value == HIDDEN or (not pair.name.endswith(_HEADERS) and _is_harmless(text, pair, value)):
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


def _is_harmless(text: str, pair: _Pair, value: str) -> bool:
    core = value.strip().rstrip(_STOPS).lower()
    return core in _HARMLESS or core == pair.name.lstrip("_-") or _is_placeholder(text, pair, value)


def _is_placeholder(text: str, pair: _Pair, value: str) -> bool:
    """Tell ``{password}``, ``<your-key>``, ``${TOKEN}``, ``Bearer ***``: what stands where a secret would."""
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
    return alone or _OTHER_SCHEME.match(value) is not None or (len(token) >= _LEAST and not token.isalpha())


def _is_bare_secret(text: str, pair: _Pair, value: str) -> bool:
    if pair.sep == "tag":
        return text.startswith("</", pair.end)
    if _CODE.match(value) or (value.isdigit() and _is_count(pair.name, value)):
        return False
    if pair.sep == "is" and ("token" in pair.name or _ENCODING.match(value) or _is_word(value)):
        return False
    return pair.sep == "=" or _looks_secret(text, pair, value)


def _is_word(value: str) -> bool:
    """Tell a word of prose: letters, and what ends a sentence."""
    core = value.rstrip(_STOPS)
    return core.isalpha() and not _is_mixed(core)


def _is_mixed(value: str) -> bool:
    """Tell letters that change between small and capital as no word's do."""
    core = value.rstrip(_STOPS)
    return len(core) >= _LONG_NUMBER and sum(a.islower() and b.isupper() for a, b in pairwise(core)) > 1


def _is_count(name: str, digits: str) -> bool:
    """Tell a number that is no code: ``token: 1204``."""
    return len(digits) < (_LONG_NUMBER if "token" in name or "key" in name else _LEAST - 2)


def _looks_secret(text: str, pair: _Pair, value: str) -> bool:
    """Tell a value from a word of prose or code."""
    if all(letter.isalpha() or letter in "._" for letter in value.rstrip(_STOPS)):
        return any(word in pair.name for word in ("pass", "pwd", "secret")) and _is_alone(text, pair, value)
    if pair.sep == "is" and not any(letter.isdigit() for letter in value):
        return _is_mixed(value)
    if ("token" in pair.name or "key" in pair.name) and not value.isdigit() and not any(map(str.isalpha, value)):
        return False
    return len(value) >= _LEAST or _is_alone(text, pair, value)


def _is_alone(text: str, pair: _Pair, value: str) -> bool:
    """Tell whether a value is the last word of its line."""
    return len(value) >= _LEAST - 2 and text[pair.end : pair.end + 1] in {"", "\n", "\r", "\\"}
