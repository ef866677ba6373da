"""What a tester who did not know the rules wrote to find what they miss: chats, configuration, code, errors, tables."""

import re
from pathlib import Path

from infinium_integrations.redaction.redactor import Redactor

TEXTS = Path(__file__).with_name("texts_of_others.txt").read_text(encoding="utf-8").rstrip("\n").split("\n§")
SECRETS = {
    "X": ("hunter2!Zq9", "Blue7Kettle", "k9$wLm2#pR"),
    "T": ("aB3dE5gH7jK9mN1pQ4sT6vW8", "q8Zk3mT0v5Yw1bN7cR4dX9fG2hJ6lP"),
    "H": ("9f86d081884c7d659a2feaa0c55ad015",),
    "C": ("482913",),
    "P": ("4829",),
}
"""By the mark that stands for each in a text: passwords, tokens, hashes, codes, PINs."""
TURNS = max(map(len, SECRETS.values()))


def shown(text, turn):
    """Give the text as it is shown where one of its secrets is left."""
    marks = set(re.findall(r"\{\{([XTHCP])\}\}", text))
    values = {mark: SECRETS[mark][turn % len(SECRETS[mark])] for mark in marks}
    for mark, value in values.items():
        text = text.replace(f"{{{{{mark}}}}}", value)
    clean = Redactor().text(text)
    return clean if any(value in clean for value in values.values()) else None


def test_of_the_texts_of_others_no_more_are_shown_than_once():
    passed = [found for text in TEXTS if (found := next(filter(None, (shown(text, at) for at in range(TURNS))), None))]
    print(f"{len(passed)} of {len(TEXTS)}", *passed, sep="\n")  # noqa: T201
    assert len(TEXTS) == 1_396
    assert len(passed) <= 174
