"""What a tool writes of a dict loses as much as the dict: objects and lists under a secret's name, however deep."""

import json

import pytest
from secret_cases import grows_with_its_length

from infinium_integrations.redaction.redactor import Redactor

REDACTOR = Redactor()
SECRET = "hunter2x9"
OBJECTS = [
    {"cookies": {"sid": SECRET}},
    {"cookies": {"session_id": SECRET}},
    {"password": {"prod": SECRET}},
    {"credentials": {"prod": SECRET}},
    {"secrets": {"a": "x", "b": SECRET}},
    {"access_tokens": {"ada": SECRET}},
    {"headers": {"Authorization": [SECRET]}},
    {"headers": {"Authorization": [f"Bearer {SECRET}"], "Accept": ["*/*"]}},
    {"headers": {"Set-Cookie": [f"sid={SECRET}; Path=/; HttpOnly"]}},
    {"secret": {"a": {"b": [SECRET]}}},
    {"secret": {"a": {"b": ["dark", {"c": SECRET}]}}},
    {"passwords": [["ada", SECRET]]},
    {"passwords": [{"user": "ada", "value": SECRET}, {"user": "bob", "value": SECRET}]},
    {"api_keys": {"prod": {"key": SECRET, "id": "app-12"}}},
    {"credentials": {"user": "ada", "key": SECRET}},
    {"cookies": [{"name": "sid", "value": SECRET, "domain": "example.com"}]},
    QUOTES := {"password": {"prod": "quote \" and ' and \\ before", "test": SECRET}},
    {"password": {"ends in a backslash": "a\\", "test": SECRET}},
    {"name": "password", "value": [SECRET]},
    {"name": "password", "value": {"prod": SECRET}},
    {"value": SECRET, "name": "password"},
    {"value": [SECRET], "name": "password"},
    {"value": {"prod": SECRET}, "enabled": True, "key": "DB_PASSWORD"},
    {"name": "password", "a": "1", "b": [1, 2], "c": {"d": "e"}, "value": SECRET},
    {"value": SECRET, "enabled": True, "tags": ["a", "b"], "name": "password"},
]
FORMS = {
    "json": json.dumps,
    "repr": repr,
    "lines": lambda value: json.dumps(value, indent=2),
    "json in json": lambda value: json.dumps({"body": json.dumps(value)}),
    "thrice": lambda value: json.dumps({"body": json.dumps({"content": json.dumps(value)})}),
    "repr of json": lambda value: repr({"body": json.dumps(value)}),
    "json of repr": lambda value: json.dumps({"body": repr(value)}),
    "in a sentence": lambda value: f"look_up was called with kwargs {value}, and failed: {value!r}",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", OBJECTS, ids=str)
def test_what_lies_under_a_secrets_name_is_hidden(value, form):
    if value is QUOTES and " of " in form:
        pytest.skip("how many backslashes are before a quote says nothing where both kinds are mixed")
    shown = REDACTOR.text(FORMS[form](value))
    assert SECRET not in shown
    assert "[REDACTED]" in shown


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", OBJECTS, ids=str)
def test_it_is_hidden_where_the_text_is_broken_off(value, form):
    if value is QUOTES and " of " in form:
        pytest.skip("as above")
    whole = FORMS[form](value)
    for kept in (whole[: whole.index(SECRET) + len(SECRET)], whole[: whole.index(SECRET) + len(SECRET) - 2]):
        if value.get("name", value.get("key")) and "value" in kept and not ("name" in kept or "key" in kept):
            continue  # the name is gone
        assert "hunter2" not in REDACTOR.text(kept), kept


@pytest.mark.parametrize(
    "text",
    ['{"password": {"prod": "hunter', '{"headers":{"Authorization":["hunter', '{"password": {"prod": "hunter…'],
)
def test_what_may_be_a_word_is_hidden_where_it_is_broken_off(text):
    assert "hunter" not in REDACTOR.text(text)


def test_words_and_digits_under_a_password_are_hidden():
    assert REDACTOR.text('{"password": {"prod": "sunshine"}}') == '{"password": {"prod": "[REDACTED]"}}'
    assert "471199" not in REDACTOR.text('{"password": {"prod": 471199}, "pin": {"ada": 471199}}')


@pytest.mark.parametrize(
    "value",
    [
        {"password": {"type": "string", "description": "At least 8 characters", "default": None}},
        {
            "properties": {
                "password": {"type": "string", "title": "Password2", "minLength": 8},
                "token": {"$ref": "#/a2"},
            }
        },
        {"password": {"label": "Passwort", "hint": "At least 8 characters", "weak": "Weak", "strong": "Strong"}},
        {"password": {"required": True, "min": 8, "messages": ["Must have 8 characters."]}},
        {"extra_kwargs": {"password": {"write_only": True, "style": {"input_type": "password"}}}},
        {
            "cookie": {
                "version": "0.4.1",
                "resolved": "https://r.example/cookie-0.4.1.tgz",
                "integrity": "sha512-aB3dE5gH7j",
            }
        },
        {"cookies": {"theme": "dark", "lang": "en"}},
        {"secretKeyRef": {"name": "mysql-2", "key": "db-password-2"}},
        {"secrets": {"db": {"file": "./db2.txt"}}},
        {"token": {"text": "don't", "id": 12345678, "start": 12345678}},
        {"jwt": {"iat": 1700000000, "exp": 1700003600, "algorithm": "RS256"}},
        {"auth": {"client_id": "app-12", "url": "https://example.com/v2"}},
        {"name": "password", "type": "string", "required": True},
        {"name": "host", "value": "db2.example.com"},
        {"value": "db2.example.com", "name": "host"},
        [{"name": "token", "in": "query"}, {"name": "host", "value": "db2.example.com"}],
        [{"value": "db2.example.com", "id": "host"}, {"name": "password"}],
    ],
    ids=str,
)
@pytest.mark.parametrize("form", FORMS)
def test_descriptions_stay(value, form):
    text = FORMS[form](value)
    assert REDACTOR.text(text) == text


@pytest.mark.parametrize(
    "name",
    [
        "contraseña",
        "Contraseña",
        "contraseña_nueva",
        "пароль",
        "Пароль",
        "密码",
        "비밀번호",
        "şifre",
        "hasło",
        "jelszó",
    ],
)
@pytest.mark.parametrize("value", [SECRET, {"prod": SECRET}, [SECRET]], ids=str)
@pytest.mark.parametrize("form", ["json", "json in json", "repr of json", "lines", "in a sentence"])
def test_names_are_read_as_json_writes_them(name, value, form):
    assert SECRET not in REDACTOR.text(FORMS[form]({"user": "ada", name: value}))


def test_escapes_after_a_name_are_no_part_of_it():
    assert SECRET not in REDACTOR.text(f"password\\u0022: \\u0022{SECRET}\\u0022")
    text = '{"contrase\\u00f1a": "required", "text": "\\u5bc6\\u7801 \\u00e4 2 Zeichen"}'
    assert REDACTOR.text(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        '{"secrets":{"a":["b",',
        '"value":["name":"password",',
        '{"name":"password",',
        '{"password":[',
        '"password":{"a":"\\\\',
        "{'key':\\\\\\\"",
        "contrase\\u00f1a",
    ],
)
def test_a_text_four_times_as_long_takes_about_four_times_as_long(piece):
    assert grows_with_its_length(piece)
