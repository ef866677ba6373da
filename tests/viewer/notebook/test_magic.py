"""The magic in a real Jupyter kernel, and what it says to those who mistype."""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from infinium_integrations import instrumentation, runtime, settings
from infinium_integrations.viewer.notebook import magic

CHAIN = """
from langchain_core.runnables import RunnableLambda
from langchain_core.language_models import FakeListChatModel
chain = RunnableLambda(lambda text: text.upper(), name="shout") | FakeListChatModel(responses=["fine", "fine", "fine"])
"""


class Kernel:
    """Runs cells in one Jupyter kernel."""

    def __init__(self, client: NotebookClient, store: str) -> None:
        self._client = client
        self._store = store

    def run(self, source: str) -> list[dict]:
        cell = nbformat.v4.new_code_cell(source)
        self._client.nb.cells.append(cell)
        self._client.execute_cell(cell, len(self._client.nb.cells) - 1)
        return cell.outputs

    def interrupt_when(self, path: Path) -> None:
        while not path.exists():
            time.sleep(0.02)
        asyncio.run(self._client.km.interrupt_kernel())

    def value(self, expression: str) -> object:
        outputs = self.run(f"import json as _json; print(_json.dumps({expression}))")
        return json.loads("".join(output["text"] for output in outputs if output.get("name") == "stdout"))


@pytest.fixture(scope="module")
def kernel(tmp_path_factory) -> Iterator[Kernel]:
    store = str(tmp_path_factory.mktemp("store"))
    book = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "p", "language": "python"}}
    )
    client = NotebookClient(book, timeout=100)
    env = {name: value for name, value in os.environ.items() if not name.startswith("INFINIUM_")} | {
        "INFINIUM_STORE": store
    }
    with client.setup_kernel(env=env):
        found = Kernel(client, store)
        assert found.run("%load_ext infinium_integrations\n" + CHAIN) == []
        yield found


def displayed(outputs):
    return [output["data"] for output in outputs if output["output_type"] == "display_data"]


def test_a_cell_becomes_one_trace_that_is_shown_below(kernel):
    outputs = kernel.run("%%trace Two questions\nfirst = chain.invoke('one')\nsecond = chain.invoke('two')")
    (shown,) = displayed(outputs)
    assert set(shown) == {"text/plain", "text/html"}
    assert "Two questions" in shown["text/html"]
    assert kernel.value(
        "[_trace.name, _trace.status, len([s for s in _trace.steps if s.action == 'llm_inference'])]"
    ) == [
        "Two questions",
        "ok",
        2,
    ]
    assert kernel.value("_trace.delivery.status") == "local"


def test_an_async_cell_works_and_keeps_its_last_value(kernel):
    outputs = kernel.run("%%trace Async\nreply = await chain.ainvoke('x')\nreply.content")
    (result,) = [output["data"]["text/plain"] for output in outputs if output["output_type"] == "execute_result"]
    assert result == "'fine'"
    assert len(displayed(outputs)) == 1
    assert kernel.value("[s.action for s in _trace.steps]").count("llm_inference") == 1
    assert kernel.value("_trace.output_summary") == "fine"


def test_parallel_work_of_an_async_cell_is_one_trace(kernel):
    kernel.run("%%trace Fan-out\nimport asyncio\n_ = await asyncio.gather(*[chain.ainvoke(str(n)) for n in range(3)])")
    assert kernel.value("len([s for s in _trace.steps if s.action == 'llm_inference'])") == 3


def test_what_was_asked_stands_in_the_trace(kernel):
    kernel.run(
        '%%trace "Refund \'answer\'" --expected "Be kind" --description Long '
        "--tag prompt=v2 --tag nightly --tag session_id=s-1\n"
        "chain.invoke('x')"
    )
    tags = kernel.value("_trace.environment.custom_tags")
    assert (tags["prompt"], tags["tags"], tags["session_id"]) == ("v2", "nightly", "s-1")
    assert kernel.value("[_trace.name, _trace.description, _trace.expected_outcome.task_objective]") == [
        "Refund 'answer'",
        "Long",
        "Be kind",
    ]


def test_a_cell_that_fails_keeps_its_line_numbers_and_its_trace(kernel):
    with pytest.raises(CellExecutionError, match="ZeroDivisionError") as failure:
        kernel.run("%%trace Broken\nchain.invoke('x')\n1 / 0")
    assert "line 3" in str(failure.value) or "----> 3" in str(failure.value)
    assert kernel.value("[_trace.name, _trace.status, _trace.errors[0].error_type]") == [
        "Broken",
        "error",
        "ZeroDivisionError",
    ]


def test_a_cell_that_does_not_parse_makes_no_trace(kernel):
    before = kernel.value("_trace.trace_id")
    with pytest.raises(CellExecutionError, match="SyntaxError"):
        kernel.run("%%trace Unreadable\n1 +")
    assert kernel.value("_trace.trace_id") == before


def test_other_cells_are_neither_recorded_nor_shown(kernel):
    kernel.run("%%trace Before\nchain.invoke('x')")
    count = kernel.value("len(__import__('infinium_integrations').traces())")
    outputs = kernel.run("quiet = chain.invoke('x')")
    assert outputs == []
    assert kernel.value("len(__import__('infinium_integrations').traces())") == count


def test_instrument_stays_in_force_where_the_user_asked_for_it(kernel):
    kernel.run("from infinium_integrations import instrument, uninstrument, traces\ninstrument('langchain')")
    kernel.run("%%trace Inside --quiet\nchain.invoke('x')")
    before = kernel.value("len(traces())")
    kernel.run("_ = chain.invoke('x')")
    assert kernel.value("len(traces())") == before + 1
    kernel.run("uninstrument()")


def test_an_interrupted_cell_ends_its_trace(kernel, tmp_path):
    begun = tmp_path / "begun"
    thread = threading.Thread(target=kernel.interrupt_when, args=(begun,))
    thread.start()
    with pytest.raises(CellExecutionError, match="KeyboardInterrupt"):
        kernel.run(
            f"%%trace Stopped\nimport pathlib, time\npathlib.Path({str(begun)!r}).touch()\nwhile True: time.sleep(0.01)"
        )
    thread.join(60)
    assert kernel.value("[_trace.name, _trace.status, _trace.errors]") == ["Stopped", "cancelled", None]


def test_an_interrupted_async_cell_ends_its_trace(kernel, tmp_path):
    begun = tmp_path / "begun"
    thread = threading.Thread(target=kernel.interrupt_when, args=(begun,))
    thread.start()
    body = f"import asyncio, pathlib\npathlib.Path({str(begun)!r}).touch()\nwhile True: await asyncio.sleep(0.01)"
    with pytest.raises(CellExecutionError, match=r"CancelledError|KeyboardInterrupt"):
        kernel.run(f"%%trace Stopped async\n{body}")
    thread.join(60)
    assert kernel.value("[_trace.name, _trace.status]") == ["Stopped async", "cancelled"]


def test_quiet_shows_nothing_and_leaves_the_trace(kernel):
    assert displayed(kernel.run("%%trace Hush --quiet\n_ = chain.invoke('x')")) == []
    assert kernel.value("_trace.name") == "Hush"


def test_the_rest_of_a_cell_is_traced_by_the_line(kernel):
    kernel.run("outside = chain.invoke('x')\n%trace The rest\ninside = chain.invoke('y')")
    assert kernel.value("[_trace.name, len([s for s in _trace.steps if s.action == 'llm_inference'])]") == [
        "The rest",
        1,
    ]


def test_a_program_can_call_the_magic(kernel):
    kernel.run("get_ipython().run_cell_magic('trace', 'By program', 'v = chain.invoke(\"x\")')")
    assert kernel.value("[_trace.name, v.content]") == ["By program", "fine"]


def test_a_trace_and_a_table_show_themselves_as_last_value(kernel):
    (trace,) = kernel.run("_trace")
    assert "text/html" in trace["data"]
    (table,) = kernel.run("traces()")
    assert "ifm-table" in table["data"]["text/html"]


def test_llama_index_work_is_part_of_the_trace(kernel):
    pytest.importorskip("llama_index.core")
    kernel.run(
        "%%trace Both\nfrom llama_index.core.llms.mock import MockLLM\n"
        "chain.invoke('x')\nMockLLM(max_tokens=3).complete('one two three')"
    )
    assert kernel.value("len([s for s in _trace.steps if s.action == 'llm_inference'])") == 2


def test_without_an_account_waiting_for_maestro_says_why_not(kernel):
    with pytest.raises(CellExecutionError, match="kept on this machine only"):
        kernel.run("_trace.wait_for_interpretation(timeout=5)")


@pytest.mark.parametrize(
    ("line", "said"),
    [("", "required: name"), ("a --tag", "expected one argument"), ('"a', "No closing quotation"), ("a --x", "--x")],
)
def test_a_mistyped_line_says_what_is_wrong(line, said):
    with pytest.raises(UsageError, match=said):
        magic._parsed(line)


def test_loading_twice_and_unloading_leave_no_trace_of_ours():
    shell = InteractiveShell()
    before = list(shell.input_transformers_cleanup)
    magic.load_ipython_extension(shell)
    magic.load_ipython_extension(shell)
    assert shell.find_line_magic("trace")
    assert len(shell.input_transformers_cleanup) == len(before) + 1
    magic.unload_ipython_extension(shell)
    magic.unload_ipython_extension(shell)
    assert shell.input_transformers_cleanup == before
    assert shell.find_cell_magic("trace") is None


@pytest.fixture
def shell(tmp_path, monkeypatch):
    settings.reset()
    settings.configure(store=str(tmp_path / "store"))
    monkeypatch.setattr(
        instrumentation, "FRAMEWORKS", {"langchain": "langchain_core", "none": "no_such_package.at_all"}
    )
    before = runtime.install(None)
    found = InteractiveShell()
    magic.load_ipython_extension(found)
    yield found
    magic.unload_ipython_extension(found)
    runtime.shutdown(5)
    runtime.install(before)
    settings.reset()


def test_a_cell_in_a_plain_shell_is_traced_too(shell, capsys):
    cell = "from infinium_integrations import current_trace\n"
    cell += "with current_trace().step('custom', 'by hand') as step: step.set_input('in').set_output('out')"
    assert shell.run_cell(f"%%trace By hand --tag k=v --tag plain --tag user_id=ada\n{cell}").success
    task = shell.user_ns["_trace"]
    assert (task.input_summary, task.output_summary) == ("in", "out")
    tags = task.environment.custom_tags
    assert (tags["k"], tags["tags"], tags["user_id"]) == ("v", "plain", "ada")
    assert "By hand" in capsys.readouterr().out


def test_what_the_cell_says_itself_is_not_overwritten(shell, capsys):
    cell = "from infinium_integrations import current_trace\n"
    cell += "current_trace().set_input_summary('mine').set_output_summary('mine too');\n42"
    shell.run_cell(f"%%trace Said --quiet\n{cell}")
    assert (shell.user_ns["_trace"].input_summary, shell.user_ns["_trace"].output_summary) == ("mine", "mine too")


def test_a_cell_without_an_end_does_not_spoil_the_next(shell):
    shell.run_line_magic("trace", "First --quiet")
    shell.run_line_magic("trace", "Second --quiet")
    assert shell.user_ns["_trace"].name == "First"
    assert shell.user_ns["_trace"].status == "cancelled"
    shell.run_cell("1")
    assert shell.user_ns["_trace"].name == "Second"


def test_a_failing_cell_in_a_plain_shell_ends_its_trace(shell, capsys):
    shell.run_cell_magic("trace", "Called --quiet", "1 / 0")
    assert shell.user_ns["_trace"].status == "error"
    shell.run_cell("2")
    assert shell.user_ns["_trace"].name == "Called"


def test_a_trace_that_is_stored_nowhere_is_shown_all_the_same(shell):
    settings.configure(store="off")
    shell.run_cell("%%trace Unkept --quiet\n1")
    assert shell.user_ns["_trace"].name == "Unkept"


@pytest.mark.parametrize("line", ["%%trace?", "%%traceroute x", "x = 1", ""])
def test_only_our_own_first_line_is_touched(line):
    assert magic.as_line([line]) == [line]
    assert magic.as_line([]) == []


def test_the_extension_is_found_by_its_name():
    import infinium_integrations

    shell = InteractiveShell()
    infinium_integrations.load_ipython_extension(shell)
    infinium_integrations.unload_ipython_extension(shell)
    assert shell.find_line_magic("trace") is None
    assert "IPython" in sys.modules
