"""Every rule of the tables hides its example and leaves what only begins alike."""

import os
import subprocess
import sys

import pytest
from secret_cases import DIGITS, grows_with_its_length, left

from infinium_integrations.redaction.commands import COMMANDS
from infinium_integrations.redaction.forms import FORMS
from infinium_integrations.redaction.lists import LISTS
from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.redaction.rules import VENDORS

REDACTOR = Redactor()
FIRST_OF_ITS_NAME = {vendor.name: vendor for vendor in reversed(VENDORS)}.values()


@pytest.mark.parametrize("vendor", VENDORS, ids=[f"{vendor.name} {vendor.start}" for vendor in VENDORS])
def test_a_vendors_example_is_hidden_and_what_begins_alike_is_not(vendor):
    text = REDACTOR.text(f"use {vendor.hidden} now")
    public = vendor.hidden.partition("sig=")[0] if vendor.start == "sig=" else vendor.start
    public += "123456789012345678/" if vendor.name == "Discord webhook" else ""
    assert "[REDACTED]" in text
    assert not left(vendor.hidden.removeprefix(public), text, least=8)
    assert REDACTOR.text(f"use {vendor.stays} now") == f"use {vendor.stays} now"


@pytest.mark.parametrize("form", [*FORMS, *COMMANDS, *LISTS], ids=lambda form: form.name)
def test_a_forms_example_is_hidden_and_its_neighbour_is_not(form):
    text = REDACTOR.text(form.hidden)
    assert "[REDACTED]" in text
    assert "Zq9" not in text
    assert REDACTOR.text(form.stays) == form.stays


@pytest.mark.parametrize("text", DIGITS)
def test_digits_that_are_a_secret_are_hidden(text):
    assert "[REDACTED]" in REDACTOR.text(text)


def test_the_table_is_as_long_as_promised():
    assert len(FIRST_OF_ITS_NAME) >= 60
    assert len(VENDORS) >= 200


@pytest.mark.parametrize(
    "piece", ["eyJ_", "ops_eyJ-", "perm-_", "token=", "password: [", 'passwords: ["a", ', '"-p", ']
)
def test_a_text_four_times_as_long_takes_hardly_more_than_four_times_as_long(piece):
    assert grows_with_its_length(piece)


def test_a_text_is_looked_through_in_the_same_order_in_every_process():
    code = (
        "from infinium_integrations.redaction.redactor import spans\n"
        f"print([*spans({' '.join(form.hidden for form in (*FORMS, *COMMANDS, *LISTS))!r}, open_end=False)])"
    )
    orders = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "0123"
    }
    assert len(orders) == 1
