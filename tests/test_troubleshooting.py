"""docs/troubleshooting.md names every warning of the package, word for word."""

import ast
import re
from pathlib import Path

import pytest

import infinium_integrations

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "troubleshooting.md"
PACKAGE = Path(infinium_integrations.__file__).parent


def warnings():
    """Find the texts that ``warn_once`` is called with, each with its place."""
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        texts = {
            node.targets[0].id: node.value.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("warn_once"):
                text = node.args[1]
                where = f"{file.relative_to(PACKAGE)}:{node.lineno}"
                yield pytest.param(text.value if isinstance(text, ast.Constant) else texts[text.id], id=where)


@pytest.mark.parametrize("text", list(warnings()))
def test_a_warning_stands_on_the_page_as_it_is_logged(text):
    page = PAGE.read_text("utf-8")
    # what varies is an ellipsis there, a name or a number of an example
    parts = [re.escape(part) for part in re.split("%[sd]", text)]
    assert re.search(".*?".join(parts), page), f"docs/troubleshooting.md doesn't explain: {text}"


def test_the_warnings_are_found():
    assert len(list(warnings())) > 20
