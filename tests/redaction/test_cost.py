"""What redaction costs: hostile texts take time in proportion to their length, whatever they begin with or repeat."""

from itertools import product

import pytest
from secret_cases import cpu_seconds, grows_with_its_length

from infinium_integrations.redaction.key_names import _STEMS, kind_of
from infinium_integrations.redaction.keywords import keywords
from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.redaction.scan import scan

REDACTOR = Redactor()
SECRET = "hunter2xyz"
LASTS = ("", "Value", "_2", "Hash", "s")


@pytest.mark.parametrize(
    "piece",
    [
        *("password: |\n ", "passwords 12", "pwd", "pwd_", "pin: 12", "pwd provided: ", "cookie =  is ", "密码=12"),
        *('2fa pin":{"a":', "token=[REDACTED]", "curl -u", "http -a ", "a.b", "-----BEGIN PRIVATE KEY-----\\"),
    ],
)
def test_a_text_four_times_as_long_takes_about_four_times_as_long(piece):
    assert grows_with_its_length(piece)


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        ("-----BEGIN PRIVATE KEY-----\n", "\\"),
        ('{"credentials": {', "a,"),
        ('{"credentials": {', '"'),
        ('{"password": ', '{"a": '),
        ('"passwords": ["', '"'),
        ("password=/", "://:ab"),
    ],
)
def test_what_never_ends_after_its_beginning_is_no_worse(first, piece):
    long, short = (min(cpu_seconds(first + (piece * size)[:size]) for _ in range(3)) for size in (80_000, 20_000))
    assert long < 9 * short


@pytest.mark.timeout(20)
def test_a_path_with_many_marks_in_a_row_is_no_puzzle():
    assert REDACTOR.text("password: /" + "://:?&=" * 20 + "%")  # without an end it would take years


def test_a_name_is_read_however_long_it_is():
    name = "x" * 300 + "_password"
    assert SECRET not in REDACTOR.text(f"{name}={SECRET}")
    assert SECRET not in REDACTOR.text(f'{{"{name}": "{SECRET}"}}')


@pytest.mark.parametrize("length", [0, 30_000])
def test_a_name_that_comes_again_in_other_surroundings_is_read_again(length):
    text = "the pwd provided: none\n" * (length // 20) + f"the password provided: {SECRET}\n"
    assert SECRET not in REDACTOR.text(text)


@pytest.mark.parametrize("first", ["", "plain words of a letter. " * 100])
@pytest.mark.parametrize(
    "text", ["pin: 471199", "--pin 471199", '{"jwt": "aB3dE5gH7jK9"}', "api_\u212aey=aB3dE5gH7jK9"]
)
def test_a_keyword_is_seen_in_prose_and_between_marks(first, text):
    shown = REDACTOR.text(f"{first}\n{text}\n")
    assert "471199" not in shown
    assert "aB3dE5gH7jK9" not in shown


@pytest.mark.parametrize(
    "text",
    [
        f'{{"name":"password","default":"{SECRET}"}}',
        f'{{"name": "password", "type": "string", "default": "{SECRET}"}}',
        f'{{"k":"password","v":"{SECRET}"}}',
        f'{{"v":"{SECRET}","k":"password"}}',
        f'[{{"v": "ada", "env": "prod", "k": "user"}}, {{"v": "{SECRET}", "env": "prod", "k": "DB_PASSWORD"}}]',
        f'{{"text": "{{\\"v\\": \\"{SECRET}\\", \\"k\\": \\"password\\"}}"}}',
        f'{{"text": "{{\\"k\\": \\"password\\", \\"v\\": \\"{SECRET}\\"}}"}}',
        '{"credentials": {"prod": "sunshine"}}',
    ],
)
def test_what_stands_beside_a_name_or_in_an_object_of_credentials_is_hidden(text):
    shown = REDACTOR.text(text)
    assert SECRET not in shown
    assert "sunshine" not in shown


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "password", "default": "none"}',
        '{"k": "password", "v": "required"}',
        '{"v": "required", "k": "password"}',
        '{"v": "the", "k": "token"}',
        '{"v": "hunter2xyz", "k": "user"}, {"k": "password"}',
        '{"task": "password", "v": "hunter2xyz"}',
        '{"credentials": {"mode": "include"}}',
        '{"credentials": {"type": "oauth", "prod": "sunshine"}}',
        '{"cookies": {"theme": "autumnal"}}',
    ],
)
def test_words_of_schemas_and_facts_there_stay(text):
    assert REDACTOR.text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "the pin is 482913",
        "OTP is 482913.",
        "your verification code is 482913",
        "The pwd for the staging server is hunter2xyz.",
        "my pwd is hunter2xyz",
        "log in as ada with pw hunter2xyz",
        "use hunter2xyz as your pwd",
        "What is the mdp? It's hunter2xyz",
        "user,pwd\nada,hunter2xyz\n",
        "auth is Bearer 482913aBcDeFgH7",
        "the apiKey is 482913aBcDeFgH7",
        "credentials are ada / hunter2xyz",
    ],
)
def test_a_name_in_the_middle_of_long_prose_is_seen(text):
    prose = "The weather was fine, and the travellers went on through the hills; nobody had thought of rain. " * 30
    shown = REDACTOR.text(f"{prose}\n{text}\n{prose}")
    assert "482913" not in shown
    assert SECRET not in shown


@pytest.mark.parametrize("stem", sorted(word for word in _STEMS if word.isascii()))
def test_prose_is_searched_for_every_name_that_tells(stem):
    prose = "the hills were green all around us and so we went on. " * 30
    stems = (stem, stem.upper(), stem.title())
    names = [f"{first}{each}{last}" for first, each, last in product(("", "my", "db_", "user-"), stems, LASTS)]
    telling = [name for name in names if kind_of(name)]
    assert not [name for name in telling if not keywords(scan(f"{prose}{name}: a", open_end=False))]
