"""The page of what a trace says tells of every fact that the adapters write."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

import infinium_integrations

ROOT = Path(__file__).parents[2]
PACKAGE = Path(infinium_integrations.__file__).parent
MODULES = sorted(path for room in ("langchain", "llama_index", "recording") for path in (PACKAGE / room).glob("*.py"))


def meanings():
    spec = importlib.util.spec_from_file_location("meanings", ROOT / "docs" / "meanings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def told():
    """What the tables have, and what is named in the text between them."""
    module, page = meanings(), (ROOT / "docs" / "reference" / "trace.md").read_text()
    return {*module.STEP_FACTS, *module.TRACE_FACTS, *re.findall(r"`(\w+)`", page)}


def written(module):
    """The names under which a module puts facts on a step or a trace."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "put":
            yield from (keyword.arg for keyword in node.keywords if keyword.arg)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("trace.tags"):
            yield from [node.slice.value] if isinstance(node.slice, ast.Constant) else []


def test_what_is_looked_for_is_found():
    assert {"attempt", "document_count", "run_id", "resumed_from"} <= {name for one in MODULES for name in written(one)}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_fact_that_is_written_is_told_of(module, told):
    assert set(written(module)) - told == set()
