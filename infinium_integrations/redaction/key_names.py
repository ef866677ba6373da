"""Which keys hold a secret, by their name alone; and what every step of redaction agrees on."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from infinium_integrations import settings

__all__ = [
    "CODES",
    "CODE_OWNERS",
    "HIDDEN",
    "KEY_OWNERS",
    "PAIR_VALUES",
    "PASSWORDS",
    "PASSWORD_PARTS",
    "SECOND_WORDS",
    "SLACK",
    "TOKEN_OWNERS",
    "Cut",
    "Kind",
    "Redacted",
    "any_of",
    "cut",
    "harmless_value",
    "has_one",
    "hidden",
    "hides",
    "is_secret_key",
    "kind_of",
    "means_more",
    "own_keywords",
    "own_names",
    "secret_columns",
    "without_secret_columns",
    "words",
]

Kind = Literal["", "password", "code", "weak"]
"""What stands under a name: nothing secret; a password, whatever its form; digits; a token, which is no plain word."""
HIDDEN = "[REDACTED]"
"""What stands where a secret was."""
SLACK = 256
"""Characters kept beyond a limit, so that the redactor sees a secret that lies across the cut."""


class Cut(str):
    """A text that was cut when it was taken: a secret may lie across the cut, whatever limit it is finished with.

    What was taken of a text that is shown holds ``SLACK`` characters more than are shown.
    """

    __slots__ = ()


def cut(text: str, limit: int) -> str:
    """Return the first characters of a text; where there were more, they say so."""
    beginning = text[:limit]
    return Cut(beginning) if len(text) > limit or type(text) is Cut else beginning


class Redacted(str):
    """A text that is redacted already."""

    __slots__ = ()


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


def has_one(text: str, parts: Sequence[str]) -> bool:
    """Return whether one of some parts is in a text."""
    for part in parts:  # noqa: SIM110  (a generator would take twice as long)
        if part in text:
            return True
    return False


def any_of(parts: Iterable[str]) -> str:
    """Return a pattern of any of some parts, the longest first, by their first letters: it is matched much quicker."""
    by_first: dict[str, list[str]] = {}
    for part in sorted(parts, key=lambda part: (-len(part), part)):
        by_first.setdefault(part[0], []).append(re.escape(part[1:]))
    return "|".join(f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in sorted(by_first.items()))


_VENDORS = (
    "openai",
    "anthropic",
    "azure",
    "aws",
    "stripe",
    "pinecone",
    "groq",
    "cohere",
    "mistral",
    "gemini",
    "google",
)
KEY_OWNERS = (
    *("api", "access", "secret", "private", "encryption", "signing", "auth", "account", "master", "service", "storage"),
    *(
        "subscription",
        "session",
        "client",
        "app",
        "agent",
        "prompt",
        "admin",
        "license",
        "ssh",
        "functions",
        "consumer",
        "instrumentation",
        "preshared",
        "hmac",
        "unseal",
    ),
    *_VENDORS,
)
_KEYS = tuple(f"{owner}key" for owner in KEY_OWNERS)
PASSWORDS = ("password", "passwd", "passphrase", "passwort", "kennwort", "wachtwoord", "contrase", "motdepasse")
"""Words, or their beginnings, that mean a password wherever they stand in a name."""
_PASSWORD_ENDINGS = (
    "pwd",
    "storepass",
    "keypass",
    "userpass",
    "dbpass",
    "rootpass",
    "adminpass",
    "sshpass",
    "requirepass",
    "passcode",
    "pswd",
    "pasword",
    "masterauth",
)
PASSWORD_PARTS = words(
    """
    pwd pw passcode pass senha haslo hasło heslo jelszó parola parool parole пароль lösenord lösenordet passord
    passordet passe adgangskode salasana şifre sifre şifresi geslo mdp clave 密码 密碼 口令 パスワード
    비밀번호 κωδικός סיסמה adgangskoden lozinka paswoord şifreniz salasõna slaptažodis kodeord 비번 пасс
    psw sandi zugangscode
    """
)
_PASSWORDS_ABROAD = (
    "كلمةالمرور",
    "كلمةالسر",
    *map("".join, map(re.compile(r"[^\W\d_]+").findall, ("पासवर्ड", "รหัสผ่าน"))),
    "mậtkhẩu",
)
"""Without what is no letter, as names are joined."""
_ANYWHERE = (
    "apikey",
    "secretkey",
    "secretaccesskey",
    "privatekey",
    "clientsecret",
    "seedphrase",
    "recoveryphrase",
    "mnemonic",
)
_ENDINGS = (*_KEYS, "secret", "credential", "cookie", "authtoken", "accesstoken", "sharedaccesssignature")
_WORDS = frozenset({"secret", "secrets", "credentials", "creds", "authorization", "cookie", "cookies", "jwt"})
_LAST = frozenset({"auth", "jwt", "token", "secret", "psk"})
CODES = frozenset({"cvv", "cvc", "otp", "pin", "totp", "pincode"})
CODE_OWNERS = words(
    "fa factor sms security access verification auth authorization activation recovery backup pin otp mfa login secret"
)
TOKEN_OWNERS = frozenset({"access", "auth", "refresh", "api", "bearer", "session", "secret", "id", "identity"})
TOKEN_OWNERS |= frozenset({"csrf", "xsrf", "security", "bot", "user", "service", "deploy", "personal", "oauth"})
_NO_SECRET_AFTER = words(
    """
    count counts length len limit limits size budget usage type types name names policy required enabled expiry
    expires expired in at ttl seconds url uri endpoint path file field fields hint id ids index strategy method
    mode present details rotation format error errors consent banner domain samesite vault manager provider
    version ms store str env prompt label title placeholder description hint help regex pattern validator source
    processor mgr realm handler factory fd selector projection hashers routes validators backends mechanism
    """
)
_NO_TOKEN = words(
    """
    max min num number n total prompt completion input output cached cache reasoning per first last new next
    prev previous page continuation cursor eos bos pad unk sep cls mask special stop start end text audio image
    tool accepted rejected remaining used thinking candidates budget design
    """
)
_OF_BOUNDS = frozenset({"max", "min"})
_MEASURES = words("bytes chars characters attempts tries retries age days")
_OF_MORE = words("ref refs reference algorithm alg var variable message messages msg list map")
"""Last words of names under which not only secrets stand, but names and words of programs, too."""
_NO_KEY = words(
    """
    public primary foreign sort partition cache row hash range routing dedup idempotency group lookup index
    composite join map dict object metadata state input output memory message messages context chat history
    question answer source
    """
)
_LONGEST = 128
_REMEMBERED = 4_096

_verdicts: dict[str, Kind] = {}


def is_secret_key(name: str) -> bool:
    """Say whether a value under this key is a secret by the key's name alone, such as ``apiKey`` or ``Set-Cookie``.

    Counts (``max_tokens``, ``prompt_tokens``) and facts about a secret (``token_type``, ``password_policy``) are not.
    """
    return kind_of(name) != ""


def kind_of(name: str) -> Kind:
    """Return what a name says of the value under it; may be called from any thread."""
    if settings.known() is not _own.settings:
        own_names()
    end = name[-_LONGEST:]  # says what it is
    verdict = _verdicts.get(end)
    if verdict is None:
        verdict = _judge(end)
        if len(_verdicts) >= _REMEMBERED:
            _verdicts.clear()
        _verdicts[end] = verdict
    return verdict


def secret_columns(names: Iterable[str]) -> dict[int, Kind]:
    """Return which of some columns are secrets by name, quoted or not, and of which kind."""
    return {at: kind for at, name in enumerate(names) if (kind := kind_of(name.strip(" \t\r\n\\\"'`*_[]")))}


def without_secret_columns(entries: dict[str, object]) -> dict[str, object]:
    """Return an object in which the secret columns of rows are hidden whose names lie beside them.

    Nothing of a user's class is called.

    Args:
        entries: The object: ``{"columns": ["user", "password"], "rows": [["ada", "…"]]}``, of plain JSON types.
    """
    for key in _LISTS_OF_COLUMNS & entries.keys():
        names = entries[key]
        if type(names) is list and all(type(name) is str for name in names) and (columns := secret_columns(names)):
            secret = {at: names[at] for at in columns}
            return {key: _rows(item, secret) if key in _LISTS_OF_ROWS else item for key, item in entries.items()}
    return entries


_LISTS_OF_COLUMNS = frozenset(
    {"columns", "cols", "column_names", "columnNames", "fields", "field_names", "header", "headers", "keys", "names"}
)
_LISTS_OF_ROWS = frozenset({"rows", "data", "values", "records", "result", "results"})


def _rows(rows: object, secret: Mapping[int, str]) -> object:
    """Hide what is secret in each row; beside the rows a copy may say how many it left out."""
    return [_row(row, secret) if type(row) is list else row for row in rows] if type(rows) is list else rows


def _row(row: list[object], secret: Mapping[int, str]) -> list[object]:
    return [HIDDEN if at in secret and not harmless_value(secret[at], cell) else cell for at, cell in enumerate(row)]


def hides(entries: Mapping[Any, object], key: str, value: object) -> bool:
    """Return whether an entry of a dict is a secret: by its key, or by what is beside it, as in headers and cookies.

    Nothing of a user's class is called.

    Args:
        entries: The dict.
        key: The entry's key.
        value: What stands there.
    """
    name: str | None = key if is_secret_key(key) else None
    if name is None and len(key) <= _LONGEST_VALUE and key.lower() in PAIR_VALUES:
        for other, said in list(dict.items(entries) if isinstance(entries, dict) else entries.items()):
            low = other.lower() if type(other) is str else ""
            if low in _PAIR_NAMES and type(said) is str and is_secret_key(said):
                name = said
                break
            if low == "httponly":  # as browsers list cookies
                name = "cookie"
                break
    return name is not None and not harmless_value(name, value)


PAIR_VALUES, _LONGEST_VALUE = frozenset({"value", "v"}), 5
_PAIR_NAMES = frozenset({"name", "key", "header", "field", "variable", "param", "parameter", "id", "k"})
"""``{"name": "Authorization", "value": …}``, in the words of lists of headers, variables and fields."""


def hidden(value: object) -> object:
    """Return what stands for a secret: of a JSON schema, such as a tool's parameter has, what it says of the value."""
    if type(value) is not dict or not any(mark in value for mark in _SCHEMA_MARKS) or not _is_type(value.get("type")):
        return HIDDEN
    return {key: _of_schema(key, item) for key, item in value.items()}


def _of_schema(key: object, item: object) -> object:
    if type(key) is not str:
        return HIDDEN
    if key in _SCHEMA_PARTS:
        return [hidden(one) for one in item] if type(item) is list else hidden(item)
    is_plain = type(item) in _PLAIN or (type(item) is list and all(type(one) in _PLAIN for one in item))
    return item if key in _SCHEMA_WORDS and is_plain else HIDDEN


def _is_type(value: object) -> bool:
    kinds = value if type(value) is list else [value]
    return all(kind is None or (type(kind) is str and kind in _TYPES) for kind in kinds)


_PLAIN = frozenset({str, int, float, bool, type(None)})
_TYPES = words("string integer number boolean array object null")
_SCHEMA_MARKS = frozenset({"type", "anyOf", "oneOf", "allOf", "$ref", "enum"})
_SCHEMA_PARTS = frozenset({"anyOf", "oneOf", "allOf", "items"})
_SCHEMA_WORDS = words(
    """
    type title description enum format $ref minLength maxLength minItems maxItems minimum maximum required nullable
    writeOnly readOnly deprecated additionalProperties
    """
)


def harmless_value(name: str, value: object) -> bool:
    """Return whether what stands under a secret's name is none by itself: a number, a plain word under ``token``.

    It looks at strings without a pattern: it is called in the user's thread.
    """
    if value is None or value is True or value is False:
        return True
    kind = kind_of(name)
    if type(value) is int or type(value) is float:
        return (kind == "weak" or name.lower() == "pass") and -_LARGE < value < _LARGE
    if type(value) is not str or (kind == "password" and name.lower() != "pass"):
        return type(value) is str and not value
    if kind == "code" or name.lower() == "pass":
        return value.strip().lower() in HARMLESS
    core = value.strip()
    return name.lower() in _MANY_MEANINGS and (
        _is_word(core) or core.lower() in HARMLESS or not any(map(str.isalnum, core))
    )


def _is_word(value: str) -> bool:
    """Return whether a value is one plain word of prose."""
    return len(value) <= _LONGEST_WORD and value.isalpha() and (value.islower() or value[1:].islower())


_LARGE = 10_000_000
_LONGEST_WORD = 20
_MANY_MEANINGS = frozenset({"token", "auth"})
"""Names that mean other things too: a token of a language model, a kind of login."""
HARMLESS = words(
    """
    none null nil true false undefined required optional string str bytes int integer number bool boolean
    secretstr text any yes no empty missing invalid expired unset hidden masked redacted n/a unknown default
    object array field password token secret key apikey api_key access_token input header cookie auth bearer
    basic revoked valid ok denied failed disabled enabled authentication credentials varchar type os env
    environment the a an is oauth oauth2 oidc saml ldap attribute property parameter argument method function
    class variable constant value incorrect wrong correct reset changed set username user sample example
    placeholder dummy changeme changeit
    """
)
"""What stands under a secret's name and is none: words of schemas and of answers."""


class _Own(NamedTuple):
    """The user's own names: those that are secret too, and those that never are."""

    settings: settings.Settings | None
    names: tuple[frozenset[str], frozenset[str]]


_own = _Own(None, (frozenset(), frozenset()))


def own_names() -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of ``INFINIUM_REDACT_KEYS`` and of ``INFINIUM_REDACT_ALLOW``, without what joins their words."""
    global _own  # noqa: PLW0603  (settings are the process's)
    known, own = settings.known(), _own
    if known is not own.settings:
        more, never = (known.redact_keys, known.redact_allow) if known else ((), ())
        _own = _Own(known, (frozenset(map(_bare, more)) - {""}, frozenset(map(_bare, never)) - {""}))
        if _own.names != own.names:
            _verdicts.clear()
        own = _own
    return own.names


SECOND_WORDS = ("key", "cod", "phr")
"""How words begin that may be the second of a name of two: ``api key``, ``access code``."""


def own_keywords() -> list[str]:
    """Return words of the names of the user's own: where one of them occurs in a text, a name is read.

    Of each it is the longest word, and one that may be a name's second.
    """
    known = settings.known()
    names = [re.split(r"[\W_]+", name.lower()) for name in (known.redact_keys if known else ()) if _bare(name)]
    return [word for words in names for word in words if word == max(words, key=len) or word.startswith(SECOND_WORDS)]


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _judge(name: str) -> Kind:  # noqa: PLR0911  (the plainer questions first)
    more, never = _own.names
    if (more or never) and (bare := _bare(name)):
        if bare in never:
            return ""
        if bare in more:
            return "password"
    parts = _split(name)
    if not parts or _says_otherwise(parts):
        return ""
    joined = "".join(parts)
    if not (_TELLING if name.isascii() else _TELLING_ABROAD).search(joined):
        return ""
    if not name.isascii() and has_one(joined, _PASSWORDS_ABROAD):
        return "password"
    if has_one(joined, PASSWORDS) or joined.endswith(_PASSWORD_ENDINGS):
        return "password"
    if parts[-1] in PASSWORD_PARTS or "pwd" in parts or "passcode" in parts:
        return "password"
    if parts[-1] in CODES or (parts[-1] == "code" and len(parts) > 1 and parts[-2] in CODE_OWNERS):
        return "code"
    return "weak" if _is_weak(name, parts, joined) else ""


@lru_cache(maxsize=512)
def means_more(name: str) -> bool:
    """Return whether under a name words stay that would be secrets under its first ones alone: ``secret_ref``."""
    parts = _split(name)
    return len(parts) > 1 and (parts[-1] in _OF_MORE or parts == ["on", "pass"])


def _says_otherwise(parts: list[str]) -> bool:
    """Return whether a name says by its first words or its last that no secret stands there: ``max_password_bytes``."""
    return parts[-1] in _NO_SECRET_AFTER or "internals" in parts or (parts[0] in _OF_BOUNDS and parts[-1] in _MEASURES)


_PASSWORD_WORDS = {*PASSWORDS, *_PASSWORDS_ABROAD, *_PASSWORD_ENDINGS, *PASSWORD_PARTS}
_STEMS = {*_PASSWORD_WORDS, *_ANYWHERE, *_ENDINGS, *_WORDS, *_LAST, *CODES, "code", "key", "token"}
_LEAST_STEMS = [stem for stem in _STEMS if sum(each in stem for each in _STEMS) == 1]
_TELLING_ABROAD = re.compile(any_of(_LEAST_STEMS))
_TELLING = re.compile(any_of(filter(str.isascii, _LEAST_STEMS)))
"""What a name has of which anything is said."""


def _is_weak(name: str, parts: list[str], joined: str) -> bool:
    if has_one(joined, _ANYWHERE) or joined.removesuffix("s").endswith(_ENDINGS):
        return True
    if not _WORDS.isdisjoint(parts) or _is_token(parts):
        return True
    is_variable = name.isupper() and len(parts) > 1  # of the environment, such as ``ACME_KEY``
    return parts[-1] in _LAST - {"token"} or (is_variable and parts[-1] == "key" and parts[-2] not in _NO_KEY)


def _is_token(parts: list[str]) -> bool:
    if parts[-1] == "tokens":
        return len(parts) > 1 and parts[-2] in TOKEN_OWNERS
    if parts[-1].endswith("token") and parts[-1] != "token":
        return parts[-1].removesuffix("token") not in _NO_TOKEN
    at = len(parts) - 1 - parts[::-1].index("token") if "token" in parts else -1
    if at > 1 and parts[at - 2 : at] == ["public", "key"]:
        return False
    if at < 0 or (at != len(parts) - 1 and parts[-1] not in {"value", "secret", "header", "string"}):
        return False
    return at == 0 or parts[at - 1] not in _NO_TOKEN


def _split(name: str) -> list[str]:
    """Split ``x-apiKey_2`` into x, api, key: at what is no letter, and at each hump."""
    if name.isascii():
        parts: list[str] = _HUMPS.findall(name)
        return parts if name.islower() else [part.lower() for part in parts]
    return [part for run in _RUNS.findall(name) for part in _abroad(run)]


def _abroad(run: str) -> list[str]:
    """Split a run of letters of any alphabet."""
    if run.isalpha() and run == run.lower():
        return [run]
    letters: list[str] = []
    for at, letter in enumerate(run):
        if letter.isupper() and at and (run[at - 1].islower() or run[at + 1 : at + 2].islower()):
            letters.append(" ")
        letters.append(letter.lower() if letter.isalpha() else " ")
    return "".join(letters).split()


_HUMPS = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_RUNS = re.compile(r"[^\W\d_]+")
