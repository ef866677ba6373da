"""The page of the docs is what the tables give, and its hook for personal data runs."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from click.testing import CliRunner

from infinium_integrations.cli.main import main
from infinium_integrations.redaction.page import OTHERS, rules_page
from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.redaction.rules import VENDORS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "redaction.md"
(HOOK,) = re.findall(r"```python\n(.+?)```", PAGE.read_text(), re.DOTALL)


def test_the_committed_page_is_what_the_tables_give():
    assert PAGE.read_text() == rules_page(), "run: infinium-traces redact --rules > docs/reference/redaction.md"


def test_the_command_prints_the_page_and_asks_for_a_file_otherwise():
    assert CliRunner().invoke(main, ["redact", "--rules"]).output == rules_page()
    assert CliRunner().invoke(main, ["redact"]).exit_code == 2


@pytest.mark.parametrize("rule", OTHERS, ids=lambda rule: rule.name)
def test_a_rules_example_is_hidden_by_this_rule_and_its_neighbour_is_not(rule):
    redactor = Redactor()
    assert rule.name in [name for *_, name in redactor.findings(rule.hidden)]
    assert "Zq9" not in redactor.text(rule.hidden)
    assert redactor.text(rule.stays) == rule.stays


def test_the_page_has_every_vendor_and_no_whole_key():
    page = rules_page()
    for vendor in VENDORS:
        assert f"| {vendor.name} |" in page
        assert vendor.hidden not in page


def stand_in(monkeypatch):
    """Put modules in Presidio's place, of which the analyzer knows one name."""
    analyzer, anonymizer = ModuleType("presidio_analyzer"), ModuleType("presidio_anonymizer")
    analyzer.AnalyzerEngine = lambda: SimpleNamespace(
        analyze=lambda *, text, language, score_threshold: ["Ada Lovelace"] * (text.count("Ada") > 0)
    )
    anonymizer.AnonymizerEngine = lambda: SimpleNamespace(
        anonymize=lambda *, text, analyzer_results: SimpleNamespace(
            text=text.replace(analyzer_results[0], "<PERSON>") if analyzer_results else text
        )
    )
    monkeypatch.setitem(sys.modules, "presidio_analyzer", analyzer)
    monkeypatch.setitem(sys.modules, "presidio_anonymizer", anonymizer)


def test_the_hook_for_personal_data_runs(monkeypatch):
    pytest.importorskip("langchain_core")
    if importlib.util.find_spec("presidio_analyzer") is None:
        stand_in(monkeypatch)
    names = {}
    exec(compile(HOOK, "docs/reference/redaction.md", "exec"), names)
    redactor = Redactor(user=names["without_personal_data"])
    assert redactor.text("Ada Lovelace wrote: password=hunter2!") == "<PERSON> wrote: password=[REDACTED]"
    assert "handler" in names


def test_personal_data_is_not_hidden_by_itself():
    text = "Ada Lovelace, ada@example.com, +44 20 7946 0958, 12 St James's Square"
    assert Redactor().text(text) == text
