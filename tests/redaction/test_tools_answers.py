"""What agents' tools answer with: rows beside their columns' names, a browser's cookies, links of mails."""

import json

import pytest

from infinium_integrations.redaction.key_names import Cut
from infinium_integrations.redaction.redactor import Redactor

REDACTOR = Redactor()
TABLE = {
    "columns": ["user", "password", "api_key"],
    "rows": [["ada", "hunter2!Zq9", "aB3dE5gH7jK9"], ["bob", "sunshine", "zB3dE5gH7jK9"], ["eve", 482913, None]],
}
VALUES = ("hunter2", "sunshine", "aB3d", "zB3d", "482913")
COOKIES = [
    {"name": "sid", "value": "aB3dE5gH7jK9mN1p", "domain": ".example.com", "path": "/", "httpOnly": True},
    {"domain": ".example.com", "httpOnly": False, "name": "theme", "value": "q8Zk3mT0v5Yw1bN7"},
]
LINKS = [
    "https://example.com/reset-password/aB3dE5gH7jK9mN1pQ4sT6vW8",
    "https://example.com/password/reset/9f86d081884c7d659a2feaa0c55ad015?email=a%40example.com",
    "https://example.com/verify-email/aB3dE5gH7jK9mN1pQ4sT6vW8",
    "https://example.com/invite/aB3dE5gH7jK9mN1pQ4sT6vW8",
    "https://example.com/Reset-Password/aB3dE5gH7jK9mN1pQ4sT6vW8",
    "https://example.com/reset/MQ/c2h8k1-9f86d081884c7d659a2feaa0c55ad015/",
]


def ways(value):
    """Write a value as tools do, alone and within a string of JSON."""
    texts = [json.dumps(value), repr(value), json.dumps(value, separators=(",", ":"))]
    texts += [json.dumps(value, indent=indent) for indent in (1, 2, 4)]
    return [*texts, *(json.dumps({"text": text}) for text in texts)]


@pytest.mark.parametrize("text", ways(TABLE))
@pytest.mark.parametrize("names", ["columns", "fields", "headers"])
@pytest.mark.parametrize("rows", ["rows", "data", "values"])
def test_a_secret_column_of_rows_is_hidden_and_the_others_stay(text, names, rows):
    shown = REDACTOR.text(text.replace("columns", names).replace("rows", rows))
    assert not any(value in shown for value in VALUES)
    assert all(name in shown for name in ("ada", "bob", "eve", "password"))


@pytest.mark.parametrize("text", [*ways(TABLE), *ways(COOKIES)])
def test_of_rows_and_cookies_cut_anywhere_nothing_is_shown(text):
    begins = text.find("httpOnly") + len("httpOnly")  # what says that these are cookies
    for kept in range(begins, len(text)):
        shown = REDACTOR.redact_and_truncate(Cut(text[:kept]), len(text))
        assert not any(value[:4] in shown for value in (*VALUES, "aB3dE5", "q8Zk3m"))


@pytest.mark.parametrize(
    "row",
    [
        '["a\\"b", "hunter2!Zq9"]',
        '["it\'s", "hunter2!Zq9"]',
        '[["x", "y"], "hunter2!Zq9"]',
        '[{"a": 1}, "hunter2!Zq9"]',
        "(datetime.datetime(2026, 1, 31), 'hunter2!Zq9')",
        '["ada", "hunter2!Zq9", "x"], ["bob", "hunter2!Zq9"]',
    ],
)
def test_rows_of_any_values_are_read(row):
    shown = REDACTOR.text(f'{{"columns": ["user", "password"], "rows": [{row}]}}')
    assert "hunter2" not in shown


def test_rows_after_an_index_are_read_as_pandas_writes_them():
    text = '{"columns":["user","password"],"index":[0,1],"data":[["ada","hunter2!Zq9"],["bob","sunshine"]]}'
    assert REDACTOR.text(text).count("[REDACTED]") == 2


@pytest.mark.parametrize("value", ["abcd'hunter2", '"ajax:hunter2"', "a{hunter2}b", "hunter2\\x"])
def test_a_cookie_with_quotes_is_hidden_whole(value):
    text = json.dumps({"name": "sid", "value": value, "httpOnly": True})
    assert "unter2" not in REDACTOR.text(text)
    assert "sid" in REDACTOR.text(text)


def test_of_a_text_cut_short_only_a_cookie_is_hidden():
    text = '[{"value": "aB3dE5gH7jK9", "httpOnly": true}], "found": [{"value": "a public text", "b": 1}], "more": "wor'
    assert "a public text" in REDACTOR.redact_and_truncate(Cut(text), len(text))


@pytest.mark.parametrize("text", ways(COOKIES))
def test_what_a_browsers_cookies_hold_is_hidden(text):
    shown = REDACTOR.text(text)
    assert "aB3dE5" not in shown
    assert "q8Zk3m" not in shown
    assert "sid" in shown
    assert ".example.com" in shown


def test_a_jar_of_cookies_is_hidden():
    line = ".example.com\tTRUE\t/\tTRUE\t1893456000\tsessionid\taB3dE5gH7jK9mN1p\n"
    assert REDACTOR.text(f"# Netscape\n{line}#HttpOnly_{line}").count("[REDACTED]") == 2


@pytest.mark.parametrize("text", LINKS)
def test_the_token_in_a_link_of_a_mail_is_hidden(text):
    shown = REDACTOR.text(f"Click {text} to go on.")
    assert "aB3dE5" not in shown
    assert "9f86d0" not in shown
    assert "https://example.com/" in shown


@pytest.mark.parametrize(
    "text",
    [
        '{"columns": ["user", "password"], "rows": [["ada", null], ["bob", "required"]]}',
        '{"columns": ["a", "token", "b"], "rows": [[1, 2, 3], [4, 5, 6]]}',
        '{"fields": ["password", "user"], "labels": [["aB3dE5gH", "b"]]}',
        '{"name": "size", "value": "aB3dE5gH7jK9mN1p"}',
        '{"value": "aB3dE5gH7jK9mN1p"}, {"httpOnly": true}',
        "a\tTRUE\t/\tFALSE\t12\n",
        "https://example.com/reset-password/how-to-choose-a-password-that-lasts",
        "https://example.com/invite/5f0c7b1e-0f5e-4b0e-9d1c-0a1b2c3d4e5f",
        "https://example.com/confirm/email",
    ],
)
def test_what_only_looks_like_these_stays(text):
    assert REDACTOR.text(text) == text
