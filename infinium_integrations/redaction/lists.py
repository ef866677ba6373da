# ruff: noqa: E501  (patterns are read best in one piece)
"""Several secrets under one name: in brackets, in a block, in a map, or one after the other in a sentence.

``LISTS`` is the table of them; every item is judged by itself, and all that are secrets are hidden.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infinium_integrations.redaction.forms import Named
from infinium_integrations.redaction.key_names import HIDDEN, Kind, has_one, words
from infinium_integrations.redaction.programs import worded
from infinium_integrations.redaction.scan import Scan, Span, pattern
from infinium_integrations.redaction.values import HEADERS, is_odd, is_secret_word

__all__ = ["FACTS", "LISTS", "LONGEST", "ROOM", "Items", "is_secret_item", "items", "more"]


@dataclass(slots=True)
class Items:
    """One way to write a list: what opens it, one item of it (its value is the last group), and two examples."""

    name: str
    opens: re.Pattern[str]
    item: re.Pattern[str]
    hidden: str
    stays: str
    openers: tuple[str, ...]
    """Of which one must come soon."""
    plural: bool = False
    """Whether the name must be one of several secrets: ``passwords``."""


_Q = r"\\{0,8}[\"'`]"
_NEWLINE = r"(?:\r?\n|(?:\\{1,4}r)?\\{1,4}n)"
_GAP = r"(?:\s|\\{1,4}[nrt]){0,200}+"
_NAMED = rf"(?:{_Q})?\]?\s?(?:\[\])?\s{{0,3}}(?::[ ]?[\w\[\]., ]{{1,30}}\s?=|:=|=>?|:)\s{{0,4}}"
_KIND_OF_LIST = (
    r"(?:\[\]\w{1,10}|(?:frozen)?set|tuple|list|array|new\s\w{1,12}\[\]|Arrays\.asList|(?:List|Set)\.of)?\s?"
)
_STRING = r"\\{0,8}(?:\"((?:[^\"\\\n]|\\[^\"n])*+)|'((?:[^'\\\n]|\\[^'n])*+)|`([^`\n]*+))(?:\\{0,8}[\"'`]|\Z)"
LISTS = (
    Items(
        "list of strings",
        pattern(rf"{_NAMED}{_KIND_OF_LIST}[\[({{]{_GAP}(?=[bruf]{{0,2}}{_Q})"),
        pattern(rf"[bruf]{{0,2}}{_STRING}(?!\s{{0,3}}:)(?:{_GAP},)?{_GAP}"),
        '{"passwords": ["hunter2!Zq9", "Tr0ub4dor&Zq9"]}',
        '{"passwords": ["required", "string"]}',
        ("[", "(", "{"),
    ),
    Items(
        "list of words",
        pattern(rf"{_NAMED}[\[(]{_GAP}(?=[^\s\"'`\[\](){{}},;<>$])"),
        pattern(rf"([^\s\"'`\[\](){{}},;<>\\]{{1,400}})(?:{_GAP},|\s)?{_GAP}"),
        "passwords: [hunter2!Zq9, Tr0ub4dor&Zq9]",
        "passwords: [required, string]",
        ("[", "("),
    ),
    Items(
        "map of names to secrets",
        pattern(rf"{_NAMED}\{{{_GAP}(?={_Q})"),
        pattern(rf"{_Q}([\w.@ -]{{1,60}}){_Q}\s{{0,3}}(?::|=>)\s{{0,3}}[bruf]{{0,2}}{_STRING}(?:{_GAP},)?{_GAP}"),
        '{"passwords": {"ada": "hunter2!Zq9", "bob": "Tr0ub4dor&Zq9"}}',
        '{"passwords": {"type": "array", "title": "Passwords of 2"}}',
        ("{",),
        plural=True,
    ),
    Items(
        "block of items",
        pattern(
            rf"(?:{_Q})?[*_]{{0,3}}\s?:[*_]{{0,3}}[ \t]{{0,4}}(?=(?:{_NEWLINE}[ \t]{{0,8}}){{1,2}}(?:[-*+•]|[0-9]{{1,2}}[.)])[ \t])"
        ),
        pattern(
            rf"(?:{_NEWLINE}[ \t]{{0,40}}){{1,2}}(?:[-*+•]|[0-9]{{1,2}}[.)])[ \t]{{1,4}}(?:\*\*|\\{{0,8}}[\"'`])?([^\s\"'`\\]{{1,400}}+)(?:\*\*|\\{{0,8}}[\"'`])?[ \t]{{0,8}}(?=\r?\n|\\|\Z|[\"'#])[^\n\\\"']{{0,200}}+"
        ),
        "passwords:\n  - hunter2!Zq9\n  - Tr0ub4dor&Zq9\n",
        "passwords:\n  - required\n  - never shared\n",
        ("\n", "\\"),
    ),
    Items(
        "block of names and secrets",
        pattern(rf"\s?:[ \t]{{0,4}}(?={_NEWLINE}[ \t]{{1,20}}[\w.@-]{{1,60}}:[ ])"),
        pattern(
            rf"{_NEWLINE}[ \t]{{1,40}}([\w.@-]{{1,60}}):[ \t]{{1,4}}(?:{_Q})?([^\s\"'`\\]{{1,400}}+)(?:{_Q})?[ \t]{{0,8}}(?=\r?\n|\\|\Z|#)[^\n\\\"']{{0,200}}+"
        ),
        "passwords:\n  ada: hunter2!Zq9\n  bob: Tr0ub4dor&Zq9\n",
        "passwords:\n  type: array\n  minimum: 12\n",
        ("\n", "\\"),
        plural=True,
    ),
    Items(
        "lines below a name",
        pattern(rf"[*_]{{0,3}}:[*_]{{0,3}}[ \t]{{0,4}}(?={_NEWLINE}{{1,2}}[ \t]{{1,20}}[^\s-])"),
        pattern(rf"(?:{_NEWLINE}){{1,2}}[ \t]{{1,40}}`?([^\s\"'`\\:]{{6,400}}+)`?[ \t]{{0,8}}(?=\r?\n|\\|\Z|\")"),
        "passwords:\n  hunter2!Zq9\n  Tr0ub4dor&Zq9\n",
        "passwords:\n  required\n  never shared\n",
        ("\n", "\\"),
        plural=True,
    ),
    Items(
        "elements below a name",
        pattern(r"(?:\s[^<>]{0,80})?>\s{0,40}(?=<\w)"),
        pattern(r"<(?:\w[\w:-]{0,40})>([^<>\n]{1,400})</[\w:-]{1,40}>\s{0,40}"),
        "<passwords><item>hunter2!Zq9</item><item>Tr0ub4dor&Zq9</item></passwords>",
        "<passwords><item>required</item></passwords>",
        (">",),
        plural=True,
    ),
)
_OF_ONE = [form for form in LISTS if not form.plural]
FACTS = words(
    "type title description format items name user username login email id host url uri path file min max minimum maximum length "
    "default example examples label help policy algorithm region created updated owner scope expires"
)
"""Names in a map of secrets whose values are none."""
_PLURALS = (
    "passwords",
    "passwds",
    "pwds",
    "passphrases",
    "keys",
    "tokens",
    "pins",
    "passwörter",
    "contraseñas",
    "senhas",
)
ROOM = 50_000
"""Characters of a list that are looked at."""
LONGEST = 400
_VERB = pattern(r"\b(?:also|can|must|should|will|may|to) (?![\s\S])")
_OPENERS = frozenset("[({\n\\\r>")
_NEAR = 40


def items(scan: Scan, named: Named) -> Iterator[Span]:
    """Find the secrets of a list that follows a name."""
    if (
        named.name.endswith(HEADERS)
        or named.start < scan.reached.get("lists", 0)
        or _OPENERS.isdisjoint(scan.text[named.end : named.end + _NEAR])
    ):
        return
    following = scan.text[named.end : named.end + 2 * _NEAR]
    for form in LISTS if named.name.endswith(_PLURALS) else _OF_ONE:
        if has_one(following, form.openers):
            found = form.opens.match(scan.text, named.end)
            is_open = found is not None and not scan.text.startswith(HIDDEN, found.end() - 1)
            if found and is_open and (hidden := list(_all(scan, named, form, found.end()))):
                yield from hidden
                return


def _all(scan: Scan, named: Named, form: Items, start: int) -> Iterator[Span]:
    text, reach = scan.text, min(len(scan.text), start + ROOM)
    is_secret = _JUDGES.get(form.name, is_secret_item)
    at = start
    while item := form.item.match(text, at, reach):
        last = item.lastindex or 0
        value = item[last][:LONGEST]
        is_cut = scan.open_end and item.end() == len(text)
        is_fact = last > 1 and form.plural and item[1].lower() in FACTS
        is_code = _is_code(text, item.start(last), item.end(last), form.name)
        is_verb = named.name == "pass" and _VERB.search(text, max(0, named.start - _NEAR), named.start) is not None
        if value.strip() and not (is_fact or is_code or is_verb) and (is_cut or is_secret(value, named.kind)):
            yield item.start(last), len(text) if is_cut else item.end(last), form.name
        at = item.end()
    scan.reached["lists"] = max(at, scan.reached.get("lists", 0))


_PATH = pattern(r"(?=.{0,200}[A-Z_])[a-z_]{2,40}(?:\.[A-Za-z_]{2,60}){2,8}|(?:/[A-Za-z$_.-]{1,40}){2,12}/?")
"""What stands in lists of code under such a name: classes by their path, addresses."""
_PLACE, _PLAIN = pattern(r"\{[^{}]*\}"), pattern(r"[^0-9!@#$%^&*]*")
_EXPRESSION = pattern(
    r"\*?[A-Za-z_]{1,60}(?:\.[A-Za-z_]{1,60}){1,6}|[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){1,6}\.(?:value|name)|\*[A-Z_]{3,60}"
)


def _is_code(text: str, start: int, end: int, form: str) -> bool:
    """Return whether an item of a list is code: a call, a constant by its path, a string into which values are put."""
    if form == "list of words":
        is_word = text.startswith(" or ", end) and worded(text[start:end]).replace("_", "").isalpha()
        return is_word or text.startswith("(", end) or _EXPRESSION.fullmatch(text, start, end) is not None
    if form != "list of strings":
        return False
    value = text[start:end]
    if text[max(0, start - 2) : start - 1] in {"f", "F"} and "{" in value:
        return _PLAIN.fullmatch(_PLACE.sub("", value)) is not None
    return _PATH.fullmatch(worded(value)) is not None


def is_secret_item(value: str, kind: Kind) -> bool:
    """Judge a string in a list: no sentence, as servers answer, and no word of a schema."""
    if " " in value:
        return is_odd(value, kind) and not value.endswith((".", "!", "?"))
    return is_secret_word(value, kind)


_JUDGES: dict[str, Callable[[str, Kind], bool]] = {
    "list of words": is_odd,
    "block of names and secrets": is_odd,
    "lines below a name": is_odd,
    "elements below a name": is_odd,
}
_NEXT = pattern(
    r"[\"'`*]{0,3}(?:[ ]?[,;/|][ ]?(?:and |or |& |und |y |et |e )?|[ ](?:and |or |& |und |y |et |e )?)[\"'`*]{0,3}([^\s\"'`*,;<>()\[\]{}=\\]{4,400})(?![=:])"
)

_CHANGED = pattern(r"\\{0,8}[\"'`]? (?:->|=>|→) \\{0,8}[\"'`]([^\s\"'`\\]{1,200})")
"""What a change says after the old value: ``password = "a1" -> "b2"``."""


def more(scan: Scan, named: Named, end: int) -> Iterator[Span]:
    """Find what goes on after a secret under a name of several: ``passwords: a1, b2 and c3``; or its new value."""
    if (changed := _CHANGED.match(scan.text, end)) and is_secret_word(changed[1], named.kind):
        yield *changed.span(1), "new value"
    if not named.name.endswith(_OF_SEVERAL) or end < scan.reached.get(f"more {named.kind}", 0):
        return
    while (found := _NEXT.match(scan.text, end)) and is_odd(value := found[1].rstrip(".!?:"), named.kind):
        end = found.start(1) + len(value)
        yield found.start(1), end, "one of several"
    scan.reached[f"more {named.kind}"] = end


_OF_SEVERAL = (*_PLURALS, "api-key", "api_key", "secrets")
