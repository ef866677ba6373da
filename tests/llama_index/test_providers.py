"""The real packages of the providers against a local server: models, tokens, tool calls, errors.

``llama-index-llms-anthropic`` needs ``anthropic<1``, which LangChain's package does not; where both cannot be
installed its tests are skipped (tox has an environment for them).
"""

import asyncio

import pytest
from kit import actions, add, an_engine, one, status, steps
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from provider_server import Providers

MESSAGES = [ChatMessage(role="user", content="Which colour?")]
KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"


@pytest.fixture(scope="module")
def server():
    with Providers() as providers:
        yield providers
        providers.shutdown()


@pytest.fixture
def openai(server):
    module = pytest.importorskip("llama_index.llms.openai")
    known = {"api_base": f"{server.url}/v1", "api_key": KEY, "max_retries": 0, "model": "gpt-4o"}
    return lambda **options: module.OpenAI(**{**known, **options})


@pytest.fixture
def anthropic(server):
    module = pytest.importorskip("llama_index.llms.anthropic", exc_type=ImportError)
    known = {"base_url": server.url, "api_key": KEY, "max_retries": 0, "model": "claude-sonnet-4-0"}
    return lambda **options: module.Anthropic(**{**known, **options})


def call_of(traces):
    (call,) = steps(one(traces), "llm_inference")
    return call


def tokens(call):
    return call.llm_call.prompt_tokens, call.llm_call.completion_tokens


def test_openai_chat_has_model_provider_and_tokens(traces, openai):
    openai(temperature=0.2).chat(MESSAGES)
    call = call_of(traces)
    assert tokens(call) == (13, 7)
    assert (call.llm_call.model, call.llm_call.provider) == ("gpt-4o-2026", "openai")
    assert call.metadata["model_requested"] == "gpt-4o"
    assert call.metadata["usage_details"] == {"cache_read": 4, "reasoning": 2}
    assert call.llm_call.temperature == pytest.approx(0.2)
    assert call.metadata["finish_reason"] == "stop"
    assert (call.input_preview, call.output_preview) == ("user: Which colour?", "It is blue")
    assert KEY not in traces[0].model_dump_json()


def test_openai_streams_have_tokens_only_where_asked_for(traces, openai):
    list(openai().stream_chat(MESSAGES))
    call = call_of(traces)
    assert tokens(call) == (None, None)
    assert call.output_preview == "It is blue"
    assert call.llm_call.model == "gpt-4o-2026"


def test_openai_streams_that_report_tokens_have_them(traces, openai):
    llm = openai(additional_kwargs={"stream_options": {"include_usage": True}})
    list(llm.stream_chat(MESSAGES))
    call = call_of(traces)
    assert tokens(call) == (13, 7)
    assert call.metadata["ttft_ms"] >= 0


def test_an_async_openai_stream_has_them_too(traces, openai):
    async def ask():
        llm = openai(additional_kwargs={"stream_options": {"include_usage": True}})
        return [chunk async for chunk in await llm.astream_chat(MESSAGES)]

    asyncio.run(ask())
    assert tokens(call_of(traces)) == (13, 7)


def test_an_openai_agent_calls_its_tool(traces, openai):
    async def ask():
        llm = openai(additional_kwargs={"stream_options": {"include_usage": True}})
        return await FunctionAgent(tools=[add], llm=llm).run("1 + 2?")

    asyncio.run(ask())
    trace = one(traces)
    assert actions(trace) == ["workflow_step", "llm_inference", "tool_use", "workflow_step", "llm_inference"]
    (tool,) = steps(trace, "tool_use")
    assert tool.metadata["tool_call_id"] == "call_1"
    assert tool.tool_call.output_summary == "3"
    assert trace.llm_usage.total_tokens == 40
    assert '→ add({"a": 1, "b": 2})' in steps(trace, "llm_inference")[0].output_preview


def test_an_openai_query_streams_into_one_trace(traces, openai):
    response = an_engine(openai(), streaming=True).query("Which colour?")
    assert "".join(response.response_gen) == "It is blue"
    assert one(traces).output_summary == "It is blue"


def test_openai_responses_have_tokens(traces, server):
    module = pytest.importorskip("llama_index.llms.openai")
    llm = module.OpenAIResponses(api_base=f"{server.url}/v1", api_key=KEY, max_retries=0, model="gpt-4o")
    llm.chat(MESSAGES)
    call = call_of(traces)
    assert tokens(call) == (13, 7)
    assert call.output_preview == "It is blue"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_calls_of_openais_custom_tools_are_shown_after_the_answer(traces, server, asynchronous):
    module = pytest.importorskip("llama_index.llms.openai")
    tools = [{"type": "custom", "name": name} for name in ("calculator", "shell")]
    given = {"api_base": f"{server.url}/v1", "api_key": KEY, "max_retries": 0, "model": "gpt-4o"}
    llm = module.OpenAIResponses(**given, built_in_tools=tools)
    asyncio.run(llm.achat(MESSAGES)) if asynchronous else llm.chat(MESSAGES)
    call = call_of(traces)
    assert call.output_preview == "It is blue\n→ calculator(1 + 2), shell(1 + 2)"
    said = call.captured.output_messages[0]["parts"][1]
    assert said == {"type": "tool_call", "id": "call_0", "name": "calculator", "arguments": "1 + 2"}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_openais_hosted_tools_gave_stands_beside_their_calls(traces, server, asynchronous):
    module = pytest.importorskip("llama_index.llms.openai")
    tools = [
        {"type": "mcp", "server_label": "dice", "server_url": "https://dice.example"},
        {"type": "file_search", "vector_store_ids": ["v1"]},
    ]
    given = {"api_base": f"{server.url}/v1", "api_key": KEY, "max_retries": 0, "model": "gpt-4o"}
    llm = module.OpenAIResponses(**given, built_in_tools=tools)
    asyncio.run(llm.achat(MESSAGES)) if asynchronous else llm.chat(MESSAGES)
    assert one(traces).output_summary == "It is blue"
    call = call_of(traces)
    assert call.output_preview == 'It is blue\n→ roll({"n": 20}), file_search(["refund"])'
    *ran, said = call.captured.output_messages[0]["parts"]
    assert ran[0] == {"type": "server_tool_call", "id": "mc1", "name": "roll", "arguments": {"n": 20}}
    assert ran[1] == {"type": "server_tool_call_response", "id": "mc1", "response": "seven"}
    assert ran[3]["response"][0]["text"] == "Refund within 30 days"
    assert said["content"] == "It is blue"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_function_call_in_the_form_of_2023_is_shown(traces, openai, asynchronous):
    llm = openai(additional_kwargs={"functions": [{"name": "add", "parameters": {}}]})
    asyncio.run(llm.achat(MESSAGES)) if asynchronous else llm.chat(MESSAGES)
    call = call_of(traces)
    assert call.output_preview == '→ add({"a": 1, "b": 2})'


def test_openai_like_has_tokens_once(traces, server):
    module = pytest.importorskip("llama_index.llms.openai_like")
    llm = module.OpenAILike(api_base=f"{server.url}/v1", api_key=KEY, max_retries=0, model="local", is_chat_model=True)
    llm.chat(MESSAGES)
    llm.complete("Which colour?")
    from kit import ended

    for trace in ended(traces, 2):
        (call,) = steps(trace, "llm_inference")
        assert tokens(call) == (13, 7)
        assert trace.llm_usage.api_calls_count == 1


def test_a_refusal_is_an_error_with_its_code(traces, openai):
    module = pytest.importorskip("openai")
    with pytest.raises(module.NotFoundError):
        openai(model="ft:gpt-4o:refused").chat(MESSAGES)
    trace = one(traces)
    assert status(trace) == "error"
    assert trace.errors[0].error_code in {"404", "model_not_found"}


def test_anthropic_chat_counts_cached_tokens_on_top(traces, anthropic):
    anthropic().chat(MESSAGES)
    call = call_of(traces)
    assert tokens(call) == (10, 7)
    assert call.metadata["usage_details"] == {"cache_read": 3, "cache_creation": 2}
    assert (call.llm_call.model, call.llm_call.provider) == ("claude-sonnet-4-0", "anthropic")
    assert call.output_preview == "It is blue"


def test_an_anthropic_stream_has_tokens(traces, anthropic):
    list(anthropic().stream_chat(MESSAGES))
    call = call_of(traces)
    assert call.llm_call.completion_tokens == 7
    assert call.output_preview == "It is blue"


def test_an_anthropic_tool_call_is_shown(traces, anthropic):
    from llama_index.core.tools import FunctionTool

    anthropic().chat_with_tools([FunctionTool.from_defaults(add)], "1 + 2?")
    call = call_of(traces)
    assert '→ add({"a": 1, "b": 2})' in call.output_preview
    assert call.metadata["tools"] == ["add"]
