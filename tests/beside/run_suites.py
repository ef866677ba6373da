"""Run the frameworks' own unit tests without us and with us, and compare them test by test.

    tox -m beside                     every suite, from PyPI's source distributions of the versions that are installed
    tox -e beside -- langgraph        one

Exit 1 where a test ends otherwise with ``instrument()`` than without, or a suite can't be run. Each suite has an
environment of its own, since some tests depend on what else is installed.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


class Suite(NamedTuple):
    """A package's tests: where they are, and which group of its pyproject.toml has what they need."""

    tests: str = "tests/unit_tests"
    group: str = "test"


SUITES = {
    "langchain-core": Suite(),
    "langchain": Suite(),
    "langgraph": Suite("tests"),
    "langgraph-prebuilt": Suite("tests"),
    "langchain-openai": Suite(),
    "langchain-anthropic": Suite(),
    "llama-index-instrumentation": Suite("tests", "dev"),
}

EXTRAS = {"llama-index-instrumentation": "llama-index"}
"""Which extra of ours a suite's framework needs; LangChain's, else."""

EXPECTED = {
    # counts the handlers of a configured manager: with instrument() there is one more
    "tests.unit_tests.runnables.test_config::test_merge_config_callbacks",
}
"""Tests that may end otherwise with us, and why."""

ENVIRONMENT = {
    "INFINIUM_STORE": "memory",
    "LANGSMITH_TRACING": "false",
    "NO_DOCKER": "true",  # langgraph's way to leave Postgres and Redis out
}

OPTIONS = ["-q", "-p", "no:cacheprovider", "--timeout=120", "--tb=short", "--color=no"]


def main(names: list[str]) -> int:
    """Run the named suites, or all; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="infinium-beside-", ignore_cleanup_errors=True) as folder:
        clean = [compare(name, Path(folder)) for name in names or SUITES]
    return 0 if all(clean) else 1


def compare(name: str, folder: Path) -> bool:
    """Run one suite twice and print what differs; return whether nothing does."""
    say(f"== {name} {version(name)}")
    try:
        source = download(name, folder)
        python = environment(name, source, folder)
    except subprocess.CalledProcessError as error:
        say(f"   can't be prepared: {' '.join(map(str, error.cmd))}")
        return False
    without, alone = outcomes(name, source, python)
    beside, log = outcomes(name, source, python, "-p", "instrumented")
    if not without or not beside:
        say(f"   can't be collected:\n{log if without else alone}")
        return False
    found = differing(without, beside)
    if found - EXPECTED:  # once more: a test may be unstable on its own
        again, _ = outcomes(name, source, python)
        found &= differing(again, outcomes(name, source, python, "-p", "instrumented")[0])
    return report(without, beside, found)


def report(without: dict[str, str], beside: dict[str, str], found: set[str]) -> bool:
    """Print the figures and what differs; return whether nothing does that is not expected."""
    counts = ", ".join(f"{number} {outcome}" for outcome, number in Counter(without.values()).most_common())
    say(f"   {len(without)} tests ({counts}); {len(found)} differ, {len(found & EXPECTED)} of them expected")
    for test in sorted(found):
        mark = "expected" if test in EXPECTED else "DIFFERS"
        say(f"   {mark}: {test}: {without.get(test, 'missing')} without, {beside.get(test, 'missing')} with")
    return found <= EXPECTED


def differing(without: dict[str, str], beside: dict[str, str]) -> set[str]:
    """Return the tests that end otherwise in one run than in the other."""
    return {test for test in without.keys() | beside.keys() if without.get(test) != beside.get(test)}


def download(name: str, folder: Path) -> Path:
    """Fetch and unpack the source distribution of the version that is installed."""
    into = folder / name
    run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", into, pinned(name))
    with tarfile.open(next(into.glob("*.tar.gz"))) as archive:
        archive.extractall(into, filter="data")
    return next(into.glob("*/pyproject.toml")).parent


def environment(name: str, source: Path, folder: Path) -> Path:
    """Make an environment with a package, what its tests need, and us; return its Python."""
    python = folder / f"{name}-env" / "bin" / "python"
    pins = folder / "pins.txt"
    pins.write_text("\n".join(map(pinned, SUITES)))
    uv = [sys.executable, "-m", "uv"]
    run(*uv, "venv", "-q", "-p", sys.executable, python.parents[1])
    group = f"{source / 'pyproject.toml'}:{SUITES[name].group}"
    ours = f"infinium-integrations[{EXTRAS.get(name, 'langchain')}] @ {PROJECT.as_uri()}"
    fresh = ["--refresh-package", "infinium-integrations"]
    install = [*uv, "pip", "install", "-q", "-p", python, "--no-sources", *fresh, "-c", pins]
    run(*install, "--group", group, pinned(name), "pytest-timeout", ours)
    return python


def pinned(name: str) -> str:
    """Return the requirement of the version that is installed."""
    return f"{name}=={version(name)}"


def outcomes(name: str, source: Path, python: Path, *more: str) -> tuple[dict[str, str], str]:
    """Run a suite; return how each test ended, and the last lines that pytest printed."""
    report = source / "outcomes.xml"
    report.unlink(missing_ok=True)
    command = [python, "-m", "pytest", SUITES[name].tests, *OPTIONS, f"--junitxml={report}", *more]
    env = {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, cwd=source, env=env, text=True, capture_output=True, check=False)
    if done.returncode not in {0, 1} or not report.exists():  # errors at collection, nothing collected, killed
        return {}, done.stdout[-3_000:] + done.stderr[-1_000:]
    return dict(map(outcome, ET.parse(report).iter("testcase"))), done.stdout[-3_000:]


def outcome(case: ET.Element) -> tuple[str, str]:
    """Return a test's name and how it ended."""
    ended = next((part.tag for part in case if part.tag in {"failure", "error", "skipped"}), "passed")
    return f"{case.get('classname')}::{case.get('name')}", ended


def run(*command: object) -> None:
    """Run a command; its output is the script's own."""
    subprocess.run(list(map(str, command)), check=True)


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
