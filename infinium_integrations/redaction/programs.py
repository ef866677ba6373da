# ruff: noqa: E501  (patterns in one piece; chains of questions)
"""What stands after a name in a program: variables, types, the names of other fields, templates, and no secret."""

import re
from functools import lru_cache

from infinium_integrations.redaction.key_names import Kind, has_one, kind_of, words
from infinium_integrations.redaction.letters import HUMPS, is_random
from infinium_integrations.redaction.scan import Pair, pattern

__all__ = [
    "ARN",
    "CODE",
    "DOTTED",
    "HEADER",
    "JOINT",
    "hands_on",
    "is_after_a_string",
    "is_alone",
    "is_argument",
    "is_computed",
    "is_its_name",
    "is_masked",
    "is_minified",
    "is_negated",
    "is_of_a_program",
    "is_template",
    "is_variable",
    "is_worded_path",
    "says_its_name",
    "worded",
]

_STRANGE = frozenset("!@#$^&*+?~")
_SHORTEST, _MIN_VALUE, _LONG, _LEAST_HUMP = 4, 6, 8, 3
CODE = pattern(
    r"!?(?:[A-Za-z_][\w.]*+|\[REDACTED\])[(\[]|![a-z]+\.[a-z]+\Z|(?:self|this|cls|os|settings|config|args|request|env|cfg|ctx|options|process)\.#?\w"
)
DOTTED = pattern(r"[A-Za-z_]\w*(?:\.#?[A-Za-z_]\w*)+\(?", re.ASCII)
"""A path of names, maybe called."""
_NEGATION = pattern(r"!!?\(|!!?\w+\.[\w.]+;?\Z|/\^")
_MINIFIED = pattern(
    r"[A-Za-z_$][\w$]?(?:\}\)?[=,;:)}]|,[A-Za-z_$][\w$]{0,10}[,)=:.]|,\$\.|,![01]|=>?\Z|\?\.[A-Za-z_$]|\?[A-Za-z_$][\w$]{0,2}:[A-Za-z_$]|=[A-Za-z_$]{1,2}\?|\?(?:\(0,|void 0|null))|![01][}),;]|[\w$.]{1,30}\|\||[A-Za-z_$]{1,20}(?:\.[A-Za-z_$]{1,40}){0,4}\?\.[A-Za-z_$]++(?!\d)|\$\.[A-Za-z_$]++(?!\d)|\{\w{1,40}:![01]"
)
_BRACKETS = pattern("[(){}:?]")
_DESTRUCTURED = pattern(r"[A-Za-z_$][\w$]?\}=[\w$(]")
_AFTER_A_STRING = pattern(
    r",\s?[A-Za-z_$][\w$.]{0,40}[,()]|,[A-Za-z_$][\w$]?=[(\w]|[)}']{0,3}\.[a-z]{1,20}\(|\s?\+\s?(?:\(|[A-Za-z_$][\w$.]{0,40}(?:\(|\)[;,)}]|;(?:let|var|const|return|if)\b))|[)}]{1,3}[,;)]|\)\s(?:or|\|\||\?\?)\s"
)
"""What follows in code where a string ends: ``log("token:",e)``."""
_KEYWORDS = words("await lambda lambda: yield void")
"""Words of languages before what computes a value."""
_ADJECTIVE = pattern(
    r"[A-Z][a-z0-9]{2,12}-(?:provided|encoded|supplied|protected|encrypted|defined|based|specific) [a-z]"
)
"""As descriptions of arguments begin: ``passphrase: Admin-provided passphrase``."""
_ROLE = pattern(r":?(?:[a-z]{2,20}:){1,2}")
"""Of reStructuredText, before a backtick: ``:py:data:``."""
_VARIABLE = pattern(r"[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){0,5}")
_TARGETS = pattern(r"[ \t]{1,40}(?:(?:[A-Za-z_*][\w.]{0,60}, ?){1,8}[\w.]{1,60}|(?:self|cls|this)\._?\w{1,60}) = ")
"""A line that assigns to several variables, or to an attribute of its own."""
_ANNOTATED = pattern(r":[ ]?[A-Za-z_][\w.]{0,30}(?:\[[\w.,| \[\]]{0,40}\])?(?:[ ]\|[ ][\w.]{1,20}){0,3} = (?![\s\S])")
"""The type of an argument or a field, before its value."""
_GOES_ON = pattern(r" or [A-Za-z_]\w*[_.(]| if [\w.]{1,40}(?:\(| is | in | not | else )")
"""The rest of an expression."""
_ENDS_OF_LINES = frozenset({"", "\n", "\r", "\\"})
_FIELDS = pattern(r"(?:\bin |= ?|(?<!\S)@\w[\w.]{0,40})\(\s?[\"'][\w-]{1,60}[\"'],\s?[\"'](?![\s\S])")
"""A tuple's beginning in code that looks for names: ``if key in (``, ``@validator(``."""
_FIELD = pattern("x(?:-[a-z0-9]{2,12}){1,6}|[A-Za-z]{2,20}(?:[_-][A-Za-z]{2,20}){0,5}")
HEADER = pattern("x(?:-[a-z0-9]{2,12}){1,6}")
_ROOM, _DIGIT, _NUMBER_BEHIND = 200, pattern("[0-9]"), pattern(r"_?[0-9]?\Z")
_OF_A_PROGRAM = pattern(r"\.?[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){0,5}")
_OF_A_TYPE = pattern(r"(?:[a-z]{2,10}[0-9]{0,5}){0,2}")
"""What stands before the secret's name in a type's: ``ed25519`` in ``Ed25519PrivateKey``."""
_LONGEST_NAME = 100
_BEFORE_STRINGS = frozenset("(,+[:=? ")
_LAST_ARGUMENT = pattern(r"[,)]|\r?\n[ \t]{0,40}\)")
JOINT = pattern("[a-z][A-Z]")
_PASSWORDS = words("passphrase passwd pwd passcode")
_OF_CODE = frozenset({" = ", "==", ":"})
_LEAST_NAME = 3
_OF_A_VARIABLE, _OF_ONE_WITHOUT_DIGITS = ("password", "passwd"), ("passphrase", "_pass_")


ARN = r"arn:aws(?:-[a-z]{2,6}){0,2}:[a-z0-9-]{2,40}:[a-z0-9-]{0,20}:(?:[0-9]{12})?:"
"""How names of resources begin: ``arn:aws:secretsmanager:eu-west-1:123456789012:secret:MyDatabase-a1b2c3``."""
_ARN = pattern(rf"\b{ARN}\Z")


def is_of_a_program(text: str, pair: Pair, value: str) -> bool:
    """Return whether a value is a variable, a type, another field's name, a template, a role of reStructuredText."""
    if pair.kind == "weak" and says_its_name(value, pair.name):
        return True
    if pair.quote:
        return _is_field(text, pair, value) or is_template(value, pair.kind)
    if pair.sep == "==":
        return text[pair.start - 1] == " " and _is_compared(pair.name, value.rstrip(":;"))
    start = pair.start - len("secret:")
    is_resource = pair.name == "secret" and _ARN.search(text, max(0, start - _ROOM), start) is not None
    if is_resource or (value in _KEYWORDS and text.startswith(" ", pair.end)):
        return True
    if value.startswith(")|(") or (text.startswith("`", pair.end) and _ROLE.fullmatch(value)):
        return True
    return _ADJECTIVE.match(text, pair.start) is not None or (is_worded_path(value) and _is_assigned(text, pair, value))


def _is_compared(name: str, core: str) -> bool:
    """Return whether a variable is what a secret is compared with: ``password != password2``, ``… == form.password``."""
    if "." in core:
        path, _, last = core.rpartition(".")
        return is_worded_path(path) and ((hands_on(name, core) and is_worded_path(core)) or _is_numbered(last, name))
    if core.isupper():
        return "_" in core and is_worded_path(core)
    return _is_numbered(core, name)


def _is_numbered(core: str, name: str) -> bool:
    """Return whether a variable has a name but for the number behind it."""
    return core == core.lower() and _NUMBER_BEHIND.sub("", core) == _NUMBER_BEHIND.sub("", name)


def _is_field(text: str, pair: Pair, value: str) -> bool:
    """Return whether a value is one of several names of fields: ``if key in ("authorization", "x-api-key")``."""
    return (
        pair.sep == "tuple"
        and (pair.kind == "weak" or "_" in value)
        and _FIELD.fullmatch(value) is not None
        and _FIELDS.search(text, max(0, pair.start - _ROOM), pair.start) is not None
    )


def _is_assigned(text: str, pair: Pair, value: str) -> bool:
    """Return whether a variable is assigned: where there are types, more than one target, an expression."""
    if _GOES_ON.match(text, pair.end) and ("_" in value or "." in value or pair.kind == "weak"):
        return pair.kind == "weak" or hands_on(pair.name, value)
    annotation = _ANNOTATED.search(text, max(0, pair.start - _ROOM), pair.start)
    if annotation and text[max(0, annotation.start() - len(pair.name)) : annotation.start()].lower() == pair.name:
        return True
    if pair.sep != " = " or text[pair.end : pair.end + 1] not in _ENDS_OF_LINES:
        return False
    if "." in value and value.rpartition(".")[2].isupper():
        return True
    begin = text.rfind("\n", max(0, pair.start - _ROOM), pair.start) + 1
    return _TARGETS.fullmatch(text, begin, pair.start) is not None


def _joined(name: str) -> str:
    """Return the words of a name without what stands between them."""
    return name.replace("_", "").replace("-", "").replace(".", "")


def says_its_name(value: str, name: str) -> bool:
    """Return whether a path or type of a program says what it is for: ``auth: httpx.Auth``, ``"Token": ".token"``."""
    path = value.rstrip("(){},;-> ").lstrip("~")
    own = _joined(name)
    if len(own) < _SHORTEST or _OF_A_PROGRAM.fullmatch(path) is None:
        return False
    bare = _joined(path).lower()
    if own == bare:
        return True
    if own not in bare:
        return path[:1] == "." and len(bare) >= _MIN_VALUE and bare in own
    before, _, after = bare.partition(own)
    return _is_type(path, before, after) if _DIGIT.search(path) else not _is_chance(path)


def _is_type(path: str, before: str, after: str) -> bool:
    last = path.rpartition(".")[2]
    is_named = _OF_A_TYPE.fullmatch(before) is not None and after.isalpha() == bool(after)
    return last[:1].isupper() and not path.isupper() and is_named and not _is_chance(path)


def _is_chance(path: str) -> bool:
    """Return whether the last name of a path is no words of three letters or more, but for one."""
    return is_random(path) or sum(len(hump) < _LEAST_HUMP for hump in HUMPS.findall(path.rpartition(".")[2])) > 1


def is_minified(value: str, kind: Kind) -> bool:
    """Return whether code follows that a machine shortened: ``{token:e}=t``; a password looks like it with a digit."""
    if _DESTRUCTURED.match(value) is not None:
        return True
    may_be = kind == "weak" or (_DIGIT.search(value) is None and _BRACKETS.search(value) is not None)
    return may_be and _MINIFIED.match(value) is not None


def is_negated(value: str) -> bool:
    """Return whether code follows: a negation, or the beginning of a regular expression."""
    return _NEGATION.match(value) is not None


def is_its_name(core: str, name: str) -> bool:
    """Return whether a value is but its own name: ``"CHALLENGE_PASSWORD": "challengePassword"``."""
    return core.lstrip("._-") == name.lstrip("_-") or (len(core) >= _LONG and _joined(core) == _joined(name))


def is_after_a_string(text: str, start: int, quote: str) -> bool:
    """Return whether code begins where a value would, since the quote before it closes a string with the name in it."""
    if _AFTER_A_STRING.match(text, start) is None:
        return False
    if text.startswith("'.", start):  # ``'key="'.concat(key)``
        return True
    begin = start - len(quote)
    at = text.rfind(quote[-1], max(0, begin - _LONGEST_NAME), begin)
    return at >= 0 and text[at - 1 : at] in _BEFORE_STRINGS and "\n" not in text[at:begin]


def is_worded_path(value: str) -> bool:
    """Return whether a value is a variable or a path of words: ``settings.default``."""
    return _VARIABLE.fullmatch(value) is not None and not any(map(str.isdigit, value)) and not is_random(value)


def is_argument(text: str, pair: Pair) -> bool:
    """Return whether a value is followed as one of several in a call is."""
    return text[pair.end : pair.end + 1] in {",", ")"}


def is_variable(text: str, pair: Pair, value: str) -> bool:
    """Return whether a value is a name of code by what it is called; a password looks like one now and then."""
    is_walrus = text.startswith(":= ", pair.start - 3)
    value = value.removesuffix(":") if is_walrus else value
    itself = hands_on(pair.name, value)
    if DOTTED.fullmatch(value):
        is_telling = "_" in value and is_worded_path(value) and bool(kind_of(value.rpartition(".")[2]))
        return (
            itself
            or (is_telling and (is_walrus or is_argument(text, pair)))
            or (pair.sep == " = " and not (pair.kind == "password" and is_alone(text, pair, value)))
        )
    if not value.isidentifier() or not (kind_of(value) or (pair.sep == " = " and itself)):
        return False
    if pair.kind != "password":
        return True
    is_joined = "_" in value or JOINT.search(value) is not None
    is_code = pair.sep in _OF_CODE or _LAST_ARGUMENT.match(text, pair.end) is not None
    return is_code and (is_joined or value.lower() in _PASSWORDS)


def hands_on(name: str, value: str) -> bool:
    """Return whether a variable of the same name is handed on: ``password=form.password``, ``passwd=new_passwd``."""
    last = value.rpartition(".")[2].lower().replace("_", "")
    is_same = len(last) >= _LEAST_NAME and _joined(name).endswith(last)
    low = value.lower()
    return (
        is_same or has_one(low, _OF_A_VARIABLE) or (has_one(low, _OF_ONE_WITHOUT_DIGITS) and _DIGIT.search(low) is None)
    )


_WITH_DIGITS = (
    "(?:m2m|a2a|b2b|b2c|p2p|s2s)",
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
_KNOWN = pattern(
    rf"(?<![^\W_])(?i:{'|'.join(_WITH_DIGITS)})(?![^\W_])"
    r"|(?<![^\W_])V[1-9](?=[A-Z][a-z]{3}|_)|(?:(?<![^\W_])|(?<=[a-z]))(?:OAuth2|PKCS\d{1,2}|PBKDF2|(?:BCrypt)?SHA\d{1,3}|MD5|Ed(?:25519|448)|X509|Argon2|Base64|B64|S3)(?=[A-Z][a-z]{3}|_)"
)
_NUMBERED = pattern(
    r"[0-9]{1,4}(?=(?:_[a-z]{2,20}){2,12}\Z)|0[0-9]{3}(?=_[a-z])|~(?=[a-z_]{2,20}\.)|\.(?=(?:v[0-9]_)?[a-z]{2,30}[_.][a-z])|@(?=[a-z_]{4,60}(?:[.(]|\Z))"
)
"""What may come first: the number of a migration, a point, a mark."""
_LEAST_PATH = 9


@lru_cache(maxsize=512)
def worded(core: str) -> str:
    """Return a name of a program with plain words instead of those that have digits: ``V1SecretReference``."""
    if len(core) < _LEAST_PATH:
        return core
    first = _NUMBERED.match(core) if not core[0].isalpha() else None
    core = core[first.end() :].lstrip("_") if first else core
    return core if core.isalpha() else _KNOWN.sub(lambda found: "Word" if found[0][0].isupper() else "word", core)


_MASKED = pattern(
    r"(?:(?:sk|pk|rk|glpat|ghp|tvly|hvs|AIza|xox[bp]|ya29)[\w.-]{0,2}|[\w.-]{0,4})(?:\*{3,40}|\.{3}|…)[\w-]{0,7}"
)
_OF_MASKS = ("**", "..", "…")


def is_masked(core: str) -> bool:
    """Return whether a value is shown in part only, as ``sk-***`` and ``sk-...4f2a``."""
    return has_one(core, _OF_MASKS) and _MASKED.fullmatch(core) is not None


_COMPUTED = pattern(r"[\w-]{0,10}\$\(|\{[A-Za-z_][\w.]{0,60}(?:[\[(]|\s(?:or|and|if|in|is|not)(?:\s|\Z))|\{\*\*")


def is_computed(value: str) -> bool:
    """Return whether a program computes the value: ``sk-$(openssl rand -hex 32)``, ``{key[:20]}``."""
    return ("{" in value or "$(" in value) and _COMPUTED.match(value) is not None


_AROUND = pattern(r"[\s=\"':<>/]")
_TEMPLATE = pattern(r"%(?:\(\w{1,40}\))?[sdr](?![A-Za-z0-9])")
_PUT_IN = pattern(r"[\w-]{1,40}=")


def is_template(value: str, kind: Kind) -> bool:
    """Return whether a program puts a value in here: ``"%s"``, ``password=%s``, and of a token ``realm="%s"``."""
    if "%" not in value:
        return False
    rest, count = _TEMPLATE.subn("", value)
    if kind != "password" and count and _STRANGE.isdisjoint(rest) and _AROUND.search(rest) and not _DIGIT.search(rest):
        return not is_random(rest)
    return bool(count) and (
        "%(password)" in value or not any(map(str.isalnum, rest)) or _PUT_IN.fullmatch(rest) is not None
    )


def is_alone(text: str, pair: Pair, value: str) -> bool:
    """Return whether a value is the last word of its line."""
    return len(value) >= _MIN_VALUE - 2 and text[pair.end : pair.end + 1] in {"", "\n", "\r", "\\", "*", "`"}
