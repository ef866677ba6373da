"""How far an experiment is, where somebody looks: tqdm's bar, else a line; nothing where nobody does."""

import io
import sys

import pytest

from infinium_integrations import experiment


class Terminal(io.StringIO):
    def isatty(self):
        return True


def said(monkeypatch, stream, name="Shout"):
    monkeypatch.setattr(sys, "stderr", stream)
    experiment(str.upper, ["a", "b"], name=name)
    return stream.getvalue()


def test_without_tqdm_a_terminal_shows_a_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    assert said(monkeypatch, Terminal()) == "\rShout: 1 of 2\rShout: 2 of 2\n"
    assert "\x1b" not in said(monkeypatch, Terminal(), "\x1b[31mShout")


def test_with_tqdm_a_terminal_shows_its_bar(monkeypatch):
    pytest.importorskip("tqdm")
    assert "2/2" in said(monkeypatch, Terminal())


@pytest.mark.parametrize("tqdm", [True, False])
def test_where_nobody_looks_nothing_is_written(monkeypatch, tqdm):
    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    assert said(monkeypatch, io.StringIO()) == ""


def test_a_program_without_stderr_runs_too(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert experiment(str.upper, ["a"], name="Shout")[0].output == "A"


class Broken(Terminal):
    def write(self, text):
        raise BrokenPipeError


@pytest.mark.parametrize("make", [Broken, io.StringIO])
def test_a_program_whose_stderr_is_broken_or_closed_runs_too(monkeypatch, make):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    stream = make()
    if make is not Broken:
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    assert experiment(str.upper, ["a"], name="Shout")[0].output == "A"
