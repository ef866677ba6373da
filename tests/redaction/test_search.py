"""What is not looked for because a glance rules it out would not have been found: the quick ways lose nothing."""

import random

import pytest
from client_cases import CLIENTS as CLIENT_CASES
from client_cases import filled

from infinium_integrations.redaction.commands import COMMANDS, _matches
from infinium_integrations.redaction.key_names import kind_of
from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.redaction.rules import VENDORS
from infinium_integrations.redaction.scan import scan
from infinium_integrations.redaction.shapes import _GROUPS

EXAMPLES = [command.hidden for command in COMMANDS] + [filled(case)[0] for case in CLIENT_CASES]


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


@pytest.mark.parametrize("mark", ["\n", " ", "\n\n\t"])
def test_lines_that_come_again_hide_no_word_from_the_first_glance(mark):
    lines = ["it rained --token x"] * 30 + ["set API_KEY=1 | ghp_" + "a1B2" * 9] + ["and then: (it) = stopped"] * 30
    seen = scan(mark.join(lines), open_end=False)
    assert {"key", "token"} <= {*seen.keywords}
    assert "ghp_a1B2" in seen.long_words
    assert "t" in seen.options


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
