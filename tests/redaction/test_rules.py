"""Every rule of the tables hides its example and leaves what only begins alike."""

import os
import subprocess
import sys
import time

import pytest
from secret_cases import DIGITS, left

from infinium_integrations.redaction.commands import COMMANDS
from infinium_integrations.redaction.forms import FORMS
from infinium_integrations.redaction.lists import LISTS
from infinium_integrations.redaction.redactor import Redactor, spans
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
    def seconds(size):
        text = (piece * size)[:size]
        start = time.process_time()
        list(spans(text, open_end=False))
        return time.process_time() - start

    assert min(seconds(80_000) for _ in range(3)) < 9 * min(seconds(20_000) for _ in range(3))


@pytest.mark.parametrize(
    "piece", ["abtokenapi_key:", "tokenapi_key:", '{"secrets":{"a":["b",', '"value":["name":"password",']
)
@pytest.mark.parametrize("seed", ["0", "2"])
def test_a_text_of_names_costs_as_much_in_every_process(piece, seed):
    code = (
        "import time; from infinium_integrations.redaction.redactor import spans\n"
        f"text = ({piece!r} * 9_000)[:60_000]\n"
        "def seconds():\n"
        "    start = time.process_time(); list(spans(text, open_end=False)); return time.process_time() - start\n"
        "print(min(seconds() for _ in range(3)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
    )
    assert float(run.stdout) < 0.06 * 2.5
