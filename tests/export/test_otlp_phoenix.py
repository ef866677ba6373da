"""What Arize Phoenix shows of traces that come by OTLP: `tox -e phoenix`."""

import os
import subprocess
from pathlib import Path

import httpx
import pytest
from children import PATIENCE, child

pytest.importorskip("opentelemetry.exporter.otlp.proto.common", reason="pip install 'infinium-integrations[otel]'")

from faultserver import closed_port
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from test_otlp import use
from test_processes import until

from infinium_integrations import flush, settings, traces
from infinium_integrations.langchain import InfiniumCallbackHandler

PHOENIX = os.environ.get("PHOENIX_PYTHON", "")
USAGE = {
    "input_tokens": 100,
    "output_tokens": 20,
    "total_tokens": 120,
    "input_token_details": {"cache_read": 40},
    "output_token_details": {"reasoning": 5},
}
FACTS = {"model_name": "gpt-4o", "model_provider": "openai", "finish_reason": "stop"}


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory):
    """Phoenix itself, with a database of its own; a client for its API."""
    if not Path(PHOENIX).is_file():
        pytest.skip("Phoenix is needed: tox -e phoenix, or PHOENIX_PYTHON=the Python that has it")
    port = closed_port()
    names = {"HOST": "127.0.0.1", "PORT": port, "GRPC_PORT": closed_port()}
    env = {**os.environ, **{f"PHOENIX_{name}": str(value) for name, value in names.items()}}
    env["PHOENIX_WORKING_DIR"] = str(tmp_path_factory.mktemp("phoenix"))
    env.pop("PYTHONPATH", None)
    command = [PHOENIX, "-m", "phoenix.server.main", "serve"]
    with (
        child(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client,
    ):

        def ready():
            assert process.poll() is None, "Phoenix has ended"
            try:
                return client.get("/healthz").status_code == 200
            except httpx.TransportError:
                return False

        until(ready, 4 * PATIENCE)
        yield client


class Model(GenericFakeChatModel):
    def bind_tools(self, tools, **_):
        return self.bind(tools=[convert_to_openai_tool(one) for one in tools])


@tool
def find_order(number: int) -> str:
    """Find an order."""
    return f"order {number}: shipped"


def ask(session):
    agents = pytest.importorskip("langchain.agents")
    call = {"name": "find_order", "args": {"number": 7}, "id": "c1"}
    said = [
        AIMessage("", tool_calls=[call], usage_metadata=USAGE, response_metadata=FACTS),
        AIMessage("It is on its way.", usage_metadata=USAGE, response_metadata=FACTS),
    ]
    agent = agents.create_agent(Model(messages=iter(said)), tools=[find_order], system_prompt="Be kind.")
    config = {"callbacks": [InfiniumCallbackHandler(name="Support")], "metadata": {"session_id": session}}
    agent.invoke({"messages": [("user", "Where is my order 7?")]}, config=config)
    assert flush(PATIENCE)
    (task,) = traces()
    return task


def spans_of(phoenix, task):
    """The spans of a trace as Phoenix has them, when they are all there."""

    def found():
        every = phoenix.get("/v1/projects/default/spans", params={"limit": 1000}).json()["data"]
        return [one for one in every if one["context"]["trace_id"] == task.trace_id.replace("-", "")]

    until(lambda: len(found()) > len(task.steps))
    return sorted(found(), key=lambda one: one["attributes"].get("infinium.step", 0))


@pytest.mark.timeout(600)
def test_phoenix_shows_the_same_tree_content_session_and_tokens(phoenix, monkeypatch):
    use(monkeypatch, str(phoenix.base_url))
    task = ask("s-1")
    root, *steps = spans_of(phoenix, task)
    ids = {one["attributes"].get("infinium.step"): one["context"]["span_id"] for one in (root, *steps)}
    assert [one["parent_id"] for one in (root, *steps)] == [
        None,
        *(ids[step.metadata["parent_step"]] for step in task.steps),
    ]
    kinds = {"llm_inference": "LLM", "tool_use": "TOOL", "chain": "CHAIN"}
    assert [one["span_kind"] for one in steps] == [kinds[step.action] for step in task.steps]
    assert (root["name"], root["span_kind"]) == ("invoke_agent Support", "AGENT")
    assert root["attributes"]["input.value"] == task.input_summary == "Where is my order 7?"
    assert root["attributes"]["output.value"] == task.output_summary == "It is on its way."
    call = next(one["attributes"] for one in steps if one["span_kind"] == "TOOL")
    assert (call["tool.name"], call["input.value"], call["output.value"]) == (
        "find_order",
        '{"number":7}',
        "order 7: shipped",
    )
    first, last = (one["attributes"] for one in steps if one["span_kind"] == "LLM")
    assert [last[f"llm.input_messages.{place}.message.role"] for place in range(4)] == [
        "system",
        "user",
        "assistant",
        "tool",
    ]
    assert last["llm.input_messages.0.message.content"] == "Be kind."
    assert last["llm.output_messages.0.message.content"] == "It is on its way."
    assert first["llm.output_messages.0.message.tool_calls.0.tool_call.function.name"] == "find_order"
    assert last["llm.token_count.prompt_details.cache_read"] == 40
    assert last["llm.token_count.completion_details.reasoning"] == 5
    (session,) = phoenix.get("/v1/projects/default/sessions").json()["data"]
    assert session["session_id"] == "s-1"
    counted = (session["token_count_prompt"], session["token_count_completion"], session["token_count_total"])
    assert counted == (task.llm_usage.prompt_tokens, task.llm_usage.completion_tokens, task.llm_usage.total_tokens)
    assert counted == (200, 40, 240)


@pytest.mark.timeout(600)
def test_phoenix_shows_a_trace_that_came_twice_once(phoenix, monkeypatch):
    use(monkeypatch, str(phoenix.base_url))
    task = ask("s-2")
    before = spans_of(phoenix, task)
    store = Path(settings.current().store)
    (path,) = (store / "history").rglob("*.json.gz")
    path.rename(store / "outbox" / settings.current().otlp.key / f"{path.name.partition('~')[0]}.json.gz")
    assert flush(PATIENCE)
    assert spans_of(phoenix, task) == before
    found = phoenix.get("/v1/projects/default/sessions").json()["data"]
    (session,) = (one for one in found if one["session_id"] == "s-2")
    assert session["token_count_total"] == 240
