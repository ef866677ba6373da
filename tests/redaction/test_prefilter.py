# ruff: noqa: E501  (examples are read best in one piece)
"""The first look at a text lets by only what holds nothing, and lets ordinary texts by."""

import json
import re
import shlex
from itertools import product

import pytest
from client_cases import CLIENTS as CLIENT_CASES
from client_cases import filled
from hypothesis import given, settings
from hypothesis import strategies as st

from infinium_integrations.redaction import commands, keywords, shapes
from infinium_integrations.redaction.commands import COMMANDS
from infinium_integrations.redaction.forms import FORMS
from infinium_integrations.redaction.key_names import CODE_OWNERS, KEY_OWNERS, PASSWORD_PARTS, TOKEN_OWNERS, kind_of
from infinium_integrations.redaction.lists import LISTS
from infinium_integrations.redaction.page import OTHERS
from infinium_integrations.redaction.prefilter import Prefilter, loosened
from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.redaction.rules import VENDORS
from infinium_integrations.redaction.scan import scan

REDACTOR = Redactor()
CHARACTERS = "".join(map(chr, range(128))) + "\u00a0\u2028\u3000"
PREFILTERS = {"shapes": shapes._PREFILTER, "commands": commands._OPTIONS, "names": keywords._NAMES}
EXAMPLES = [rule.hidden for rule in (*VENDORS, *FORMS, *COMMANDS, *LISTS, *OTHERS)]
EXAMPLES += [filled(case)[0] for case in CLIENT_CASES]


def with_and_without(monkeypatch, texts):
    """What is found with the first look, and what without it."""
    quick = [REDACTOR.findings(text) for text in texts]
    with monkeypatch.context() as patched:
        patched.setattr(Prefilter, "may_match", lambda self, text: True)
        return quick, [REDACTOR.findings(text) for text in texts]


@pytest.mark.parametrize(
    "around", ["{}", "and {} so", "x{}", "\u00e9 {} \U0001f600", '{{"text": "a\\n{}"}}', "\ud800{}"], ids=ascii
)
def test_what_is_let_by_holds_nothing(monkeypatch, around):
    quick, slow = with_and_without(monkeypatch, [around.format(example) for example in EXAMPLES])
    assert quick == slow


def test_what_is_let_by_holds_nothing_where_arguments_are_a_list(monkeypatch):
    texts = []
    for command in (*(command.hidden for command in COMMANDS), *(filled(case)[0] for case in CLIENT_CASES)):
        try:
            words = shlex.split(command)
        except ValueError:
            words = command.split()
        texts += [json.dumps(words), json.dumps(words, indent=1), repr(words), json.dumps(json.dumps(words))]
        texts += [json.dumps(words, separators=(",", ":"))]
    quick, slow = with_and_without(monkeypatch, texts)
    assert quick == slow
    assert sum(map(bool, slow)) > 300


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_command_is_asked_for_whatever_its_pattern_matches(command, data):
    text = data.draw(st.from_regex(re.compile(command.shape.pattern), alphabet=CHARACTERS))
    is_call = "\\(" in command.shape.pattern  # whose arguments are no list
    for each in (text, text.replace(" ", " " if is_call else '", "')):
        plain = scan(each, open_end=False).plain
        assert commands._OPTIONS.may_match(plain)
        assert commands._CLIENTS.may_match(plain)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(?<!x)a{20,30}+(?=b)\s", "ya" + "a" * 20 + "\t"),
        (r"[^\s\"'&~\[]+?\Z", "a"),
        (r"(?P<one>a|b)*+(?!c[)]d)e", "abe"),
        (r"\b\w\d\S\.", "a1_."),
        (r"^\w:", "é:"),
        (r"(?i:B)[&\]~-]", "b~"),
    ],
)
def test_a_loosened_pattern_matches_where_pythons_does(pattern, text):
    assert re.search(pattern.replace("(?=b)", ""), text)
    assert Prefilter(lambda: [loosened(pattern)]).may_match(scan(text, open_end=False).plain)
    assert not Prefilter(lambda: [loosened(pattern)]).may_match("")


WORDS = (
    *("pass", "word", "phrase", "code", "pwd", "pw", "key", "keys", "token", "tokens", "secret", "secrets", "auth"),
    *(
        "cookie",
        "credential",
        "creds",
        "jwt",
        "pin",
        "otp",
        "cvv",
        "my",
        "db",
        "value",
        "user",
        "mot",
        "de",
        "passe",
        "x",
    ),
    *("string", "header", "seed", "recovery", "master", "shared", "access", "signature", "2", "id", "of", "open", "ai"),
)
CASES = (str, str.upper, str.title)
JOINTS = ("", "_", "-", "_2_")


def telling(words):
    """The names that words make, in each way to write them, that tell something."""
    for joint, first, *others in product(JOINTS, CASES, *([CASES] * (len(words) - 1))):
        name = joint.join(case(word) for case, word in zip((first, *others), words, strict=True))
        if kind_of(name):
            yield name


@pytest.mark.parametrize("first", WORDS)
def test_every_name_that_tells_is_asked_for_and_found(first):
    owners = sorted({*KEY_OWNERS, *CODE_OWNERS, *TOKEN_OWNERS, *filter(str.isascii, PASSWORD_PARTS)})
    pairs = [(first,), *((first, second) for second in WORDS), *((owner, first) for owner in owners)]
    names = {name for words in pairs for name in telling(words)}
    names |= {f"{owner} {first}" for owner in owners if first in {"key", "code"} and kind_of(f"{owner}_{first}")}
    for before, after in (("", "=a1"), ("\\n", ": b"), ('{"', '": "c"}'), ("--", " d"), ("the ", " is e")):
        texts = [f"{before}{name}{after}" for name in names]
        assert not [text for text in texts if not keywords.keywords(scan(text, open_end=False))]


@pytest.mark.parametrize("first", ["my", "db", "user", "api", "next", "token", "code", "secret"])
def test_names_of_three_words_are_asked_for_and_found(first):
    names = {name for second, third in product(WORDS, WORDS) for name in telling((first, second, third))}
    assert not [name for name in names if not keywords.keywords(scan(f"{name}=a1", open_end=False))]


@pytest.mark.parametrize(
    "text",
    [
        "- name: PASS\n  value: hunter2!Zq9",
        "user\tpass\nada\thunter2!Zq9",
        "user, pass\nada, hunter2!Zq9",
        "user | pass\n-----+-----\nada | hunter2!Zq9",
        'user,pass\n"ada","hunter2!Zq9"',
        "user;pass\nada;hunter2!Zq9",
        "<th>\n  Pass\n</th>\n<td>\n  hunter2!Zq9\n</td>",
        "CREATE\u00a0USER\u00a0ada\u00a0IDENTIFIED\u00a0BY\u00a0'hunter2!Zq9'",
        "ssh\u3000ada:hunter2!Zq9@host.example.com",
        "INSERT INTO u (name, password)\u00a0VALUES\u00a0('ada', 'hunter2!Zq9')",
        "密码token=hunter2!Zq9",
        "api keyphrase: aB3dE5gH7jK9mN1pZq9",
        "我的 KEY: aB3dE5gH7jK9mN1pZq9",
        "Secret codes: aB3dE5gH7jK9mN1pZq9",
        "api keyring: hunter2!Zq9",
    ],
)
def test_what_the_first_look_might_let_by_is_hidden(text):
    assert "Zq9" not in REDACTOR.text(text)


@pytest.mark.parametrize("text", ["Your code is\u00a0482913", "482913 is your Soci\u00e9t\u00e9 code"])
def test_a_code_beside_letters_from_abroad_is_hidden(text):
    assert "482913" not in REDACTOR.text(text)


@pytest.mark.parametrize(
    "line",
    [
        "password for user{0} is 4{0:05}1",
        "| password | Football{0}! |",
        "set password to a{0}9292",
        "pw a{0}pm17600aBcDeFg",
    ],
)
def test_each_of_thousands_of_names_with_room_between_them_is_read(line):
    lines = [line.format(at) for at in range(3_000)]
    assert REDACTOR.text("\n".join(lines)).count("[REDACTED]") == len(lines)


@pytest.mark.parametrize(
    "line",
    [
        '{{"pass": {0}, "fail": 1}}',
        '{{"token": "{0}", "logprob": -0.1}},',
        '{{"token":"a{0}","logprob":-0.1,"bytes":[1]}},',
        "{{'token': {0}, 'id': 7}}",
        "ok {0} - pass (40 ms)",
        "PASS test/unit/a{0}.js",
        "auth: {0} ms",
        "token {0} -> 35",
        "x = secrets[{0}]",
        "token token token",
    ],
)
def test_of_thousands_of_names_counts_and_a_models_tokens_stay(line):
    text = "\n".join(line.format(at) for at in range(6_000))
    assert REDACTOR.findings(text) == []


@pytest.mark.parametrize("line", ["password=purpleriver", "token: ab9xYz{0}", "<password>Wordword</password>"])
def test_of_thousands_of_names_in_a_row_each_value_is_hidden(line):
    lines = [line.format(at) for at in range(8_000)]
    shown = REDACTOR.text("\n".join(lines))
    assert not any(value in shown for value in ("purpleriver", "ab9xYz", "Wordword"))


def test_patterns_that_a_release_of_pydantic_cannot_build_let_nothing_by():
    assert Prefilter(lambda: ["a(?=b)"]).may_match("x")


ORDINARY = (
    "The weather was fine and the travellers went on; nobody had thought of rain (4.50), nor where to sleep. ",
    '{"id": "3f9a1c7e-5b2d-8046-af13-ce97bd205846", "name": "Ada", "created_at": "2026-01-31T12:00:01Z", "tags": ["a"]}\n',
    "2026-01-31T12:00:01.123Z INFO app.api - GET /v1/orders/4711 200 12ms trace=4bf92f3577b34da6a3ce929d0e0e4736\n",
    '{"role": "assistant", "usage": {"input_tokens": 118, "output_tokens": 4, "total_tokens": 122}, "tool_calls": []}\n',
    "def load(self, path: str) -> list[Row]:\n    for row in rows:\n        if not row:\n            pass\n    return -x\n",
    "## Install\n\n- run `pip install acme`\n- see [the docs](https://example.com/a-b/c.html#d)\n\n| a | b |\n|---|---|\n",
    "Pass the rows on; the code of the monkeys is in `keyboard.py`, by the authors. We had to pass it by hand. ",
)


@pytest.mark.parametrize("text", ORDINARY, ids=lambda text: text[:20])
@pytest.mark.parametrize("name", PREFILTERS)
def test_an_ordinary_text_is_let_by(name, text):
    assert not PREFILTERS[name].may_match(text * 9)
