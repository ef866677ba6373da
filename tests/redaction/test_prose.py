"""Plain words after a password's name: what is said about passwords stays, whatever else stands there is hidden."""

import pytest

from infinium_integrations.redaction.redactor import Redactor

REDACTOR = Redactor()


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("The password is swordfish.", "swordfish"),
        ("my password is Monkey", "Monkey"),
        ("My password is monkey, thanks.", "monkey"),
        ("The password for the router is sunshine.", "sunshine"),
        ("The password of bob was dragon!", "dragon"),
        ("the password is **swordfish** today", "swordfish"),
        ("The password is `swordfish` for now.", "swordfish"),
        ('{"a": "The password is swordfish", "b": 2}', "swordfish"),
        ("The admin password is banana\nThe user is ada\n", "banana"),
        ("The password is elephant.", "elephant"),
        ("The password is king", "king"),
        ("The password is SWORDFISH.", "SWORDFISH"),
        ("The password is monkey (lower case).", "monkey"),
        ('{"text": "the \\"password\\" is swordfish"}', "swordfish"),
        ("passphrase: correct horse battery staple", "horse"),
        ("passphrase: correct horse battery 4829", "horse"),
        ("Passphrase: Correct horse battery staple", "horse"),
        ("passphrase: correct horse battery staple  # of the backup", "horse"),
        ("password: one sad owl nine pies red fox tall oak dim sun wet fog", "owl"),
        ("password: correct horse battery staple\nuser: ada\n", "horse"),
        ("password = correct horse battery staple", "horse"),
        ("**Passphrase:** Correct Horse Battery Staple", "Horse"),
        ("Passphrase: `correct-horse-battery-staple`", "horse"),
        ("passphrase: the quick brown fox jumps over the lazy dog", "quick"),
        ('The WiFi password is "correct horse battery staple".', "horse"),
        ('{"a": "passphrase: correct horse battery staple", "b": 1}', "horse"),
        ('{"password": "My cat password"}', "cat"),
        ('{"password": "Field of poppies"}', "poppies"),
        ('{"password": "New Password 7"}', "New"),
        ('{"password": "TOP_SECRET"}', "TOP"),
    ],
)
def test_a_plain_password_in_a_sentence_and_a_passphrase_are_hidden(text, secret):
    shown = REDACTOR.text(text)
    assert secret not in shown
    assert REDACTOR.text(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "The password is required.",
        "The password is REQUIRED.",
        "The password is forgotten.",
        "The password is used.",
        "The password is too short.",
        "The password is in the vault.",
        "Your password is compromised.",
        "If the password is wrong, try again.",
        "The password is what you chose.",
        "The password is never logged.",
        "The password is Alice's.",
        "The pass is over.",
        "The key is monkey.",
        "password: use the one from the vault",
        "password: string value for the user",
        "password: at least eight characters",
        "Password: enter your password here",
        "Password: then press return",
        "passphrase: what the file is encrypted with",
        "password = foo if bar else baz",
        "pass: over the hills today",
        '{"password": "Confirm new password"}',
        '{"password": "Password (optional)"}',
        '{"password": "Password must be at least 8 characters"}',
        '{"password": "This field is required."}',
        '{"password": ["This field may not be blank."]}',
    ],
)
def test_what_is_said_about_a_password_stays(text):
    assert REDACTOR.text(text) == text
