"""The public names are typed: type checkers accept what users write and point at each line that is wrong.

``must_pass.py`` and ``must_fail.py`` are read by the checkers and never run. ``tox -e types`` runs this.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PASS, FAIL = HERE / "must_pass.py", HERE / "must_fail.py"
EXPECTED = {
    number: found[1]
    for number, line in enumerate(FAIL.read_text().splitlines(), 1)
    if (found := re.search(r"# E: ([\w-]+)$", line))
}
FOUND_BY_MYPY = re.compile(r"^(.+?):(\d+)(?::\d+)*: error: (.+?)(?:  \[([\w-]+)\])?$", re.MULTILINE)


def checked_by(tool, *arguments):
    """Run a checker over both files, with the package as it stands here."""
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed: tox -e types")
    environment = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    command = [sys.executable, "-m", tool, *arguments, str(PASS), str(FAIL)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, cwd=ROOT, env=environment)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def by_mypy():
    """For each file, the code and the text of each error by its line."""
    said = checked_by(
        "mypy", "--strict", "--show-error-codes", "--hide-error-context", "--no-pretty", "--no-color-output"
    )
    found = {PASS.name: {}, FAIL.name: {}}
    for path, line, text, code in FOUND_BY_MYPY.findall(said):
        found[Path(path).name].setdefault(int(line), (code, text))
    return found


@pytest.fixture(scope="module")
def by_pyright():
    """For each file, the text of each error by its line."""
    said = json.loads(checked_by("pyright", "--outputjson", "--pythonpath", sys.executable))
    found = {PASS.name: {}, FAIL.name: {}}
    for one in said["generalDiagnostics"]:
        if one["severity"] == "error":
            found[Path(one["file"]).name][one["range"]["start"]["line"] + 1] = one["message"]
    return found


def test_mypy_accepts_what_users_write(by_mypy):
    assert by_mypy[PASS.name] == {}


def test_mypy_points_at_each_line_that_is_wrong(by_mypy):
    assert {line: code for line, (code, _) in by_mypy[FAIL.name].items()} == EXPECTED


def test_pyright_accepts_what_users_write(by_pyright):
    assert by_pyright[PASS.name] == {}


def test_pyright_points_at_each_line_that_is_wrong(by_pyright):
    assert by_pyright[FAIL.name].keys() == EXPECTED.keys()
