"""The fixture ``infinium_traces`` in runs of pytest that are processes of their own."""

import os
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from infinium_integrations import diagnostics
from infinium_integrations.testing import captured_traces

pytest_plugins = ["pytester"]

HERE = Path(__file__).parents[1]
INSTALLED = bool(entry_points(group="pytest11", name="infinium"))
"""Whether pytest finds the plugin by itself, as it does where the package is installed from its wheel."""

AGENT = """
import asyncio
import pytest
from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations import trace

usage = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}

@tool
def weather(city: str) -> str:
    "Tell the weather."
    if city == "Nowhere":
        raise LookupError("no such city")
    return f"{city}: 18 degrees"

def agent(question, city):
    "An agent of a user's: it asks a model, then a tool."
    model = FakeMessagesListChatModel(responses=[AIMessage("I look it up", usage_metadata=usage)])
    with trace("Weather"):
        config = {"callbacks": [InfiniumCallbackHandler()]}
        model.invoke([HumanMessage(question)], config)
        return weather.invoke({"city": city}, config)
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run tests that have the agent at hand, where a store and an account would show what is kept or sent."""
    pytest.importorskip("langchain_core", reason="uv pip install -e '.[langchain]'")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.setenv("INFINIUM_STORE", str(pytester.path / "store"))
    pytester.makepyfile(agent=AGENT)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error")

    def run(tests, *arguments):
        pytester.makepyfile(test_it=tests)
        plugin = [] if INSTALLED else ["-p", "_infinium_pytestplugin"]
        return pytester.runpytest_subprocess(*plugin, "-p", "no:cacheprovider", "-q", *arguments, timeout=100)

    return run


def test_a_test_asks_for_tool_calls_tokens_errors_and_messages(run):
    done = run("""
        import pytest
        from agent import agent

        def test_it(infinium_traces):
            assert infinium_traces == []
            agent("How warm is Paris?", "Paris")
            [task] = infinium_traces
            assert (task.name, task.status, len(infinium_traces)) == ("Weather", "ok", 1)
            [call] = infinium_traces.tool_calls()
            assert (call.name, call.tool_name, call.arguments) == ("weather", "weather", {"city": "Paris"})
            assert call.result == "Paris: 18 degrees"
            assert infinium_traces.tool_calls("search") == []
            tokens = infinium_traces.tokens()
            assert (tokens, tokens.prompt, tokens.completion) == (13, 9, 4)
            assert infinium_traces.errors() == []
            [question] = infinium_traces.messages("user")
            assert question["parts"][0]["content"] == "How warm is Paris?"
            assert [message["role"] for message in infinium_traces.messages()][:2] == ["user", "assistant"]

        def test_that_it_fails(infinium_traces):
            with pytest.raises(LookupError):
                agent("How warm is it?", "Nowhere")
            assert [error.message for error in infinium_traces.errors()] == ["no such city"]
            [call] = infinium_traces.tool_calls("weather")
            assert call.error.error_type == "LookupError"
    """)
    done.assert_outcomes(passed=2)


def test_each_test_has_its_own_traces_in_the_workers_of_xdist_too(run):
    pytest.importorskip("xdist", reason="uv pip install pytest-xdist")
    done = run(
        """
        import pytest
        from agent import agent

        @pytest.mark.parametrize("number", range(8))
        def test_it(number, infinium_traces):
            for _ in range(number):
                agent("How warm is Paris?", "Paris")
            assert len(infinium_traces) == number
            assert infinium_traces.tokens() == 13 * number
        """,
        "-n",
        "2",
    )
    done.assert_outcomes(passed=8)


def test_coroutines_are_tested_with_pytest_asyncio(run):
    pytest.importorskip("pytest_asyncio", reason="uv pip install pytest-asyncio")
    done = run("""
        import asyncio
        import pytest
        from agent import agent, trace, weather

        @pytest.mark.asyncio
        async def test_it(infinium_traces):
            async def ask(number):
                async with trace(f"Ask {number}") as t:
                    async with t.step("tool_use", "Look up") as step:
                        await asyncio.sleep(0)
                        step.record_tool_call(f"tool {number}")
            await asyncio.gather(*[ask(number) for number in range(5)])
            assert sorted(task.name for task in infinium_traces) == [f"Ask {number}" for number in range(5)]
            assert sorted(call.name for call in infinium_traces.tool_calls()) == [f"tool {n}" for n in range(5)]
    """)
    done.assert_outcomes(passed=1)


def test_what_has_ended_is_waited_for_when_it_is_read(run):
    done = run("""
        import threading
        from infinium_integrations import trace

        def test_it(infinium_traces):
            go = threading.Event()
            with trace("Ask") as t:
                child = t.step("custom", "goes on in another thread").start()
            def end():
                go.wait(10)
                child.finish()
            other = threading.Thread(target=end)
            other.start()
            threading.Timer(0, go.set).start()
            [task] = infinium_traces
            other.join(10)
            assert task.status == "ok"
    """)
    done.assert_outcomes(passed=1)


def test_nothing_is_sent_and_nothing_is_stored(run, pytester, platform):
    done = run("""
        from agent import agent
        from infinium_integrations import flush, stats

        def test_it(infinium_traces):
            agent("How warm is Paris?", "Paris")
            assert flush()
            assert stats()["recorded"] == len(infinium_traces) == 1
    """)
    done.assert_outcomes(passed=1)
    assert platform.requests == []
    assert not (pytester.path / "store").exists()


def test_outside_the_fixture_traces_go_where_they_always_go(run, pytester, platform):
    done = run("""
        from agent import agent
        from infinium_integrations import flush

        def test_with_it(infinium_traces):
            agent("How warm is Paris?", "Paris")

        def test_without_it():
            agent("How warm is Rome?", "Rome")
            assert flush()
    """)
    done.assert_outcomes(passed=2)
    [seen] = platform.requests
    assert seen.json["steps"][-1]["output_preview"] == "Rome: 18 degrees"


def test_nothing_of_ours_is_imported_until_a_test_asks_for_it(run):
    done = run("""
        import sys

        def test_it(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("infinium") or "_infinium_pytestplugin" in sys.modules
            assert [name for name in sys.modules if name.startswith("infinium_integrations")] == []

        def test_that_asks(infinium_traces):
            assert "infinium_integrations.testing" in sys.modules
    """)
    done.assert_outcomes(passed=2)


def test_the_fixture_is_listed_with_what_it_is(run):
    done = run("def test_it(): ...", "--fixtures")
    done.stdout.fnmatch_lines(["*infinium_traces*", "*Traces that end in this test*"])


def test_what_a_test_leaves_running_is_neither_sent_nor_seen_by_another(run, pytester, platform):
    done = run("""
        import threading
        from agent import InfiniumCallbackHandler, trace
        from infinium_integrations import flush
        from langchain_core.runnables import RunnableLambda

        go, left = threading.Event(), []

        def ask(text):
            begun.set()
            go.wait(10)
            return RunnableLambda(str.upper, name="late").invoke(text)

        def leave_one():
            global begun
            begun = threading.Event()
            config = {"callbacks": [InfiniumCallbackHandler()]}
            left.append(threading.Thread(target=RunnableLambda(ask).invoke, args=("x", config)))
            left[-1].start()
            assert begun.wait(10)

        def test_that_leaves_one(infinium_traces):
            leave_one()

        def test_that_leaves_another(infinium_traces):
            leave_one()

        def test_with_the_fixture(infinium_traces):
            go.set()
            left[0].join(10)
            assert infinium_traces == []

        def test_without_it():
            left[1].join(10)
            with trace("Here"):
                pass
            assert flush()
    """)
    done.assert_outcomes(passed=4)
    assert [seen.json["name"] for seen in platform.requests] == ["Here"]


@pytest.mark.parametrize("framework", ["langchain", "llama_index"])
def test_tracing_that_is_switched_off_is_on_in_the_fixture_and_off_after_it(framework, run, platform, monkeypatch):
    monkeypatch.setenv("INFINIUM_TRACING", "false")
    pytest.importorskip("llama_index.core" if framework == "llama_index" else "langchain_core")
    ask = {
        "langchain": """
        from infinium_integrations.langchain import InfiniumCallbackHandler as Handler
        from langchain_core.runnables import RunnableLambda

        def ask(handler):
            RunnableLambda(str.upper).invoke("x", {"callbacks": [handler]})
        """,
        "llama_index": """
        from infinium_integrations.llama_index import InfiniumEventHandler as Handler
        from llama_index.core.llms import MockLLM

        def ask(handler):
            with handler:
                MockLLM(max_tokens=2).complete("x")
        """,
    }[framework]
    done = run(
        f"""{ask}
        from infinium_integrations import flush, stats
        handlers = [Handler()]

        def test_with_it(infinium_traces):
            handlers.append(Handler())
            for handler in handlers:
                ask(handler)
            assert len(infinium_traces) == 2

        def test_without_it():
            for handler in handlers:
                ask(handler)
            assert flush()
            assert stats()["recorded"] == 0
    """,
        *(["-W", "ignore"] if framework == "llama_index" else []),
    )
    done.assert_outcomes(passed=2)
    assert platform.requests == []


def test_of_two_blocks_within_each_other_the_outer_one_goes_on_to_raise_our_faults():
    with captured_traces():
        with captured_traces():
            pass
        assert diagnostics.is_raising()
    assert not diagnostics.is_raising()
