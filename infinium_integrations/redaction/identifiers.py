"""What programs call things: under a token's name it is no secret.

Types, paths of modules, templates, masks, sentences.
"""

import re
from functools import lru_cache

from infinium_integrations.redaction.scan import pattern

__all__ = ["is_computed", "is_masked", "is_template", "worded"]

_MIXED = (
    "[a-z]2[a-z]",
    r"v\d{1,2}(?:(?:alpha|beta)\d?)?",
    "base(?:16|32|64)",
    "b64",
    "(?:oauth|open_?id|auth)[12]",
    "(?:s3|ec2|r2|k8s|h2|http2|httpx2|p12|x509|u2f|i18n|l10n|utf8|neo4j|lm15)",
    r"(?:md|sha|hs|rs|es|ps|aes|rsa|crc)-?\d{1,3}",
    r"(?:ed|curve|x)(?:25519|448)",
    r"pkcs\d{1,2}",
    "(?:argon2|pbkdf2|bcrypt2)",
    r"rfc-?\d{3,5}",
)
"""Words with digits that are known in names of programs."""
_WORD = pattern(
    r"(?<=[a-z])_0[0-9]{3}\Z"
    rf"|(?<![^\W_])(?i:{'|'.join(_MIXED)})(?![^\W_])"
    r"|(?:(?<![^\W_])|(?<=[a-z]))(?:V[1-9]|OAuth2|PKCS\d{1,2}|PBKDF2|(?:BCrypt)?SHA\d{1,3}|MD5|Ed(?:25519|448)|X509|Argon2|Base64|B64|S3)(?=[A-Z][a-z]{3}|_)"
)
_NUMBERED = pattern(
    r"[0-9]{1,4}(?=(?:_[a-z]{2,20}){2,12}\Z)|0[0-9]{3}(?=_[a-z])|~(?=[a-z_]{2,20}\.)|[.@](?=(?:v[0-9]_)?[a-z_]{4,60}(?:[.(]|\Z))"
)
"""What may come first: the number of a migration, a point, a mark."""


_SHORTEST = 9


@lru_cache(maxsize=512)
def worded(core: str) -> str:
    """Return a name of a program with plain words instead of those that have digits: ``V1SecretReference``."""
    if len(core) < _SHORTEST:
        return core
    first = _NUMBERED.match(core)
    core = core[first.end() :].lstrip("_") if first else core
    return _WORD.sub(lambda found: "Word" if found[0][0].isupper() else "word", core)


_MASKED = pattern(r"[\w.-]{0,12}(?:\*{3,40}|\.{3}|…)[\w-]{0,8}")


def is_masked(core: str) -> bool:
    """Return whether a value is shown in part only, as ``sk-***`` and ``sk-...4f2a``."""
    return _MASKED.fullmatch(core) is not None


_COMPUTED = pattern(r"[\w-]{0,10}\$\(|\{[A-Za-z_][\w.]{0,60}(?:[\[(]|\s(?:or|and|if|in|is|not)(?:\s|\Z))|\{\*\*")


def is_computed(value: str) -> bool:
    """Return whether a program computes the value: ``sk-$(openssl rand -hex 32)``, ``{key[:20]}``."""
    return _COMPUTED.match(value) is not None


_TEMPLATE = pattern(r"%(?:\(\w{1,40}\))?[sdr](?![A-Za-z0-9])")
_PUT_IN = pattern(r"[\w-]{1,40}=")


def is_template(value: str) -> bool:
    """Return whether a program puts a value in here, beside which there is none: ``"%s"``, ``password=%s``."""
    rest, count = _TEMPLATE.subn("", value)
    return bool(count) and (
        "%(password)" in value or not any(map(str.isalnum, rest)) or _PUT_IN.fullmatch(rest) is not None
    )
