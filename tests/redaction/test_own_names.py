"""The user's own names of keys, and the dry run."""

import pytest
from click.testing import CliRunner

from infinium_integrations import settings
from infinium_integrations.capture.preview import preview
from infinium_integrations.cli.main import main
from infinium_integrations.payload.finalize import finalize
from infinium_integrations.redaction.key_names import is_secret_key
from infinium_integrations.redaction.redactor import Redactor

TEXTS = (
    "tenant_ref=Xy7-quiet-river",
    'TENANT_REF="Xy7-quiet-river"',
    '{"tenantRef": "Xy7-quiet-river"}',
    "tenant-ref: Xy7-quiet-river",
)


@pytest.fixture(autouse=True)
def _fresh_settings():
    settings.reset()
    yield
    settings.reset()


@pytest.mark.parametrize("text", TEXTS)
def test_values_under_names_of_the_users_own_are_hidden_in_texts(monkeypatch, text):
    assert Redactor().text(text) == text
    settings.reset()
    monkeypatch.setenv("INFINIUM_REDACT_KEYS", "other, tenant_ref")
    assert "quiet" not in Redactor().text(text)


@pytest.mark.parametrize("text", ["acme key: kitten9", "The acme key is kitten9.", "Partner Code: kitten9"])
def test_a_name_of_the_users_own_may_be_of_two_words(text):
    settings.configure(redact_keys=["acme_key", "partner-code"])
    assert "kitten9" not in Redactor().text(text)


def test_values_under_names_of_the_users_own_are_hidden_in_objects():
    settings.configure(redact_keys=["tenant_ref"])
    assert preview({"tenantRef": "plain", "n": 1}, 500) == '{"tenantRef": "[REDACTED]", "n": 1}'
    step = {"step_number": 1, "action": "other", "description": "d", "metadata": {"tenant_ref": "plain"}}
    wire = {"name": "n", "description": "d", "duration": 1, "steps": [step]}
    assert "plain" not in str(finalize(wire, Redactor(), cut=True))


def test_names_that_are_allowed_hide_nothing(monkeypatch):
    monkeypatch.setenv("INFINIUM_REDACT_ALLOW", "session_token,secret")
    assert (
        Redactor().text("session_token=aB3dE5gH7jK9 secret: x9f8-7a6b")
        == "session_token=aB3dE5gH7jK9 secret: x9f8-7a6b"
    )
    assert Redactor().text("password=hunter2!") == "password=[REDACTED]"
    assert preview({"session_token": "v4lue"}, 500) == '{"session_token": "v4lue"}'


def test_a_vendors_key_is_hidden_under_an_allowed_name_too():
    settings.configure(redact_allow="token")
    assert Redactor().text("token: ghp_aB3dE5gH7jK9mN1pQ4sT6vW8xZ0bC2eF4hJ6") == "token: [REDACTED]"


def test_names_change_with_the_settings_at_once():
    assert not is_secret_key("tenant_ref")
    settings.configure(redact_keys="tenant_ref")
    assert is_secret_key("tenant_ref")
    settings.configure(redact_keys=None)
    assert not is_secret_key("tenant_ref")


def test_the_users_rule_still_sees_what_is_left():
    settings.configure(redact_keys="tenant_ref")
    redactor = Redactor(user=lambda text: text.replace("Ada", "N. N."))
    assert redactor.text("Ada: tenant_ref=Xy7-quiet") == "N. N.: tenant_ref=[REDACTED]"


def test_the_dry_run_names_line_and_rule_and_never_the_secret(tmp_path):
    file = tmp_path / "log.txt"
    file.write_text("first\npassword=hunter2!Zq9\nok\nghp_aB3dE5gH7jK9mN1pQ4sT6vW8xZ0bC2eF4hJ6\npw: abc1\n")
    done = CliRunner().invoke(main, ["redact", str(file)])
    assert done.exit_code == 0
    assert "     2  value after =: hunt… (11 characters)" in done.output
    assert "     4  GitHub: ghp_… (40 characters)" in done.output
    assert "would be hidden." in done.output
    assert "hunter2" not in done.output
    assert "abc1" not in done.output


def test_the_dry_run_reads_standard_input_and_says_when_there_is_nothing():
    done = CliRunner().invoke(main, ["redact", "-"], input="max_tokens=500\n")
    assert done.output == "Nothing would be hidden.\n"


@pytest.mark.parametrize(
    "text",
    [
        '{"pass": 12, "fail": 3}',
        '{"token": "the", "logprob": -0.1}',
        "PWD=/home/u",
        '<a accesskey="n" href="x">',
        'TRIPLET_SOURCE_KEY = "triplet_source_id"',
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:name",
        "self.secret == other.secret",
        "design_token: primary-color",
        '{"auth": "none"}',
        "assert token == next_token",
        "api_key: your-api-key",
        '{"secret": "/run/secrets/db"}',
        "token_count=12, tokens: 1204",
        '{"key": "3f9a1c7e5b2d8046af13ce97bd205846"}',
        "the id 123e4567-e89b-12d3-a456-426614174000 and the hash 3f9a1c7e5b2d8046af13ce97bd205846",
        'password: {"type": "string", "required": true}',
        "password: required",
        "password = os.environ['DB_PASSWORD']",
        "api_key=settings.api_key",
        '"OPENAI_API_KEY": "${OPENAI_API_KEY}"',
        "| password | string | The user's password |",
        "The password for the admin is wrong.",
        "Your token is valid for 24 hours.",
        "Basic authentication needs a user and a password",
    ],
)
def test_what_is_no_secret_stays(text):
    assert Redactor().text(text) == text


def test_numbers_and_words_under_names_of_many_meanings_stay_in_objects():
    value = {"pass": 12, "token": "the", "auth": "none", "logprobs": [{"token": " a"}, {"token": ","}]}
    assert "[REDACTED]" not in preview(value, 500)
    assert preview({"password": 4711, "token": "v4lue9"}, 500) == '{"password": "[REDACTED]", "token": "[REDACTED]"}'
