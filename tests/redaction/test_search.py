"""What is not looked for because a glance rules it out would not have been found: the quick ways lose nothing."""

import random
from dataclasses import replace
from itertools import chain

import pytest
from client_cases import CLIENTS as CLIENT_CASES
from client_cases import filled

from infinium_integrations.redaction.commands import COMMANDS, _matches, commands
from infinium_integrations.redaction.key_names import kind_of
from infinium_integrations.redaction.keywords import keywords
from infinium_integrations.redaction.pairs import pairs
from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.redaction.rules import VENDORS
from infinium_integrations.redaction.scan import scan
from infinium_integrations.redaction.shapes import _GROUPS, shapes

EXAMPLES = [command.hidden for command in COMMANDS] + [filled(case)[0] for case in CLIENT_CASES]


class Counted(str):
    """A text that counts the characters taken out of it and searched for a part."""

    __slots__ = ()
    read = 0

    def __getitem__(self, key):
        part = str.__getitem__(self, key)
        Counted.read += len(part)
        return part

    def _counted(self, search, part, start, end):
        end = len(self) if end is None else min(end, len(self))
        at = search(self, part, start, end)
        far = end if at < 0 else at
        Counted.read += max(0, end - far if search is str.rfind and at >= 0 else far - start)
        return at

    def find(self, part, start=0, end=None):
        return self._counted(str.find, part, start, end)

    def rfind(self, part, start=0, end=None):
        return self._counted(str.rfind, part, start, end)


def read(text):
    """How many characters are looked at by other means than patterns."""
    seen = scan(text, open_end=False)
    found_at = keywords(seen)
    seen = replace(seen, text=Counted(text), low=Counted(seen.low))
    Counted.read = 0
    list(chain(shapes(seen), pairs(seen, found_at), commands(seen)))
    return Counted.read


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "password=",
            "api key: ",
            "token: a, ",
            "secret|a|",
            "pwd provided: ",
            "pin: 12",
            '2fa pin":{"a":',
            "mysql -pa1 ",
        ),
        *("passwords: [", "'password', ", "token=[REDACTED]", "cookie; ", "user,password\\n", "?key=a"),
        *(
            '"name": "password", "value": ',
            '{"v": 1, "k": "password"}',
            "password: |\n ",
        ),
    ],
)
def test_what_is_read_grows_with_the_text(piece):
    texts = ("".join(f"{piece}{at:x}" for at in range(many)) for many in (1_000, 4_000))
    short, long = map(read, texts)
    assert 0 < long < 5 * short


def jumbled(seed):
    """A text of commands, whole, cut, and glued to each other."""
    dice = random.Random(seed)
    parts = []
    for _ in range(40):
        example = dice.choice(EXAMPLES)
        parts += [example[dice.choice((0, 0, 1, 3)) :], dice.choice(("\n", " ", "; ", '"', "x", "_", "> ", ""))]
    return "".join(parts)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_is_found_by_its_beginning_wherever_its_pattern_finds_one(command):
    for text in (command.hidden, *map(jumbled, range(12))):
        found = [match.span() for match in _matches(command, text, text.lower())]
        assert found == [match.span() for match in command.shape.finditer(text)]
    assert [*_matches(command, command.hidden, command.hidden.lower())]


@pytest.mark.parametrize("vendor", VENDORS, ids=[f"{vendor.name} {vendor.start}" for vendor in VENDORS])
def test_a_vendors_rule_is_asked_where_its_start_is_in_a_word(vendor):
    for word in (vendor.hidden, f"x/{vendor.hidden}", f"a_b-c.d:e{vendor.hidden}"):
        asked = {rule.start for mark, group in _GROUPS.items() for rule in group.asked(word, mark)}
        assert vendor.start in asked or not any(mark in vendor.start for mark in _GROUPS)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("userPassword2", "password"),
        ("HTTPSecret", "weak"),
        ("пароль_базы", ""),
        ("мойПароль", "password"),
        ("пароль", "password"),
    ],
)
def test_a_name_is_split_at_humps_in_every_alphabet(name, parts):
    assert kind_of(name) == parts


@pytest.mark.parametrize(
    "text",
    [
        'sudo -S apt update <<< "hunter2!Zq9"',
        "unzip -P hunter2!Zq9 a.zip",
        "fisql -P hunter2!Zq9",
        "evil-winrm -p hunter2!Zq9",
        "open -u ada,hunter2!Zq9 ftp.example.com",
        "printf hunter2!Zq9 | sudo -S apt update",
        "grant all on x.* to ada identified by 'hunter2!Zq9'",
        "secrets set db --value hunter2!Zq9",
        "-Dsonar.login=hunter2!Zq9",
        "> AUTH hunter2!Zq9",
    ],
)
@pytest.mark.parametrize("around", ["", "def run(self, path): return path | {1: '-x'}\n" * 30])
def test_a_command_is_asked_whatever_it_begins_with(text, around):
    assert "Zq9" not in Redactor().text(f"{around}\n{text}\n{around}")


def test_a_command_in_the_middle_of_long_prose_is_seen():
    prose = "The weather was fine and the travellers went on through the hills; nobody had thought of rain. " * 30
    redactor = Redactor()
    told = [example for example in EXAMPLES if redactor.findings(example)]
    passed = [example for example in told if not redactor.findings(f"{prose}\n`{example}`\n{prose}")]
    assert len(told) > 250
    assert len(passed) <= 2
