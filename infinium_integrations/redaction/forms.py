# ruff: noqa: E501, RUF001  (patterns are read best in one piece; other languages have other quotes)
"""The everyday forms in which a name gives a secret away from a distance: sentences, tables, blocks, errors.

``FORMS`` is the table of those that begin right after a telling name; blocks and columns of tables are functions below.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from infinium_integrations.redaction.key_names import Kind, has_one, kind_of, secret_columns, words
from infinium_integrations.redaction.programs import is_after_a_string, says_its_name
from infinium_integrations.redaction.prose import is_passphrase, is_plain_password
from infinium_integrations.redaction.scan import Scan, Span, pattern
from infinium_integrations.redaction.values import ENOUGH, is_odd, is_prose, is_secret_word

__all__ = ["FORMS", "LEADING", "Form", "Named", "loosely"]


@dataclass(slots=True)
class Named:
    """A telling name in a text: its kind, and where it begins and ends."""

    name: str
    kind: Kind
    start: int
    end: int


@dataclass(slots=True)
class Form:
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
    words: tuple[str, ...] = ()
    """Of which one must occur there: they are found sooner than the patterns."""
    soon: str = ""
    """Of which one must come soon after the name."""


_Q = r"(?P<quote>\\{0,8}[\"'`])"
_CLOSE = r"(?:\\{0,8}[\"'`])?+"
_NAMING = pattern(
    r"(?:name|key|variable|header|field|param|parameter|id|label|(?<![A-Za-z0-9_-])k)\\{0,8}[\"']?\s{0,3}[:=]\s{0,3}\\{0,8}[\"']?[\w./:-]{0,60}\Z",
    re.IGNORECASE,
)
_COPULA = (
    r"(?:(?:(?:is|was|were|are|has been|had been|will be|must be)(?: now)? )?(?:(?:re)?set|changed|updated|rotated) (?:to|as)|is|was|are|as"
    r"|(?:will|must|should|would|has to|needs to|used to) be|remains|became|equals|changed|to jest|to|ist|lautet|es|est|é|è|er|är|on|je|jest|это|هي|هو|là|adalah|—|provided|given|supplied|received|used|found)"
)
_TEMPORARY = "(?: (?:temporaire|provisoire|temporal|provisional|temporanea|temporária|tijdelijke?|tymczasowe|actuel|actual|nueva|nouveau))?"
_TAG = r"</?[A-Za-z][\w:]{0,20}(?:\s[^<>]{0,80})?>"

_BESIDE = pattern(
    rf"(?:[*_:]|\s|&nbsp;){{0,4}}</(?:\w{{1,12}})>(?:[ \t:=]{{0,4}}(?=[^\s<&])|(?:[ \t:=]|&nbsp;){{1,4}}(?=[^\s<&])|(?:\s|[:=]|&nbsp;){{0,12}}(?:{_TAG}\s{{0,20}}){{1,6}})"
)


_LEAST, _LONG, _NO_PLACE = 6, 20, frozenset("./:=(")


def _one_word(value: str, kind: Kind) -> bool:
    return " " not in value.strip() and is_odd(value, kind)


def _mixed_word(value: str, kind: Kind) -> bool:
    return _long_word(value, kind) and any(map(str.isupper, value)) and any(map(str.islower, value))


def _long_word(value: str, kind: Kind) -> bool:
    """Take a password with digits; a token only where upper and lower case and digits are mixed."""
    if not any(map(str.isdigit, value)) or not _NO_PLACE.isdisjoint(value[:-1]):
        return False
    if kind == "password":
        return len(value) >= _LEAST and _one_word(value, kind)
    if kind == "code":
        return value.isdigit() and len(value) == _LEAST
    return len(value) >= _LONG and any(map(str.isupper, value)) and any(map(str.islower, value)) and is_odd(value, kind)


def _given(value: str, kind: Kind) -> bool:
    """Take under a password's name one word, whichever it is."""
    return " " not in value.strip() and is_secret_word(value, kind)


def _clear_word(value: str, kind: Kind) -> bool:
    """Take of a password what is odd, of a token only what is long and mixed."""
    return _one_word(value, kind) if kind == "password" else _mixed_word(value, kind)


def _clear_line(value: str, kind: Kind) -> bool:
    """Take a line of its own: a password that is no word of prose or code, a token that is long and mixed."""
    if kind != "password":
        return _mixed_word(value, kind)
    return _is_strong(value) or (
        _mixed_word(value, kind) and len(value) >= _LONG_WORD and _INSIDE.search(value) is not None
    )


def _is_strong(value: str) -> bool:
    """Return whether a value is no word of prose or code, whatever is said of it: letters, digits and other marks."""
    return (
        not _STRONG.isdisjoint(value[1:])
        and any(map(str.isdigit, value))
        and any(map(str.isalpha, value))
        and _NO_PLACE.isdisjoint(value[:-1])
        and _ADDRESS.search(value) is None
        and is_odd(value, "password")
    )


_STRONG = frozenset("!#$%^&*?~@")
_ADDRESS = pattern(r"\w@\w|[\[\]{}<>]")
_IN_A_ROW = pattern(r"(?:^|\n|\||\\n)[ *_`|]{0,8}[\w -]{0,20}\Z")
_LONG_WORD, _INSIDE = 8, pattern(r"[A-Za-z][0-9]+[A-Za-z]")
_BELOW = r"[ \t]{0,4}(?:\r?\n|(?:\\{1,4}r)?\\{1,4}n){1,3}[ \t>]{0,12}(?:`{3}\w{0,10}(?:\n|\\{1,4}n)|`)?(?=[^\s\"'\\]{4,200}(?<!:)[ \t]{0,4}(?:\r?\n|\\|\Z|[\"']))"

_MARKS = r"(?:\\{0,8}[\"'`]|[*_]){0,3}"
_WORDS_IN_A_ROW = r"(?:[A-Za-z][a-z]{1,11}[ -](?:[a-z]{2,12}[ -]){1,22}[a-z]{2,12}|(?:[A-Z][a-z]{1,11}[ -]){3,22}[A-Z][a-z]{1,11})(?:[ -][0-9]{1,6})?"
_ENDS = r"(?:[\"'`*](?![A-Za-z])|(?<=[.!,;]) |[ \t]{0,4}(?:\r?\n|\\|\Z|<)|[ ]{1,4}[#(])"
"""What follows the last word of a sentence."""
_LEADS_TO_WORDS = pattern(
    rf"(?:(?:(?<=[Pp]hrase)|(?<=PHRASE)){_MARKS}(?:\s?[:=]|\s(?:is|was):?)"
    rf"|(?<!\b[Pp]ass){_MARKS}(?:\s?[:=]|\sis:?(?=\s[*\\\"'`]))(?=[^A-Za-z]{{1,20}}+[A-Za-z]{{1,12}}(?:[ -][a-zA-Z]{{2,12}}){{2}}[ -]))"
    rf"[*_]{{0,3}}[ \t]{{1,3}}\*{{0,3}}{_Q}?(?={_WORDS_IN_A_ROW}[.!]?{_ENDS})"
)
"""What stands before words that are a password together: four of them, after ``passphrase`` three."""


FORMS = (
    Form(
        "former value",
        " ",
        pattern(rf" from (?=\S{{4,60}} to ){_Q}?"),
        is_odd,
        "Changed the password from hunter2!Zq9 to another",
        "Changed the password from one to another",
    ),
    Form(
        "sentence",
        " *_`\\\"'",
        pattern(
            rf"[*_`\"']{{0,3}}{_TEMPORARY}(?: (?:for|of|to|on|in|at|from|für|zum|der|des|de|del|du|pour|para|per|van|voor|do|od|dla|от|для)(?: [^\s:;=|<>\"'`]{{1,40}}+){{1,6}}?)?(?: now| here)? {_COPULA}(?: now)?(?: ?:| →| =)? {{1,2}}"
            rf"(?:\*{{1,3}}|[“‘«])?{_Q}?"
        ),
        is_odd,
        "The password for the staging server is hunter2!Zq9.",
        "The password for the staging server is wrong.",
    ),
    Form(
        "sentence with a clause",
        " ",
        pattern(
            rf" (?:that |which )?(?:(?:we|you|they|he|she|I)(?:'ve| have)? [a-z]{{2,12}}(?: [\w'-]{{1,15}}){{0,3}}?|(?:that|which)(?: [a-z]{{2,12}}){{1,3}}?) (?:is|was|are)(?: now)?:? {{1,2}}(?:\*{{1,3}}|[“‘«])?{_Q}?"
        ),
        _clear_word,
        "The password that we use is hunter2!Zq9",
        "The password that we use is weak",
    ),
    Form(
        "set aside in a sentence",
        " ,",
        pattern(rf"(?:,|(?: [\w']{{1,12}}){{0,4}} \()\s?(?=[^\s()]{{6,60}}[,)]){_Q}?"),
        lambda value, kind: kind == "password" and _is_strong(value.rstrip(",)")),
        "The new password, hunter2!Zq9, expires soon.",
        "The new password, however, expires soon.",
        soon=",)",
    ),
    Form(
        "sentence with a mark",
        " *_`\\\"':–—→-(.~",
        pattern(
            rf"(?:\(s\))?[*_`\"']{{0,3}}(?:(?: [(\[][^()\[\]\n]{{1,40}}[)\]])?{_TEMPORARY}(?: (?:for|of|to|on|in|at|from|de|del|da|do|от|для|do|od|provided|given|supplied|created|generated|issued|used|found|received|is|was|are)(?:[^\n:;=|<>\"'`.]|\.(?=\w)){{0,60}}+)?:| ?[–—→⇒➜➡👉~]\ufe0f?| -{{1,2}}>?| ?\.{{3,60}}:?)[*_]{{0,3}}(?:\s{{1,2}}|(?=[\"'`]))"
            rf"(?:\*{{1,3}}|[“‘«])?{_Q}?"
        ),
        _one_word,
        "Incorrect API key provided: aB3dE5gH7jK9mN1p",
        "Incorrect API key provided: see the docs",
    ),
    Form(
        "sentence without spaces",
        "はは是为為는은이가：: ",
        pattern(r"(?:(?:は|是|为|為|는|은|이|가|：)\s?){1,2}[「『“‘\"']?"),
        is_odd,
        "パスワードは「hunter2!Zq9」です",
        "パスワードは必須です",
    ),
    Form(
        "name and value",
        "\\\"'`, ;\n:",
        pattern(
            rf"{_CLOSE}\s{{0,4}}[,;]?(?:\\n|\s){{0,40}}(?:{_CLOSE}[A-Za-z_]{{2,16}}{_CLOSE}\s{{0,3}}[:=]\s{{0,3}}[\w\"']{{1,20}}+[,;]?(?:\\n|\s){{0,40}}){{0,2}}"
            rf"{_CLOSE}(?i:(?:[a-z]{{1,10}}_?)?value|val|content|default|v){_CLOSE}\s{{0,3}}[:=]\s{{0,3}}{_Q}?"
        ),
        is_secret_word,
        '{"name": "DB_PASSWORD", "value": "hunter2!Zq9"}',
        '{"name": "DB_HOST", "value": "db.example.com"}',
        _NAMING,
    ),
    Form(
        "part of a form",
        "\\\"'\r\n",
        pattern(
            r"(?:\\{0,4}[\"'])?(?:(?:\r?\n|(?:\\{1,4}r)?\\{1,4}n)[Cc]ontent-[Tt]ype: [\w/;= -]{1,60})?(?:\r?\n|(?:\\{1,4}r)?\\{1,4}n){2}"
        ),
        is_secret_word,
        'Content-Disposition: form-data; name="password"\n\nhunter2!Zq9\n--x',
        'Content-Disposition: form-data; name="password"\n\nrequired\n--x',
        pattern(r"form-data; name=\\{0,4}[\"']?\Z"),
        ("form-data",),
    ),
    Form(
        "name and element",
        "\\\"'",
        pattern(r"\\{0,8}[\"'][^<>]{0,60}>(?:<!\[CDATA\[|\s{0,20}<value>)?"),
        is_secret_word,
        '<property name="password">hunter2!Zq9</property>',
        '<property name="host">db</property>',
        _NAMING,
        soon=">",
    ),
    Form(
        "element with attributes",
        " >\t\n",
        pattern(r"(?:\s[^<>]{0,80})?>(?:<!\[CDATA\[)?"),
        is_secret_word,
        '<ns:password type="plain">hunter2!Zq9</ns:password>',
        '<input type="password"> <b>Forgot?</b>',
        pattern(r"<(?:[\w-]{1,20}:)?\Z"),
        ("<",),
        soon=">",
    ),
    Form(
        "object under the name",
        "\\\"'` :={",
        pattern(
            rf"{_CLOSE}\s{{0,3}}(?::|=>?)?\s{{0,3}}\{{[^{{}}]{{0,300}}?(?<![A-Za-z]){_CLOSE}(?i:value|default|secret|plaintext|plain|raw|data|content|default_?value)"
            rf"{_CLOSE}\s{{0,3}}(?::|=>?)\s{{0,3}}{_Q}"
        ),
        is_secret_word,
        '{"password": {"value": "hunter2!Zq9"}}',
        '{"password": {"type": "string", "default": "none"}}',
        soon="{",
    ),
    Form(
        "error of pydantic",
        "\n\\",
        pattern(rf"(?:\n|\\n) {{1,6}}(?:(?!\\n)[^\n]){{0,300}}?\binput_value={_Q}?"),
        is_secret_word,
        "password\n  String should have at most 5 characters [type=string_too_long, input_value='hunter2!Zq9', input_type=str]",
        "amount\n  Input should be a valid integer [type=int_parsing, input_value='twelve', input_type=str]",
    ),
    Form(
        "error of pydantic as a list",
        "\\\"'",
        pattern(
            rf"\\{{0,8}}[\"'][^\n{{}}\])]{{0,20}}+[\])][^{{}}]{{0,300}}?\\{{0,8}}[\"']input\\{{0,8}}[\"']\s?:\s?{_Q}"
        ),
        is_secret_word,
        "{'type': 'string_too_short', 'loc': ('password',), 'msg': 'too short', 'input': 'hunter2!Zq9'}",
        "{'type': 'int_parsing', 'loc': ('amount',), 'msg': 'no number', 'input': 'twelve'}",
        soon="])",
    ),
    Form(
        "call",
        "(",
        pattern(
            rf"\((?:\s{{0,3}}\\{{0,8}}[\"'][^\"'\n\\]{{0,60}}\\{{0,8}}[\"']\s?,\s?){{0,2}}\s{{0,3}}(?:[bruf]{{1,2}}(?=[\"']))?{_Q}"
        ),
        _one_word,
        'builder.password("hunter2!Zq9")',
        'builder.password("Enter it here")',
        pattern(r"(?<!new )\Z"),
    ),
    Form(
        "value by default",
        "\\\"' )]:",
        pattern(
            rf"(?::\s?)?{_CLOSE}\]?\)?\s?(?:(?:\|\||\?\?|\?:|or)\s{{1,3}}|,(?=[^()]{{0,120}}?\bdefault\s?=)[^()]{{0,120}}?\bdefault\s?=\s?)[bruf]{{0,2}}{_Q}"
        ),
        _given,
        'process.env.DB_PASSWORD || "hunter2!Zq9"',
        'process.env.DB_PASSWORD || "required"',
        soon="|?=r",
    ),
    Form(
        "default of a field",
        " :=",
        pattern(
            rf"\s?(?::\s?[A-Za-z_][\w.\[\], |]{{0,40}}?\s?)?=\s?(?:(?:\w{{1,20}}\.)?(?:\w{{0,12}}Field|Field|field|mapped_column|config|env|SecretStr|SecretBytes|String)|new String)\((?:[a-z_]{{1,16}}=[\w.]{{1,20}},\s?)?(?:default\s?=\s?)?[bruf]{{0,2}}{_Q}"
        ),
        _one_word,
        'password: str = Field(default="hunter2!Zq9")',
        'password: str = Field(default="required")',
        soon="(",
    ),
    Form(
        "key of a database",
        ")",
        pattern(r"\)=\((?:[^(),\n]{0,60}, ){0,3}"),
        is_secret_word,
        "Key (password)=(hunter2!Zq9) already exists.",
        "Key (password)=(required) already exists.",
        pattern(r"\((?:\w{1,40}, ){0,3}\Z"),
        ("(",),
        soon="(",
    ),
    Form(
        "argument below the option",
        "\\\"'\n",
        pattern(rf"{_CLOSE}(?:\n|\\{{1,4}}n)[ \t]{{0,40}}- {_Q}?"),
        is_secret_word,
        "- --password\n- hunter2!Zq9",
        "- --password\n- required",
        pattern(r"- \\{0,8}[\"']?\Z"),
        ("- ",),
        soon="-",
    ),
    Form(
        "block of Terraform",
        "\\\"'",
        pattern(
            rf"\\{{0,8}}[\"'] ?\{{(?:\n|\\{{1,4}}n)(?:[^\n{{}}\\]{{0,200}}(?:\n|\\{{1,4}}n)){{0,6}}?[ \t]{{1,8}}(?:default|value)[ \t]{{0,20}}= {_Q}"
        ),
        is_secret_word,
        'variable "db_password" {\n  type = string\n  default = "hunter2!Zq9"\n}',
        'variable "db_password" {\n  type = string\n  default = "required"\n}',
        pattern(r"\b(?:variable|output) \\{0,8}[\"']\w{0,40}\Z"),
        ("variable", "output"),
        soon="{",
    ),
    Form(
        "dump of PHP",
        "\\\"'",
        pattern(rf"\\{{0,8}}[\"'](?:\]=>\s{{0,10}}string\([0-9]{{1,5}}\)\s|;s:[0-9]{{1,5}}:){_Q}"),
        is_secret_word,
        '["password"]=> string(11) "hunter2!Zq9"',
        '["password"]=> string(8) "required"',
        soon=")s",
    ),
    Form(
        "comparison by a call",
        ".",
        pattern(rf"\.(?:[Ee]quals(?:IgnoreCase)?|compareTo|eq|toBe|toEqual)\(\s?{_Q}"),
        _one_word,
        'password.equals("hunter2!Zq9")',
        'password.equals("")',
        soon="(",
    ),
    Form(
        "login as a pair",
        " =:",
        pattern(
            rf"\s?[=:]\s?[\[(]\s?\\{{0,8}}[\"'](?!(?:GET|PUT|POST|PATCH|DELETE|HEAD)[\"'])[^\"'\n\\]{{0,80}}\\{{0,8}}[\"']\s?,\s?{_Q}"
        ),
        is_secret_word,
        'requests.get(url, auth=("ada", "hunter2!Zq9"))',
        "requests.get(url, auth=(user, password))",
        soon="[(",
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
        "beside the name, in a list",
        "\\\"'",
        pattern(rf"=?\\{{0,8}}[\"']\s?,\s?{_Q}"),
        _mixed_word,
        '["consul", "kv", "put", "db/password", "hunter2!Zq9"]',
        '["username", "password", "sha256-salt"]',
    ),
    Form(
        "wrapped value",
        "\\\"' :=",
        pattern(
            rf"{_CLOSE}\s?(?::|=)\s?(?:(?![\w.]{{0,30}}get_)[\w.]{{0,30}}(?:[Ss]ecret\w{{0,6}}|[Ss]tr(?:ing)?|[Bb]ytes|quote\w{{0,6}}|encode|MD5|md5|SHA\d{{0,3}}|sha\d{{0,3}}|PASSWORD|crypt|hash\w{{0,6}})\(){{1,2}}\s?(?:b(?=[\"']))?{_Q}(?!(?:utf-?(?:8|16|32)|ascii|latin-?1|idna)[\"'])"
        ),
        is_secret_word,
        "{'password': SecretStr('hunter2!Zq9')}",
        "{'password': SecretStr('required')}",
        soon="(",
    ),
    Form(
        "quotes as entities",
        "&%\\",
        pattern(
            r"(?P<entity>&quot;|&#0?3[49];|&#x2[27];|&apos;|%2[27]|\\{1,4}u002[27])(?:\s|%20|\+){0,2}(?::|=|%3[AaDd])(?:\s|%20|\+){0,2}(?P=entity)"
        ),
        is_secret_word,
        "{&quot;password&quot;: &quot;hunter2!Zq9&quot;}",
        "{&quot;password&quot;: &quot;required&quot;}",
    ),
    Form(
        "typed into a field, as arguments",
        " \\\"'?]:",
        pattern(
            rf"[\w \[\]=*.:?-]{{0,30}}+{_CLOSE}\]?{_CLOSE}(?:(?:\\n|\s){{0,20}}+[,;](?:\\n|\s){{0,20}}+{_CLOSE}[A-Za-z_]{{1,20}}+{_CLOSE}\s?[:=]\s?{_CLOSE}[\w. -]{{0,40}}+{_CLOSE}){{0,3}}"
            rf"(?:\\n|\s){{0,20}}+[,;](?:\\n|\s){{0,20}}+{_CLOSE}(?i:text|value|input|input_?text|data|keys|content|answer|response|reply){_CLOSE}\s?[:=]\s?{_Q}"
        ),
        _one_word,
        '{"element": "Password field", "ref": "e12", "text": "hunter2!Zq9"}',
        '{"element": "Password field", "ref": "e12", "text": "Show"}',
        pattern(
            r"(?:element|selector|field|target|label|locator|css|xpath|question|prompt|placeholder|[Tt]ype)\\{0,8}[\"']?\s?[:=]\s?\\{0,8}[\"'][^\"'\n]{0,40}\\{0,8}[\"']?\Z"
        ),
        (
            *("element", "selector", "field", "target", "label", "locator"),
            *("css", "xpath", "question", "prompt", "placeholder", "ype"),
        ),
        soon=",;",
    ),
    Form(
        "typed into a field, by a call",
        " \\\"']",
        pattern(
            rf"[\w \]=-]{{0,20}}\\{{0,8}}[\"']\]?{_CLOSE}\){{1,2}}(?:\.\w{{1,20}}\(\)){{0,2}}\s{{0,20}}\.(?:fill|type|send_?[Kk]eys|set_?[Vv]alue|press_?[Ss]equentially)\(\s?{_Q}"
        ),
        _given,
        'page.get_by_label("Password").fill("hunter2!Zq9")',
        'page.get_by_label("Password").fill("wrong")',
        soon=")",
    ),
    Form(
        "typed into what a selector finds",
        " \\\"']",
        pattern(rf"[\w =-]{{0,20}}\\{{0,8}}[\"']?\]?{_CLOSE},\s?{_Q}"),
        _given,
        "page.fill('input[name=\"password\"]', 'hunter2!Zq9')",
        "page.fill('input[name=\"password\"]', 'wrong')",
        pattern(r"\.(?:fill|type|set_?[Vv]alue|send_?[Kk]eys)\(\s?\\{0,8}[\"'][^\n]{0,60}\Z"),
        ("fill", "type", "alue", "eys"),
        soon=",",
    ),
    Form(
        "filled with",
        " ",
        pattern(rf"(?: (?:field|box|input|textbox))?[\"']? (?:with|to):? {{1,2}}{_Q}?"),
        is_odd,
        "Filled the password field with hunter2!Zq9",
        "Filled the password field with text",
        pattern(r"(?:[Ff]ill|[Ss]et)(?:ed|ing)?(?: in| out)? (?:the |your |its |user )?[\"']?\Z"),
        ("ill", "et"),
    ),
    Form(
        "field of a page",
        "\\\"'",
        pattern(rf"\\{{0,8}}[\"'](?: \[[\w=-]{{1,20}}\]){{1,4}}: ?{_Q}?"),
        _one_word,
        '- textbox "Password" [ref=e12]: hunter2!Zq9',
        '- textbox "Password" [ref=e12]: Enter password',
        soon="[",
    ),
    Form(
        "input of a page",
        "\\\"' ",
        pattern(rf"{_CLOSE}\s[^<>]{{0,100}}?\bvalue={_Q}?"),
        is_secret_word,
        "<input type=password value=hunter2!Zq9>",
        "<input type=password value=password>",
        pattern(r"\btype=\\{0,8}[\"']?\Z"),
        ("type=",),
        soon="=",
    ),
    Form(
        "answer",
        "?",
        pattern(
            rf"\?(?: |(?:\n|\\n){{1,2}}[\w -]{{1,20}}: )(?:It'?s|It is|That'?s|Sure[,:]?|Yes[,:]?|(?<=: )(?=[^\s\"']{{6,60}}[.!]?\s{{0,2}}(?:\n|\\|\Z|\")))(?: ?it'?s)? ?{_Q}?"
        ),
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
        soon="<",
    ),
    Form(
        "line below a name and a mark",
        ":*_` ",
        pattern(rf"[*_`]{{0,3}}(?: is| are)?(?: below| as follows| follows)?:[*_`]{{0,3}}{_BELOW}"),
        lambda value, kind: "://" not in value and _one_word(value, kind),
        "Password:\n\n    hunter2!Zq9\n",
        "Password:\n\n    required\n",
        soon="\n\\",
    ),
    Form(
        "what a shell shows",
        "}\\\"')]\n\r",
        pattern(
            rf"\}}?{_CLOSE}[\])]?{_CLOSE}[ \t]{{0,4}}(?:\r?\n|\\{{1,4}}n)(?:Out\[[0-9]{{1,4}}\]: )?{_Q}?(?=[^\s\"'\\]{{6,200}}[\"']?[ \t]{{0,4}}(?:\r?\n|\\|\Z|\"))"
        ),
        _clear_word,
        "$ echo $DB_PASSWORD\nhunter2!Zq9",
        "$ echo $DB_PASSWORD\nrequired",
        pattern(
            r"(?:\becho \\{0,4}\"?\$\{?|(?:>>>|In \[[0-9]{1,4}\]:|\(Pdb\) p|ipdb> p?) ?(?:[\w.]{1,40}[\[.(]\\{0,4}[\"']?)?)\Z"
        ),
        ("$", ">>>", "In [", "db"),
    ),
    Form(
        "beside a mark",
        "'’.?;,·•/>< :",
        pattern(r" ?(?:['’]s|\.{3}|[?;,·•/]|>>|<-|<=|::) {1,2}(?=\S{6,60}(?:[\s\"']|\\|\Z))"),
        lambda value, kind: kind == "password" and _is_strong(value),
        "my password's hunter2!Zq9",
        "my password's SHA256 hash",
    ),
    Form(
        "line below a name",
        "\n\r\\*_`",
        pattern(rf"[*_`]{{0,3}}{_BELOW}"),
        _clear_line,
        "Username\nada\nPassword\nhunter2!Zq9\n",
        "Username\nPassword\nAddress2\n",
        pattern(r"(?:\A|\n|\\n|[\"'])[ \t#>*_`-]{0,8}(?:[\w']{1,15} ){0,3}\Z"),
    ),
    Form(
        "row of a table",
        " *_`|\t",
        pattern(r"[ *_`]{0,6}(?:\||\t)[ *_`]{0,4}"),
        _one_word,
        "| Password | hunter2!Zq9 |",
        "| Password | string |",
        _IN_A_ROW,
        soon="|\t",
    ),
    Form(
        "later cell of a row",
        " *_`|",
        pattern(
            r"[ *_`]{0,6}\|(?:[^|\n\\]{0,80}\|){1,4}?[ *_`]{0,4}(?=[^\s|`*]{6,80}[ *_`]{0,4}(?:\||\n|\\|\Z))(?=[^\s|]{0,80}[0-9])"
        ),
        _clear_line,
        "| `DB_PASSWORD` | the database's | `hunter2!Zq9` |",
        "| `DB_PASSWORD` | the database's | `RFC7519` |",
        _IN_A_ROW,
        soon="|",
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
        ("set", "ENV", "ARG", "#define", "login", "secret put"),
    ),
    Form(
        "beside the name",
        " \t",
        pattern(r"[ \t]{1,40}(?=[^\s\"'`(<{\[|&;:=,.)])"),
        _long_word,
        "log in as ada with password hunter2!Zq9",
        "the password must have 8 characters",
    ),
    Form(
        "sentence with a plain word",
        " *_`\\\"'",
        pattern(
            rf"{_MARKS}(?: (?:for|of|to) (?:[^\s:;=|<>\"'`.,]{{1,30}}+ ){{1,4}}?| )(?:is|was):? {{1,2}}\*{{0,3}}{_Q}?(?=[A-Za-z]{{4,20}}[.!,;]{{0,2}}{_ENDS})"
        ),
        is_plain_password,
        "The password for ada is swordfish.",
        "The password for ada is required.",
        pattern(
            r"(?:\b(?i:the|my|your|our|his|her|its|their|this)|['’]s) (?:[\w-]{1,20} ){0,2}(?:\\{0,8}[\"'`]|[*_]){0,3}\Z"
        ),
        soon="is",
    ),
    Form(
        "passphrase",
        " *_`\\\"':=",
        _LEADS_TO_WORDS,
        is_passphrase,
        "passphrase: correct horse battery staple",
        "passphrase: what the file is encrypted with",
    ),
    Form(
        "words that are a key",
        " :=i",
        pattern(r"\s?(?:[:=]|is)?\s{1,3}[\"']?(?=(?:(?!(?:the|and|are|was|with|but|not)[ ,])[a-z]{3,8}[ ,]{1,2}){11})"),
        lambda _value, _kind: True,
        "seed phrase: legal winner thank year wave sausage worth useful legal winner thank yellow",
        "seed phrase: write down twelve words",
    ),
    Form(
        "user and password",
        "s :",
        pattern(
            rf"(?:s?(?: (?:for|to|of) [\w .'-]{{1,40}}?)?(?: are| is)?:?) {{1,2}}(?:[\w.@-]{{2,40}} ?[/:] ?|[\w.+-]{{1,40}}@[\w.-]{{3,40}},? ){_Q}?"
        ),
        _one_word,
        "credentials: ada / hunter2!Zq9",
        "credentials: see docs / wiki",
        soon="/:@",
    ),
)
_VALUE = pattern(r"""(?:[^\s"'`<>\\,;|)\[\]}”’»」』]++|\[REDACTED\]|\[)++""")
_INSIDE_TAGS = pattern(r"[^<\n]{1,400}")
_SEED = pattern(r"(?:[a-z]{3,8}[ ,]{1,2}){11,23}[a-z]{3,8}")
_SHAPES = {
    "words that are a key": _SEED,
    "passphrase": pattern(_WORDS_IN_A_ROW),
    **{form.name: _INSIDE_TAGS for form in FORMS if "element" in form.name},
}
_SHORTEST, _ODD = 4, frozenset({is_odd, _one_word, _mixed_word, _long_word})
"""Characters without which those judges find no secret."""
_QUESTIONS = ("get", "check", "verify", "find", "has", "delete", "validate", "is", "input", "read", "prompt")
_LONGEST = 400
_BEFORE = 90
_FEW = 64
_SOON = 90
"""Characters after a name in which that stands of which a form says that it must come soon."""
_GLIMPSE, _FARTHEST, _MANY = 24, 1_200, 10_000
"""Characters after a name that any form looks at; and of a text in which names may come again with all around them."""


_BY_FIRST: dict[str, list[Form]] = {}
for _form in FORMS:
    for _letter in _form.first:
        _BY_FIRST.setdefault(_letter, []).append(_form)
_AFTER_BLANKS = {
    "sentence": "a—→",
    "sentence with a mark": "a:–—→⇒➜➡👉~-([.",
    "former value": "a",
    "sentence with a clause": "a",
    "line below a name and a mark": "a",
    "set aside in a sentence": "a1,(",
    "sentence without spaces": "a:：",
    "name and value": "a\"'\\,;-\n",
    "element with attributes": "a1",
    "object under the name": ':={"',
    "value by default": "a|?,",
    "default of a field": ":=",
    "login as a pair": ":=",
    "wrapped value": ":=",
    "elements beside each other": "<:*_&\n",
    "row of a table": "|*_`",
    "later cell of a row": "|*_`",
    "typed into a field, as arguments": "a1",
    "typed into a field, by a call": "a1",
    "typed into what a selector finds": "a1",
    "filled with": "a",
    "input of a page": "a1",
    "beside the name, in quotes": "\"'`\\",
    "words that are a key": "a:=\"'",
    "sentence with a plain word": "a",
    "passphrase": "a:=",
    "user and password": "a1:",
}
"""With which characters those forms may go on that begin with a blank; the others may with any.

A letter is ``a``, that of a word with a digit ``1``.
"""
_BY_SECOND: dict[str, list[Form]] = {}
for _letter in {"other", *"".join(_AFTER_BLANKS.values())}:
    _BY_SECOND[_letter] = [form for form in _BY_FIRST[" "] if _letter in _AFTER_BLANKS.get(form.name, _letter)]

_QUOTES = frozenset("\\\"'`")
_AFTER_QUOTES = {
    "sentence": "",
    "sentence with a mark": ":–—→⇒➜➡👉~-.",
    "name and value": "a,;",
    "object under the name": ":={",
    "pair in a list": ",",
    "beside the name, in a list": ",",
    "wrapped value": ":=",
    "part of a form": "a",
    "argument below the option": "a",
    "block of Terraform": "{",
    "dump of PHP": "];",
    "value by default": "),]|?",
    "typed into a field, as arguments": "a,;]",
    "typed into a field, by a call": ")]",
    "typed into what a selector finds": ",]",
    "field of a page": "",
    "input of a page": "",
    "line below a name and a mark": "a:",
    "line below a name": "a",
    "sentence with a plain word": "a",
    "passphrase": "a:=",
}
"""With which characters those forms may go on after a quote, a blank aside; a letter is ``a``."""
_BY_QUOTED: dict[str, dict[str, list[Form]]] = {
    quote: {
        letter: [form for form in _BY_FIRST[quote] if letter in _AFTER_QUOTES.get(form.name, letter)]
        for letter in {"other", *"".join(_AFTER_QUOTES.values())}
    }
    for quote in _QUOTES
}


def _candidates(text: str, end: int) -> Sequence[Form]:
    following = text[end : end + 1]
    if following in _QUOTES:
        second = text[end : end + _MOST_QUOTES].lstrip(_CLOSED)[:1]
        if not second or second.isspace():
            return _BY_FIRST[following]
        known = _BY_QUOTED[following]
        return known.get("a" if second.isalpha() else second, known["other"])
    if following not in _BLANKS or not following:
        return _BY_FIRST.get(following, ())
    second = text[end : end + 5].lstrip(" \t")[:1]
    if second.isalpha():
        second = "1" if _WITH_DIGIT.match(text, end) else "a"
    return _BY_SECOND.get(second, _BY_SECOND["other"])


_BLANKS = " \t"
_WITH_DIGIT = pattern("[ \t]{1,4}[A-Za-z_]{1,20}[0-9]")
_CLOSED, _MOST_QUOTES = "\\\"'`*_", 12
_AS = pattern(
    r"(?<![^\s\"'`])([^\s\"'`]{4,60})[\"'`]? as (?:the|your|my|a|an|its|our) (?:[\w-]{1,20} ){0,2}\Z"
    r"|\bwith [\"'`]?([^\s\"'`]{4,60})[\"'`]? as \Z"
    r"|\b(?:[Tt]yp(?:e|ed|ing)|[Ee]nter(?:ed|ing)?|[Ff]ill(?:ed|ing)?|[Ii]nput|[Pp]asted?) [\"'`]?([^\s\"'`]{4,60})[\"'`]? (?:in|into) (?:the |your |my |its )?[\"']?(?:[\w-]{1,20} ){0,2}\Z"
)
_IS_IT = pattern(
    r"(?<![^\s\"'`])([^\s\"'`]{8,60})[\"'`]? (?:(?:is|was|for|to be)|[–—-] that's) (?:the|your|my|our|his|her|their) (?:[\w-]{1,20} ){0,2}\Z"
)
_FILE = pattern(r"\w\.[a-z]{2,5}\Z")
_LEADS_TO_IT = (" as ", " in ", " into ")
_SAYS_WHAT_IT_IS = (" is ", " was ", " for ", " to be ", " that's ")
_AFTER_A_FIELD = words("field box input textbox and for to now please")
_BEFORE_A_NAME = frozenset(" \"'")


def loosely(scan: Scan, named: Named) -> Iterator[Span]:
    """Find a secret that stands more loosely after a name; of several forms the first counts."""
    following = scan.text[named.end : named.end + 1]
    prose = _PROSE.match(scan.text, named.end) if following in _BEFORE_PROSE else None
    if (
        prose
        and prose[1] not in LEADING
        and not named.name.endswith(_OPEN)
        and scan.text[named.start - 1 : named.start] != "<"
        and not scan.text.startswith("  ", named.end)
        and not _LEADS_TO_WORDS.match(scan.text, named.end)
    ):
        yield from _before(scan, named)
        return
    before = scan.text[max(0, named.start - _BEFORE) : named.start]
    near = scan.text[named.end : named.end + _SOON]
    found = _by_form(scan, named, before, near)
    if found:
        yield found
        return  # what has a value is no column's name
    if first := [*_before(scan, named)]:
        yield from first
    elif following and following in _BEFORE_BLOCKS and named.kind != "code" and has_one(near, _IN_BLOCKS):
        yield from _block(scan, named)
    if named.start >= scan.reached.get("columns", 0):
        yield from _columns(scan, named)


def _before(scan: Scan, named: Named) -> Iterator[Span]:
    """Find a password of which is said after it what it is: ``… as the password``, ``typed … into the password field``."""
    if named.kind != "password" or scan.text[named.start - 1 : named.start] not in _BEFORE_A_NAME:
        return
    if (prose := _PROSE.match(scan.text, named.end)) and prose[1] not in _AFTER_A_FIELD:
        return
    start = max(0, named.start - _BEFORE)
    before = scan.text[start : named.start]
    if has_one(before, _LEADS_TO_IT) and (found := _AS.search(scan.text, start, named.start)):
        if _FILE.search(found[found.lastindex or 0]) is None and is_odd(found[found.lastindex or 0], "password"):
            yield *found.span(found.lastindex or 0), "before the name"
    elif (
        has_one(before, _SAYS_WHAT_IT_IS)
        and (found := _IS_IT.search(scan.text, start, named.start))
        and _is_strong(found[1])
    ):
        yield *found.span(1), "before the name"


def _by_form(scan: Scan, named: Named, before: str, near: str) -> Span | None:
    """Return what the first form that fits finds; in a long text what was fruitless once isn't tried again."""
    text = scan.text
    surroundings = ""
    if len(text) > _MANY:
        following = text[named.start : named.end + _GLIMPSE]
        if following in scan.seen:
            surroundings = before + named.name + text[named.end : named.end + _FARTHEST]
        elif len(scan.seen) >= _FEW:
            scan.seen.clear()
        scan.seen.add(following)
        if surroundings in scan.fruitless:
            return None
    may_be_cut = scan.open_end and named.end + _FARTHEST >= len(text)
    for form in _candidates(text, named.end):
        if (not form.soon or has_one(near, form.soon)) and (
            not form.words or may_be_cut or has_one(before, form.words)
        ):
            between = form.between.match(text, named.end)
            if between and (found := _read(scan, named, form, between, before)):
                return found
    if surroundings:
        if len(scan.fruitless) >= _FEW:
            scan.fruitless.clear()
        scan.fruitless.add(surroundings)
    return None


_BEFORE_PROSE = frozenset(" \t:=")
_PROSE = pattern(r"[ \t:=]{1,4}([a-z]{2,20})(?=[ ,.:]|$)")
LEADING = words(
    """
    für zum der des de del du pour para per van voor is was are will must equals set changed reset updated to ist lautet es est er on je jest for of in at from now
    here has been provided given supplied received used found value val content type string required or str new with field box textbox
    we you they he she that which should would has needs remains became below follows as created generated issued
    do od dla temporaire provisoire temporal provisional temporanea actuel actual nueva nouveau
    """
)
"""A plain word that follows a name leads to its secret only if it is one of these."""
_OPEN = ("phrase", "mnemonic", "credential", "credentials")
_BEFORE_BLOCKS, _IN_BLOCKS = " :=\"'\\\t", ("|", ">", '"""', "'''")


def _read(scan: Scan, named: Named, form: Form, between: re.Match[str], before: str) -> Span | None:
    text = scan.text
    start = between.end()
    quote = between[between.lastgroup] if between.lastgroup else None
    end = _end(text, start, quote, form.name)
    if scan.open_end and end >= len(text) and start < end and (quote or not _is_word(text[start:end])):
        return start, len(text), form.name
    if end - start < _SHORTEST and form.is_secret in _ODD:
        return None
    value = text[start:end].rstrip("*_.,;!?") if not quote else text[start:end]
    if "element" in form.name and not text.startswith(("</", "]]>"), end) and form.between is not _BESIDE:
        return None
    is_verb = named.name == "pass" and form.name.startswith(("sentence", "beside", "user and"))
    if (is_verb and not _is_strong(value)) or (
        (form.name == "argument below the option" and not named.name.startswith("-"))
        or (form.name == "call" and named.name.startswith(_QUESTIONS) and not _is_strong(value))
        or (
            quote
            and form.name.startswith(("sentence", "user and", "beside the name, in q"))
            and is_after_a_string(text, start, quote)
        )
    ):
        return None
    is_template = value.startswith("{") and text.startswith("}", end)
    if (
        not value
        or is_template
        or _says_its_type(value, named)
        or (named.kind == "weak" and _is_type_or_import(text, end, value, between[0], before))
        or not form.is_secret(value[:ENOUGH], named.kind)
        or (form.before and not form.before.search(before))
    ):
        return None
    return start, start + len(value), form.name


def _says_its_type(value: str, named: Named) -> bool:
    """Return whether a value is a type or a path that the name says again, of a password's name whole."""
    is_whole = named.kind == "weak" or value.lstrip("_").lower() == named.name.lstrip("_")
    return is_whole and says_its_name(value, named.name)


def _is_type_or_import(text: str, end: int, value: str, between: str, before: str) -> bool:
    """Return whether a name of a program stands where a type does, ``api_key: ApiKeyT | None``, or is imported."""
    if not value.isidentifier() or any(map(str.isdigit, value)):
        return False
    is_type = ":" in between and _UNION.match(text, end) is not None
    return is_type or (between == " as " and _IMPORT_OF.search(before) is not None)


_UNION = pattern(r" \| (?:None|str|int|bool|bytes|float)\b")
_IMPORT_OF = pattern(r"(?:^|\n)\s{0,20}(?:from [\w.]{1,80} )?import (?:\w{1,40}(?: as \w{1,40})?, ){0,9}\Z")


def _is_word(value: str) -> bool:
    return value.isalpha() and value.islower()


def _end(text: str, start: int, quote: str | None, form: str) -> int:
    if quote:
        end = text.find(quote, start, start + _LONGEST)
        return end if end >= 0 else min(len(text), start + _LONGEST)
    found = _SHAPES.get(form, _VALUE).match(text, start, start + _LONGEST)
    return found.end() if found else start


_LONGEST_PROSE = 4_000
_BLOCK = pattern(r"\\{0,8}[\"']?[ \t]{0,4}:[ \t]{0,4}[|>][+-]?\d?[ \t]{0,4}((?:\r?\n|\\{1,4}n)[ \t]{1,40})")
_TRIPLE = pattern(r"\s{0,3}[:=]\s{0,3}(\"{3}|'{3})\n?")


def _block(scan: Scan, named: Named) -> Iterator[Span]:
    """Find a YAML block, or a string in triple quotes."""
    text = scan.text
    if triple := _TRIPLE.match(text, named.end):
        closed = text.find(triple[1], triple.end())
        end = closed if closed >= 0 else len(text)
        value = text[triple.end() : end]
        may_be_prose = named.kind == "weak" and len(value) <= _LONGEST_PROSE and (closed >= 0 or not scan.open_end)
        if value.strip() and not (may_be_prose and is_prose(value, named.name)):
            yield triple.end(), end, "string in triple quotes"
    elif block := _BLOCK.match(text, named.end):
        yield from _yaml_block(scan, named, block)


def _yaml_block(scan: Scan, named: Named, block: re.Match[str]) -> Iterator[Span]:
    """Find a YAML block; of one that lies in another, which was no secret, no more than the beginning is judged."""
    text, start = scan.text, block.end()
    reach = start + _LONGEST if named.start < scan.reached.get("block", 0) else len(text)
    end = _block_end(text, block, reach)
    value = text[start:end].strip()
    if (
        value
        and (" " not in value or (named.kind == "password" and is_odd(value, "weak")))
        and is_secret_word(value[:_LONGEST], named.kind)
    ):
        yield start, _block_end(text, block, len(text)), "YAML block"
    else:
        scan.reached["block"] = max(end, scan.reached.get("block", 0))


def _block_end(text: str, block: re.Match[str], reach: int) -> int:
    """Return where the lines of a block end that are indented as its first is."""
    newline = block[1].rstrip(" \t")
    end = start = block.end()
    while True:
        line = text.find(newline, end, reach)
        end = line if line >= 0 else min(reach, len(text))
        if line < 0 or not text.startswith(block[1], line):
            break
        end = line + len(newline)
    quote = text.find('"', start, end) if "\\" in newline else -1
    return quote if quote >= 0 else end


_CELL = {
    ",": pattern(r'[ \t]*+(?:"((?:[^"\n\\]|"")*+)"|([^,\n\\]*+))'),
    ";": pattern(r'[ \t]*+(?:"((?:[^"\n\\]|"")*+)"|([^;\n\\]*+))'),
    "\t": pattern(r'(?:"((?:[^"\n\\]|"")*+)"|([^\t\n\\]*+))'),
    "|": pattern(r"()([^|\n\\]*+)"),
}
_HEADER = pattern(r"[ *_`\"\r]{0,4}[A-Za-z#][\w.#/-]{0,30}(?: [\w.#/()-]{1,30}){0,3}[ *_`\"\r]{0,4}")
_RULE = pattern(r"[-:|+= ]+")
_SENTENCE = pattern(r"[a-z]{5}\.\Z")
_IMPORT = pattern(r"\s*(?:from [\w.]+ )?import ")
_WIDEST = 600


def _columns(scan: Scan, named: Named) -> Iterator[Span]:
    """Find the values below a name that heads a column: CSV, tables of markdown, tab-separated."""
    text = scan.text
    newline, end = "\n", text.find("\n", named.end, named.end + _WIDEST)
    escaped = text.find("\\n", named.end, end if end >= 0 else named.end + _WIDEST)
    if escaped >= 0:
        newline, end = "\\n", escaped
    scan.reached["columns"] = end if end >= 0 else named.end + _WIDEST // 2
    if end < 0:
        return
    begin = text.rfind(newline, max(0, named.start - _WIDEST), named.start)
    start = begin + len(newline) if begin >= 0 else max(0, named.start - _WIDEST)
    start = max(start, text.rfind('"', start, named.start) + 1) if newline == "\\n" else start
    header = text[start:end]
    if _SENTENCE.search(header) or _IMPORT.match(header):
        return
    mark = next((mark for mark in "|\t,;" if mark in header), None)
    if mark is None:
        if newline == "\n":
            yield from _aligned(scan, start, end)
        return
    names = header.split(mark)
    if mark == "|" and (not names[0].strip()) != (not names[-1].strip()):
        return
    edges = names[1:-1] if mark == "|" and not (names[0] + names[-1]).strip() else names
    before = text[max(0, begin - _WIDEST) : begin] if begin >= 0 else ""
    previous = before.rpartition(newline)[2]
    is_row = previous.count(mark) == header.count(mark) and not (mark == "," and previous.rstrip().endswith(","))
    if len(edges) < 1 + (mark != "|") or is_row or not all(map(_HEADER.fullmatch, edges)):
        return
    columns = secret_columns(names)
    if columns:
        yield from _rows(scan, end, newline, mark, len(names), columns)


_ALIGNED = pattern(r"[ \t]*+(?:[A-Za-z#][\w.#/()-]{0,30}(?: [\w.#/()-]{1,30})?(?:[ \t]{2,40}|\s{0,4}\Z)){1,12}+")
_ONE_NAME = pattern(r"[\w.-]+")
_MOST_ROWS = 200


def _aligned(scan: Scan, start: int, end: int) -> Iterator[Span]:
    """Find the values below a name in a table that blanks align, to the left or to the right: those of kubectl, pandas."""
    text = scan.text
    header = text[start:end]
    if "  " not in header.strip() or not _ALIGNED.fullmatch(header):
        return
    columns = [
        (*name.span(), kind)
        for name in _ONE_NAME.finditer(header)
        if name[0] != "pass" and (kind := kind_of(name[0]))  # a statement of Python
    ]
    for _ in range(_MOST_ROWS):
        at = end + 1
        end = text.find("\n", at, at + _WIDEST)
        end = end if end >= 0 else min(len(text), at + _WIDEST)
        row = text[at:end]
        if not _RULE.fullmatch(row):
            cells = [(*cell, kind) for left, right, kind in columns if (cell := _cell_at(row, left, right))]
            if not cells:
                return
            for first, last, kind in cells:
                if _clear_line(row[first:last], kind):
                    yield at + first, at + last, "column of a table"
        scan.reached["columns"] = at


def _cell_at(row: str, left: int, right: int) -> tuple[int, int] | None:
    """Return where the word lies in a row that begins or ends where the column's name does."""
    if row[left : left + 1].strip() and not row[max(0, left - 1) : left].strip():
        return left, left + len(row[left:].split(None, 1)[0])
    if row[right - 1 : right].strip() and not row[right : right + 1].strip():
        return len(row[:right]) - len(row[:right].rsplit(maxsplit=1)[-1]), right
    return None


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
