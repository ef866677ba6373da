"""Every secret of a list is hidden, and those that the usual clients take, in a shell and in lists of arguments."""

import json
import shlex

import pytest
from client_cases import CALLS, CLIENTS, LISTS, filled
from secret_cases import left

from infinium_integrations.capture.preview import preview
from infinium_integrations.redaction.redactor import Redactor

REDACTOR = Redactor()
ARGUMENTS = [client for client in CLIENTS if not any(mark in client for mark in "|$;") and "<<" not in client]
PLACES = (json.dumps, repr, lambda argv: json.dumps({"args": json.dumps({"argv": argv})}))


@pytest.mark.parametrize("template", [*LISTS, *CLIENTS, *CALLS])
def test_every_secret_is_hidden(template):
    text, secrets = filled(template)
    shown = REDACTOR.text(text)
    assert secrets
    assert not [secret for secret in secrets if left(secret, shown)]


@pytest.mark.parametrize("template", LISTS)
def test_every_secret_of_a_list_is_hidden_in_a_text_within_json(template):
    text, secrets = filled(template)
    shown = REDACTOR.text(json.dumps({"content": f"Dear Ada,\n{text}"}))
    assert not [secret for secret in secrets if left(secret, shown)]


def test_clients_secrets_are_hidden_in_lists_of_arguments():
    asked, passed = 0, []
    for template in ARGUMENTS:
        text, secrets = filled(template)
        for place in PLACES:
            shown = REDACTOR.text(place(shlex.split(text)))
            asked += 1
            passed += [shown] if any(left(secret, shown) for secret in secrets) else []
    assert asked > 400
    assert len(passed) < asked * 0.02, passed


@pytest.mark.parametrize(
    "text",
    [
        "passwords:\n- must have 8 characters\n- are never shared\n",
        "passwords: [required, string]",
        'const keys = ["password", "token"]',
        "secrets:\n  - source: db\n    target: /run/secrets/db\n",
        'secrets: ["db-password", "api"]',
        "api_keys: [key1, key2]",
        '{"password": ["This field is required."], "email": ["Enter a valid address."]}',
        '{"password": ["This password is too short. It must contain at least 8 characters."]}',
        '{"api_keys": {"type": "object", "description": "Keys by name", "maxProperties": "12"}}',
        "mysql -u root -p -h db",
        "ssh ada@host -p 2222",
        "scp file.txt ada@host:/tmp/file.txt",
        'subprocess.run(["ssh", "-p", "2222", "ada@host"])',
        '["docker", "run", "-p", "8080:80", "img"]',
        "usermod -aG docker ada",
        "git clone https://github.com/ada/x.git",
        "vault login -method=userpass username=ada",
        "mkdir -p build && rsync -a src/ build/",
        "openssl enc -aes-256-cbc -in plain -out secret.bin",
    ],
)
def test_what_is_no_secret_stays(text):
    assert REDACTOR.text(text) == text


def test_lists_under_a_secrets_name_are_hidden_in_objects():
    shown = preview({"passwords": ["sunshine", "hunter2"], "tokens": ["the", "cat"]}, 500)
    assert "sunshine" not in shown
    assert "hunter2" not in shown
    assert '"the"' in shown


@pytest.mark.parametrize("junk", ["password=", "token: ", "pin ", "password is a "])
def test_a_secret_after_very_many_names_in_a_row_is_hidden(junk):
    assert "hunter2" not in REDACTOR.text(junk * 300 + "\npassword is hunter2!Zq9")
    assert "4711" not in REDACTOR.text("pin=4711 " * 300)


@pytest.mark.parametrize(
    "junk", ["pw pin=otp token: ", "pw pin={", "jwt', 'otp\\n", "密码:pw pin", "token:/a", "key is [REDACTED] "]
)
@pytest.mark.parametrize(
    "text",
    [
        "The password for the staging server is hunter2!Zq9.",
        '{"passwords": ["sunny", "hunter2!Zq9"]}',
        "password: |\n  hunter2!Zq9\n",
        "log in as ada with password hunter2!Zq9",
    ],
)
def test_a_secret_after_very_many_different_names_in_a_row_is_hidden_however_it_is_written(junk, text):
    assert "hunter2" not in REDACTOR.text(f"{junk * 300}\n{text}\n")


@pytest.mark.parametrize(
    "pair",
    ["pin=47{0:02} ", "password=d!{0}\n", '"pw":"Zq{0}x",', "token: a{0:04}bcZ9\n", "otp=9{0:03}&pwd=hunter{0};"],
)
def test_a_secret_right_after_each_of_very_many_names_in_a_row_is_hidden(pair):
    text = "".join(map(pair.format, range(300)))
    shown = REDACTOR.text(text)
    assert not any(part in shown for part in ("47", "Zq", "bcZ", "=9", "hunter"))


@pytest.mark.parametrize("pair", ["token=none ", "token: true, ", "pw: required; ", "token={0} ", "key is wrong, "])
def test_words_and_counts_after_very_many_names_in_a_row_stay(pair):
    text = "".join(map(pair.format, range(300)))
    assert REDACTOR.text(text) == text


def test_names_with_room_between_them_leave_time_for_those_that_stand_close():
    text = "".join(f"The token of host {at} was changed by the team on Monday.\n" for at in range(400))
    assert "hunter2" not in REDACTOR.text(f"{text}log in with password hunter2!Zq9 token\n")
