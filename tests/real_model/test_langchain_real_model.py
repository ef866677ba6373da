"""What the trace says of a real model over real HTTP is what the model's server says."""

import asyncio
from typing import Literal

import pytest

pytest.importorskip("langchain_openai")

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import chain as runnable
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from recording_proxy import answered, captured, sent

from infinium_integrations.cli import demo
from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.testing import captured_traces

QUESTION = "What is the weather in Paris?"


@tool
def weather(city: Literal["Paris", "Rome"]) -> str:
    """Tell the weather of a city."""
    return f"In {city} it rains, at 12 degrees."


def chat(real_model, **options):
    return ChatOpenAI(
        base_url=real_model.base_url,
        api_key="none-needed",
        model="SmolLM2-135M-Instruct",
        temperature=0,
        max_tokens=48,
        **options,
    )


def poem(model):
    return ChatPromptTemplate.from_template("Write one line about {thing}.") | model | StrOutputParser()


@runnable
def agent(question, config):
    """The loop that every agent is: ask, call the tools, ask again."""
    model, messages = config["configurable"]["model"].bind_tools([weather]), [HumanMessage(question)]
    while (answer := model.invoke(messages, config)).tool_calls:
        messages += [answer, *(weather.invoke(call, config) for call in answer.tool_calls)]
    return answer.content


def told(handler=None, **configurable):
    return {"callbacks": [handler or InfiniumCallbackHandler()], "configurable": configurable}


def model_steps(trace):
    return [step for step in trace.steps if step.llm_call]


def assert_bills_agree(trace, real_model):
    """Each step has its own exchange's tokens, and the sum is the sum of what the server billed."""
    steps = model_steps(trace)
    assert [(step.llm_call.prompt_tokens, step.llm_call.completion_tokens) for step in steps] == [
        (exchange.usage["prompt_tokens"], exchange.usage["completion_tokens"]) for exchange in real_model.exchanges
    ]
    assert (trace.llm_usage.prompt_tokens, trace.llm_usage.completion_tokens) == real_model.tokens
    assert trace.llm_usage.total_tokens == sum(real_model.tokens)
    assert trace.llm_usage.api_calls_count == len(real_model.exchanges)


def test_a_chain_has_the_tokens_that_the_server_billed(real_model):
    with captured_traces() as traces:
        text = poem(chat(real_model)).invoke({"thing": "the sea"}, told())
    [trace] = traces
    assert trace.status == "ok"
    assert trace.output_summary == text
    assert_bills_agree(trace, real_model)


@pytest.mark.parametrize("streaming", [False, True])
def test_what_the_model_was_sent_and_answered_is_captured_to_the_letter(real_model, streaming):
    agents = pytest.importorskip("langchain.agents")
    prompt = "You answer in one short sentence.\n\tIn ünïcode — “quoted”."
    made = agents.create_agent(
        chat(real_model, streaming=streaming, stream_usage=True), [weather], system_prompt=prompt
    )
    with captured_traces() as traces:
        made.invoke({"messages": [HumanMessage(QUESTION)]}, told())
    [trace] = traces
    steps = model_steps(trace)
    assert len(steps) == len(real_model.exchanges) == 2
    for step, exchange in zip(steps, real_model.exchanges, strict=True):
        assert captured(step.captured.input_messages) == sent(exchange)
        assert sent(exchange)[0] == ("system", prompt)
        if answered(exchange):  # the text of a streamed answer, or the calls of one that came whole
            assert captured(step.captured.output_messages) == [("assistant", answered(exchange))]
    assert [definition["function"]["name"] for definition in trace.captured.tool_definitions] == ["weather"]
    assert trace.captured.tool_definitions == real_model.exchanges[0].request["tools"]


def test_a_streamed_chain_has_the_tokens_that_the_server_billed(real_model):
    with captured_traces() as traces:
        chain = poem(chat(real_model, stream_usage=True))
        text = "".join(chain.stream({"thing": "the sea"}, told()))
    [trace] = traces
    assert trace.output_summary == text
    assert trace.steps[0].metadata["ttft_ms"] > 0
    assert_bills_agree(trace, real_model)


def test_a_stream_without_usage_has_no_tokens_rather_than_a_guess(real_model):
    with captured_traces() as traces:
        list(poem(chat(real_model, stream_usage=False)).stream({"thing": "the sea"}, told()))
    [trace] = traces
    [step] = model_steps(trace)
    assert real_model.exchanges[0].usage is None
    assert step.llm_call.prompt_tokens is None
    assert step.llm_call.completion_tokens is None


def test_an_async_stream_and_a_batch_are_counted_the_same(real_model):
    async def read():
        chain = poem(chat(real_model, stream_usage=True))
        return [part async for part in chain.astream({"thing": "rain"}, told())]

    with captured_traces() as traces:
        asyncio.run(read())
        poem(chat(real_model)).batch([{"thing": "rain"}, {"thing": "rain"}], told())
    assert len(traces) == 3
    billed = sorted(exchange.usage["completion_tokens"] for exchange in real_model.exchanges)
    assert sorted(trace.llm_usage.completion_tokens for trace in traces) == billed


@pytest.mark.parametrize("streaming", [False, True])
def test_an_agent_with_a_tool_has_the_tokens_of_each_turn(real_model, streaming):
    with captured_traces() as traces:
        answer = agent.invoke(QUESTION, told(model=chat(real_model, streaming=streaming, stream_usage=streaming)))
    [trace] = traces
    assert [step.action for step in trace.steps] == ["llm_inference", "tool_use", "llm_inference"]
    assert trace.steps[1].tool_call.tool_name == "weather"
    assert "12 degrees" in trace.steps[1].output_preview
    assert trace.output_summary == answer
    assert_bills_agree(trace, real_model)


@pytest.mark.parametrize("streamed", [False, True])
def test_an_agent_of_langchain_has_the_tokens_of_each_turn(real_model, streamed):
    agents = pytest.importorskip("langchain.agents")
    made = agents.create_agent(chat(real_model, stream_usage=True), [weather])
    question = {"messages": [HumanMessage(QUESTION)]}
    with captured_traces() as traces:
        if streamed:
            parts = list(made.stream(question, told(), stream_mode="messages"))
            assert any(isinstance(message, ToolMessage) for message, _ in parts)
        else:
            assert made.invoke(question, told())["messages"][-1].content
    [trace] = traces
    assert [step.tool_call.tool_name for step in trace.steps if step.tool_call] == ["weather"]
    assert len(model_steps(trace)) == 2
    assert_bills_agree(trace, real_model)


def test_cached_tokens_that_the_server_reports_are_kept(real_model):
    with captured_traces() as traces:
        for _ in range(2):
            chat(real_model).invoke(QUESTION, told())
    cached = real_model.exchanges[1].usage["prompt_tokens_details"]["cached_tokens"]
    [step] = model_steps(traces[1])
    assert cached > 0
    assert step.metadata["usage_details"]["cache_read"] == cached


def test_the_demo_runs_on_any_endpoint_that_speaks_openais_language(real_model):
    real_model.urging = False
    printed = []
    trace = demo.run(
        base_url=real_model.base_url, model="SmolLM2", echo=lambda text="", nl=True: printed.append(text + "\n" * nl)
    )
    assert trace.output_summary in "".join(printed)
    assert_bills_agree(trace, real_model)
