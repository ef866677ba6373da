"""What agents' tools answer with: rows beside their columns' names, a browser's cookies, links of mails."""

import json

import pytest

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
]


def ways(value):
    """Write a value as tools do."""
    once = json.dumps(value)
    return [
        once,
        repr(value),
        json.dumps(value, indent=2),
        json.dumps(value, separators=(",", ":")),
        json.dumps({"out": once}),
    ]


@pytest.mark.parametrize("text", ways(TABLE))
@pytest.mark.parametrize("names", ["columns", "fields", "headers"])
@pytest.mark.parametrize("rows", ["rows", "data", "values"])
def test_a_secret_column_of_rows_is_hidden_and_the_others_stay(text, names, rows):
    shown = REDACTOR.text(text.replace("columns", names).replace("rows", rows))
    assert not any(value in shown for value in VALUES)
    assert all(name in shown for name in ("ada", "bob", "eve", "password"))


def test_of_rows_cut_anywhere_nothing_is_shown():
    text = json.dumps(TABLE)
    for kept in range(1, len(text)):
        shown = REDACTOR.redact_and_truncate(text, kept)
        assert not any(value[:4] in shown for value in VALUES)


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
