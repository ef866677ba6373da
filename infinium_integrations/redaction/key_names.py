"""Which keys hold a secret, by their name alone; and what every step of redaction agrees on."""

__all__ = ["HIDDEN", "SLACK", "Cut", "Redacted", "is_secret_key", "words"]

HIDDEN = "[REDACTED]"
"""What stands where a secret was."""
SLACK = 256
"""Characters kept beyond a limit, so that the redactor sees a secret that lies across the cut."""


class Cut(str):
    """A text that was cut when it was taken, ``SLACK`` characters after its end: a secret may lie across the cut."""

    __slots__ = ()


class Redacted(str):
    """A text that is redacted already."""

    __slots__ = ()


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


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
_OWNERS = (
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
    ),
    *_VENDORS,
)
_KEYS = tuple(f"{owner}key" for owner in _OWNERS)
_ANYWHERE = ("password", "passwd", "passphrase", "apikey", "secretkey", "secretaccesskey", "privatekey", "clientsecret")
_ENDINGS = (*_KEYS, "secret", "credential", "cookie", "authtoken", "accesstoken", "sharedaccesssignature", "pwd")
_WORDS = frozenset({"secret", "secrets", "credentials", "authorization", "cookie", "cookies", "jwt", "pwd", "passcode"})
_LAST = frozenset({"auth", "jwt", "token", "pass", "cvv", "cvc", "otp", "secret"})
_TOKEN_OWNERS = frozenset({"access", "auth", "refresh", "api", "bearer", "session", "secret", "id", "identity"})
_TOKEN_OWNERS |= frozenset({"csrf", "xsrf", "security", "bot", "user", "service", "deploy", "personal", "oauth"})
_NO_SECRET_AFTER = words(
    """
    count counts length len limit limits size budget usage type types name names policy required enabled expiry
    expires expired in at ttl seconds url uri endpoint path file field fields hint id ids index strategy method
    mode present details rotation format error errors consent banner domain samesite vault manager provider
    version ms
    """
)
_NO_TOKEN = words(
    """
    max min num number n total prompt completion input output cached cache reasoning per first last new next
    prev previous page continuation cursor eos bos pad unk sep cls mask special stop start end text audio image
    tool accepted rejected remaining used thinking candidates budget
    """
)
_NO_KEY = words(
    """
    public primary foreign sort partition cache row hash range routing dedup idempotency group lookup index
    composite join map dict object metadata state input output memory message messages context chat history
    question answer
    """
)
_LONGEST = 128
_REMEMBERED = 4_096

_verdicts: dict[str, bool] = {}


def is_secret_key(name: str) -> bool:
    """Say whether a value under this key is a secret by the key's name alone, such as ``apiKey`` or ``Set-Cookie``.

    Counts (``max_tokens``, ``prompt_tokens``) and facts about a secret (``token_type``, ``password_policy``) are not.
    """
    verdict = _verdicts.get(name)
    if verdict is None:
        verdict = len(name) <= _LONGEST and _judge(name)
        if len(_verdicts) >= _REMEMBERED:
            _verdicts.clear()
        if len(name) <= _LONGEST:
            _verdicts[name] = verdict
    return verdict


def _judge(name: str) -> bool:
    parts = _split(name)
    if not parts or parts[-1] in _NO_SECRET_AFTER:
        return False
    joined = "".join(parts)
    if any(part in joined for part in _ANYWHERE) or joined.removesuffix("s").endswith(_ENDINGS):
        return True
    if not _WORDS.isdisjoint(parts) or _is_token(parts):
        return True
    is_variable = name.isupper() and len(parts) > 1  # of the environment, such as ``ACME_KEY``
    return parts[-1] in _LAST - {"token"} or (is_variable and parts[-1] == "key" and parts[-2] not in _NO_KEY)


def _is_token(parts: list[str]) -> bool:
    if parts[-1] == "tokens":
        return len(parts) > 1 and parts[-2] in _TOKEN_OWNERS
    if parts[-1].endswith("token") and parts[-1] != "token":
        return parts[-1].removesuffix("token") not in _NO_TOKEN
    at = len(parts) - 1 - parts[::-1].index("token") if "token" in parts else -1
    if at < 0 or (at != len(parts) - 1 and parts[-1] not in {"value", "secret", "header", "string"}):
        return False
    return at == 0 or parts[at - 1] not in _NO_TOKEN


def _split(name: str) -> list[str]:
    """Split ``x-apiKey_2`` into x, api, key: at what is no letter, and at each hump."""
    letters: list[str] = []
    for at, letter in enumerate(name):
        if letter.isupper() and at and (name[at - 1].islower() or name[at + 1 : at + 2].islower()):
            letters.append(" ")
        letters.append(letter.lower() if letter.isalpha() else " ")
    return "".join(letters).split()
