"""Every test, and every example of the README or a docstring, begins as in a process where nothing has happened yet."""

import doctest
import gc
import os
import signal
import tempfile
import threading
from pathlib import Path

import pytest
from sybil import Region, Sybil
from sybil.document import PythonDocStringDocument
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

from infinium_integrations import diagnostics, runtime, settings
from infinium_integrations.export import writer

ACCOUNT = {"AGENT_ID": "6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "AGENT_SECRET": "an-agents-secret-0123456789"}


def pytest_configure(config):
    """Notebooks run in processes of their own, beyond the reach of fixtures."""
    for name in [name for name in os.environ if name.startswith("INFINIUM_")]:
        del os.environ[name]
    store = tempfile.TemporaryDirectory(prefix="infinium-tests-", ignore_cleanup_errors=True)
    os.environ["INFINIUM_STORE"] = store.name
    os.environ["QUESTIONS"] = "6"  # of the notebook that asks a real model
    config.add_cleanup(store.cleanup)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by nohup or a shell's `&`; children would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Playwright keeps an event loop in the main thread until the end, beside which no other runs: it comes last."""
    for item in items:
        if item.path.name == "llama_index.md":  # its agent looks at every attribute of itself, deprecated ones included
            item.add_marker(pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"))
    items.sort(key=lambda item: "browser" in item.path.parts)


def pytest_collection_finish():
    """What was imported by now stays: a full collection, of which tests ask many, need not go through it each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _isolated(monkeypatch, tmp_path_factory):
    """No account, no settings, a store of the test's own, and no thread of ours left at its end."""
    for name in [name for name in os.environ if name.startswith("INFINIUM_")]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("data", numbered=True)
    monkeypatch.setenv("XDG_DATA_HOME", str(home))
    monkeypatch.setenv("INFINIUM_STORE", str(home / "store"))
    monkeypatch.setattr(diagnostics, "_said", set())
    monkeypatch.setattr(writer, "_said_where", threading.Event())
    settings.reset()
    before = runtime.install(None)
    yield
    made = runtime.install(before)
    if made is not None and made is not before:
        made.recorder.seal_all()
        made.delivery.shutdown(1.0)
    diagnostics.raising(on=False)
    settings.reset()


@pytest.fixture
def platform(monkeypatch):
    """A platform on this machine, and an account there."""
    from faultserver import FaultServer

    with FaultServer() as server:
        use_account(monkeypatch, server)
        yield server


@pytest.fixture(scope="session")
def _platform_of_the_readme():
    """It stays to the end: what one block has recorded, a later one delivers."""
    from faultserver import FaultServer

    with FaultServer() as server:
        yield server


@pytest.fixture
def readme(monkeypatch, _platform_of_the_readme):
    """An account, as most blocks of the pages take it for granted."""
    use_account(monkeypatch, _platform_of_the_readme)


def use_account(monkeypatch, server):
    for name, value in {**ACCOUNT, "BASE_URL": server.url}.items():
        monkeypatch.setenv(f"INFINIUM_{name}", value)
    settings.reset()


NEEDS = {"langchain": "langchain_core", "llama_index": "llama_index.core", "server": "starlette", "html": "jinja2"}
"""Parts of the package of which the examples need a package that is an extra."""


@pytest.fixture
def extra(request):
    """Skip an example of a part whose extra is not installed."""
    for part, package in NEEDS.items():
        if part in request.path.parts:
            pytest.importorskip(package, reason=f"the example needs {package}")


def examples(document):
    """Find the examples of a docstring: together they are one test, with names of its own."""
    found = doctest.DocTestParser().get_examples(document.text)
    if found:
        start = document.text.index(">>>")
        yield Region(start, len(document.text), parsed=found, evaluator=evaluate)


def evaluate(example):
    """Run the examples of a docstring, and say what differs."""
    said = []
    above = example.line - example.parsed[0].lineno - 1
    test = doctest.DocTest(example.parsed, {"__name__": "__main__"}, example.path, example.path, above, None)
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=said.append)
    return "".join(said)


def evaluate_alone(example):
    """Run a block of a page without what the blocks before it made: each stands alone."""
    example.namespace.clear()
    PythonEvaluator()(example)


def evaluate_cell(example):
    """Run a block of a page as a notebook's cell, in one shell for the page."""
    shell = pytest.importorskip("IPython.core.interactiveshell", reason="the example needs IPython").InteractiveShell
    example.namespace.setdefault("shell", shell())
    example.namespace["shell"].run_cell(example.parsed).raise_error()


PAGES = Sybil(
    parsers=[CodeBlockParser("python", evaluate_alone), CodeBlockParser("ipython", evaluate_cell)],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    excludes=[
        "docs/reference/redaction.md",  # it needs Presidio: tests/redaction/test_rules_page.py
        "docs/howto/sdk.md",  # a provider, and pytest itself: tests/test_docs_pages.py
        "docs/howto/pytest.md",
    ],
    fixtures=["readme"],
)
DOCSTRINGS = Sybil(
    path=str(Path(__file__).with_name("infinium_integrations")),
    parsers=[examples],
    pattern="*.py",
    document_types={".py": PythonDocStringDocument},  # read, and not imported
    fixtures=["extra", "_isolated"],
)
pytest_collect_file = (PAGES + DOCSTRINGS).pytest()
