# ruff: noqa: E501, RUF001  (patterns are read best in one piece; other languages have other quotes)
"""The everyday forms in which a name gives a secret away from a distance: sentences, tables, blocks, commands, errors.

``FORMS`` is the table of them. A form of ``after`` is looked for right after a telling name; the others are found by
functions below.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from infinium_integrations.redaction.key_names import HARMLESS, Kind, kind_of, words
from infinium_integrations.redaction.scan import Scan, Span, pattern
from infinium_integrations.redaction.values import is_odd, is_secret_word

__all__ = ["FORMS", "Form", "Named", "forms", "loosely"]


class Named(NamedTuple):
    """A telling name in a text: its kind, and where it begins and ends."""

    name: str
    kind: Kind
    start: int
    end: int


class Form(NamedTuple):
    """One form: what stands between the name and the value, and an example that is hidden and one that isn't."""

    name: str
    first: str
    """With which characters it may go on after the name."""
    between: re.Pattern[str]
    is_secret: Callable[[str, Kind], bool]
    hidden: str
    stays: str
    before: re.Pattern[str] | None = None
    """What has to stand before the name."""


_Q = r"(?P<quote>\\{0,8}[\"'`])"
_CLOSE = r"\\{0,8}[\"'`]?"
_NAMING = pattern(
    r"(?:name|key|variable|header|field|param|parameter|id|label)\\{0,8}[\"']?\s{0,3}[:=]\s{0,3}\\{0,8}[\"']?[\w.-]{0,40}\Z",
    re.IGNORECASE,
)
_COPULA = (
    r"(?:(?:(?:is|was|were|are|has been|had been|will be|must be)(?: now)? )?(?:(?:re)?set|changed|updated|rotated) (?:to|as)|is|was|are"
    r"|will be|must be|equals|changed|to jest|to|ist|lautet|es|est|é|è|er|är|on|je|jest|это|—|provided|given|supplied|received|used|found)"
)
_TAG = r"</?[A-Za-z][\w:]{0,20}(?:\s[^<>]{0,80})?>"

_BESIDE = pattern(
    rf"(?:[*_:]|\s|&nbsp;){{0,4}}</(?:\w{{1,12}})>(?:[ \t:=]{{0,4}}(?=[^\s<])|(?:\s|[:=]|&nbsp;){{0,12}}(?:{_TAG}\s{{0,20}}){{1,6}})"
)


_LEAST, _LONG, _NO_PLACE = 6, 20, frozenset("./:=(")


def _plain(value: str, kind: Kind) -> bool:
    """Take anything but a word of schemas, where the form is strict enough."""
    return is_secret_word(value, kind)


def _one_word(value: str, kind: Kind) -> bool:
    return " " not in value.strip() and is_odd(value, kind)


def _long_word(value: str, kind: Kind) -> bool:
    """Take a password with digits; a token only where upper and lower case and digits are mixed."""
    if not any(map(str.isdigit, value)) or not _NO_PLACE.isdisjoint(value[:-1]):
        return False
    if kind == "password":
        return len(value) >= _LEAST and _one_word(value, kind)
    return len(value) >= _LONG and any(map(str.isupper, value)) and any(map(str.islower, value)) and is_odd(value, kind)


FORMS = (
    Form(
        "sentence",
        " *_`\\\"'",
        pattern(
            rf"[*_`\"']{{0,3}}(?: (?:for|of|to|on|in|at|from|für|zum|der|des|de|del|du|pour|para|per|van|voor)(?: [^\s:;=|<>\"'`]{{1,40}}+){{1,6}}?)?(?: now| here)? {_COPULA}(?: now)?(?::| →| =)? {{1,2}}"
            rf"(?:\*{{1,3}}|[“‘«])?{_Q}?"
        ),
        is_odd,
        "The password for the staging server is hunter2!Zq9.",
        "The password for the staging server is wrong.",
    ),
    Form(
        "sentence with a mark",
        " *_`\\\"':–—→-",
        pattern(
            rf"[*_`\"']{{0,3}}(?:(?: \([^()\n]{{1,40}}\))?(?: (?:for|of|to|on|in|at|from|provided|given|supplied|used|found|received|is|was|are)[^\n:;=|<>\"'`.]{{0,60}}+)?:| ?[–—→]| -{{1,2}}>?)[*_]{{0,3}}(?:\s{{1,2}}|(?=[\"'`]))"
            rf"(?:\*{{1,3}}|[“‘«])?{_Q}?"
        ),
        _one_word,
        "Incorrect API key provided: aB3dE5gH7jK9mN1p",
        "Incorrect API key provided: see the docs",
    ),
    Form(
        "sentence without spaces",
        "はは是为為는은이가：: ",
        pattern(r"(?:は|是|为|為|는|은|이|가|：|:)?\s?(?:は|是|为|為|：|:)\s?[「『“‘\"']?"),
        is_odd,
        "パスワードは「hunter2!Zq9」です",
        "パスワードは必須です",
    ),
    Form(
        "name and value",
        "\\\"'`, ;\n:",
        pattern(
            rf"{_CLOSE}\s{{0,4}}[,;]?(?:\\n|\s){{0,40}}(?:{_CLOSE}[A-Za-z_]{{2,16}}{_CLOSE}\s{{0,3}}[:=]\s{{0,3}}[\w\"']{{1,20}}[,;]?(?:\\n|\s){{0,40}}){{0,2}}"
            rf"{_CLOSE}(?i:value|val|content){_CLOSE}\s{{0,3}}[:=]\s{{0,3}}{_Q}?"
        ),
        _plain,
        '{"name": "DB_PASSWORD", "value": "hunter2!Zq9"}',
        '{"name": "DB_HOST", "value": "db.example.com"}',
        _NAMING,
    ),
    Form(
        "name and element",
        "\\\"'",
        pattern(r"\\{0,8}[\"'][^<>]{0,60}>(?:<!\[CDATA\[|\s{0,20}<value>)?"),
        _plain,
        '<property name="password">hunter2!Zq9</property>',
        '<property name="host">db</property>',
        _NAMING,
    ),
    Form(
        "element with attributes",
        " >\t\n",
        pattern(r"(?:\s[^<>]{0,80})?>(?:<!\[CDATA\[)?"),
        _plain,
        '<ns:password type="plain">hunter2!Zq9</ns:password>',
        '<input type="password"> <b>Forgot?</b>',
        pattern(r"<(?:[\w-]{1,20}:)?\Z"),
    ),
    Form(
        "object under the name",
        "\\\"'` :={",
        pattern(
            rf"{_CLOSE}\s{{0,3}}(?::|=>?)?\s{{0,3}}\{{[^{{}}]{{0,300}}?(?<![A-Za-z]){_CLOSE}(?i:value|default|secret|plaintext|plain|raw|data|content|default_?value)"
            rf"{_CLOSE}\s{{0,3}}(?::|=>?)\s{{0,3}}{_Q}"
        ),
        _plain,
        '{"password": {"value": "hunter2!Zq9"}}',
        '{"password": {"type": "string", "default": "none"}}',
    ),
    Form(
        "error of pydantic",
        "\n\\",
        pattern(rf"(?:\n|\\n) {{1,6}}(?:(?!\\n)[^\n]){{0,300}}?\binput_value={_Q}?"),
        _plain,
        "password\n  String should have at most 5 characters [type=string_too_long, input_value='hunter2!Zq9', input_type=str]",
        "amount\n  Input should be a valid integer [type=int_parsing, input_value='twelve', input_type=str]",
    ),
    Form(
        "error of pydantic as a list",
        "\\\"'",
        pattern(rf"\\{{0,8}}[\"'][^\n{{}}]{{0,20}}[\])][^{{}}]{{0,300}}?\\{{0,8}}[\"']input\\{{0,8}}[\"']\s?:\s?{_Q}"),
        _plain,
        "{'type': 'string_too_short', 'loc': ('password',), 'msg': 'too short', 'input': 'hunter2!Zq9'}",
        "{'type': 'int_parsing', 'loc': ('amount',), 'msg': 'no number', 'input': 'twelve'}",
    ),
    Form(
        "call",
        "(",
        pattern(
            rf"\((?:\s{{0,3}}\\{{0,8}}[\"'][^\"'\n\\]{{0,60}}\\{{0,8}}[\"']\s?,\s?){{0,2}}(?:[bruf]{{1,2}}(?=[\"']))?{_Q}"
        ),
        _one_word,
        'builder.password("hunter2!Zq9")',
        'builder.password("Enter it here")',
        pattern(r"(?<!new )\Z"),
    ),
    Form(
        "login as a pair",
        " =:",
        pattern(rf"\s?[=:]\s?[\[(]\s?\\{{0,8}}[\"'][^\"'\n\\]{{0,80}}\\{{0,8}}[\"']\s?,\s?{_Q}"),
        _plain,
        'requests.get(url, auth=("ada", "hunter2!Zq9"))',
        "requests.get(url, auth=(user, password))",
    ),
    Form(
        "pair in a list",
        "\\\"'",
        pattern(rf"\\{{0,8}}[\"']\s?,\s?{_Q}(?=[^\"'\n]{{1,400}}[\"']\s?\])"),
        _one_word,
        '[["x-api-password", "hunter2!Zq9"], ["accept", "*"]]',
        '{"required": ["password", "token"]}',
        pattern(r"\[\s?\\{0,8}[\"'][\w-]{0,40}\Z"),
    ),
    Form(
        "list under the name",
        "\\\"' :=",
        pattern(rf"{_CLOSE}\s?(?::|=>?)\s?\[\s?{_Q}"),
        _plain,
        '{"password": ["hunter2!Zq9"]}',
        '{"password": ["string", "null"]}',
    ),
    Form(
        "wrapped value",
        "\\\"' :=",
        pattern(
            rf"{_CLOSE}\s?(?::|=)\s?(?:[\w.]{{0,30}}(?:[Ss]ecret\w{{0,6}}|[Ss]tr(?:ing)?|[Bb]ytes|quote\w{{0,6}}|encode)\(){{1,2}}\s?(?:b(?=[\"']))?{_Q}"
        ),
        _plain,
        "{'password': SecretStr('hunter2!Zq9')}",
        "{'password': SecretStr('required')}",
    ),
    Form(
        "quotes as entities",
        "&%\\",
        pattern(
            r"(?P<entity>&quot;|&#0?3[49];|&#x2[27];|&apos;|%2[27]|\\{1,4}u002[27])(?:\s|%20|\+){0,2}(?::|=|%3[AaDd])(?:\s|%20|\+){0,2}(?P=entity)"
        ),
        _plain,
        "{&quot;password&quot;: &quot;hunter2!Zq9&quot;}",
        "{&quot;password&quot;: &quot;required&quot;}",
    ),
    Form(
        "answer",
        "?",
        pattern(rf"\? (?:It'?s|It is|That'?s|Sure[,:]?|Yes[,:]?)(?: it'?s)? {_Q}?"),
        is_odd,
        "What is the password? It's hunter2!Zq9",
        "What is the password? It's secret.",
    ),
    Form(
        "elements beside each other",
        "*_: <&\n",
        _BESIDE,
        _one_word,
        "<tr><td>Password</td><td>hunter2!Zq9</td></tr>",
        "<tr><td>Password</td><td>required</td></tr>",
    ),
    Form(
        "row of a table",
        " *_`|\t",
        pattern(r"[ *_`]{0,6}(?:\||\t)[ *_`]{0,4}"),
        _one_word,
        "| Password | hunter2!Zq9 |",
        "| Password | string |",
        pattern(r"(?:^|\n|\||\\n)[ *_`|]{0,8}[\w -]{0,20}\Z"),
    ),
    Form(
        "beside the name, in quotes",
        " ",
        pattern(rf" {{1,2}}{_Q}"),
        _one_word,
        "ALTER ROLE ada PASSWORD 'hunter2!Zq9'",
        "the password 'policy' applies",
    ),
    Form(
        "beside the name, in a command",
        " \t",
        pattern(rf"[ \t]{{1,4}}{_Q}?"),
        _one_word,
        "setx OPENAI_API_KEY aB3dE5gH7jK9mN1p",
        "set a password before you go",
        pattern(
            r"(?:\bsetx|\bENV|\bARG|\bset -[gUx]{1,3}|configure set|#define|\blogin [\w.@-]{1,40}|config set|secret put)\s{1,4}[\w./:-]{0,40}\Z"
        ),
    ),
    Form(
        "beside the name",
        " \t",
        pattern(r"[ \t]{1,4}(?=[^\s\"'`(<{\[|&;:=,.)])"),
        _long_word,
        "log in as ada with password hunter2!Zq9",
        "the password must have 8 characters",
    ),
    Form(
        "words that are a key",
        " :=i",
        pattern(r"\s?(?:[:=]|is)?\s{1,3}[\"']?(?=(?:[a-z]{3,8}[ ,]{1,2}){11})"),
        lambda _value, _kind: True,
        "seed phrase: legal winner thank year wave sausage worth useful legal winner thank yellow",
        "seed phrase: write down twelve words",
    ),
    Form(
        "user and password",
        "s :",
        pattern(rf"(?:s?(?: are| is)?:?) {{1,2}}[\w.@-]{{2,40}} ?[/:] ?{_Q}?"),
        _one_word,
        "credentials: ada / hunter2!Zq9",
        "credentials: see docs / wiki",
    ),
)
_VALUE = pattern(r"""(?:\[REDACTED\]|[^\s"'`<>\\,;|)\]}”’»」』])+""")
_INSIDE_TAGS = pattern(r"[^<\n]{1,400}")
_SEED = pattern(r"(?:[a-z]{3,8}[ ,]{1,2}){11,23}[a-z]{3,8}")
_QUESTIONS = ("get", "check", "verify", "find", "has", "delete", "validate", "is", "input", "read", "prompt")
_LONGEST = 400
_BEFORE = 90


_BY_FIRST: dict[str, list[Form]] = {}
for _form in FORMS:
    for _letter in _form.first:
        _BY_FIRST.setdefault(_letter, []).append(_form)
_AFTER_BLANKS = {
    "sentence": "a—→",
    "sentence with a mark": "a:–—→-(",
    "sentence without spaces": "a:：",
    "name and value": "a\"'\\,;-\n",
    "element with attributes": "a",
    "object under the name": ':={"',
    "login as a pair": ":=",
    "list under the name": ":=",
    "wrapped value": ":=",
    "elements beside each other": "<:*_&\n",
    "row of a table": "|*_`",
    "beside the name, in quotes": "\"'`\\",
    "words that are a key": "a:=\"'",
    "user and password": "a:",
}
"""With which characters those forms may go on that begin with a blank; a letter is ``a``. The others may with any."""
_BY_SECOND: dict[str, list[Form]] = {}
for _letter in {"other", *"".join(_AFTER_BLANKS.values())}:
    _BY_SECOND[_letter] = [form for form in _BY_FIRST[" "] if _letter in _AFTER_BLANKS.get(form.name, _letter)]


def _candidates(text: str, end: int) -> Sequence[Form]:
    following = text[end : end + 1]
    if following not in _BLANKS or not following:
        return _BY_FIRST.get(following, ())
    second = text[end : end + 5].lstrip(" \t")[:1]
    return _BY_SECOND.get("a" if second.isalpha() else second, _BY_SECOND["other"])


_BLANKS = " \t"
_AS = pattern(r"(?<![^\s\"'`])([^\s\"'`]{4,60})[\"'`]? as (?:the|your|my|a|an|its|our) (?:[\w-]{1,20} ){0,2}\Z")


def loosely(scan: Scan, named: Named) -> Iterator[Span]:
    """Find a secret that stands more loosely after a name; of several forms the first counts."""
    prose = _PROSE.match(scan.text, named.end)
    if (
        prose
        and prose[1] not in _LEADING
        and not named.name.endswith(_OPEN)
        and scan.text[named.start - 1 : named.start] != "<"
    ):
        return
    following = scan.text[named.end : named.end + 1]
    found = None
    for form in _candidates(scan.text, named.end):
        between = form.between.match(scan.text, named.end)
        if between and (found := _read(scan, named, form, between)):
            break
    if found:
        yield found
    elif named.kind == "password" and (before := _AS.search(scan.text, max(0, named.start - _BEFORE), named.start)):
        if is_odd(before[1], "password"):
            yield *before.span(1), "before the name"
    elif following and following in _BEFORE_BLOCKS:
        yield from _block(scan, named)
    if named.start >= scan.reached.get("columns", 0):
        yield from _columns(scan, named)


_PROSE = pattern(r"[ \t:=]{1,4}([a-z]{2,20})(?=[ ,.:]|$)")
_LEADING = words(
    """
    für zum der des de del du pour para per van voor is was are will must equals set changed reset updated to ist lautet es est er on je jest for of in at from now
    here has been provided given supplied received used found value val content type string required
    """
)
"""A plain word that follows a name leads to its secret only if it is one of these."""
_OPEN = ("phrase", "mnemonic", "credential", "credentials")
_BEFORE_BLOCKS = " :=\"'\\\t"


def _read(scan: Scan, named: Named, form: Form, between: re.Match[str]) -> Span | None:
    text = scan.text
    start = between.end()
    groups = between.groupdict()
    quote = groups.get("quote") or groups.get("entity")
    end = _end(text, start, quote, form.name)
    if scan.open_end and end >= len(text) and start < end and (quote or not _is_word(text[start:end])):
        return start, len(text), form.name
    value = text[start:end].rstrip("*_.,;!?") if not quote else text[start:end]
    if "element" in form.name and not text.startswith(("</", "]]>"), end) and form.between is not _BESIDE:
        return None
    if (named.name == "pass" and form.name.startswith(("sentence", "beside"))) or (
        form.name == "call" and named.name.startswith(_QUESTIONS)
    ):
        return None
    if not value or not form.is_secret(value, named.kind):
        return None
    if form.before and not form.before.search(text[max(0, named.start - _BEFORE) : named.start]):
        return None
    return start, start + len(value), form.name


def _is_word(value: str) -> bool:
    return value.isalpha() and value.islower()


def _end(text: str, start: int, quote: str | None, form: str) -> int:
    if quote:
        end = text.find(quote, start, start + _LONGEST)
        return end if end >= 0 else min(len(text), start + _LONGEST)
    shape = _SEED if form == "words that are a key" else _INSIDE_TAGS if "element" in form else _VALUE
    found = shape.match(text, start, start + _LONGEST)
    return found.end() if found else start


_BLOCK = pattern(r"\\{0,8}[\"']?[ \t]{0,4}:[ \t]{0,4}[|>][+-]?\d?[ \t]{0,4}\n([ \t]{1,40})")
_TRIPLE = pattern(r"\s{0,3}[:=]\s{0,3}(\"{3}|'{3})\n?")


def _block(scan: Scan, named: Named) -> Iterator[Span]:
    """Find a YAML block, or a string in triple quotes."""
    text = scan.text
    if named.kind == "code":
        return
    if triple := _TRIPLE.match(text, named.end):
        end = text.find(triple[1], triple.end())
        if text[triple.end() : end].strip():
            yield triple.end(), end if end >= 0 else len(text), "string in triple quotes"
    elif block := _BLOCK.match(text, named.end):
        end = start = block.end()
        while True:
            line = text.find("\n", end)
            end = line if line >= 0 else len(text)
            if line < 0 or not text.startswith(block[1], line + 1):
                break
            end = line + 1
        value = text[start:end].strip()
        if (
            value
            and (" " not in value or (named.kind == "password" and is_odd(value, "weak")))
            and is_secret_word(value[:_LONGEST], named.kind)
        ):
            yield start, end, "YAML block"


_CELL = {
    ",": pattern(r'[ \t]*+(?:"((?:[^"\n\\]|"")*+)"|([^,\n\\]*+))'),
    ";": pattern(r'[ \t]*+(?:"((?:[^"\n\\]|"")*+)"|([^;\n\\]*+))'),
    "\t": pattern(r'(?:"((?:[^"\n\\]|"")*+)"|([^\t\n\\]*+))'),
    "|": pattern(r"()([^|\n\\]*+)"),
}
_HEADER = pattern(r"[ *_`\"\r]{0,4}[A-Za-z#][\w.#/-]{0,30}(?: [\w.#/()-]{1,30}){0,3}[ *_`\"\r]{0,4}")
_RULE = pattern(r"[-:|+= ]+")
_WIDEST = 600


def _columns(scan: Scan, named: Named) -> Iterator[Span]:
    """Find the values below a name that heads a column: CSV, tables of markdown, tab-separated."""
    text = scan.text
    near = text[named.end : named.end + _WIDEST]
    newline = min("\n", "\\n", key=lambda mark: near.find(mark) % (_WIDEST + 1))
    end = text.find(newline, named.end, named.end + _WIDEST)
    begin = text.rfind(newline, max(0, named.start - _WIDEST), named.start)
    start = begin + len(newline) if begin >= 0 else max(0, named.start - _WIDEST)
    start = max(start, text.rfind('"', start, named.start) + 1) if newline == "\\n" else start
    header = text[start:end]
    scan.reached["columns"] = end if end >= 0 else named.end + _WIDEST // 2
    mark = next((mark for mark in "|\t,;" if mark in header), None)
    if end < 0 or mark is None:
        return
    names = header.split(mark)
    if mark == "|" and (not names[0].strip()) != (not names[-1].strip()):
        return
    columns = {at: kind for at, name in enumerate(names) if (kind := kind_of(name.strip(' *_`"')))}
    edges = names[1:-1] if mark == "|" and not (names[0] + names[-1]).strip() else names
    before = text[max(0, begin - _WIDEST) : begin] if begin >= 0 else ""
    previous = before.rpartition(newline)[2]
    is_row = previous.count(mark) == header.count(mark) and not (mark == "," and previous.rstrip().endswith(","))
    if not columns or len(edges) < 1 + (mark != "|") or is_row or not all(map(_HEADER.fullmatch, edges)):
        return
    yield from _rows(scan, end, newline, mark, len(names), columns)


def _rows(scan: Scan, end: int, newline: str, mark: str, width: int, columns: Mapping[int, Kind]) -> Iterator[Span]:
    text = scan.text
    while end >= 0:
        start = end + len(newline)
        rule = _RULE.match(text, start)
        if rule and text.startswith(newline, rule.end()):
            end = rule.end()
            continue
        cells: list[tuple[int, int]] = []
        at = start
        while len(cells) < width and (cell := _CELL[mark].match(text, at)):
            cells.append(cell.span(1) if cell[1] else cell.span(2))
            at = cell.end() + 1
            if text[cell.end() : at] != mark:
                break
        scan.reached["columns"] = start
        if scan.open_end and cells and cells[-1][1] >= len(text) and len(cells) - 1 in columns:
            yield cells[-1][0], len(text), "column of a table"
        if len(cells) < width or at - 1 == start:
            return
        yield from _cells(text, cells, columns)
        end = text.find(newline, at - 1)
        if text[at - 1 : end].strip(mark + "\r ") if end >= 0 else False:
            return


def _cells(text: str, cells: list[tuple[int, int]], columns: Mapping[int, Kind]) -> Iterator[Span]:
    for at, kind in columns.items():
        start, end = cells[at]
        value = text[start:end].strip(" *_`\r")
        if value and (is_odd(value, kind) if kind != "password" or " " in value else is_secret_word(value, kind)):
            start += text[start:end].index(value)
            yield start, start + len(value), "column of a table"


# -- what needs no name of its own: commands, SQL, parameters of a URL


class Command(NamedTuple):
    """A command or statement, by a word that must occur, with its secret as the last group."""

    name: str
    words: tuple[str, ...]
    shape: re.Pattern[str]
    hidden: str
    stays: str
    option: str = ""
    """With which letters its option begins: in a text without such options it is not looked for."""


_WORD = r"(?:\"([^\"\n]{1,200})(?:\"|\Z)|'([^'\n]{1,200})(?:'|\Z)|([^\s\"'|;&<>]{2,200}))"
COMMANDS = (
    Command(
        "mysql -p",
        ("mysql", "mariadb", "mycli"),
        pattern(
            r"\b(?:mysql\w{0,10}|mariadb[\w-]{0,10}|mycli)\b[^\n|;]{0,200}?[\s\"']-p(?:\"([^\"\n]{1,200})\"|'([^'\n]{1,200})'|([^\s\"'|;&<>,-][^\s\"'|;&<>]{1,200}))"
        ),
        "mysql -u root -phunter2!Zq9 shop",
        "mysql -u root -p shop",
        option="p",
    ),
    Command(
        "login -p",
        ("login",),
        pattern(rf"\blogin\b[^\n|;]{{0,200}}?\s-p[= ]{{0,2}}{_WORD}"),
        "docker login -u ada -p hunter2!Zq9 registry.example.com",
        "docker login -u ada --password-stdin",
        option="p",
    ),
    Command(
        "ConvertTo-SecureString",
        ("securestring",),
        pattern(rf"(?i:ConvertTo-SecureString)\s{{1,3}}(?:-String\s{{1,3}})?{_WORD}"),
        'ConvertTo-SecureString "hunter2!Zq9" -AsPlainText -Force',
        "ConvertTo-SecureString $password -AsPlainText",
        "as",
    ),
    Command(
        "sshpass -p",
        ("sshpass",),
        pattern(rf"\bsshpass\s{{1,3}}-p\s?{_WORD}"),
        "sshpass -p hunter2!Zq9 ssh host",
        "sshpass -f file ssh host",
        option="p",
    ),
    Command(
        "redis-cli -a",
        ("redis-cli",),
        pattern(rf"\bredis-cli\b[^\n|;]{{0,200}}?\s-a\s?{_WORD}"),
        "redis-cli -h cache -a hunter2!Zq9 ping",
        "redis-cli -h cache ping",
        option="a",
    ),
    Command(
        "client -p",
        ("mongo", "cqlsh", "clickhouse", "7z", "rabbitmqadmin", "pg_dump", "psql"),
        pattern(
            rf"\b(?:mongo\w{{0,10}}|cqlsh|clickhouse[\w-]{{0,10}}|7z|rabbitmqadmin)\b[^\n|;]{{0,200}}?\s-p\s?{_WORD}"
        ),
        "mongosh -u ada -p hunter2!Zq9",
        "mongosh --port 27017",
        option="p",
    ),
    Command(
        "client -P",
        ("sqlcmd", "mosquitto", "zip", "bcp"),
        pattern(rf"\b(?:sqlcmd|mosquitto_\w{{3}}|zip|unzip|bcp)\b[^\n|;]{{0,200}}?\s-P\s?{_WORD}"),
        "sqlcmd -S db -U sa -P hunter2!Zq9",
        "unzip -d folder archive.zip",
        option="p",
    ),
    Command(
        "ldap -w",
        ("ldap",),
        pattern(rf"\bldap\w{{3,10}}\b[^\n|;]{{0,200}}?\s-w\s?{_WORD}"),
        "ldapsearch -D cn=ada -w hunter2!Zq9",
        "ldapsearch -x -b dc=example",
        option="w",
    ),
    Command(
        "user:password",
        (" -u", "--user", " -a", '"-u"'),
        pattern(
            r"(?:[ \t\"']-u|--user|\bhttps?\b[^\n|;]{0,80}?\s-a)(?:[ =]|\"[,][ ]?)?[\"']?[^\s:\"'-][^\s:\"']{0,64}:([^\s\"']{4,200})"
        ),
        "curl -uadmin:hunter2!Zq9 https://example.com",
        "docker run --user 1000:1000 img",
        "ua",
    ),
    Command(
        "smbclient -U",
        ("smbclient",),
        pattern(r"\bsmbclient\b[^\n|;]{0,200}?\s-U\s?['\"]?[^\s%]{1,60}%([^\s\"']{3,200})"),
        "smbclient //h/s -U ada%hunter2!Zq9",
        "smbclient -L //h -U ada",
        option="u",
    ),
    Command(
        "pass:",
        ("pass:",),
        pattern(r"-pass(?:in|out)?[ =]pass:([^\s\"'<>`]{3,200})"),
        "openssl rsa -in k.pem -passin pass:hunter2!Zq9",
        "openssl rsa -in k.pem -passin env:PASS",
        option="p",
    ),
    Command(
        "htpasswd",
        ("htpasswd",),
        pattern(rf"\bhtpasswd\s{{1,3}}-\w{{0,4}}b\w{{0,4}}\s{{1,3}}\S{{1,100}}\s{{1,3}}\S{{1,60}}\s{{1,3}}{_WORD}"),
        "htpasswd -cb .htpasswd ada hunter2!Zq9",
        "htpasswd -c .htpasswd ada",
        option="bc",
    ),
    Command(
        "echo into a command",
        ("sudo -s", "password-stdin", "chpasswd"),
        pattern(
            rf"\b(?:echo|printf)\s{{1,3}}(?:-n\s)?(?:[\w.-]{{1,40}}:)?{_WORD}\s{{0,3}}\|\s{{0,3}}(?:sudo\s-S|[^\n|]{{0,80}}--password-stdin|(?:sudo\s)?chpasswd)"
        ),
        "echo hunter2!Zq9 | sudo -S apt update",
        "echo done | tee log",
    ),
    Command(
        "IDENTIFIED BY",
        ("identified",),
        pattern(
            r"(?i:\b(?:user|grant|role|link|login)\b[^;\n]{0,200}?\bidentified(?:\s{1,3}with\s{1,3}[\w']{1,40})?\s{1,3}(?:by|as))\s{1,3}(?:password\s{1,3})?\\{0,4}(?:'([^'\n\\]{1,200})|\"([^\"\n\\]{1,200})|(?=[^\s]{0,40}[0-9])([^\s'\"\\;`]{6,200}))"
        ),
        "CREATE USER ada IDENTIFIED BY 'hunter2!Zq9'",
        "a file identified by its name",
    ),
    Command(
        "Oracle login",
        ("sqlplus", "jdbc:oracle"),
        pattern(r"(?:\bsqlplus\s{1,3}(?:-\w{1,3}\s{1,3}){0,3}|jdbc:oracle:\w{1,8}:)\w{1,40}/([^\s@\"']{3,100})@"),
        "sqlplus scott/hunter2!Zq9@orcl",
        "sqlplus /nolog",
    ),
    Command(
        "net user",
        ("net user", "net use"),
        pattern(
            r"\bnet\s(?:user\s{1,3}[\w.-]{1,40}\s{1,3}([^\s/*]{4,100})\s{1,3}/add|use\b[^\n]{0,100}?\s([^\s/\\:*]{4,100})\s{1,3}/user:|use\b[^\n]{0,100}?/user:[\w.\\-]{1,60}\s{1,3}([^\s/]{4,100}))"
        ),
        "net user ada hunter2!Zq9 /add",
        "net user ada",
    ),
)
_INSERT = pattern(r"\((?P<names>[^()\n]{3,600})\)\s{0,10}(?:\\n)?\s{0,10}(?i:values)\s{0,10}(?:\\n)?\s{0,10}(?=\()")
_BEGUN = pattern(
    r"(?:\bsqlplus\s{1,3}\w{1,40}/|jdbc:oracle:\w{1,8}:\w{1,40}/|\b(?:echo|printf)\s{1,3}['\"]?|\bnet\suser\s{1,3}[\w.-]{1,40}\s{1,3}"
    r"|(?<![\w:/@.-])[A-Za-z_][\w.-]{0,40}:|\bhtpasswd\s[^\n]{0,100}\s)([^\s\"'@(]{3,200}+)\Z"
)
"""A command whose secret, were the text not cut, something after it would tell."""
_TUPLE = pattern(r"[\s,]{0,10}\(((?:\\{0,4}'(?:[^'\\\n]|'')*+\\{0,4}'|[^()'\n])*+)\)")
_ITEM = pattern(r"\s{0,3}(?:\\{0,4}[NE]?'((?:[^'\\\n]|'')*+)\\{0,4}'|([^,'\n]*+))\s{0,3}")
_PARAMETER = pattern(r"[?&#;](?i:key|code|sid|k|hash|sas|skey)=([^\s&#\"'<>\\`);]{8,400})")
_PGPASS = pattern(r"(?m:^)[\w.*-]{1,100}:(?:[0-9]{4,5}|\*):[\w*-]{1,60}:[\w*.-]{1,60}:([^\s:]{4,100})$", re.MULTILINE)


def forms(scan: Scan) -> Iterator[Span]:
    """Find what commands, statements and addresses hold."""
    text, low = scan.text, scan.low
    for command in (
        COMMANDS if scan.options else _WITHOUT_OPTIONS if any(mark in scan.marks for mark in _TELLING) else ()
    ):
        if _may_occur(scan, command) and any(word in low for word in command.words):
            for found in command.shape.finditer(text):
                last = found.lastindex or 0
                value = found[last]
                if value.lower() not in HARMLESS and not value.isdigit() and is_secret_word(value, "password"):
                    yield *found.span(last), command.name
    if scan.open_end or (b"('" in scan.marks and "values" in low):
        yield from _inserted(scan)
    if b"=" in scan.marks and any(name in low for name in ("code=", "key=", "sid=", "sas=", "hash=")):
        for found in _PARAMETER.finditer(text):
            if is_odd(found[1], "weak"):
                yield *found.span(1), "parameter of a URL"
    if b"::::" in scan.marks and (":5432:" in text or ":*:" in text):
        yield from ((*found.span(1), "line of .pgpass") for found in _PGPASS.finditer(text))


def _may_occur(scan: Scan, command: Command) -> bool:
    if command.option:
        return any(letter in scan.options for letter in command.option)
    return " " in scan.options or _MARKS_OF.get(command.name, b"none") in scan.marks


_MARKS_OF = {"IDENTIFIED BY": b"'", "echo into a command": b"|", "Oracle login": b":"}
"""What the text of a command without options has, so that prose without it isn't searched."""
_TELLING = frozenset(_MARKS_OF.values())
_WITHOUT_OPTIONS = [command for command in COMMANDS if command.name in _MARKS_OF]


def _inserted(scan: Scan) -> Iterator[Span]:
    """Find the values of an SQL INSERT whose columns are secrets by name."""
    text = scan.text
    for found in _INSERT.finditer(text) if "values" in scan.low else ():
        names = [name.strip(" \t\"`[]'\\") for name in found["names"].split(",")]
        columns = {at: kind for at, name in enumerate(names) if (kind := kind_of(name))}
        row, last = (_TUPLE.match(text, found.end()) if columns else None), found.end()
        while row:
            at, column = row.start(1), 0
            while at <= row.end(1) and (item := _ITEM.match(text, at, row.end(1))):
                group = 1 if item[1] is not None else 2
                if (
                    column in columns
                    and item[group].strip()
                    and is_secret_word(item[group].strip(), columns[column])
                    and group == 1
                ):
                    yield *item.span(group), "INSERT"
                at, column = item.end() + 1, column + 1
            last = row.end()
            row = _TUPLE.match(text, last)
        if columns and scan.open_end and text[last:].lstrip(" ,\n").startswith("("):
            yield text.index("(", last) + 1, len(text), "INSERT"
    begun = _BEGUN.search(text, max(0, len(text) - _LONGEST)) if scan.open_end else None
    if begun and is_odd(begun[1], "password"):
        yield *begun.span(1), "beginning of a command"
