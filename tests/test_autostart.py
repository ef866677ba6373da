"""``INFINIUM_INSTRUMENT``: what a program imports is traced, without a line in it that says so."""

import importlib
import subprocess
import sys
import textwrap

import pytest
from delivery_kit import account, environment
from faultserver import FaultServer

from infinium_integrations import autostart

LANGCHAIN = """
    from langchain_core.runnables import RunnableLambda
    RunnableLambda(str.upper).invoke("x", config={"run_name": "Shout"})
"""
LLAMA_INDEX = """
    from llama_index.core.llms import MockLLM
    MockLLM(max_tokens=2).complete("x")
"""
PROGRAMS = {"langchain": LANGCHAIN, "llama_index": LLAMA_INDEX}
TELL = """
    from infinium_integrations import flush, stats
    flush(10)
    print(stats()["recorded"], stats()["faults"])
"""
"""How many traces there are, and faults of ours."""


def run(*parts, store, code=0, **variables):
    """Run a program and give what it prints, and what it says on stderr."""
    program = "\n".join(textwrap.dedent(part) for part in parts)
    env = environment(**{"INFINIUM_STORE": str(store), **variables})
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout.strip(), done.stderr.strip()


@pytest.mark.parametrize(
    ("framework", "named"),
    [
        ("langchain", "all"),
        ("llama_index", "all"),
        ("langchain", " LangChain ,"),
        ("llama_index", "langchain,llama-index"),
    ],
)
def test_a_framework_that_is_imported_later_is_traced(framework, named, tmp_path):
    pytest.importorskip(autostart.FRAMEWORKS[framework])
    program = ("import infinium_integrations", PROGRAMS[framework], TELL)
    assert run(*program, store=tmp_path, INFINIUM_INSTRUMENT=named) == ("1 0", "")


@pytest.mark.parametrize("framework", PROGRAMS)
def test_a_framework_that_was_imported_before_is_traced(framework, tmp_path):
    pytest.importorskip(autostart.FRAMEWORKS[framework])
    first, run_it = textwrap.dedent(PROGRAMS[framework]).strip().splitlines()
    program = (first, "import infinium_integrations", run_it)
    assert run(*program, TELL, store=tmp_path, INFINIUM_INSTRUMENT="all") == ("1 0", "")


def test_a_framework_that_is_not_named_is_not_traced(tmp_path):
    pytest.importorskip("langchain_core")
    program = ("import infinium_integrations", LANGCHAIN, TELL)
    assert run(*program, store=tmp_path, INFINIUM_INSTRUMENT="llama-index") == ("0 0", "")
    assert run(*program, store=tmp_path) == ("0 0", "")


@pytest.mark.parametrize("named", ["all", "langchain", "nonsense"])
def test_a_program_that_uses_no_framework_loads_none_and_nothing_heavy(named, tmp_path):
    light = "import sys; before = set(sys.modules); import infinium_integrations; print(*(set(sys.modules) - before))"
    loaded = run(light, store=tmp_path, INFINIUM_INSTRUMENT=named)[0].split()
    assert "infinium_integrations.autostart" in loaded
    assert not {"langchain_core", "llama_index", "pydantic", "httpx", "click", "asyncio"}.intersection(loaded)


@pytest.mark.parametrize("wrong", ["nonsense", "true", "langchain,nonsense"])
def test_a_malformed_value_is_one_warning_that_names_the_variable(wrong, tmp_path):
    printed, said = run("import infinium_integrations\nprint('runs')", store=tmp_path, INFINIUM_INSTRUMENT=wrong)
    assert printed == "runs"
    [line] = said.splitlines()
    assert line.startswith("INFINIUM_INSTRUMENT: no framework is called ")
    assert "all, or by comma: langchain, llama_index" in line


def test_beside_a_wrong_name_the_right_one_counts(tmp_path):
    pytest.importorskip("langchain_core")
    program = ("import infinium_integrations", LANGCHAIN, TELL)
    printed, said = run(*program, store=tmp_path, INFINIUM_INSTRUMENT="langchian,langchain")
    assert (printed, len(said.splitlines())) == ("1 0", 1)


def test_an_empty_value_counts_as_unset(tmp_path):
    pytest.importorskip("langchain_core")
    program = ("import infinium_integrations", LANGCHAIN, TELL)
    assert run(*program, store=tmp_path, INFINIUM_INSTRUMENT="") == ("0 0", "")


@pytest.mark.parametrize("framework", PROGRAMS)
def test_settings_that_the_program_loads_before_its_first_run_count(framework, tmp_path):
    pytest.importorskip(autostart.FRAMEWORKS[framework])
    first, run_it = textwrap.dedent(PROGRAMS[framework]).strip().splitlines()
    with FaultServer() as server:
        given = account(server.url, tmp_path)
        late = {name: given[name] for name in given if name.startswith("INFINIUM_")}
        load = f"import os\nos.environ.update({late!r})"
        program = ("import infinium_integrations", first, load, run_it, TELL)
        assert run(*program, store=tmp_path / "other", INFINIUM_INSTRUMENT="all") == ("1 0", "")
        assert len(server.accepted) == 1
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("framework", PROGRAMS)
def test_the_first_run_loads_nothing_of_ours_any_more(framework, tmp_path):
    pytest.importorskip(autostart.FRAMEWORKS[framework])
    first, run_it = textwrap.dedent(PROGRAMS[framework]).strip().splitlines()
    seen = "import sys; before = set(sys.modules)"
    tell = "print([name for name in set(sys.modules) - before if name.startswith(('infinium_', 'httpx', 'httpcore'))])"
    with FaultServer() as server:
        given = {name: value for name, value in account(server.url, tmp_path).items() if name.startswith("INFINIUM_")}
        program = ("import infinium_integrations", first, seen, run_it, tell)
        assert run(*program, store=tmp_path, **{**given, "INFINIUM_INSTRUMENT": "all"}) == ("[]", "")


@pytest.mark.parametrize("framework", PROGRAMS)
def test_a_malformed_setting_is_one_warning_and_the_program_runs(framework, tmp_path):
    pytest.importorskip(autostart.FRAMEWORKS[framework])
    program = ("import infinium_integrations", *[PROGRAMS[framework]] * 2, "print('runs')")
    printed, said = run(*program, store=tmp_path, INFINIUM_INSTRUMENT="all", INFINIUM_GRACE="long")
    assert printed == "runs"
    [line] = said.splitlines()
    assert "runs are not traced: INFINIUM_GRACE: " in line


@pytest.mark.parametrize("framework", PROGRAMS)
def test_a_handler_that_the_program_makes_itself_records_no_run_twice(framework, tmp_path):
    pytest.importorskip(autostart.FRAMEWORKS[framework])
    own = {
        "langchain": """
            from infinium_integrations.langchain import InfiniumCallbackHandler
            from langchain_core.runnables import RunnableLambda
            RunnableLambda(str.upper).invoke("x", config={"callbacks": [InfiniumCallbackHandler()]})
        """,
        "llama_index": """
            from infinium_integrations.llama_index import InfiniumEventHandler
            from llama_index.core.llms import MockLLM
            with InfiniumEventHandler():
                MockLLM(max_tokens=2).complete("x")
        """,
    }
    assert run(own[framework], TELL, store=tmp_path, INFINIUM_INSTRUMENT="all") == ("1 0", "")
    assert run(own[framework], PROGRAMS[framework], TELL, store=tmp_path, INFINIUM_INSTRUMENT="all") == ("2 0", "")


@pytest.mark.parametrize("framework", PROGRAMS)
def test_instrument_in_the_program_gives_the_options(framework, tmp_path):
    pytest.importorskip(autostart.FRAMEWORKS[framework])
    given = f"from infinium_integrations import instrument, traces\ninstrument({framework!r}, tags=['mine'])"
    tell = "print(*(task.environment.custom_tags['tags'] for task in traces()))"
    program = (given, PROGRAMS[framework], TELL, tell)
    assert run(*program, store=tmp_path, INFINIUM_INSTRUMENT="all") == ("1 0\nmine", "")


@pytest.mark.parametrize("framework", PROGRAMS)
def test_uninstrument_in_the_program_switches_it_off(framework, tmp_path):
    pytest.importorskip(autostart.FRAMEWORKS[framework])
    off = f"from infinium_integrations import uninstrument\nuninstrument({framework!r})"
    assert run(off, PROGRAMS[framework], TELL, store=tmp_path, INFINIUM_INSTRUMENT="all") == ("0 0", "")
    late = ("import infinium_integrations", PROGRAMS[framework], off, PROGRAMS[framework], TELL)
    assert run(*late, store=tmp_path, INFINIUM_INSTRUMENT="all") == ("1 0", "")


def test_tracing_switched_off_stays_off(tmp_path):
    pytest.importorskip("langchain_core")
    pytest.importorskip("llama_index.core")
    program = ("import infinium_integrations", LANGCHAIN, LLAMA_INDEX, TELL)
    found = run(*program, store=tmp_path, INFINIUM_INSTRUMENT="all", INFINIUM_TRACING="false")
    assert found == ("0 0", "")


@pytest.mark.parametrize("framework", PROGRAMS)
def test_many_threads_that_import_and_run_at_once_are_traced_each(framework, tmp_path):
    pytest.importorskip(autostart.FRAMEWORKS[framework])
    program = f"""
import infinium_integrations, threading
ready = threading.Barrier(8)
def work():
    ready.wait()
{textwrap.indent(textwrap.dedent(PROGRAMS[framework]), "    ")}
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    assert run(program, TELL, store=tmp_path, INFINIUM_INSTRUMENT="all") == ("8 0", "")


def test_threads_that_import_different_parts_at_once_are_traced_each(tmp_path):
    """A thread that imports a part holds its lock until the whole is there: what we import then finds it locked."""
    pytest.importorskip("langchain_core")
    program = """
import importlib, sys, threading, time
import infinium_integrations
from infinium_integrations import autostart
parts = ["messages", "tools", "documents", "prompts", "callbacks"]
begun = threading.Event()
def at_the_worst_time(framework, arrived=autostart.arrived):
    if not begun.is_set():  # until each other thread waits for the package
        begun.set()
        until = time.monotonic() + 30
        while waiting() < len(parts) and time.monotonic() < until:
            time.sleep(0.001)
    arrived(framework)
def waiting():
    return [frame.f_code.co_name for frame in sys._current_frames().values()].count("acquire")
autostart.arrived = at_the_worst_time
def work(part):
    if part:
        begun.wait()
        importlib.import_module(f"langchain_core.{part}")
    from langchain_core.runnables import RunnableLambda
    RunnableLambda(str.upper).invoke("x")
threads = [threading.Thread(target=work, args=(part,)) for part in ["", *parts]]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    assert run(program, TELL, store=tmp_path, INFINIUM_INSTRUMENT="all") == ("6 0", "")


@pytest.mark.parametrize("framework", PROGRAMS)
def test_a_child_forked_before_the_first_run_is_traced(framework, tmp_path):
    pytest.importorskip(autostart.FRAMEWORKS[framework])
    first, run_it = textwrap.dedent(PROGRAMS[framework]).strip().splitlines()
    fork = "import os, sys\nchild = os.fork()\nif child:\n    os.waitpid(child, 0)"
    ended = "from infinium_integrations import flush\nif not child:\n    flush(10)\n    os._exit(0)"
    counted = "from infinium_integrations import traces\nflush(10)\nprint(len(traces()))"
    program = ("import infinium_integrations", first, fork, run_it, ended, counted)
    assert run(*program, store=tmp_path, INFINIUM_INSTRUMENT="all") == ("2", "")


def test_a_version_of_a_framework_that_we_do_not_know_is_a_warning_and_works_as_it_does_without_us(tmp_path):
    package = tmp_path / "other" / "langchain_core"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("ANSWER = 42")
    program = f"""
        import sys
        sys.path.insert(0, {str(package.parent)!r})
        import infinium_integrations
        import langchain_core
        print(langchain_core.ANSWER)
    """
    printed, said = run(program, store=tmp_path, INFINIUM_INSTRUMENT="all")
    assert printed == "42"
    [line] = said.splitlines()
    assert line.startswith("INFINIUM_INSTRUMENT: langchain can't be traced: ")


def test_a_framework_that_fails_to_load_fails_as_it_does_without_us(tmp_path):
    package = tmp_path / "broken" / "langchain_core"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise LookupError('broken')")
    program = f"""
        import sys
        sys.path.insert(0, {str(package.parent)!r})
        import infinium_integrations
        for _ in range(2):
            try:
                import langchain_core
            except LookupError as error:
                print(error, "langchain_core" in sys.modules)
    """
    found = run(program, store=tmp_path, INFINIUM_INSTRUMENT="all")
    assert found == ("broken False\nbroken False", "")


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A package that stands for a framework, and the watch over it."""
    package = tmp_path / "framework_of_this_test"
    package.mkdir()
    (package / "__init__.py").write_text("LOADER = __spec__.loader")
    (package / "data.txt").write_text("data")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(autostart, "_BY_MODULE", {package.name: "shown"})
    monkeypatch.setattr(autostart, "_wanted", {"shown"})
    monkeypatch.setattr(sys, "meta_path", [autostart._Watch(), *sys.meta_path])
    arrived = []
    monkeypatch.setattr(autostart._hooks, "framework_arrived", arrived.append)
    yield package.name, arrived
    sys.modules.pop(package.name, None)


def test_a_watched_module_has_the_loader_that_it_has_without_us(shown):
    name, arrived = shown
    module = importlib.import_module(name)
    assert arrived == ["shown"]
    kind = importlib.machinery.SourceFileLoader
    assert {type(each) for each in (module.LOADER, module.__loader__, module.__spec__.loader)} == {kind}


def test_to_look_for_a_watched_module_does_not_load_it(shown):
    name, arrived = shown
    spec = importlib.util.find_spec(name)
    assert spec.loader.is_package(name)
    assert spec.loader.get_source(name) == "LOADER = __spec__.loader"
    assert arrived == []
