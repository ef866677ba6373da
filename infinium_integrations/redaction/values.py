# ruff: noqa: E501, PLR0911, RUF001  (patterns in one piece; chains of questions; other languages have other quotes)
"""Whether what stands after a secret's name is a secret: not a number, a path, an identifier, a word, a placeholder."""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from infinium_integrations.redaction.identifiers import is_computed, is_masked, is_template, worded
from infinium_integrations.redaction.key_names import HARMLESS, HIDDEN, Kind, has_one, kind_of, own_names, words
from infinium_integrations.redaction.scan import pattern

__all__ = [
    "ENOUGH",
    "HEADERS",
    "Pair",
    "is_after_a_string",
    "is_odd",
    "is_prose",
    "is_secret_at_a_glance",
    "is_secret_value",
    "is_secret_word",
    "names_itself",
]

ENOUGH = 160
"""Characters of a value that are looked at to judge it."""
HEADERS = ("authorization", "cookie")
"""How names end whose value is the rest of the line."""


@dataclass(slots=True)
class Pair:
    """A secret's name, its kind, what stands between, and where the value lies; of a long value, its first part."""

    name: str
    kind: Kind
    sep: str
    quote: str
    start: int
    end: int


_EMPTY = pattern(
    r"\{[^}]*+\}+|\$(?-i:[A-Z_][A-Z0-9_]*)|\$\{[A-Za-z_][A-Za-z0-9_]*\}?|\$[0-9]{1,2}(?:::\w{1,20})?|\$[a-z]\w{0,40}\.[A-Z][a-z]{1,20}|#\{\w{1,60}\}?|\$\(.*+|(?:\$\{[^}]*+(?:\}|\Z)[:/@ .+*?-]?)++|\{\w{1,40}\}[\w./-]{0,30}|<.*+|!(?:secret|vault|env|ref|sub|include|encrypted|reference)|&(?:lt|#x3c|#60);.*+|\(.*+|\[.*+|%(?:\(\w*\)?)?\w?|%\w+%|[*•.…_:/-]++|[xX]++"
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
        and (_has_all(core) or not _RARE.isdisjoint(core))
    ):
        return False
    return _EMPTY.fullmatch(core) is not None or (core[:1] == "$" and core[1:].isidentifier() and bool(kind_of(core)))


_RARE = frozenset("@#$^")
_CLOSING = {"<": ">", "(": ")", "[": "]"}
_CODE = pattern(
    r"!?(?:[A-Za-z_][\w.]*+|\[REDACTED\])[(\[]|![a-z]+\.[a-z]+\Z|(?:self|this|cls|os|settings|config|args|request|env|cfg|ctx|options|process)\.#?\w"
)
_SCHEME = pattern(r"(?:(?:bearer|basic|token|apikey|api-key)\s++)", re.IGNORECASE)
_COOKIE = pattern(r"\s*+[^\s=;,]++=")
_OTHER_SCHEME = pattern(
    r"\s*+(?:digest|negotiate|aws4-hmac-sha256|signature|hawk|ntlm|oauth|key)\b.*[=\d]", re.IGNORECASE
)
_ENCODING = pattern(r"base\d|sha\d|md\d|utf|x509|oauth|aes|rsa|pbkdf", re.IGNORECASE)
_DOTTED = pattern(r"[A-Za-z_]\w*(?:\.#?[A-Za-z_]\w*)+\(?", re.ASCII)
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
_STOPS = ".,;!?:"
_SHORTEST, _MIN_VALUE = 4, 6
_LONG_NUMBER = 8
_LONGEST_WORD = 20
_STRANGE = frozenset("!@#$%^&*+?~")


_NUMBER = pattern(r"0[xX]0{0,8}[0-9A-Fa-f]{1,4}|(?:[0-9]{1,10}\.){4,20}[0-9]{1,10}")
"""What stands under a weak name and is none: a small number, an OID."""
_OF_DESIGN = pattern(
    r"0[xX][0-9A-Fa-f]{1,8}|#(?:[0-9A-Fa-f]{3,4}){1,2}|(?:[0-9]{1,10}\.){2,20}[0-9]{1,10}|[0-9]?\*[0-9]?[a-z-]{1,20}"
)
"""And under the bare names ``token`` and ``key``: longer numbers, colours, versions, rules of a grammar (``1*tchar``)."""
_DATE = pattern(r"[12][0-9]{3}-[01][0-9]-[0-3][0-9](?:[Tt][0-9:.+-]{4,20}[Zz]?)?")
_OF_A_MODEL = pattern(r"log_?prob|\"bytes\":\s?(?:\[|null)")
_BESIDE = 64
"""Characters after a token of a language model in which its probability or its bytes are given."""
_MAIL = pattern(r"[\w.+-]{1,64}@[\w-]{1,60}(?:\.[\w-]{1,20}){0,3}\.[a-z]{2,12}")
_NEGATION = pattern(r"!!?\(|!!?\w+\.[\w.]+;?\Z|/\^")
"""There in code: a negation, the beginning of a regular expression."""
_MINIFIED = pattern(
    r"[A-Za-z_$][\w$]?(?:\}\)?[=,;:)}]|,[A-Za-z_$][\w$]{0,10}[,)=:.]|,\$\.|=>?\Z|\?\.[A-Za-z_$]|\?[A-Za-z_$][\w$]{0,2}:[A-Za-z_$]|=[A-Za-z_$]{1,2}\?|\?(?:\(0,|void 0|null))|![01][}),;]|[\w$.]{1,30}\|\||\{\w{1,40}:![01]"
)
"""What follows a name in code that a machine shortened: ``{token:e}=t``."""
_DESTRUCTURED = pattern(r"[A-Za-z_$][\w$]?\}=[\w$(]")
_AFTER_A_STRING = pattern(
    r",\s?[A-Za-z_$][\w$.]{0,40}[,()]|[)}']{0,3}\.[a-z]{1,20}\(|\s?\+\s?(?:\(|[A-Za-z_$][\w$.]{0,40}(?:\(|\)[;,)}]|;(?:let|var|const|return|if)\b))|[)}]{1,3}[,;)]|\)\s(?:or|\|\||\?\?)\s"
)
"""What follows in code where a string ends: ``log("token:",e)``."""


def _is_no_token(text: str, pair: Pair, value: str) -> bool:
    """Return whether a value is a number, code, or computed: ``f"{prefix}-{number}"``."""
    number = value.strip().partition(";")[0]
    is_of_design = _is_bare(pair) or (pair.sep == ":" and number[:1] == "#")  # of a style sheet
    if _NUMBER.fullmatch(number) is not None or (is_of_design and _OF_DESIGN.fullmatch(number) is not None):
        return True
    if pair.name == "token" and _OF_A_MODEL.search(text, pair.end, pair.end + _BESIDE):
        return len(value) <= _LONGEST_WORD
    if not pair.quote:
        return _NEGATION.match(value) is not None
    if pair.quote == "`" and "${" in value:
        return True
    if pair.name.endswith("token") and _MARKED.fullmatch(value):
        return True
    if _RELATIVE.fullmatch(value) or _OPTION.fullmatch(value) or _is_prose(value, pair):
        return True
    before = pair.start - len(pair.quote) - 1
    return "{" in value and text[max(0, before) : before + 1] in {"f", "F"}


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
    if _is_harmless(text, pair, value, core) or _is_of_a_program(text, pair, value):
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
        or (not pair.quote and (_DESTRUCTURED.match(value) is not None or _MINIFIED.match(value) is not None))
        or is_computed(value)
        or (pair.kind == "weak" and is_masked(core))
        or _is_name(core, pair.name)
        or _is_placeholder(text, pair, value)
    )


def is_secret_at_a_glance(text: str, pair: Pair) -> bool:
    """Judge a value where there is little time: one with letters and digits is a secret, whatever else it may be."""
    if pair.end - pair.start >= _SHORTEST and _MIXED.match(text, pair.start, pair.end):
        return True
    return is_secret_value(text, pair)


_MIXED = pattern(
    r"(?![$%][A-Za-z_{(]|[{<][^}>]*+[}>])(?:[^A-Za-z0-9]*+[0-9][^A-Za-z]*+[A-Za-z]|[^A-Za-z0-9]*+[A-Za-z][^0-9]*+[0-9])"
)


def _is_nothing(text: str, value: str, pair: Pair) -> bool:
    """Return whether no value is there: blanks, an open bracket, what is hidden already, what stands between strings."""
    if pair.quote:
        return not value.strip(_BETWEEN) or value == HIDDEN or _is_between_strings(text, value, pair)
    rest = value.replace(HIDDEN, "")
    return not rest.strip(" \t\r\n{[(") or (rest != value and not any(map(str.isalnum, rest)))


_RELATIVE = pattern(r"(?:\.[a-z_]{2,20}){2,8}")
_OPTION = pattern(r"\s?--[a-z-]{2,30}[= ]?|#(?![0-9a-f]{3,8}\Z)[a-z]{3,20}|`[a-z]{1,12}`")
_VERB = pattern(
    r"(?i:\b(?:first|second|third|final|last|next|each|single|to|can|must|should|will|not|also|you|they|tests)[ ]pass)\W{1,4}(?![\s\S])"
)
_MARKED = pattern(r"[\]<>|\[▁]{1,3}[A-Za-z_]{1,20}[\]<>|\[]{1,3}")
_CHANNELS = pattern(r"[a-z*]{1,20}(?:,[\w:*-]{1,30})*")
"""What programs are told to log, as in ``DEBUG=pw:api``."""
_ENTRY_POINT = pattern(r"[A-Za-z_]\w*(?:\.\w+)+:[A-Za-z_]\w*")
_KEYWORDS = words("await lambda lambda: yield")
_ADJECTIVE = pattern(r"[A-Z][a-z0-9]{2,12}-(?:provided|encoded|supplied|protected|encrypted|defined|based|specific)")
_ROLE = pattern(r":?(?:[a-z]{2,20}:){1,2}")
_VARIABLE = pattern(r"[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){0,5}")
_TARGETS = pattern(r"[ \t]*(?:(?:[A-Za-z_*][\w.]{0,60}, ?){1,8}[\w.]{1,60}|(?:self|cls|this)\._?\w{1,60}) = ")
_ANNOTATED = pattern(r":[ ]?[A-Za-z_][\w.]{0,30}(?:\[[\w.,| \[\]]{0,40}\])?(?:[ ]\|[ ][\w.]{1,20}){0,3} = (?![\s\S])")
_GOES_ON = pattern(" (?:or|and|if) [A-Za-z_(]")
_ENDS_OF_LINES = frozenset({"", "\n", "\r", "\\"})
_FIELDS = pattern(r"(?:\bin |= ?|(?<!\S)@\w[\w.]{0,40})\(\s?[\"'][\w-]{1,60}[\"'],\s?[\"'](?![\s\S])")
_FIELD = pattern("x(?:-[a-z0-9]{2,12}){1,6}|[A-Za-z]{2,20}(?:[_-][A-Za-z]{2,20}){0,5}")
_HEADER = pattern("x(?:-[a-z0-9]{2,12}){1,6}")
_ROOM = 200


def _is_of_a_program(text: str, pair: Pair, value: str) -> bool:
    """Return whether a value is a variable, a type, the name of another field, a template, or a role of reStructuredText."""
    if names_itself(value, pair.name) and pair.kind == "weak":
        return True
    if pair.quote:
        if pair.sep == "tuple" and (pair.kind == "weak" or "_" in value) and _FIELD.fullmatch(value):
            return _FIELDS.search(text, max(0, pair.start - _ROOM), pair.start) is not None
        return "%" in value and _is_template(value, pair.kind)
    if pair.sep == "==":
        return _VARIABLE.fullmatch(value.rstrip(":;")) is not None and (
            "." in value or _names_itself(pair.name, value.rstrip(":;0123456789"))
        )
    if value in _KEYWORDS and text.startswith(" ", pair.end):
        return True
    if (
        value.startswith(")|")
        or _ADJECTIVE.fullmatch(value)
        or (text.startswith("`", pair.end) and _ROLE.fullmatch(value))
    ):
        return True
    if not _is_worded_path(value):
        return False
    if _GOES_ON.match(text, pair.end) and (pair.kind == "weak" or _names_itself(pair.name, value)):
        return True
    if _ANNOTATED.search(text, max(0, pair.start - _ROOM), pair.start):
        return True
    if pair.sep != " = " or text[pair.end : pair.end + 1] not in _ENDS_OF_LINES:
        return False
    if value.rpartition(".")[2].isupper() and "." in value:
        return True
    begin = text.rfind("\n", max(0, pair.start - _ROOM), pair.start) + 1
    return _TARGETS.fullmatch(text, begin, pair.start) is not None


_PLACES = pattern(r"%(?:\(\w{1,40}\))?[sdr](?![A-Za-z0-9])")


def _is_template(value: str, kind: Kind) -> bool:
    """Return whether a program puts a value in here: ``"%s"``, and of a token also ``realm="%s"``."""
    if is_template(value):
        return True
    rest, count = _PLACES.subn("", value)
    is_plain = _STRANGE.isdisjoint(rest) and not any(map(str.isdigit, rest)) and not _is_random(rest)
    return kind != "password" and count > 0 and is_plain


def names_itself(value: str, name: str) -> bool:
    """Return whether a path or type of a program says what it is for: ``auth: httpx.Auth``, ``"Token": ".token"``."""
    path = value.rstrip("(){},;-> ").lstrip("~")
    if _OF_A_PROGRAM.fullmatch(path) is None:
        return False
    bare, own = path.replace("_", "").replace(".", "").lower(), name.replace("_", "").replace("-", "")
    if len(own) < _SHORTEST:
        return False
    if own == bare:
        return True
    if own not in bare:
        return path[:1] == "." and len(bare) >= _MIN_VALUE and bare in own
    before, _, after = bare.partition(own)
    if any(map(str.isdigit, path)):
        is_type = path.rpartition(".")[2][:1].isupper() and not path.isupper()
        return is_type and _OF_A_TYPE.fullmatch(before) is not None and after.isalpha() == bool(after)
    return not (_is_random(path) and own != bare)


_OF_A_PROGRAM = pattern(r"\.?[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){0,5}")
_OF_A_TYPE = pattern(r"(?:[a-z]{2,10}[0-9]{0,5}){0,2}")
_WORD = pattern(r"[^\s,()*]+")
_PROSE_WORDS = 6
_OF_WORDS = ("phrase", "mnemonic")


def _is_prose(value: str, pair: Pair) -> bool:
    """Return whether a value is a sentence: many words, and none of them odd."""
    return (
        value.count(" ") >= _PROSE_WORDS - 1
        and not pair.name.endswith(_OF_WORDS)
        and "cookie" not in pair.name
        and is_prose(value)
    )


def is_prose(value: str) -> bool:
    """Return whether a text is words, numbers, and where to read more."""
    parts = value[:ENOUGH].split()[:-1] if len(value) >= ENOUGH else value.split()
    return not any(is_odd(part.strip(_AROUND), "weak") for part in parts)


_AROUND = "().,;:!?'\"`$\\{}[]<>%"


def _is_name(core: str, name: str) -> bool:
    """Return whether a value is but its own name: ``"CHALLENGE_PASSWORD": "challengePassword"``."""
    bare = core.replace("_", "").replace("-", "").replace(".", "")
    return core.lstrip("._-") == name.lstrip("_-") or (
        len(core) >= _LONG_NUMBER and bare == name.replace("_", "").replace("-", "")
    )


def _is_between_strings(text: str, value: str, pair: Pair) -> bool:
    """Return whether the quote before a value closes a string: ``ask('password: ')``."""
    return (
        value[0] in "\n\r"
        or ("\n" in value and (value[0] in ")]},; %.+" or pair.quote == "`"))
        or (pair.sep in _UNQUOTED and is_after_a_string(text, pair.start, pair.quote))
    )


def is_after_a_string(text: str, start: int, quote: str) -> bool:
    """Return whether code begins where a value would, since the quote before it closes a string with the name in it."""
    if _AFTER_A_STRING.match(text, start) is None:
        return False
    if text.startswith("'.", start):  # ``'key="'.concat(key)``
        return True
    begin = start - len(quote)
    at = text.rfind(quote[-1], max(0, begin - _LONGEST_NAME), begin)
    return at >= 0 and text[at - 1 : at] in _BEFORE_STRINGS and "\n" not in text[at:begin]


_LONGEST_NAME = 100
_BEFORE_STRINGS = frozenset("(,+[:=? ")


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
        is_verb = _VERB.search(text, max(0, pair.start - _LONGEST_NAME), pair.start) is not None
        return (core.isdigit() and not pair.quote) or (is_verb and not any(map(str.isdigit, core)))
    if pair.name == "pw" and pair.sep == ":":
        return text[pair.start - 4 : pair.start - 3] == "=" and _CHANNELS.fullmatch(value) is not None
    return pair.name.endswith(("cookie", "cookies")) and _is_plain_cookie(value)


def is_odd(value: str, kind: Kind) -> bool:
    """Judge a value that stands more loosely after a name, as in a sentence: no word, path, version or identifier."""
    return _is_odd(value, kind, own_names())


@lru_cache(maxsize=512)
def _is_odd(value: str, kind: Kind, own: object) -> bool:  # noqa: ARG001  (what is a name depends on it)
    core = value.strip().rstrip(_STOPS)
    if len(core) < _SHORTEST or (len(core) < _LONG_NUMBER and core.isalpha() and core[1:].islower()):
        return False
    low = core.lower()
    if kind == "weak" and is_masked(core):
        return False
    if _CONSTANT.match(low.lstrip("(")) or _DATE.fullmatch(core):
        return False
    if low in HARMLESS or _ENTITY.match(core) or "${" in core or HIDDEN in core or _is_empty(core) or _is_path(core):
        return False
    if "%" in core and _is_template(core, kind):
        return False
    if kind == "code":
        return core.replace("-", "").replace(" ", "").isdigit()
    if core.isdigit():
        return kind == "password" or len(core) >= _LONG_NUMBER
    if kind != "password":
        core = worded(core)
    if _PLAIN.fullmatch(core):
        return core[-1] != "(" and "[" not in core and _is_random(core)
    if kind != "password" and (
        _OF_DESIGN.fullmatch(core) is not None
        or _MAIL.fullmatch(core) is not None
        or ("_" in core and core.islower() and core.isidentifier() and bool(kind_of(core)) and not _is_random(core))
        or (len(core) < _MIN_VALUE and ((_STRANGE.isdisjoint(core) and _is_evenly_written(core)) or not _has_all(core)))
        or (_is_evenly_written(core) and _ALGORITHM.fullmatch(value.strip().rstrip(".,;:")) and not _is_random(core))
    ):
        return False
    if (
        _CODE.match(core.lstrip("("))
        or _REGEX.match(core)
        or (kind == "password" and len(core) < _MIN_VALUE and not _has_all(core))
    ):
        return False
    if not any(map(str.isdigit, core)):
        is_strange = not _STRANGE.isdisjoint(core) and not core.isidentifier() and _DOTTED.fullmatch(core) is None
        return is_strange or _is_random(core)
    return any(map(str.isalpha, core)) or len(core) >= _LONG_NUMBER


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
        and not _CODE.match(core)
    )


def _has_all(core: str) -> bool:
    return any(map(str.isdigit, core)) and any(map(str.isalpha, core))


def _is_code(core: str, pair: Pair) -> bool:
    """Judge what stands under ``pin``, ``otp``, ``cvv``: digits, or what is no word of schemas where it is given."""
    plain = core.replace("-", "").replace(" ", "")
    if plain.isdigit():
        return len(plain) >= (3 if "cv" in pair.name else 4)
    if (
        " " in core
        or _HEADER.fullmatch(core)
        or (core[0] == "_" and core.count("_") > _JOINTS and core.replace("_", "").isalpha())
    ):
        return False
    is_given = pair.sep in {"=", "tag"} or (pair.sep != "tuple" and pair.quote[-1:] in _QUOTES)
    is_one = is_given and pair.name.endswith(_CODES) and is_secret_word(core, "password")
    return is_one or is_odd(core, "weak")


_JOINTS = 3
"""How many parts of a name are joined in one that is no code, as in ``_encrypted_content_affinity_pinned``."""
_QUOTES = frozenset("'\"")
_CODES = ("otp", "cvv", "cvc", "pin")


def _is_quoted_secret(value: str, pair: Pair) -> bool:
    if pair.kind == "password":
        return (pair.sep != "tuple" or not value.isalpha()) and (len(value) > 1 or value.isalnum())
    core = value.strip()
    if pair.sep == "tuple" and value.isalpha():
        return False
    if core.replace(".", "").isdigit():
        return len(core) >= _LONG_NUMBER
    if pair.sep == "==" and pair.name in _OF_LEXERS and len(core) <= _LONGEST_WORD and core.isidentifier():
        return _is_random(core)
    if _is_word_under_a_clear_name(core, pair):
        return True
    core = worded(core)
    if _PLAIN.fullmatch(core):
        return _is_random(core) or (pair.name.endswith("cookie") and "=" in core)
    if not any(letter.isalnum() for letter in core) or _is_path(core) or _looks_like_code(core):
        return False
    if pair.name.endswith(("cookie", "cookies")):
        name, mark, rest = core.partition("=")
        return " " not in name and (rest.lstrip()[:1] not in {"", ";"} if mark else is_odd(core, "weak"))
    return len(core) >= _SHORTEST and not ((_is_bare(pair) or pair.name.endswith("token")) and _is_phrase(core))


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
            not part or (len(part) < _LONG_NUMBER and part.isdigit()) or (part.isalpha() and not _is_random(part))
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
        and not pair.name.endswith("_auth")
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
        and _has_all(part)
        and (len(_DIGITS.findall(part)) > (len(part) < len(core) - 1) or len(_HUMPS.findall(part)) * 3 > len(part))
        and _FILE.search(part) is None
        for part in re.split(r"[\\/]", core)
    )


_DIGITS = pattern(r"[0-9]+")
_FILE = pattern(r"[._-]|\A[A-Z]?[a-z]{2,20}[0-9]{1,4}\Z")


def _is_evenly_written(core: str) -> bool:
    return core == core.upper() or core[1:] == core[1:].lower()


def _is_plain_cookie(value: str) -> bool:
    """Return whether a cookie holds but short words: ``theme=dark; Secure``."""
    parts = value.replace("=/", "").replace('"', "").replace("=", " ").replace(";", " ").split()
    return all(len(part) <= _LONGEST_PART and part.isalpha() and not _is_oddly_written(part) for part in parts)


def _changes(part: str) -> int:
    """Return how often a lower-case letter is followed by one of upper case."""
    return sum(a.islower() and b.isupper() for a, b in pairwise(part))


@lru_cache(maxsize=512)
def _is_oddly_written(part: str) -> bool:
    changes = _changes(part)
    return _is_no_word(part) or changes * 5 >= len(part) or not (part[1:].islower() or changes or len(part) == 1)


_LONGEST_PART = 14
_REGEX = pattern(r"/?\^.*(?:[\\\[(|]|\$\Z)|.*\[[^\]]*[a-z]-[zZ]|.*\\[dws]|/.*/[a-z]*\Z")


def _looks_like_code(core: str) -> bool:
    return _REGEX.match(core) is not None or (
        _DOTTED.fullmatch(core) is not None and not (_is_random(core) or any(map(str.isdigit, core)))
    )


def _is_placeholder(text: str, pair: Pair, value: str) -> bool:
    """Return whether a value is a placeholder: ``{password}``, ``<your-key>``, ``${TOKEN}``, ``Bearer ***``."""
    scheme = _SCHEME.match(value)
    core = value[scheme.end() :] if scheme else value
    if core[:1] == "{" and _PUT_IN.fullmatch(core):
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


_PUT_IN = pattern(r"\{\w{1,40}\}[\w./-]{0,30}")
_BRACED_SECRET = pattern(
    r"\{(?=[^}0-9]{0,60}[0-9])(?=[^}A-Za-z]{0,60}[A-Za-z])(?![\w.]{1,40}![rsa][:}])[^{}\s?]{0,60}[!#%^&*~@][^{}\s]{0,60}\}"
)
"""As ODBC writes a password with marks: ``PWD={hunter2!}``."""


def _is_cookie(value: str) -> bool:
    """Return whether a value gives some cookie's: not ``a=``, ``%s=%s``."""
    if "=" not in value:  # and no scope of C++
        return value[:1] != ":" and is_odd(value, "weak") and any(is_odd(word, "weak") for word in _WORD.findall(value))
    if _COOKIE.match(value) is None or _CODE.match(value) is not None:
        return False
    return any(part.partition("=")[2].replace("%s", "").strip(' "\\') for part in value.split(";"))


_SCHEME_ALONE = pattern(
    r"(?:basic|bearer)(?:%20|\+)?(?:[^\w$]{0,4}(?:redacted|\$\{\w{1,20}\})?[^\w]{0,4})?\Z", re.IGNORECASE
)
_NAME_OF_A_HEADER = pattern("[A-Za-z]{1,12}(?:-[A-Za-z]{2,14}){1,5}")


def _is_worded_path(value: str) -> bool:
    return _VARIABLE.fullmatch(value) is not None and not any(map(str.isdigit, value)) and not _is_random(value)


def _is_authorization(value: str, pair: Pair) -> bool:
    if pair.sep == " = " and not pair.quote and value.isidentifier() and not any(map(str.isdigit, value)):
        return False  # a variable
    if _OTHER_SCHEME.match(value) and '="' in value:
        return True
    scheme = _SCHEME.match(value)
    token, _, rest = value[scheme.end() if scheme else 0 :].rstrip(_STOPS).partition(" ")
    token = token.rstrip(_STOPS)
    if _is_path(value) or names_itself(value, pair.name) or _CONSTANT.match(value) or _SCHEME_ALONE.match(value):
        return False
    first = value.partition(" ")[0].rstrip(",})")
    if not pair.quote and pair.sep == " = " and _is_worded_path(first):
        return False
    if pair.quote and (value == "Authorization" or (_NAME_OF_A_HEADER.fullmatch(value) and kind_of(value))):
        return False
    if token in {HIDDEN, ""} or token.lower() in HARMLESS or _DOTTED.fullmatch(token + rest) or _CODE.match(token):
        return False
    if scheme:
        if len(token) <= _LONGEST_WORD and _PLAIN.fullmatch(token) and not _is_random(token):
            return False
        return (not rest or not token.isalpha()) and not _is_empty(token)
    return (
        (bool(pair.quote) and (rest == "" or any(map(str.isdigit, value))))
        or _OTHER_SCHEME.match(value) is not None
        or (len(token) >= _MIN_VALUE and not token.isalpha())
    )


_LONG_OPTION = pattern("--[a-z]{2,20}(?:-[a-z]{2,20}){1,5}")


def _is_bare_secret(text: str, pair: Pair, value: str) -> bool:
    if pair.sep == "tag":
        return text.startswith("</", pair.end) and (pair.kind == "password" or _is_quoted_secret(value, pair))
    if pair.sep == "option" and (value == "options" or _LONG_OPTION.fullmatch(value)):
        return False
    shortest = _LONG_NUMBER if pair.kind == "weak" else _MIN_VALUE - 2
    if _CODE.match(value.lstrip("(")) or (
        value.isdigit() and len(value) < shortest
    ):  # a count is no code: ``token: 1204``
        return False
    core = value.rstrip(_STOPS)
    is_mixed = _is_mixed(core) or (pair.kind == "password" and len(core) >= _LONG_NUMBER and _changes(core) > 1)
    is_word = core.isalpha() and not is_mixed  # of prose, with what ends a sentence
    if pair.sep == "is" and ("token" in pair.name or _ENCODING.match(value) or is_word):
        return False
    if pair.sep == "=" and not _is_argument(text, pair) and _is_word_under_a_clear_name(core, pair):
        return True
    if pair.sep != "is" and _is_with_digits_under_a_clear_name(core, pair):
        return True
    if pair.sep == "=" and core[:1] == "#" and _OF_DESIGN.fullmatch(core) and not _is_bare(pair):
        return True  # no colour: only a design's tokens are
    if pair.kind == "weak" and not is_odd(value, pair.kind):
        return False
    if _is_variable(text, pair, value):
        return False
    return pair.sep == "=" or _looks_secret(text, pair, value)


def _is_argument(text: str, pair: Pair) -> bool:
    return text[pair.end : pair.end + 1] in {",", ")"}


def _is_variable(text: str, pair: Pair, value: str) -> bool:
    """Return whether a value is a name of code by what it is called; a password looks like one now and then."""
    itself = _names_itself(pair.name, value)
    if _DOTTED.fullmatch(value):
        return itself or (pair.sep == " = " and not (pair.kind == "password" and _is_alone(text, pair, value)))
    if not value.isidentifier() or not (kind_of(value) or (pair.sep == " = " and itself)):
        return False
    if pair.kind != "password":
        return True
    is_joined = "_" in value or _JOINT.search(value) is not None
    is_code = pair.sep in _OF_CODE or _LAST_ARGUMENT.match(text, pair.end) is not None
    return is_code and (is_joined or value.lower() in _PASSWORDS)


_LAST_ARGUMENT = pattern(r"[,)]|\r?\n[ \t]{0,40}\)")
_JOINT = pattern("[a-z][A-Z]")
_PASSWORDS = words("passphrase passwd pwd passcode")
_OF_CODE = frozenset({" = ", "==", ":"})


_LEAST_NAME = 3


def _names_itself(name: str, value: str) -> bool:
    """Return whether a variable of the same name is handed on: ``password=form.password``, ``passwd=new_passwd``."""
    last = value.rpartition(".")[2].lower().replace("_", "")
    is_same = len(last) >= _LEAST_NAME and name.replace("_", "").replace("-", "").endswith(last)
    return is_same or has_one(value.lower(), _OF_A_VARIABLE)


_OF_A_VARIABLE = ("password", "passwd", "passphrase", "_pass_")


def _is_mixed(value: str) -> bool:
    """Return whether letters change between lower and upper case as no word's do."""
    core = value.rstrip(_STOPS)
    if not core.isalpha() or len(core) < _LONG_NUMBER:
        return False
    humps = _HUMPS.findall(core)
    is_of_words = len(core) > _LONG_NUMBER + 1 and min(map(len, humps), default=0) > 2 and core.isascii()
    return not is_of_words and (len(humps) * 10 >= len(core) * 3 or not core.isascii()) and _changes(core) > 1


@lru_cache(maxsize=512)
def _is_random(value: str) -> bool:
    """Return whether some letters in a row make no word: by their case, their length, or pairs that no language has."""
    return any(_is_mixed(letters) or _is_no_word(letters) for letters in _LETTERS.findall(value)) or (
        sum(len(_HUMPS.findall(part)) * 3 > len(part) for part in _PARTS.findall(value)) > 1
        or (" " not in value and not _is_evenly_written(value) and _GLUED.search(value) is not None)
    )


def _is_no_word(letters: str) -> bool:
    if len(letters) > _LONGEST_WORD + 2 and (letters.islower() or letters.isupper()):
        return True
    parts = _HUMPS.findall(letters)
    strange = sum(second in _UNLIKELY.get(first, "") for part in parts for first, second in pairwise(part.lower()))
    return strange > 1 and strange * 8 >= len(letters)


_LETTERS = pattern(r"[A-Za-z]{8,}")
_GLUED = pattern(r"[A-Za-z](?=[^\w\s]{0,3}[!?&])[^\w\s]{1,4}[A-Za-z]")
_PARTS = pattern(r"(?=[A-Za-z]{0,20}[a-z][A-Z])[A-Za-z]{4,}")
_HUMPS = pattern(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_UNLIKELY = {
    pair[0]: pair[1:]
    for pair in words(
        "bkqvz cgjqvxz dqz fbdhjkmpqvwxz gjkqwx hcfghjqvwxz ihwy jbghjknqwxyz kcjkqrvxz lhjqw mhkqwxz nqx oq pjvz rjxz sj "
        "qabcdefghijkmnopqrstvwxyz tjq uhjkqvwyz vbdfhjklpqvwxyz wfjmqtuvxyz xgjlnqrvwz yfhjkquvxy zbfghjknpqrtuvwx"
    )
}
"""Letters that hardly follow another in words: counted in the documents of some hundred packages."""


def _looks_secret(text: str, pair: Pair, value: str) -> bool:
    """Return whether a value is a secret rather than a word of prose or code."""
    if all(letter.isalpha() or letter in "._" for letter in value.rstrip(_STOPS)):
        is_given = pair.sep == "option" and _JOINT.search(value) and not _names_itself(pair.name, value)
        is_long = pair.sep == "is" and len(value) >= _LONG_NUMBER and _changes(value) > 1
        return pair.kind == "password" and (
            _is_alone(text, pair, value) or bool(is_given) or _is_random(value) or is_long
        )
    if pair.sep == "is" and not any(letter.isdigit() for letter in value):
        return _is_mixed(value) or is_odd(value, pair.kind)
    if pair.kind == "weak" and not value.isdigit() and not any(map(str.isalpha, value)):
        return False
    return len(value) >= _MIN_VALUE or _is_alone(text, pair, value)


def _is_alone(text: str, pair: Pair, value: str) -> bool:
    """Return whether a value is the last word of its line."""
    return len(value) >= _MIN_VALUE - 2 and text[pair.end : pair.end + 1] in {"", "\n", "\r", "\\", "*", "`"}
