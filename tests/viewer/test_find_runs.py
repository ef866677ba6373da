"""Finding runs of real agents: `traces("QUERY")` after LangChain and LlamaIndex have recorded them."""

import os
from pathlib import Path

import pytest

from infinium_integrations import flush, traces
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.storage.index.database import FILE

pytest.importorskip("langchain.agents", reason="pip install langchain")
pytest.importorskip("llama_index.core", reason="pip install llama-index-core")

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from lc_support import Model, call
from llama_index.core.llms import MockLLM

from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.llama_index import InfiniumEventHandler

KEY = "sk-" + "proj-9aZ8bY7cX6dW5eV4fU3gT2hS1"


@tool
def refund_order(order_id: str) -> str:
    """Pay the money back."""
    if order_id == "A-13":
        raise TimeoutError("the gateway is slow")
    return f"refunded 12 € for {order_id}"


@tool
def find_order(order_id: str) -> str:
    """Look an order up."""
    return f"{order_id}: a kettle, bought with {KEY}"


def agent(order, user):
    replies = [
        AIMessage("", tool_calls=[call("find_order", {"order_id": order})]),
        AIMessage("", tool_calls=[call("refund_order", {"order_id": order}, "call_2")]),
        AIMessage("ご返金いたしました。"),
    ]
    model = Model(replies=replies, usage={"input_tokens": 4_000, "output_tokens": 20, "total_tokens": 4_020})
    found = create_agent(model, [find_order, refund_order], name="support")
    question = {"messages": [("user", f"My kettle {order} is broken.")]}
    metadata = {"user_id": user, "session_id": "s-1", "prompt": "v2"}
    config = {"callbacks": [InfiniumCallbackHandler()], "metadata": metadata, "tags": ["shop"]}
    if order == "A-13":
        with pytest.raises(TimeoutError):
            found.invoke(question, config)
    else:
        found.invoke(question, config)


@pytest.fixture
def recorded():
    agent("A-12", "u-1")
    agent("A-13", "u-2")
    with InfiniumEventHandler():
        MockLLM().complete("Sum up the ledger")
    assert flush(20)


QUERIES = {
    "tool:refund_order": 2,
    "tool:refund_order status:error": 1,
    "tool:find_order status:error": 0,
    "tool:refund_order error:timeout user:u-2": 1,
    "tool:refund_order -error:*": 1,
    "status:error": 1,
    "status:ok": 2,
    "model:scripted-1 tokens>9000": 1,
    "session:s-1 tag:prompt=v2 tag:shop": 2,
    "kettle": 2,
    "A-12": 1,
    '"gateway is slow"': 1,
    "返金": 1,
    "ledger": 1,
    "ledger kettle": 0,
    "-kettle": 1,
    "duration<1h since:1h": 3,
}


def test_runs_of_real_agents_are_found_by_their_tools_errors_words_and_numbers(recorded):
    found = {query: len(traces(query)) for query in QUERIES}
    assert found == QUERIES


def test_a_query_joins_with_the_keywords_and_the_list_is_the_same_as_ever(recorded):
    assert [task.user_id for task in map(_Custom, traces("tool:refund_order", sort="tokens", limit=1))] == ["u-2"]
    assert len(traces(query="kettle", status="error", user="u-2")) == 1
    assert len(traces("kettle", text="gateway")) == len(traces(tag="shop", status="error")) == 1
    assert traces("kettle")[0].captured.messages


class _Custom:
    def __init__(self, task):
        self.user_id = task.environment.custom_tags["user_id"]


def test_no_secret_is_in_the_index(recorded):
    assert traces("kettle")
    index = b"".join(path.read_bytes() for path in Path(os.environ["INFINIUM_STORE"]).glob(f"{FILE}*"))
    assert b"bought with" in index
    assert KEY.encode() not in index
    assert KEY.lower().encode() not in index
    assert traces(f'"{KEY}"') == []


@pytest.mark.parametrize("wrong", [{"query": "tol:x"}, {"status": "failed"}, {"sort": "size"}, {"text": "a " * 501}])
def test_what_can_not_be_asked_is_a_configuration_error(wrong):
    with pytest.raises(ConfigurationError):
        traces(**wrong)
