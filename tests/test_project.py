"""What the project says of itself holds."""

import importlib.metadata
import json
import re
import tomllib
from pathlib import Path

import pytest

import infinium_integrations

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
SHELL = re.compile(r"```sh\n(.+?)\n```", re.DOTALL)


def commands():
    return SHELL.findall((ROOT / "README.md").read_text())


def test_the_readme_has_one_command_for_the_demo_and_one_for_the_tests():
    demo, tests = commands()
    assert demo.endswith("infinium-traces demo")
    assert tests.endswith("tox")
    assert "\n" not in demo + tests


def test_ci_runs_the_readmes_second_command():
    assert commands()[1] in (ROOT / ".ci" / "run").read_text()
    assert commands()[1] in (ROOT / "CONTRIBUTING.md").read_text()


def test_the_version_is_written_once_for_readers_and_once_for_programs():
    assert "version" in PROJECT["dynamic"]
    assert importlib.metadata.version("infinium-integrations") == infinium_integrations.__version__
    assert f"## [{infinium_integrations.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_extra_all_names_every_extra():
    [everything] = EXTRAS["all"]
    assert set(re.search(r"\[(.+)\]", everything)[1].split(",")) == EXTRAS.keys() - {"all"}


def test_no_dependency_has_an_upper_bound():
    given = [*PROJECT["dependencies"], *(each for extra in EXTRAS.values() for each in extra)]
    assert [each for each in given if "<" in each or "==" in each or "~=" in each] == []


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(notebook):
    cells = json.loads(notebook.read_text())["cells"]
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_a_top_page_links_to_files_that_are_there(page):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
