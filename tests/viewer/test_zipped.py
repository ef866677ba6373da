"""The package imported from a zip file, as zipapps and some clusters do."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from children import PATIENCE

import infinium_integrations

PROGRAM = """
import json, sys
sys.path[:0] = sys.argv[1:3]
import infinium_integrations
assert infinium_integrations.__file__.startswith(sys.argv[1]), infinium_integrations.__file__
import httpx, samples
from memory_source import MemorySource
from serving import serving
task = samples.agent()
with serving(MemorySource({"agent": task})) as address:
    paths = ["/", "/traces/agent", "/static/page.css", "/static/icon.svg", "/static/none.css", "/static/..%2Frender.py"]
    answers = {path: httpx.get(address + path, trust_env=False) for path in paths}
print(json.dumps({
    "bundle": task._repr_mimebundle_(),
    "answers": {path: [one.status_code, one.headers["content-type"], one.text] for path, one in answers.items()},
}))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    package = Path(infinium_integrations.__file__).parent
    target = tmp_path_factory.mktemp("zipped") / "package.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for path in package.rglob("*"):
            if "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(package.parent))
    support = str(Path(__file__).parents[1] / "support")
    command = [sys.executable, "-c", PROGRAM, str(target), support]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    options = {"capture_output": True, "text": True, "timeout": PATIENCE, "env": environment, "cwd": target.parent}
    done = subprocess.run(command, check=False, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_notebook_shows_a_trace_with_its_styles(said):
    assert "Refund request" in said["bundle"]["text/plain"]
    assert "Refund request" in said["bundle"]["text/html"]
    assert said["bundle"]["text/html"].startswith("<style>.ifm, ")


def test_the_page_is_served_with_what_it_refers_to(said):
    found = {path: (status, kind) for path, (status, kind, _) in said["answers"].items()}
    html = (200, "text/html; charset=utf-8")
    assert [found["/"], found["/traces/agent"]] == [html, html]
    assert found["/static/page.css"] == (200, "text/css; charset=utf-8")
    assert found["/static/icon.svg"] == (200, "image/svg+xml")
    assert "Refund request" in said["answers"]["/"][2]


def test_nothing_but_these_files_is_served(said):
    assert said["answers"]["/static/none.css"][0] == 404
    assert said["answers"]["/static/..%2Frender.py"][0] == 404
