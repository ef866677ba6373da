"""How many secrets are found: vendors' shapes and secrets after a name, in all their places, whole and cut."""

from collections import Counter

import pytest
from secret_cases import ANYWHERE, EVERYDAY, TELLING, everyday, left, shapes

from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.redaction.rules import VENDORS

REDACTOR = Redactor()
PADDING = "word " * 120


def share(found):
    """Give the share of secrets that are hidden, print it by family and what passes."""
    asked, hidden, passed = Counter(), Counter(), []
    for family, text, is_hidden in found:
        asked[family] += 1
        hidden[family] += is_hidden
        passed += [] if is_hidden else [f"{family}: {text[:120]!r}"]
    print(*(f"{family:16} {hidden[family]:6} of {asked[family]:6}" for family in asked), *passed[:20], sep="\n")  # noqa: T201
    return hidden.total() / asked.total()


def secret_part(vendor, secret):
    if vendor.start in {"sig=", "/api/webhooks/"}:
        return secret.rpartition("sig=" if vendor.start == "sig=" else "/")[2]
    return secret.removeprefix(vendor.start)


SECRETS = {secret: secret_part(vendor, secret) for vendor, _, secret in shapes()}


def test_at_least_99_in_100_of_vendors_shapes_are_hidden_in_all_places():
    assert len(SECRETS) >= 300
    assert len(ANYWHERE) >= 60
    found = (
        (vendor.family, text, not left(SECRETS[secret], REDACTOR.text(text), 8)) for vendor, text, secret in shapes()
    )
    assert share(found) >= 0.99


def test_at_least_95_in_100_of_everyday_forms_are_hidden():
    assert sum(map(len, (*EVERYDAY.values(), *TELLING.values()))) >= 200
    assert share((family, text, not left(secret, REDACTOR.text(text))) for family, text, secret in everyday()) >= 0.95


def test_at_least_99_in_100_of_vendors_shapes_are_hidden_when_cut():
    def cut():
        for vendor in VENDORS:
            secret = SECRETS[vendor.hidden]
            for kept in range(6, len(vendor.hidden), 7):
                text = f"{PADDING}{vendor.hidden[:kept]}"
                shown = REDACTOR.redact_and_truncate(text, len(text) - 1)
                rest = secret[: max(0, kept - (len(vendor.hidden) - len(secret)))]
                is_short = vendor.where == "inside" and vendor.start not in vendor.hidden[:kept]
                yield vendor.family, text[len(PADDING) :], is_short or len(rest) < 8 or not left(rest, shown, 8)

    assert share(cut()) >= 0.99


def test_at_least_95_in_100_of_everyday_forms_are_hidden_when_cut():
    def cut():
        for family, text, secret in everyday():
            at = text.rfind(secret)
            for kept in (len(secret) - 2, 7):
                long = f"{PADDING}\n{text[: at + kept]}"
                yield (
                    family,
                    long[len(PADDING) :],
                    not left(secret[:kept], REDACTOR.redact_and_truncate(long, len(long) - 1)),
                )

    assert share(cut()) >= 0.95


@pytest.mark.parametrize("place", ["{}", '{{"text": "{}"}}', "- {}\n"])
def test_redacting_twice_is_redacting_once_for_every_form(place):
    for _, text, _ in everyday():
        once = REDACTOR.text(place.format(text))
        assert REDACTOR.text(once) == once
