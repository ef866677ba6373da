"""The line that says how far the reading of many traces is."""

import sys

import pytest

from infinium_integrations.storage import progress
from infinium_integrations.storage.progress import ProgressLine


class Terminal:
    def __init__(self, *, looks=True):
        self.looks = looks
        self.written = ""

    def isatty(self):
        return self.looks

    def write(self, text):
        self.written += text

    def flush(self):
        pass


def told(monkeypatch, stream, after=0.0):
    monkeypatch.setattr(progress, "AFTER", after)
    monkeypatch.setattr(progress, "EVERY", -1.0)
    monkeypatch.setattr(sys, "stderr", stream)
    line = ProgressLine()
    for done in (0, 1_000, 2_000):
        line(done, 2_000)
    return stream


def test_who_waits_at_a_terminal_sees_one_line_that_goes_away(monkeypatch):
    parts = told(monkeypatch, Terminal()).written.split("\r")
    assert "Reading traces for the search: 1,000 of 2,000" in parts[1]
    assert {len(part) for part in parts[:-1]} == {79}
    assert (parts[-2].strip(), parts[-1]) == ("", "")


def test_a_notebook_shows_it_too(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    assert "1,000 of 2,000" in told(monkeypatch, Terminal(looks=False)).written


@pytest.mark.parametrize(("looks", "after"), [(False, 0.0), (True, 60.0)])
def test_nothing_is_written_where_nobody_looks_or_of_what_is_quick(monkeypatch, looks, after):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert told(monkeypatch, Terminal(looks=looks), after).written == ""


def test_a_program_without_a_stderr_is_not_disturbed(monkeypatch):
    assert told(monkeypatch, None) is None
