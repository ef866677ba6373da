"""What the redactor before issue 13 hid is hidden still, but for what the issue says is no secret."""

import base64
import zlib
from collections import Counter
from pathlib import Path

import pytest
from hidden_before import SORTS, cases, may_stay

from infinium_integrations.redaction.redactor import Redactor

CHECKSUM = 625_657_537
CASES = list(cases(24_000))
HIDDEN_ONCE = Path(__file__).with_name("hidden_before.txt")
"""One bit a case: whether the redactor of commit f75a038 hid it."""
REDACTOR = Redactor()


def test_the_cases_are_those_that_the_redactor_before_was_asked():
    assert zlib.crc32("\n".join(case.text for case in CASES).encode()) == CHECKSUM


def hidden_once():
    bits = int.from_bytes(base64.b64decode(HIDDEN_ONCE.read_text()), "big")
    return [case for case, bit in zip(CASES, f"{bits:0{len(CASES)}b}", strict=True) if bit == "1"]


def shown(case):
    """Give what is left of a value, marks aside."""
    end = case.start + len(case.value)
    for start, stop, _ in REDACTOR.findings(case.text):
        if start <= case.start < stop or case.start <= start < end:
            return [letter for letter in case.text[case.start : start] + case.text[stop:end] if letter.isalnum()]
    return list(case.value)


def test_nothing_that_was_hidden_before_is_let_through_but_words_identifiers_numbers_and_paths():
    before = hidden_once()
    passed = [case for case in before if shown(case)]
    by_kind = Counter(f"{case.kind}: {case.sort}" for case in passed)
    print(f"{len(passed)} of {len(before)} pass now", *by_kind.most_common(), sep="\n")  # noqa: T201
    assert len(before) > 19_000
    assert not [case.text for case in passed if not may_stay(case)]
    assert len(passed) < len(before) * 0.12


@pytest.mark.parametrize("sort", SORTS)
def test_under_a_passwords_name_in_quotes_every_sort_of_value_is_hidden(sort):
    left = [
        case.text
        for case in CASES
        if case.sort == sort and case.kind == "password" and case.form == '{{"{name}": "{value}"}}'
        if shown(case) and not may_stay(case)
    ]
    assert not left
