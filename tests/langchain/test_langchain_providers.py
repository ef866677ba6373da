"""The real OpenAI and Anthropic clients against a local server: models, tokens, cost. Scenarios 39 to 49."""

import asyncio
from importlib.metadata import version

import pytest
from lc_server import KEY, Providers
from lc_support import one, ordinary
from pydantic import BaseModel

pytest.importorskip("langchain_openai")
pytest.importorskip("langchain_anthropic")

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_openai import AzureChatOpenAI, ChatOpenAI, OpenAI

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

GPT_4O_COST = 0.00037
"""36 tokens at 2.50, 64 cached at 1.25 and 20 out at 10.00 dollars a million."""
SONNET_COST = 0.0006375
"""30 tokens at 3.00, 200 read from the cache at 0.30, 50 written at 3.75 and 20 out at 15.00 dollars a million."""


@pytest.fixture(scope="module")
def providers():
    server = Providers()
    yield server
    loop.close()
    server.shutdown()
    server.server_close()


@pytest.fixture
def openai(providers):
    def make(**options):
        return ChatOpenAI(base_url=providers.url + "/v1", api_key=KEY, max_retries=0, **{"model": "gpt-4o", **options})

    return make


@pytest.fixture
def anthropic(providers):
    return ChatAnthropic(
        base_url=providers.url, api_key="sk-ant-api03-nothing", model="claude-sonnet-4-5", max_retries=0
    )


loop = asyncio.Runner()
"""One loop for all: the clients keep their connections between tests."""


async def astream(model, given, config):
    return [chunk async for chunk in model.astream(given, config)]


CALLS = {
    "invoke": lambda m, c: m.invoke("hi", c),
    "ainvoke": lambda m, c: loop.run(m.ainvoke("hi", c)),
}
STREAMS = {
    "stream": lambda m, c: list(m.stream("hi", c)),
    "astream": lambda m, c: loop.run(astream(m, "hi", c)),
}


def model_step(task):
    (found,) = task.steps
    return found


@pytest.mark.parametrize("way", CALLS | STREAMS)
def test_openai_tells_both_models_all_tokens_and_the_cost(traces, openai, way):  # 42
    model = openai(stream_usage=True, temperature=0.3)
    {**CALLS, **STREAMS}[way](model, ordinary())
    task = one(traces)
    found = model_step(task)
    call = found.llm_call
    assert (call.model, call.provider, call.temperature) == ("gpt-4o-2024-08-06", "openai", 0.3)
    assert (call.prompt_tokens, call.completion_tokens) == (100, 20)
    assert found.metadata["model_requested"] == "gpt-4o"
    assert found.metadata["usage_details"] == {"cache_read": 64, "reasoning": 8}
    assert found.metadata["finish_reason"] == "stop"
    assert found.metadata["estimated_cost_usd"] == pytest.approx(GPT_4O_COST)
    assert task.llm_usage.estimated_cost_usd == pytest.approx(GPT_4O_COST)
    assert task.llm_usage.total_tokens == 120
    assert task.output_summary == "hello there"
    assert ("ttft_ms" in found.metadata) == (way in STREAMS)


@pytest.mark.parametrize("way", STREAMS)
def test_a_stream_that_reports_no_usage_has_none_and_not_zero(traces, openai, way):  # 42
    STREAMS[way](openai(stream_usage=False), ordinary())
    task = one(traces)
    call = model_step(task).llm_call
    assert (call.prompt_tokens, call.completion_tokens) == (None, None)
    assert (task.llm_usage.prompt_tokens, task.llm_usage.total_tokens) == (None, None)
    assert task.llm_usage.estimated_cost_usd is None
    assert task.llm_usage.api_calls_count == 1


def test_several_answers_to_one_prompt_are_billed_once(traces, openai):  # 39
    openai(n=2).generate([[HumanMessage("hi")]], callbacks=ordinary()["callbacks"])
    task = one(traces)
    usage = task.llm_usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (100, 20, 120)
    assert task.output_summary == "hello there"
    assert task.steps[0].output_preview == "hello there\n(+1 more)"


def test_two_prompts_of_a_text_model_sum_to_what_the_provider_billed(traces, providers):  # 40
    model = OpenAI(base_url=providers.url + "/v1", api_key=KEY, model="gpt-3.5-turbo-instruct", max_retries=0)
    model.generate(["one", "two"], callbacks=ordinary()["callbacks"])
    assert len(traces) == 2
    assert [task.status for task in traces] == ["ok", "ok"]
    assert sorted(task.llm_usage.prompt_tokens or 0 for task in traces) == [0, 5]
    assert sorted(task.llm_usage.completion_tokens or 0 for task in traces) == [0, 2]


@pytest.mark.parametrize("way", CALLS | STREAMS)
def test_anthropic_counts_cached_tokens_once_and_prices_them_as_such(traces, anthropic, way):  # 41
    {**CALLS, **STREAMS}[way](anthropic, ordinary())
    task = one(traces)
    found = model_step(task)
    assert (found.llm_call.prompt_tokens, found.llm_call.completion_tokens) == (280, 20)
    assert found.llm_call.provider == "anthropic"
    assert found.llm_call.model.startswith("claude-sonnet-4-5")
    assert found.metadata["usage_details"] == {"cache_read": 200, "cache_creation": 50}
    assert task.llm_usage.estimated_cost_usd == pytest.approx(SONNET_COST)


def test_what_anthropic_keeps_for_an_hour_costs_more(traces, anthropic):  # 41
    anthropic.invoke("hourly", ordinary())
    found = model_step(one(traces))
    if "cache_creation_1h" not in found.metadata["usage_details"]:
        pytest.skip("this langchain-anthropic does not tell")
    assert found.metadata["usage_details"]["cache_creation"] == 50
    if version("genai-prices") >= "0.2":  # earlier ones know one price for all writes
        assert found.metadata["estimated_cost_usd"] > SONNET_COST


def test_the_responses_api_is_read_too(traces, openai):
    openai(use_responses_api=True).invoke("hi", ordinary())
    found = model_step(one(traces))
    assert (found.llm_call.prompt_tokens, found.llm_call.completion_tokens) == (100, 20)
    assert found.metadata["usage_details"] == {"cache_read": 64, "reasoning": 8}
    assert found.output_preview == "hello there"


def test_azure_tells_the_deployment_and_the_model_behind_it(traces, providers):  # 46
    model = AzureChatOpenAI(
        azure_endpoint=providers.url,
        api_key=KEY,
        api_version="2024-10-21",
        azure_deployment="our-deployment",
        model="gpt-4o",
        max_retries=0,
    )
    model.invoke("hi", ordinary())
    found = model_step(one(traces))
    assert (found.llm_call.provider, found.llm_call.model) == ("azure", "gpt-4o-2024-08-06")
    assert found.metadata["estimated_cost_usd"] > 0


def test_a_refused_key_is_an_error_without_the_key(traces, openai):  # 54
    with pytest.raises(Exception, match="Incorrect API key") as raised:
        openai(model="refused").invoke("hi", ordinary())
    assert KEY in str(raised.value)
    task = one(traces)
    assert task.status == "error"
    assert task.errors[0].error_type.endswith("AuthenticationError")
    wire = str(task.to_wire())
    assert KEY not in wire
    assert "very-secret-cookie" not in wire
    assert "Incorrect API key provided" in task.errors[0].message


class Answer(BaseModel):
    value: int


def test_tokens_of_an_answer_that_could_not_be_parsed_are_counted(traces, openai):  # 44
    with pytest.raises(Exception, match="value"):
        openai().with_structured_output(Answer, method="json_schema").invoke("hi", ordinary())
    task = one(traces)
    assert task.status == "error"
    assert (task.llm_usage.prompt_tokens, task.llm_usage.completion_tokens) == (100, 20)
    assert task.llm_usage.estimated_cost_usd == pytest.approx(GPT_4O_COST)


def test_several_models_in_one_run_are_told_apart_and_summed(traces, openai, anthropic):  # 49
    (openai() | StrOutputParser() | anthropic).invoke("hi", ordinary())
    task = one(traces)
    usage = task.llm_usage
    assert (usage.model, usage.provider) == ("multiple", "multiple")
    assert (usage.prompt_tokens, usage.completion_tokens) == (380, 40)
    assert usage.estimated_cost_usd == pytest.approx(GPT_4O_COST + SONNET_COST)
    assert sorted(call.prompt_tokens for call in usage.calls) == [100, 280]


def test_tools_that_the_model_was_offered_are_named(traces, openai):
    from langchain_core.tools import tool

    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    openai().bind_tools([weather]).invoke("hi", ordinary())
    assert model_step(one(traces)).metadata["tools"] == ["weather"]
