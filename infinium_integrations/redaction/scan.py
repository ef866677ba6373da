"""A text as the rules see it: looked at once, so that what can't be in it is not looked for."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from infinium_integrations.redaction.key_names import own_keywords

__all__ = ["KEYWORDS", "Scan", "Span", "pattern", "places", "scan"]

Span = tuple[int, int, str]
"""Where a secret begins and ends, and the name of the rule that says so."""


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


def places(text: str, part: str) -> Iterator[int]:
    """Return where a part stands in a text."""
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


@dataclass(slots=True)
class Scan:
    """A text, what was found out about it at a glance, and whether it is known to be cut short."""

    text: str
    low: str
    """The text in lower case, of the same length."""
    vocabulary: str
    """The words of letters in it, each once, or all of it where it is prose: what isn't here isn't in the text."""
    words: set[bytes]
    """The same words, of prose those before options, in code and in short paragraphs."""
    has_all_words: bool
    """Whether these are all of them, as of a text that is no prose."""
    long_words: str
    """Its words of 15 characters or more, but for plain ones: a vendor's secret stands in one of these."""
    keywords: tuple[str, ...]
    """The beginnings of telling names that occur where a name may stand."""
    options: str
    """With which letters options like ``-p`` begin."""
    marks: bytes
    """What the text has of ``:=|>('"-``, in order."""
    open_end: bool
    reached: dict[str, int] = field(default_factory=dict)
    """How far a detector that looks ahead has come."""
    seen: set[str] = field(default_factory=set)
    """Some names with what follows them at once, of a long text."""
    fruitless: set[str] = field(default_factory=set)
    """Names with all around them of which no form gave anything: in a text that repeats itself they come again."""


def scan(text: str, *, open_end: bool) -> Scan:
    """Look a text over."""
    low = text.lower()
    low = low if len(low) == len(text) else re.sub("[A-Z]+", lambda found: found[0].lower(), text)
    raw = text.replace(_KELVIN, "k").encode("ascii", "replace")
    marks = raw.translate(None, _UNMARKED)
    before_values = marks.translate(None, b"('\"-")
    is_prose = _SHORT < len(low) > len(before_values) * _SPARSE and not _has_tuples(low, marks)
    once = raw if is_prose else _once(raw)
    plain = low if low.isascii() else raw.decode().lower()  # is searched quicker
    searched = plain if is_prose or b"-" not in marks else once.decode().lower()
    options = _options(searched) if b"-" in marks else []
    letters = "".join({searched[at] for at in options})
    words: set[bytes] = set()
    if is_prose:
        vocabulary, names = plain, _heads(plain, before_values, options)
        apart = _apart(plain.replace("\r", "").split("\n")) if "\n" in plain else []
        if options or apart or "`" in plain:
            is_few = len(options) * _LINE < len(plain)
            before = [plain[max(0, at - _LINE) : at] for at in options] if is_few else [plain]
            near = " ".join((*before, *plain.split("`")[1::2], *apart))
            words = {*near.encode().translate(_LETTERS).split()}
    else:
        words = {*once.translate(_LETTERS).split()}
        vocabulary = names = b" ".join(words).decode()
    keywords = _keywords(low, vocabulary, names, is_prose=is_prose)
    return Scan(text, low, vocabulary, words, not is_prose, _long_words(once), keywords, letters, marks, open_end)


def _apart(lines: list[str]) -> list[str]:
    """Return the short lines that are a paragraph of their own."""
    around = zip(["", *lines], lines, [*lines[1:], ""], strict=False)
    return [line for before, line, after in around if not before and not after and 0 < len(line) < _APART]


def _once(raw: bytes) -> bytes:
    """Return each line once, if lines are short: logs and tables repeat them."""
    return b"\n".join({*raw.split(b"\n")}) if raw.count(b"\n") * _LONG_LINE > len(raw) else raw


_LONG_LINE = 200
_KELVIN = "\u212a"
"""The one letter from abroad whose lower case is none: a k."""
_LONG = 15
_WORD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./~=:%+$@\\["
_LETTERS = bytes(code | 32 if chr(code).isascii() and chr(code).isalpha() else 32 for code in range(256))
_MASK = bytes(97 if code in _WORD else 32 for code in range(256))
_WORDS = bytes(code if code in _WORD else 32 for code in range(256))
_RUN, _RARE = b"a" * _LONG, 20
_NO_SECRET = pattern(
    r"(?<![^ ])(?:[A-Za-z][a-z]+|[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-9:.+-]{4,20}Z?"
    r"|(?:[a-z_]{1,20}(?<!ignature)(?<!_session)(?<!sig)[=:])?"
    r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16}(?:[0-9a-f]{16}(?:[0-9a-f]{8}|[0-9a-f]{32})?)?))"
    r"(?![^ ])"
)
"""Words of letters, times, UUIDs and hashes: with nothing else beside them no vendor's secret."""


def _long_words(raw: bytes) -> str:
    """Return the long words: where they are rare, a search for one run of equal bytes is quick."""
    mask = raw.translate(_MASK)
    at = mask.find(_RUN)
    found: dict[bytes, None] = {}
    while at >= 0 and len(found) < _RARE:
        start, end = mask.rfind(b" ", 0, at) + 1, mask.find(b" ", at)
        end = end if end >= 0 else len(mask)
        found[raw[start:end]] = None
        at = mask.find(_RUN, end)
    if at >= 0:
        found = dict.fromkeys(word for word in raw.translate(_WORDS).split() if len(word) >= _LONG)
    return _NO_SECRET.sub("", b" ".join(found).decode())


_BY_LETTER = (
    (
        "k",
        pattern(
            "k(?:ey(?:s?(?![a-z])|pass|(?<=apikey)|(?<=secretkey)|(?<=privatekey)|(?<=accesskey))|ennwort"
            "|(?<=tok)en(?:s?(?![a-z])|value|secret|header|string)|(?<=cook)ie|(?<=adgangsk)ode)"
        ),
        ("key", "token", "kennwort", "cookie", "adgangskode"),
    ),
    (
        "p",
        pattern(
            "p(?:ass(?:w|cod|phr|ord|e?(?![a-z])|(?<=motdepass)e)|wd|w(?![a-z])|s(?:k|wd?)(?![a-z])|asword|in(?:code)?(?![a-z])|hrase"
            "|(?<=otp)(?![a-z])|(?<=mdp)(?![a-z])|aro+l)"
        ),
        ("pass", "pwd", "pw", "psk", "psw", "pswd", "pasword", "pin", "phrase", "otp", "mdp", "parol", "parool"),
    ),
    (
        "c",
        pattern("c(?:ode(?![a-z])|red(?:s|ential)|vv|vc|(?<=sec)ret|lave(?![a-z])|ontrase|(?<=mnemonic))"),
        ("code", "cred", "cvv", "cvc", "secret", "clave", "contrase", "mnemonic"),
    ),
    ("j", pattern("j(?=wt)"), ("jwt",)),
)
"""Telling names by their rarest letter, for which prose is searched quickly, and what they may go on with."""
_AUTH = pattern("auth(?:orization|(?![a-z]))")
_BESIDE_A_MARK = (
    "signature",
    "wachtwoord",
    "senha",
    "heslo",
    "hasl",
    "salasana",
    "sifre",
    "geslo",
    "lozinka",
    "kodeord",
    "paswoord",
    "sandi",
)
"""In prose, they are looked for before marks only."""
KEYWORDS = (*(keyword for *_, group in _BY_LETTER for keyword in group), "auth", *_BESIDE_A_MARK)
_ELSEWHERE = ("senha", "sifre", "hasl", "salasana")
_ABROAD = (
    *("şifre", "jelszó", "lösenord", "пароль", "密码", "密碼", "口令", "パスワード", "비밀번호", "contraseña", "hasło"),
    *("κωδικός", "סיסמה", "كلمة المرور", "كلمة السر", "รหัสผ่าน", "mật khẩu", "पासवर्ड"),
    *("salasõna", "slaptažodis", "비번", "пасс"),
)
_BY_LETTER_ABROAD = [(max(name), name) for name in _ABROAD]
_WRITTEN = tuple(
    json.dumps(each)[1:-1].lower().replace("\\", slashes)
    for name in _ABROAD
    for each in sorted({name, name.capitalize()})
    for slashes in ("\\", "\\" * 2)
)
"""The same as JSON writes them, in lower case but for what is escaped: ``\\\\u5bc6\\\\u7801``."""
_LINE = 260
"""Characters before an option in which its command stands."""
_APART = 200
"""Characters of a paragraph that may be a command."""
_SHORT = 1_000
_SPARSE = 150
_HEAD = 24
_FIRST_LINE = 200
_MARKS = b":=|>('\"-"
_UNMARKED = bytes(code for code in range(256) if code not in _MARKS)


def _keywords(low: str, vocabulary: str, names: str, *, is_prose: bool) -> tuple[str, ...]:
    if is_prose:
        found = [
            keyword
            for letter, shape, group in _BY_LETTER
            if letter in vocabulary and shape.search(vocabulary)
            for keyword in group
            if keyword in vocabulary
        ]
        found += ["auth"] if "auth" in vocabulary and _AUTH.search(vocabulary) else []
        found += [keyword for keyword in _BESIDE_A_MARK if keyword in names]
    else:
        found = [keyword for keyword in KEYWORDS if keyword in vocabulary]
    found += [keyword for keyword in own_keywords() if keyword in low]
    if "\\" in low and "\\u" in low:
        found += [keyword for keyword in _WRITTEN if keyword in low]
    if not low.isascii():
        found += [keyword for keyword in _ELSEWHERE if keyword in vocabulary]
        found += [keyword for letter, keyword in _BY_LETTER_ABROAD if letter in low and keyword in low]
    return tuple(dict.fromkeys(found))


def _has_tuples(low: str, marks: bytes) -> bool:
    if b"('''" not in marks and b'("""' not in marks:
        return False
    return any(part[:1] in _QUOTES for part in low.split("(")[1:] if part)


_QUOTES = frozenset("\"'")


def _heads(low: str, marks: bytes, options: list[int]) -> str:
    """Return what stands before each mark, and the first line: in prose, quicker to look through than all of it."""
    begun = [low[at : at + _HEAD] for at in options]
    before = {part[-_HEAD:] for mark in ":=|>" if mark.encode() in marks for part in low.split(mark)[:-1]}
    return "\n".join([*before, *begun, low[:_FIRST_LINE].partition("\n")[0]])


def _options(low: str) -> list[int]:
    """Return where the names of what may be options of a command begin: ``--token``, ``-p``."""
    return [found.end() for found in _OPTION.finditer(low)]


_OPTION = pattern(r"-(?=[a-z])(?:(?<=[ \n\"'-]-)|(?<=\A-))")
