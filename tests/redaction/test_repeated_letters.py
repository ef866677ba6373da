"""One letter again and again is no secret, wherever it is cut; what is dropped at a cut leaves a mark."""

import pytest

from infinium_integrations.redaction import Redactor

TOKEN = "A" * 22 + "MLheAAAAAAA0Y7fZ5tU8rN2kW4vX6yB1cD3eF5gH7jK9mP"


@pytest.mark.parametrize("letter", ["A", "a", "E", "0", "_", "-", "="])
@pytest.mark.parametrize("count", [30, 70, 600, 65_536])
def test_one_letter_again_and_again_stays_whole_or_cut(letter, count):
    text = letter * count
    assert Redactor().text(text) == text
    assert Redactor().text(f"so {text} it is") == f"so {text} it is"
    limit = count - 5
    assert Redactor().redact_and_truncate(text, limit) == text[: limit - 1] + "…"
    assert Redactor().redact_and_truncate(f"so {text}", limit) == f"so {text}"[: limit - 1] + "…"


def test_a_token_that_begins_with_one_letter_is_hidden_whole_or_cut():
    assert Redactor().text(f"it is {TOKEN}") == "it is [REDACTED]"
    for end in range(24, len(TOKEN)):
        assert Redactor().redact_and_truncate(f"it is {TOKEN[:end]}", end) == "it is …"


def test_a_text_that_is_dropped_whole_at_a_cut_leaves_a_mark():
    text = "sk-proj-" + "Ab3dE6gH9jK2mN5pQ8sT" * 5_000
    assert Redactor().redact_and_truncate(text, 50_000) == "…"
    assert Redactor(user=lambda _: "").redact_and_truncate("word " * 200, 500) == ""
