"""Where telling names may stand in a text: keywords that each of them has, found quickly."""

import json
import re
from collections.abc import Iterable, Iterator

from infinium_integrations.redaction.forms import LEADING
from infinium_integrations.redaction.key_names import (
    CODE_OWNERS,
    CODES,
    KEY_OWNERS,
    PASSWORD_PARTS,
    TOKEN_OWNERS,
    own_keywords,
)
from infinium_integrations.redaction.prefilter import Prefilter, any_ascii
from infinium_integrations.redaction.scan import Scan, pattern, places

__all__ = ["KEYWORDS", "keywords"]

_NO_LETTER = "(?![a-z])"
_BY_LETTER = {
    "k": {
        "key": "(?:s?(?![a-z])|pass|(?<=apikey)|(?<=secretkey)|(?<=privatekey)|(?<=accesskey)|(?<=[ _0-9-]key))",
        "token": "(?:s?(?![a-z])|(?=[a-z0-9_-]{0,60}(?:value|secret|header|string)))",
        **dict.fromkeys(("kennwort", "cookie", "adgangskode", "kodeord"), ""),
    },
    "p": {
        "pass": "(?:w|cod|phr|ord|e?(?![a-z])|(?<=motdepass)e)",
        "pin": "(?:code)?(?![a-z])",
        **dict.fromkeys(("pw", "psk", "psw", "pswd", "otp", "mdp"), _NO_LETTER),
        **dict.fromkeys(("pwd", "pasword", "paswoord", "phrase", "parol", "parool"), ""),
    },
    "c": {
        "code": "(?:s?(?![a-z])|word|value)",
        "cred": "(?:s|ential)",
        "clave": _NO_LETTER,
        **dict.fromkeys(("cvv", "cvc"), _NO_LETTER),
        **dict.fromkeys(("secret", "contrase", "mnemonic"), ""),
    },
    "j": {"jwt": ""},
    "a": {"auth": "(?:orization|(?![a-z]))"},
}
"""Telling names by their rarest letter, for which a text is searched quickly, and what they may go on with."""
_RARE = ("signature", "wachtwoord", "senha", "heslo", "hasl", "salasana", "sifre", "geslo", "lozinka", "sandi")
KEYWORDS = (*(keyword for group in _BY_LETTER.values() for keyword in group), *_RARE)
"""What every telling name of ASCII has."""
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


def _searches() -> Iterator[tuple[re.Pattern[str], list[tuple[str, int]]]]:
    """Return for each letter a pattern of its keywords, and for each of these the keyword and where the letter is."""
    for letter, group in _BY_LETTER.items():
        ways = [(keyword, keyword.index(letter)) for keyword in sorted(group, key=len, reverse=True)]
        parts = (
            f"{f'(?<={keyword[: at + 1]})' * bool(at)}{keyword[at + 1 :]}{group[keyword]}()" for keyword, at in ways
        )
        yield pattern(f"{letter}(?:{'|'.join(parts)})"), ways


_SEARCHES = tuple(_searches())
_JOINED = "(?:[0-9_-]*| )"
"""What may stand between two parts of a name."""
_END = r"[0-9_-]*(?:[^A-Za-z0-9_-]|\z)"
"""What follows the last part of a name."""
_BEFORE = r"(?:\A|[^A-Za-z]|\\[nrt])"
"""What stands before a part of a name."""
_PASSES = "store|key|user|db|root|admin|ssh|require"


def _telling() -> Iterator[str]:
    """Return what every name has that tells something, and few others: what ``kind_of`` asks, more loosely.

    The last two are of messages with a code.
    """
    keys = "|".join(sorted(KEY_OWNERS)).replace("openai", "open[_-]?ai").replace("preshared", "pre[_-]?shared")
    yield f"(?i:pass{_JOINED}(?:w|phr|cod)|kennwort|wachtwoord|contrase|mot[_-]?de[_-]?passe|secret|cookie)"
    yield f"(?i:pwd|pswd|pasword|(?:{_PASSES}){_JOINED}pass{_END}|master{_JOINED}auth|(?:seed|recovery){_JOINED}phrase)"
    yield "(?i:credential|mnemonic|authorization|shared[_-]?access[_-]?signature)"
    yield f"(?i:(?:{keys}){_JOINED}keys?{_END}|(?:api|secret|private|access){_JOINED}key)"
    yield f"[A-Z?](?:[0-9_-]+| )KEY{_END}"
    yield f"(?i:(?:{'|'.join(sorted(CODE_OWNERS))}){_JOINED}code{_END}|creds|jwt)"
    yield f"(?i:(?:{'|'.join(sorted(TOKEN_OWNERS))})[0-9_-]*tokens{_END})"
    yield f"(?i:token(?:[0-9_-]*|[0-9a-z_-]*(?:value|secret|header|string)){_END})"
    yield from _as_last_part(({*PASSWORD_PARTS, *CODES, "auth", "psk"}) - {"pass"})
    yield from (f"[0-9_-](?i:pass){_END}", f"[A-Za-z]P(?:ass|ASS){_END}", f"{_BEFORE}(?i:pass)(?:{_AFTER_PASS})")
    yield r"P(?:ass|ASS)[ \t]*[\r\n]|(?:[,;|&]|[^\s:](?:[ ]*\t|[ ]{2}))[ ]*pass[ \t]*[\r\n]"
    yield r"(?i: code(?: is| to [a-z -]{3,30})?:?[\s?]{1,2}[a-z*_`<>\"']*[0-9])"
    yield r"(?i:[0-9] is (?:your|the) [a-z0-9_' ?-]*code)"


_A_WORD = any_ascii(r" \t-\r\"'\\") + "*"
_AFTER_PASS = (
    r"[^\s.A-Za-z]|\.\.|[ \t](?:[^a-z]|[a-z](?:[^a-z]|\z)|[a-z]+[^a-z ,.:])"
    rf"|[ \t](?:{'|'.join(sorted(filter(str.isascii, LEADING)))})(?:[ ,.:]|\z)"
    rf"|[ \t]*(?:\r?\n)+[ \t>]*(?:`{{3}}[0-9A-Za-z_]*\n)?`?{_A_WORD}[0-9]{_A_WORD}[ \t]*(?:[\r\n\\\"']|\z)"
    rf"|[ \t]*\n +{any_ascii(chr(92) + 'n')}*input_value="
    r"|[ \t]*\r?\n[ \t]*(?:</|value|[|`'\"-])"
)
"""What follows the word ``pass`` where it isn't the statement of Python: no end of a line with code below it."""


def _as_last_part(words: Iterable[str]) -> Iterator[str]:
    """Return patterns of names whose last part is one of some words."""
    plain = sorted(filter(str.isascii, words))
    yield rf"{_BEFORE}(?:{'|'.join(plain)}){_END}"
    yield f"(?:{'|'.join(map(str.title, plain))}){_END}"
    yield rf"(?:\A|[^A-Z])(?:{'|'.join(map(str.upper, plain))}){_END}"


_ESCAPED = pattern(r"\\u")
"""Found by a pattern in a third of the time that ``in`` takes."""
_NAMES = Prefilter(_telling)
"""Names that tell something, those with rarer words included; only where there is one are these looked for."""
_OTHER_NAMES = Prefilter(lambda: [f"(?i:{'|'.join(_RARE)})"])
_WRITTEN_NAMES = Prefilter(lambda: [f"(?i:{'|'.join(map(re.escape, _WRITTEN))})"])
_LAST_LINES = 200
"""Characters at the end of a text cut short: what stands below ``pass`` there may be a password's beginning."""


def keywords(scan: Scan) -> dict[int, str]:
    """Return where names may stand that tell something, in order, and a keyword that each has: the longest there."""
    low = scan.low
    found: list[tuple[int, int, str]] = []
    others = own_keywords()
    if _NAMES.may_match(scan.plain) or (scan.open_end and "pass" in low[-_LAST_LINES:]):
        for search, ways in _SEARCHES:
            for each in search.finditer(low):
                keyword, at = ways[(each.lastindex or 1) - 1]
                found.append((each.start() - at, len(keyword), keyword))
        if _OTHER_NAMES.may_match(scan.plain):
            others += _RARE
    if "\\" in low and _ESCAPED.search(low) and _WRITTEN_NAMES.may_match(scan.plain):
        others += _WRITTEN
    if not low.isascii():
        others += [keyword for letter, keyword in _BY_LETTER_ABROAD if letter in low]
    found += [(at, len(keyword), keyword) for keyword in others for at in places(low, keyword)]
    return {at: keyword for at, _, keyword in sorted(found)}
