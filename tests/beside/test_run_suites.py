"""The script that compares the frameworks' suites says what differs, and never passes what did not run."""

import sys
from pathlib import Path

import pytest
import run_suites

pytestmark = pytest.mark.full


@pytest.fixture
def suite(monkeypatch, tmp_path):
    """A suite of one file, run by this Python."""

    def write(text):
        (tmp_path / "test_it.py").write_text(text)
        (tmp_path / "pytest.ini").write_text("[pytest]")
        monkeypatch.setitem(run_suites.SUITES, "pytest", run_suites.Suite("."))
        monkeypatch.setattr(run_suites, "download", lambda *_: tmp_path)
        monkeypatch.setattr(run_suites, "environment", lambda *_: Path(sys.executable))

    return write


INSTRUMENTED = "import infinium_integrations as infinium; from infinium_integrations import instrumentation as i\n"


def test_a_suite_that_ends_the_same_passes(suite, tmp_path, capsys):
    suite("def test_a(): pass\ndef test_b(): raise ValueError")
    assert run_suites.compare("pytest", tmp_path)
    assert "2 tests (1 passed, 1 failure); 0 differ" in capsys.readouterr().out


def test_a_test_that_ends_otherwise_with_us_is_named(suite, tmp_path, capsys):
    suite(f"{INSTRUMENTED}def test_a(): assert not i.instrumented('langchain')\ndef test_b(): pass")
    assert not run_suites.compare("pytest", tmp_path)
    assert "DIFFERS: test_it::test_a: passed without, failure with" in capsys.readouterr().out


def test_a_suite_that_cannot_be_collected_does_not_pass(suite, tmp_path, capsys):
    suite("import nothing_of_that_name\ndef test_a(): pass")
    assert not run_suites.compare("pytest", tmp_path)
    assert "nothing_of_that_name" in capsys.readouterr().out


def test_a_suite_without_tests_does_not_pass(suite, tmp_path):
    suite("")
    assert not run_suites.compare("pytest", tmp_path)
