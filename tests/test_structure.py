"""What CONTRIBUTING promises of the code's shape. The layers and cycles are import-linter's (`tox -e layers`)."""

import ast
import inspect
import sys
from pathlib import Path

import pytest

import infinium_integrations
from infinium_integrations import diagnostics

PACKAGE = Path(infinium_integrations.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
BROAD = {"Exception", "BaseException"}


def handlers(module):
    return [node for node in ast.walk(ast.parse((PACKAGE / module).read_text())) if isinstance(node, ast.ExceptHandler)]


def caught(handler):
    return {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else BROAD


@pytest.mark.parametrize("module", [module for module in MODULES if module != "diagnostics.py"])
def test_only_diagnostics_catches_every_exception(module):
    assert [handler.lineno for handler in handlers(module) if caught(handler) & BROAD] == []


@pytest.mark.parametrize("module", MODULES)
def test_no_docstring_begins_with_give(module):
    tree = ast.parse((PACKAGE / module).read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [node.name for node in functions if (ast.get_docstring(node) or "").startswith("Give ")] == []


@pytest.mark.parametrize("name", [name for name in infinium_integrations.__all__ if name != "ApiResponse"])
def test_every_public_name_has_an_example(name):
    assert ">>>" in inspect.getdoc(getattr(infinium_integrations, name))


def test_a_system_exit_in_the_midst_of_our_work_is_the_users_and_goes_through():
    with pytest.raises(SystemExit):
        diagnostics.attempt(sys.exit, lambda error: pytest.fail(repr(error)), 3)
