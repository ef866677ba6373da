"""The demo: a whole run, without key and network, and what it says of it."""

import io
import os
import subprocess
import sys

import pytest

from infinium_integrations import settings, shutdown
from infinium_integrations.cli import demo
from infinium_integrations.cli.demo import langchain_agent as told_by
from infinium_integrations.cli.demo import script
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.testing import captured_traces


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    for pause in ("THINKING", "A_TOKEN", "A_LOOK"):
        monkeypatch.setattr(script, pause, 0)


def played(**options):
    """Run the demo and give its trace and what it printed."""
    paper = io.StringIO()

    def echo(text="", nl=True):
        paper.write(text + "\n" * nl)

    return demo.run(echo=echo, **options), paper.getvalue()


def test_the_demo_tells_what_the_agent_does_while_it_does_it():
    _, printed = played()
    told = printed.splitlines()[:7]
    assert told == [
        f"you    {told_by.QUESTION}",
        "tool   find_order(A-1042)",
        "       failed: the warehouse did not answer",
        "tool   find_order(A-1042)",
        "tool   search_handbook(returns and shipping)",
        "       found 2 paragraphs",
        f"agent  {told_by.ANSWER}",
    ]


def test_its_trace_has_tools_a_retry_a_retrieval_and_a_streamed_answer():
    trace, _ = played()
    steps = [(step.action, step.metadata["name"], step.metadata["status"]) for step in trace.steps]
    assert steps == [
        ("llm_inference", "ScriptedChat", "ok"),
        ("chain", "find_order", "ok"),
        ("tool_use", "find_order", "error"),
        ("tool_use", "find_order", "ok"),
        ("llm_inference", "ScriptedChat", "ok"),
        ("tool_use", "search_handbook", "ok"),
        ("retrieval", "Handbook", "ok"),
        ("llm_inference", "ScriptedChat", "ok"),
    ]
    assert trace.steps[3].metadata["attempt"] == 2
    assert trace.steps[-1].metadata["ttft_ms"] is not None
    assert trace.output_summary == told_by.ANSWER
    [error] = trace.errors
    assert (error.error_type, error.recoverable) == ("ConnectionError", True)


def test_its_tokens_are_those_that_the_model_reported():
    trace, _ = played()
    assert [step.llm_call.model for step in trace.steps if step.llm_call] == ["scripted-1"] * 3
    assert trace.llm_usage.completion_tokens == 18 + 18 + script.tokens(told_by.ANSWER)


def test_it_says_where_the_trace_is_and_what_to_type_next():
    trace, printed = played()
    assert f"Kept in {os.environ['INFINIUM_STORE']}. Nothing was sent" in printed
    assert f"infinium-traces show {trace.trace_id[:8]}" in printed
    assert "INFINIUM_AGENT_ID" in printed


def test_with_an_account_the_trace_is_delivered(platform):
    trace, printed = played()
    assert trace.delivery.status == "sent"
    assert "Sent to Infinium." in printed
    assert platform.accepted[trace.trace_id] == 1


def test_with_tracing_off_it_says_that_there_is_no_trace(monkeypatch):
    monkeypatch.setenv("INFINIUM_TRACING", "false")
    trace, printed = played()
    assert trace is None
    assert "INFINIUM_TRACING is false" in printed


def test_with_the_store_off_it_says_that_nothing_is_kept(monkeypatch):
    monkeypatch.setenv("INFINIUM_STORE", "off")
    trace, printed = played()
    assert trace is None
    assert "INFINIUM_STORE is off" in printed


def test_an_agent_that_serves_many_at_once_mixes_nothing():
    agent = told_by.make_agent(told_by.ScriptedChat())
    with captured_traces() as traces:
        handler = told_by.InfiniumCallbackHandler()
        assert agent.batch([told_by.QUESTION] * 5, {"callbacks": [handler]}) == [told_by.ANSWER] * 5
    assert [len(trace.steps) for trace in traces] == [8] * 5


def test_a_tool_that_the_model_invents_is_answered_and_ends_nothing():
    call = {"name": "fly", "args": {}, "id": "call_9"}
    message = told_by._call({}, call, {})
    assert (message.status, message.tool_call_id) == ("error", "call_9")


def test_a_real_endpoint_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain_openai", None)
    with pytest.raises(ConfigurationError, match="pip install langchain-openai"):
        demo.run(base_url="http://127.0.0.1:9/v1", model="m")


def test_an_endpoint_is_for_the_langchain_demo_alone():
    pytest.importorskip("llama_index.core")
    with pytest.raises(ConfigurationError, match="LangChain demo alone"):
        demo.run("llama-index", base_url="http://127.0.0.1:9/v1", model="m")


def test_each_framework_has_its_demo_and_needs_no_other():
    pytest.importorskip("llama_index.core")
    code = "from infinium_integrations.cli.demo import run; run('llama-index')"
    code = f"import sys; sys.modules['langchain_core'] = None; {code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Its trace:" in done.stdout


def test_it_needs_no_package_beyond_the_extra():
    code = """
import sys
for name in "langchain langgraph langchain_openai llama_index jinja2 starlette pandas genai_prices".split():
    sys.modules[name] = None
from infinium_integrations.cli.main import main
main(["demo"])
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "Its trace:" in done.stdout


def test_nothing_is_left_to_send_after_it():
    played()
    assert shutdown()
    assert settings.current().mode == "folder"
