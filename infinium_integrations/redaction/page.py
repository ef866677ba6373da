# ruff: noqa: E501  (examples are read best in one piece)
"""The page ``docs/reference/redaction.md``, made from the tables of rules: ``infinium-traces redact --rules`` prints it."""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple, Protocol

from infinium_integrations.redaction.clients import CLIENTS
from infinium_integrations.redaction.commands import COMMANDS
from infinium_integrations.redaction.forms import FORMS
from infinium_integrations.redaction.lists import LISTS
from infinium_integrations.redaction.rules import VENDORS, Vendor

__all__ = ["OTHERS", "Example", "rules_page"]


class Example(NamedTuple):
    """A rule that stands in no table, by an example that is hidden and one that isn't."""

    name: str
    hidden: str
    stays: str


OTHERS = (
    Example("value after =", "password=hunter2!Zq9", "password=required"),
    Example("value after :", 'password: "hunter2!Zq9"', "password: string"),
    Example("value after a name in a sentence", "the password is hunter2!Zq9", "the password is wrong"),
    Example("value after a tag", "<password>hunter2!Zq9</password>", "<password>string</password>"),
    Example("value after an option", "tool --password hunter2!Zq9", "tool --password required"),
    Example("value after a name in a pair", "('password', 'hunter2!Zq9')", "('password', 'token')"),
    Example(
        "private key",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----",
    ),
    Example("password in a URL", "https://ada:hunter2!Zq9@example.com", "https://user:password@example.com"),
    Example("password in a data source", "ada:hunter2!Zq9@tcp(db:3306)/shop", "ada@tcp(db:3306)/shop"),
    Example("bearer token", "Bearer 7c4d9e2f81b36a50Zq9", "bearer of news"),
    Example("basic login", "Basic YWRhOmh1bnRlcjIhWnE5", "Basic authentication"),
    Example("parameter of a URL", "https://example.com/cb?code=7c4d9e2f81b3Zq9", "https://example.com/?code=overview"),
    Example("line of .pgpass", "db.example.com:5432:shop:ada:hunter2!Zq9", "db.example.com:5432"),
    Example(
        "INSERT", "INSERT INTO u (name, password) VALUES ('ada', 'hunter2!Zq9')", "INSERT INTO u (name) VALUES ('ada')"
    ),
    Example("column of a table", "user,password\nada,hunter2!Zq9\n", "user,role\nada,admin\n"),
    Example("YAML block", "password: |\n  hunter2!Zq9\nhost: db\n", "text: |\n  hunter\nhost: db\n"),
    Example("string in triple quotes", 'password = """hunter2!Zq9"""', 'password = """"""'),
    Example("before the name", "use hunter2!Zq9 as your password", "use them as your password"),
    Example(
        "object or list under a name",
        '{"credentials": {"prod": ["hunter2!Zq9"]}}',
        '{"password": {"type": "string", "default": null}}',
    ),
    Example("one of several", "passwords: hunter2!Zq9, Tr0ub4dor&Zq9", "passwords: required, string"),
)
_INTRODUCTION = """\
# What redaction hides

Made from the tables of rules with `infinium-traces redact --rules`; don't edit it by hand. All secrets here are made up, and vendors' keys are
shortened. How well the rules work, and what they don't find, is in [Security](../security.md#how-well-it-works).
`infinium-traces redact FILE` shows which rule hides what in a text of yours.

A value under a name that means password, passphrase or PIN is hidden whatever it is, but for words of schemas (`required`, `string`, `none`, …) and
what only stands for one (`${PASSWORD}`, `<password>`, `***`). Under names that mean other things too (`token`, `auth`, `key`, `secret`)
plain words, identifiers, numbers and paths stay. `INFINIUM_REDACT_KEYS` names more keys, `INFINIUM_REDACT_ALLOW` keys that hide nothing.

## Personal data

Names, addresses, telephone numbers and other personal data are **not** hidden by themselves: which of them matter, and how sure one must be,
is yours to say. A function of yours given as `redact=` sees every text after the rules below, before it is stored or sent;
where it raises, the text is dropped. With [Presidio](https://microsoft.github.io/presidio/)
(`pip install presidio-analyzer presidio-anonymizer`, and a model: `python -m spacy download en_core_web_lg`):

```python
from infinium_integrations.langchain import InfiniumCallbackHandler
from presidio_analyzer import AnalyzerEngine
from presidio_anonymizer import AnonymizerEngine

analyzer, anonymizer = AnalyzerEngine(), AnonymizerEngine()


def without_personal_data(text: str) -> str:
    found = analyzer.analyze(text=text, language="en", score_threshold=0.5)
    return anonymizer.anonymize(text=text, analyzer_results=found).text


handler = InfiniumCallbackHandler(redact=without_personal_data)
```

It runs on the thread that writes traces, not in your program's, and takes milliseconds for a kilobyte: long texts are stored later.
"""


def rules_page() -> str:
    """Return the page as Markdown.

    Example:
        >>> from infinium_integrations.redaction.page import rules_page
        >>> rules_page().splitlines()[0]
        '# What redaction hides'
    """
    own = [command for command in COMMANDS if command not in CLIENTS]
    parts = [
        _INTRODUCTION,
        _table("Right after a name", OTHERS),
        _table("More loosely after a name", FORMS),
        _table("Several under one name", LISTS),
        _table("Commands and statements", own),
        _table("Clients", CLIENTS),
        *(
            _table(f"Vendors: {family}", _firsts(group))
            for family, group in groupby(VENDORS, lambda vendor: vendor.family)
        ),
    ]
    return "\n".join(parts)


class _Row(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def hidden(self) -> str: ...
    @property
    def stays(self) -> str: ...


def _table(family: str, rules: Iterable[_Row]) -> str:
    rows = [f"| {_cell(rule.name)} | {_code(rule.hidden)} | {_code(rule.stays)} |" for rule in rules]
    return "\n".join([f"## {family}", "", "| rule | hidden | not hidden |", "|---|---|---|", *rows, ""])


def _firsts(vendors: Iterable[Vendor]) -> list[Example]:
    """Return an example of each vendor, in the table's order."""
    firsts: dict[str, Vendor] = {}
    for vendor in vendors:
        firsts.setdefault(vendor.name, vendor)
    return [_of_vendor(vendor) for vendor in firsts.values()]


def _of_vendor(vendor: Vendor) -> Example:
    at = vendor.hidden.find(vendor.start)
    before = vendor.hidden[:at] if vendor.where != "inside" or at <= _SHOWN else f"{vendor.hidden[:_SHOWN]}…"
    rest = vendor.hidden[at : at + len(vendor.start) + _SHOWN]
    return Example(vendor.name, f"{before}{rest}…", vendor.stays)


_SHOWN = 4


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    mark = "``" if "`" in text else "`"
    blank = " " if mark == "``" else ""
    line = _cell(text.strip().replace("\n", " ⏎ ").replace("\t", " ⇥ "))
    return f"{mark}{blank}{line}{blank}{mark}"
