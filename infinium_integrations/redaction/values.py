# ruff: noqa: E501, PLR0911, RUF001  (patterns in one piece; chains of questions; other languages have other quotes)
"""Whether what stands after a secret's name is a secret: not a number, a path, an identifier, a word, a placeholder."""

import re
from functools import lru_cache

from infinium_integrations.redaction.key_names import (
    HARMLESS,
    HIDDEN,
    Kind,
    kind_of,
    means_more,
    own_names,
    words,
)
from infinium_integrations.redaction.letters import (
    HUMPS,
    changes,
    has_all,
    is_evenly_written,
    is_mixed,
    is_oddly_written,
    is_random,
)
from infinium_integrations.redaction.programs import (
    ARN,
    CODE,
    DOTTED,
    HEADER,
    JOINT,
    hands_on,
    is_after_a_string,
    is_alone,
    is_argument,
    is_computed,
    is_its_name,
    is_masked,
    is_minified,
    is_negated,
    is_of_a_program,
    is_template,
    is_variable,
    is_worded_path,
    says_its_name,
    worded,
)
from infinium_integrations.redaction.prose import is_label
from infinium_integrations.redaction.scan import Pair, pattern

__all__ = [
    "ENOUGH",
    "HEADERS",
    "is_odd",
    "is_prose",
    "is_secret_at_a_glance",
    "is_secret_value",
    "is_secret_word",
]

ENOUGH = 160
"""Characters of a value that are looked at to judge it."""
HEADERS = ("authorization", "cookie")
"""How names end whose value is the rest of the line."""


_EMPTY = pattern(
    r"\{[^}]*+\}+|\$(?-i:[A-Z_][A-Z0-9_]*)|\$\{[A-Za-z_][A-Za-z0-9_]*\}?|\$[0-9]{1,2}(?:::\w{1,20})?|#\{\w{1,60}\}?|\$\(.*+|(?:\$\{[^}]*+(?:\}|\Z)[:/@ .+*?-]?)++|\{\w{1,40}\}[\w.-]{0,30}|<.*+|!(?:secret|vault|env|ref|sub|include|encrypted|reference)|&(?:lt|#x3c|#60);.*+|\(.*+|\[.*+|%(?:\(\w*\)?)?\w?|%\w+%|[*•.…_:/-]++|[xX]++"
    r"|(?:your|my|the|some|an?)[ _-][A-Za-z _-]{1,40}|change[_-]?(?:me|it)",
    re.DOTALL | re.IGNORECASE,
)
_MAY_BE_EMPTY = frozenset("{$<&([%#*•.…_:-xX!yYmMtTsSaAcC")


def _is_empty(core: str) -> bool:
    """Return whether a value but stands for one: ``<token>``, ``$TOKEN``, ``***``, ``your-key``, but not ``$hunter``."""
    if core[:1] not in _MAY_BE_EMPTY:
        return False
    if (
        core[0] in _CLOSING
        and len(core) >= _SHORTEST
        and _CLOSING[core[0]] not in core
        and (has_all(core) or not _RARE.isdisjoint(core))
    ):
        return False
    return _EMPTY.fullmatch(core) is not None or (core[:1] == "$" and core[1:].isidentifier() and bool(kind_of(core)))


_RARE = frozenset("@#$^")
_CLOSING = {"<": ">", "(": ")", "[": "]"}
_SCHEME = pattern(r"(?:(?:bearer|basic|token|apikey|api-key)\s++)", re.IGNORECASE)
_COOKIE = pattern(r"\s*+[^\s=;,]++=")
_OTHER_SCHEME = pattern(
    r"\s*+(?:digest|negotiate|aws4-hmac-sha256|signature|hawk|ntlm|oauth|key)\b.*[=\d]", re.IGNORECASE
)
_ENCODING = pattern(r"base\d|sha\d|md\d|utf|x509|oauth|aes|rsa|pbkdf", re.IGNORECASE)
_PLAIN = pattern(r"_{0,2}[^\W\d_]+(?:[ _.:,;!?/'’()\[\]{}<>&|\\\"-]+[^\W\d_]+)*[ _.:,;!?/'’()\[\]{}<>&|\\\"-]*")
_PATH = pattern(
    r"(?:/|\./|\.\./|~(?=[\\/]|\Z|\w{1,16}[\\/])|[A-Za-z]:[\\/]|[a-z]{2,8}://)(?:[\w.@-]{0,24}+[\\/:?&=]++)*+[\w.@-]{0,24}+"
)
_ALGORITHM = pattern(
    r"(?:[a-z]{2,5}-?\d{1,3}|[a-z]{2}-[a-z]{4,9}-\d|[a-z]{2,6}-\d{2,4}-[a-z]{2,4}|@?v?\d+(?:\.\d+)+[a-z]{0,4}\d?|\d{1,3}-?[a-z]{1,10}|[a-z]{1,6}\d|[a-z]+[_.-]\d|x\.509|(?:sha|md)\d{1,3}[:-][a-z0-9+/=]+)",
    re.IGNORECASE,
)
_ENTITY = pattern(r"&(?:#|\w{1,8};)")
_CONSTANT = pattern(r"(?:null|none|nil|true|false|undefined|void 0)(?:[;,)\]}]|[!=]=)")
_RESOURCE = pattern(ARN)
_STOPS = ".,;!?:"
_SHORTEST, _MIN_VALUE = 4, 6
_LONG_NUMBER = 8
_LONGEST_WORD = 20
_STRANGE = frozenset("!@#$%^&*+?~")


_NUMBER = pattern(r"0[xX]0{0,8}[0-9A-Fa-f]{1,4}|(?:[0-9]{1,10}\.){4,20}[0-9]{1,10}")
"""What stands under a weak name and is none: a small number, an OID."""
_OF_DESIGN = pattern(
    r"0[xX][0-9A-Fa-f]{1,8}|#(?:[0-9A-Fa-f]{3,4}){1,2}|(?:[0-9]{1,10}\.){2,20}[0-9]{1,10}|[0-9]\*[0-9]?[a-z-]{1,20}"
)
"""And under the bare names ``token`` and ``key``: longer numbers, colours, versions, rules of a grammar (``1*tchar``)."""
_DATE = pattern(r"[12][0-9]{3}-[01][0-9]-[0-3][0-9](?:[Tt][0-9:.+-]{4,20}[Zz]?)?")
_OF_A_MODEL = pattern(r"log_?prob|\"bytes\":\s?(?:\[|null)")
_BESIDE = 64
"""Characters after a token of a language model in which its probability or its bytes are given."""
_MAIL = pattern(r"[\w.+-]{1,64}@[\w-]{1,60}(?:\.[\w-]{1,20}){0,3}\.[a-z]{2,12}")


def _is_no_token(text: str, pair: Pair, value: str) -> bool:
    """Return whether a value is a number, code, a sentence, or computed: ``f"{prefix}-{number}"``."""
    number = value.strip().partition(";")[0]
    is_of_design = _is_bare(pair) or (pair.sep == ":" and number[:1] == "#")  # of a style sheet
    if _NUMBER.fullmatch(number) is not None or (is_of_design and _OF_DESIGN.fullmatch(number) is not None):
        return True
    if pair.name == "token" and _OF_A_MODEL.search(text, pair.end, pair.end + _BESIDE):
        return len(value) <= _LONGEST_WORD
    if not pair.quote:
        return is_negated(value)
    if pair.quote == "`" and "${" in value and _LOWER.fullmatch(value):
        return True
    if pair.name.endswith("token") and _MARKED.fullmatch(value):
        return True
    if _RELATIVE.fullmatch(value) or _OPTION.fullmatch(value) or _is_prose(value, pair):
        return True
    before = pair.start - len(pair.quote) - 1
    return "{" in value and text[max(0, before) : before + 1] in {"f", "F"}


_ESCAPES = pattern(r"(?:\\x00|\\[0nrt\\])+")
_LITERAL = pattern(r"0[xX][0-9A-Fa-f]{1,8}[,;)]?|0[bB][01]{1,64}[,;)]?")
"""A number as programs write it."""
_LOWER = pattern(r"(?:\$\{[^{}]{1,80}\}|[a-z /;:=._-])+")
"""What stands around what JavaScript puts into a string."""
_MARKS = 2
"""Marks that are no value by themselves."""
_BETWEEN = " \t\r\n,"
"""What stands between two strings of a list."""


def is_secret_value(text: str, pair: Pair) -> bool:
    """Judge a value that stands right after a name: ``password=…``, ``"api_key": "…"``."""
    value = text[pair.start : min(pair.end, pair.start + ENOUGH)]
    if _is_nothing(text, value, pair):
        return False
    if pair.quote and "\n" in value:
        value = value[: value.index("\n")]
    if pair.sep == "tag" and not text.startswith("</", pair.end + len(pair.quote)):
        return False
    core = value.strip().rstrip(_STOPS).lower()
    if _is_harmless(text, pair, value, core) or is_of_a_program(text, pair, value):
        return False
    if pair.name.endswith("authorization"):
        return not _is_placeholder(text, pair, value.strip()) and _is_authorization(value.strip(), pair)
    if pair.kind == "code":
        return _is_code(value.strip().rstrip(_STOPS), pair)
    if _is_other(text, pair, value, core):
        return False
    if pair.quote:
        return not (pair.sep == "option" and _LONG_OPTION.fullmatch(value)) and _is_quoted_secret(value, pair)
    return _is_cookie(value) if pair.name.endswith("cookie") else _is_bare_secret(text, pair, value)


def _is_harmless(text: str, pair: Pair, value: str, core: str) -> bool:
    """Return whether a value is a word of schemas, its own name, a placeholder; under ``token``, a number or code."""
    if pair.kind == "weak" and _is_no_token(text, pair, value):
        return True
    return not pair.name.endswith(HEADERS) and (
        core in HARMLESS
        or (")[" in core and core.partition(")")[0] in HARMLESS)
        or _CONSTANT.match(core) is not None
        or (not pair.quote and is_minified(value, pair.kind))
        or (pair.sep == " = " and pair.kind != "code" and _LITERAL.fullmatch(value) is not None)
        or is_computed(value)
        or (pair.kind == "weak" and is_masked(core))
        or is_its_name(core, pair.name)
        or _is_placeholder(text, pair, value)
    )


def is_secret_at_a_glance(text: str, pair: Pair) -> bool:
    """Judge a value where there is little time: one with letters and digits is a secret, whatever else it may be."""
    is_long = pair.end - pair.start >= _SHORTEST and pair.name != "token"  # which may be a language model's
    if is_long and _MIXED.match(text, pair.start, pair.end):
        return True
    return is_secret_value(text, pair)


_MIXED = pattern(
    r"(?![$%][A-Za-z_{(]|[{<][^}>]*+[}>])(?:[^A-Za-z0-9]*+[0-9][^A-Za-z]*+[A-Za-z]|[^A-Za-z0-9]*+[A-Za-z][^0-9]*+[0-9])"
)


def _is_nothing(text: str, value: str, pair: Pair) -> bool:
    """Return whether no value is there: blanks, an open bracket, what is hidden already, what stands between strings."""
    if pair.quote:
        is_blank = not value.strip(_BETWEEN) or _ESCAPES.fullmatch(value) is not None
        return is_blank or value == HIDDEN or _is_between_strings(text, value, pair)
    if len(value) <= _MARKS and not any(map(str.isalnum, value)):
        return True
    rest = value.replace(HIDDEN, "")
    return not rest.strip(" \t\r\n{[(") or (rest != value and not any(map(str.isalnum, rest)))


_RELATIVE = pattern(r"(?:\.[a-z_]{2,20}){2,8}")
_OPTION = pattern(r"\s?--[a-z-]{2,30}[= ]?|`[a-z]{1,12}`")
_VERB = pattern(
    r"(?i:\b(?:first|second|third|final|last|next|each|single|to|can|must|should|will|not|also|you|they|tests)[ ]pass)\W{1,4}(?![\s\S])"
)
_MARKED = pattern(r"[\]<>|\[▁]{1,3}[A-Za-z_]{1,20}[\]<>|\[]{1,3}")
_CHANNELS = pattern(r"[a-z*]{1,20}(?:,[\w:*-]{1,30})*")
"""What programs are told to log, as in ``DEBUG=pw:api``."""
_ENTRY_POINT = pattern(r"[A-Za-z_]\w*(?:\.\w+)+:[A-Za-z_]\w*")


_CODE_AFTER_COOKIE = pattern(r":[A-Za-z]|[Cc]ookie, [*\w]|[A-Za-z_$][\w$.]{0,60} ?\+ ?\Z")
"""A scope of C++, the next argument, a sum."""
_PROSE_WORDS = 6
_OF_WORDS = ("phrase", "mnemonic", "words", "seed")
_OF_A_KEY = pattern("[a-z]{3,8}")


def _is_prose(value: str, pair: Pair) -> bool:
    """Return whether a value is a sentence: many words, and none of them odd."""
    return (
        value.count(" ") >= _PROSE_WORDS - 1
        and "cookie" not in pair.name
        and is_prose(value if len(value) < ENOUGH else value.rpartition(" ")[0], pair.name)
    )


def is_prose(value: str, name: str) -> bool:
    """Return whether a text is many words, numbers, and where to read more; no words that are a key themselves."""
    parts = value.split()
    return (
        len(parts) >= _PROSE_WORDS
        and not name.endswith(_OF_WORDS)
        and any(not _OF_A_KEY.fullmatch(part) for part in parts)
        and not any(is_odd(part.strip(_AROUND), "weak") for part in parts)
    )


_AROUND = "().,;:!?'\"`$\\{}[]<>%"


def _is_between_strings(text: str, value: str, pair: Pair) -> bool:
    """Return whether the quote before a value closes a string: ``ask('password: ')``."""
    return (
        value[0] in "\n\r"
        or ("\n" in value and (value[0] in ")]},; %.+" or pair.quote == "`"))
        or (pair.sep in _UNQUOTED and is_after_a_string(text, pair.start, pair.quote))
    )


_UNQUOTED = frozenset(":=")
"""What stands after a name that no quote closes."""


def _is_other(text: str, pair: Pair, value: str, core: str) -> bool:
    """Return whether a name means something else here: a folder, how many passed, a cookie of short words."""
    if pair.name in {"pwd", "oldpwd"}:
        is_path = value.startswith(("/", "~/", "./", "../", "~\n")) or value == "~"
        if pair.quote and _ENTRY_POINT.fullmatch(value):
            return True
        return is_path and value[1:2] not in _STRANGE and not _has_random_part(value)
    if pair.name == "pass":
        is_verb = _VERB.search(text, max(0, pair.start - _LONGEST_WORD * 2), pair.start) is not None
        return (core.isdigit() and not pair.quote) or (is_verb and not any(map(str.isdigit, core)))
    if pair.name == "pw" and pair.sep == ":":
        return text[pair.start - 4 : pair.start - 3] == "=" and _CHANNELS.fullmatch(value) is not None
    if pair.kind == "password" and means_more(pair.name):
        is_word = pair.name.endswith("pass") and value.isalpha() and value.islower()
        return is_word or is_prose(value, pair.name)
    return pair.name.endswith(("cookie", "cookies")) and _is_plain_cookie(value)


def is_odd(value: str, kind: Kind) -> bool:
    """Judge a value that stands more loosely after a name, as in a sentence: no word, path, version or identifier."""
    return _is_odd(value, kind, own_names())


@lru_cache(maxsize=512)
def _is_odd(value: str, kind: Kind, own: object) -> bool:  # noqa: ARG001  (what is a name depends on it)
    core = value.strip().rstrip(_STOPS)
    if len(core) < _SHORTEST or (len(core) < _LONG_NUMBER and core.isalpha() and core[1:].islower()):
        return False
    if _says_no_more(core, kind):
        return False
    if kind == "code":
        return core.replace("-", "").replace(" ", "").isdigit()
    if core.isdigit():
        return kind == "password" or len(core) >= _LONG_NUMBER
    if kind != "password":
        core = worded(core)
    if _PLAIN.fullmatch(core):
        return core[-1] != "(" and "[" not in core and is_random(core)
    if kind != "password" and (
        _OF_DESIGN.fullmatch(core) is not None
        or _MAIL.fullmatch(core) is not None
        or ("_" in core and core.islower() and core.isidentifier() and bool(kind_of(core)) and not is_random(core))
        or (len(core) < _MIN_VALUE and ((_STRANGE.isdisjoint(core) and is_evenly_written(core)) or not has_all(core)))
        or (is_evenly_written(core) and _ALGORITHM.fullmatch(value.strip().rstrip(".,;:")) and not is_random(core))
    ):
        return False
    if (
        CODE.match(core.lstrip("("))
        or _REGEX.match(core)
        or (kind == "password" and len(core) < _MIN_VALUE and not has_all(core))
    ):
        return False
    if not any(map(str.isdigit, core)):
        is_strange = not _STRANGE.isdisjoint(core) and not core.isidentifier() and DOTTED.fullmatch(core) is None
        return is_strange or is_random(core)
    return any(map(str.isalpha, core)) or len(core) >= _LONG_NUMBER


def _says_no_more(core: str, kind: Kind) -> bool:
    """Return whether a value is a constant, a word of schemas, a placeholder, a mask, a template, or a path."""
    low = core.lower()
    if (
        low in HARMLESS
        or _CONSTANT.match(low.lstrip("("))
        or _DATE.fullmatch(core)
        or _ENTITY.match(core)
        or _RESOURCE.match(low)
    ):
        return True
    if "${" in core or HIDDEN in core or _is_empty(core) or (not core[0].isdigit() and _is_path(core)):
        return True
    return is_computed(core) or (kind == "weak" and is_masked(core)) or is_template(core, kind)


def is_secret_word(value: str, kind: Kind) -> bool:
    """Judge a value in a form that leaves no doubt: under a password's name all but words of schemas are secret."""
    core = value.strip().rstrip(_STOPS)
    if kind != "password":
        return is_odd(value, kind)
    return (
        any(map(str.isalnum, core))
        and core.lower() not in HARMLESS
        and HIDDEN not in core
        and not _is_empty(core)
        and not CODE.match(core)
    )


def _is_code(core: str, pair: Pair) -> bool:
    """Judge what stands under ``pin``, ``otp``, ``cvv``: digits, or what is no word of schemas where it is given."""
    plain = core.replace("-", "").replace(" ", "")
    if plain.isdigit():
        return len(plain) >= (3 if "cv" in pair.name else 4)
    if (
        " " in core
        or (core.count(".") > 1 and core.lower().endswith(_CODES))
        or HEADER.fullmatch(core)
        or (core[:1] == "_" and core.count("_") > _JOINTS and core.replace("_", "").isalpha())
    ):
        return False
    is_given = pair.sep in {"=", "tag"} or (pair.sep != "tuple" and pair.quote[-1:] in _QUOTES)
    is_one = is_given and pair.name.endswith(_CODES) and is_secret_word(core, "password")
    return is_one or is_odd(core, "weak")


_JOINTS = 3
"""How many parts of a name are joined in one that is no code, as in ``_encrypted_content_affinity_pinned``."""
_QUOTES = frozenset("'\"")
_CODES = ("otp", "cvv", "cvc", "pin")


_OF_THE_ENVIRONMENT = pattern(r"(?:[A-Z]{2,20}_){1,6}(?:PASSWORD|PASSWD|PASSPHRASE|PWD)(?:_[A-Z]{2,20}){0,4}")


def _is_quoted_secret(value: str, pair: Pair) -> bool:
    if pair.kind == "password":
        is_long = len(value) > 1 or value.isalnum()
        is_variable = _OF_THE_ENVIRONMENT.fullmatch(value) is not None
        return is_long and not is_label(value) and not is_variable and (pair.sep != "tuple" or not value.isalpha())
    core = value.strip()
    if pair.sep == "tuple" and value.isalpha():
        return False
    if core.replace(".", "").isdigit():
        return len(core) >= _LONG_NUMBER
    if pair.sep == "==" and pair.name in _OF_LEXERS and len(core) <= _LONGEST_WORD and core.isidentifier():
        return is_random(core)
    if _is_word_under_a_clear_name(core, pair):
        return True
    if means_more(pair.name):
        return is_odd(core, "weak")
    core = worded(core)
    if _PLAIN.fullmatch(core):
        return is_random(core) or (pair.name.endswith("cookie") and "=" in core)
    if not any(letter.isalnum() for letter in core) or _is_path(core) or _looks_like_code(core):
        return False
    if pair.name.endswith(("cookie", "cookies")):
        name, mark, rest = core.partition("=")
        return " " not in name and (rest.lstrip()[:1] not in {"", ";"} if mark else is_odd(core, "weak"))
    is_said = _is_bare(pair) or core.partition(" ")[0].isupper()  # ``RFC 2518``
    return len(core) >= _SHORTEST and not (is_said and _is_phrase(core))


_OF_TOKENS = words("token tokens key keys jwt")


def _is_bare(pair: Pair) -> bool:
    """Return whether a name says no more than that a token or a key stands there."""
    return pair.name.strip("_-") in _OF_TOKENS


def _is_phrase(core: str) -> bool:
    """Return whether a value is plain words and counts: ``RFC 2518``, ``expected 2 tokens``."""
    parts = [part.strip("().,;:!?'") for part in core.split()]
    return (
        len(parts) > 1
        and any(map(str.isalpha, parts))
        and all(
            not part or (len(part) < _LONG_NUMBER and part.isdigit()) or (part.isalpha() and not is_random(part))
            for part in parts
        )
    )


_OF_MANY_MEANINGS = words(
    "token tokens auth secret secrets key keys credential credentials creds cookie cookies jwt authorization"
)


_OF_LEXERS = words("token tok")


def _is_word_under_a_clear_name(core: str, pair: Pair) -> bool:
    """Return whether a value is one word under a name of which nothing else is meant: ``api_key``, not ``token``."""
    return (
        len(core) >= _SHORTEST
        and core.isalnum()
        and not core.isdigit()
        and pair.sep != "=="
        and pair.name.strip("_-") not in _OF_MANY_MEANINGS
        and not means_more(pair.name)
        and not pair.name.endswith("cookie")
        and kind_of(pair.name) == "weak"
        and kind_of(core) == ""
        and core not in _STAND_INS
        and not (pair.quote == "`" and _TYPE.fullmatch(core))
    )


_TYPE = pattern("(?:[A-Z][a-z]{2,20}){2,6}")
_STAND_INS = words("fake mock ollama unused")
"""What is given where a key is asked for and none is needed."""


def _is_with_digits_under_a_clear_name(core: str, pair: Pair) -> bool:
    return (
        len(core) >= _MIN_VALUE
        and core.isalnum()
        and any(map(str.isdigit, core))
        and not _ENCODING.match(core)
        and _is_word_under_a_clear_name(core, pair)
    )


def _is_path(core: str) -> bool:
    core = core.replace("#", "/") if "://" in core else core
    return _PATH.fullmatch(core) is not None and not _has_random_part(core)


def _has_random_part(core: str) -> bool:
    """Return whether a part between slashes is no name of a file: upper and lower case, and digits here and there."""
    return not (core.isupper() or core.islower()) and any(
        not (part.isupper() or part.islower())
        and has_all(part)
        and (len(_DIGITS.findall(part)) > (len(part) < len(core) - 1) or len(HUMPS.findall(part)) * 3 > len(part))
        and _FILE.search(part) is None
        for part in re.split(r"[\\/]", core)
    )


_DIGITS = pattern(r"[0-9]+")
_FILE = pattern(r"[._-]|\A[A-Z]?[a-z]{2,20}[0-9]{1,4}\Z")


def _is_plain_cookie(value: str) -> bool:
    """Return whether a cookie holds but short words: ``theme=dark; Secure``."""
    parts = value.replace("=", " ").replace(";", " ").split()
    return all(len(part) <= _LONGEST_PART and part.isalpha() and not is_oddly_written(part) for part in parts)


_LONGEST_PART = 14
_REGEX = pattern(r"/?\^.*(?:[\\\[(|]|\$\Z)|.*\[[^\]]*[a-z]-[zZ]|.*\\[dws]|/.*/[a-z]*\Z")


def _looks_like_code(core: str) -> bool:
    return _REGEX.match(core) is not None or (
        DOTTED.fullmatch(core) is not None and not (is_random(core) or any(map(str.isdigit, core)))
    )


def _is_placeholder(text: str, pair: Pair, value: str) -> bool:
    """Return whether a value is a placeholder: ``{password}``, ``<your-key>``, ``${TOKEN}``, ``Bearer ***``."""
    scheme = _SCHEME.match(value)
    core = value[scheme.end() :] if scheme else value
    if pair.kind == "weak" and _FILLED.fullmatch(core):
        return True
    if core[:1] in {"{", "<"} or (pair.quote and core[:1] in {"(", "["}):
        if pair.name == "pwd" and _BRACED_SECRET.match(text, pair.start):
            return False
        closing = core[-1:] if pair.quote else core[-1:] + text[pair.end : pair.end + 1]
        return any(mark in closing for mark in "}>)]") and not core.startswith(HIDDEN)
    return (
        _is_empty(core)
        and not core.startswith(HIDDEN)
        and (
            pair.kind != "password"
            or not core[:1].isalpha()
            or not core.lower().strip("x")
            or "your" in core.lower()
            or core.lower().startswith("change")
        )
    )


_FILLED = pattern(r"\{\w{1,40}\}[a-z_./-]{0,30}")
_BRACED_SECRET = pattern(
    r"\{(?=[^}0-9]{0,60}[0-9])(?=[^}A-Za-z]{0,60}[A-Za-z])(?![\w.]{1,40}![rsa][:}])[^{}\s?]{0,60}[!#%^&*~@][^{}\s]{0,60}\}"
)
"""As ODBC writes a password with marks: ``PWD={hunter2!}``."""


def _is_cookie(value: str) -> bool:
    """Return whether a value gives some cookie's: not ``a=``, ``%s=%s``."""
    if "=" not in value:
        return _CODE_AFTER_COOKIE.match(value) is None and is_odd(value.partition("  #")[0], "weak")
    if _COOKIE.match(value) is None or CODE.match(value) is not None:
        return False
    return any(part.partition("=")[2].replace("%s", "").strip(' "\\') for part in value.split(";"))


_SCHEME_ALONE = pattern(
    r"(?:basic|bearer)(?:%20|\+)?(?:[^\w$]{0,4}(?:redacted|\$\{\w{1,20}\})?[^\w]{0,4})?\Z", re.IGNORECASE
)
_NAME_OF_A_HEADER = pattern(
    "[Xx](?:-[A-Za-z0-9]{2,14}){1,6}|[A-Z][a-z]{1,12}(?:-[A-Z][a-z]{1,14}){1,5}|[Aa][Pp][Ii]-[Kk]ey"
)


def _is_authorization(value: str, pair: Pair) -> bool:
    if pair.sep == " = " and not pair.quote and value.isidentifier() and not any(map(str.isdigit, value)):
        return False  # a variable
    if _OTHER_SCHEME.match(value) and '="' in value:
        return True
    scheme = _SCHEME.match(value)
    token, _, rest = value[scheme.end() if scheme else 0 :].rstrip(_STOPS).partition(" ")
    token = token.rstrip(_STOPS)
    if _is_path(value) or says_its_name(value, pair.name) or _CONSTANT.match(value) or _SCHEME_ALONE.match(value):
        return False
    first = value.partition(" ")[0].rstrip(",})")
    if not pair.quote and pair.sep == " = " and is_worded_path(first):
        return False
    if pair.quote and (value == "Authorization" or (_NAME_OF_A_HEADER.fullmatch(value) and kind_of(value))):
        return False
    if token in {HIDDEN, ""} or token.lower() in HARMLESS or DOTTED.fullmatch(token + rest) or CODE.match(token):
        return False
    if scheme:
        if len(token) <= _LONGEST_WORD and _PLAIN.fullmatch(token) and not is_random(token):
            return False
        return (not rest or not token.isalpha()) and not _is_empty(token.rstrip(")"))
    return (
        (bool(pair.quote) and (rest == "" or any(map(str.isdigit, value))))
        or _OTHER_SCHEME.match(value) is not None
        or (len(token) >= _MIN_VALUE and not token.isalpha())
    )


_OPTIONS = pattern(r"options\s{1,20}[a-z]")
_LONG_OPTION = pattern("--[a-z]{2,20}(?:-[a-z]{2,20}){1,5}")


def _is_word(core: str, pair: Pair) -> bool:
    """Return whether a value is a word of prose, with what ends a sentence."""
    has_humps = is_mixed(core) or (pair.kind == "password" and len(core) >= _LONG_NUMBER and changes(core) > 1)
    return core.isalpha() and not has_humps


def _is_bare_secret(text: str, pair: Pair, value: str) -> bool:
    if pair.sep == "tag":
        return text.startswith("</", pair.end) and (pair.kind == "password" or _is_quoted_secret(value, pair))
    if pair.sep == "option" and (_LONG_OPTION.fullmatch(value) or _OPTIONS.match(text, pair.start)):
        return False
    shortest = _LONG_NUMBER if pair.kind == "weak" else _MIN_VALUE - 2
    is_count = value.isdigit() and len(value) < shortest  # no code: ``token: 1204``
    if is_count or CODE.match(value.lstrip("(")):
        return False
    core = value.rstrip(_STOPS)
    if pair.sep == "is" and ("token" in pair.name or _ENCODING.match(value) or _is_word(core, pair)):
        return False
    if pair.sep == "=" and not is_argument(text, pair) and _is_word_under_a_clear_name(core, pair):
        return True
    if pair.sep != "is" and _is_with_digits_under_a_clear_name(core, pair):
        return True
    if pair.sep == "=" and core[:1] == "#" and _OF_DESIGN.fullmatch(core) and not _is_bare(pair):
        return True  # no colour: only a design's tokens are
    if pair.kind == "weak" and not is_odd(value, pair.kind):
        return False
    if is_variable(text, pair, value):
        return False
    return pair.sep == "=" or _looks_secret(text, pair, value)


def _looks_secret(text: str, pair: Pair, value: str) -> bool:
    """Return whether a value is a secret rather than a word of prose or code."""
    if all(letter.isalpha() or letter in "._" for letter in value.rstrip(_STOPS)):
        is_given = pair.sep == "option" and JOINT.search(value) and not hands_on(pair.name, value)
        is_long = pair.sep == "is" and len(value) >= _LONG_NUMBER and changes(value) > 1
        return pair.kind == "password" and (
            is_alone(text, pair, value) or bool(is_given) or is_random(value) or is_long
        )
    if pair.sep == "is" and not any(letter.isdigit() for letter in value):
        return is_mixed(value) or is_odd(value, pair.kind)
    if pair.kind == "weak" and not value.isdigit() and not any(map(str.isalpha, value)):
        return False
    return len(value) >= _MIN_VALUE or is_alone(text, pair, value)
