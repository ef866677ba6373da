"""What is set up so that nothing, or nothing useful, is recorded is said once, with the cure."""

import os
import subprocess
import sys
import textwrap

import pytest

LANGCHAIN = """
    import infinium_integrations as infinium
    from infinium_integrations.langchain import InfiniumCallbackHandler
    from langchain_core.runnables import RunnableLambda
    def run(handler):
        for _ in range(3):
            RunnableLambda(str).invoke("hi", config={"callbacks": [handler]})
        infinium.flush()
"""
LLAMA_INDEX = """
    import infinium_integrations as infinium
    from infinium_integrations.llama_index import InfiniumEventHandler
    from llama_index.core.llms import MockLLM
"""


def said(tmp_path, program, **env):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INFINIUM_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        env={**kept, "INFINIUM_STORE": str(tmp_path), **env},
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"INFINIUM_AGENT_ID": "6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10"}, "INFINIUM_AGENT_SECRET"),
        ({"INFINIUM_AGENT_SECRET": "s" * 20}, "INFINIUM_AGENT_ID"),
    ],
)
def test_half_an_account(tmp_path, given, missing):
    pytest.importorskip("langchain_core")
    (line,) = said(tmp_path, LANGCHAIN + "    run(InfiniumCallbackHandler())", **given)
    assert line == f"{missing} is not set: traces stay on this machine. With it they are delivered."


def test_the_handlers_class_in_place_of_a_handler(tmp_path):
    pytest.importorskip("langchain_core")
    (line,) = said(tmp_path, LANGCHAIN + "    run(InfiniumCallbackHandler)")
    assert "pass InfiniumCallbackHandler()" in line


def test_looking_at_the_class_says_nothing(tmp_path):
    pytest.importorskip("langchain_core")
    program = "    import inspect\n    inspect.getmembers(InfiniumCallbackHandler)\n    run(InfiniumCallbackHandler())"
    assert said(tmp_path, LANGCHAIN + program) == []


def test_a_rule_of_redaction_that_returns_no_text(tmp_path):
    pytest.importorskip("langchain_core")
    (line,) = said(tmp_path, LANGCHAIN + "    run(InfiniumCallbackHandler(redact=lambda text: None))")
    assert line == "redact= returned NoneType, so the text was dropped: return a text."


@pytest.mark.parametrize("end", ["", "infinium.flush()"])
def test_a_llama_index_handler_that_is_not_registered(tmp_path, end):
    pytest.importorskip("llama_index.core")
    program = f"    handler = InfiniumEventHandler()\n    MockLLM().complete('hi')\n    {end}"
    (line,) = said(tmp_path, LLAMA_INDEX + program)
    assert ".register()" in line


@pytest.mark.parametrize("how", ["handler.register()", "get_dispatcher().add_event_handler(handler)"])
def test_a_llama_index_handler_that_is_registered_says_nothing(tmp_path, how):
    pytest.importorskip("llama_index.core")
    program = f"""
    from llama_index.core.instrumentation import get_dispatcher
    handler = InfiniumEventHandler()
    {how}
    MockLLM().complete("hi")
    infinium.flush()
"""
    assert said(tmp_path, LLAMA_INDEX + program) == []


def test_a_plain_with_and_the_client_for_asyncio():
    from infinium_integrations import AsyncInfiniumClient

    client = AsyncInfiniumClient("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "s" * 20)
    with pytest.raises(TypeError, match="async with"), client:
        raise AssertionError
