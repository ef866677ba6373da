"""A structured prediction is one call of a model, although a provider's class may call its client without any event."""

import asyncio
import json

import pytest
from kit import USAGE, Scripted, actions, ended, one, status, steps
from llama_index.core import ChatPromptTemplate, PromptTemplate
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.llms.structured_llm import StructuredLLM
from pydantic import BaseModel

from infinium_integrations import trace
from infinium_integrations.llama_index import InfiniumEventHandler

dispatcher = get_dispatcher(__name__)
PROMPT = PromptTemplate("Where is {x}?")
CHAT = ChatPromptTemplate(
    message_templates=[
        ChatMessage(role="system", content="Be {how}."),
        ChatMessage(role="user", content="Where is {x}?"),
    ]
)


class Answer(BaseModel):
    """An answer."""

    city: str


class Client(MockLLM):
    """Asks a client of its own, as GoogleGenAI does."""

    model: str = "client-1"

    @dispatcher.span
    def structured_predict(self, output_cls, prompt, llm_kwargs=None, **prompt_args):
        if prompt_args.get("x") == "nowhere":
            raise RuntimeError("quota")
        return output_cls(city="Paris")

    @dispatcher.span
    async def astructured_predict(self, output_cls, prompt, llm_kwargs=None, **prompt_args):
        await asyncio.sleep(0)
        return output_cls(city="Paris")

    @dispatcher.span
    def stream_structured_predict(self, output_cls, prompt, llm_kwargs=None, **prompt_args):
        return (output_cls(city="Paris"[:end]) for end in (2, 5))

    @dispatcher.span
    async def astream_structured_predict(self, output_cls, prompt, llm_kwargs=None, **prompt_args):
        async def parts():
            for end in (2, 5):
                yield output_cls(city="Paris"[:end])

        return parts()


class Passes(Scripted):
    """Changes something and leaves the rest to the core, as OpenAI does."""

    def get_tool_calls_from_response(self, response, error_on_no_tool_call=True, **kwargs):
        return [ToolSelection(tool_id="1", tool_name="Answer", tool_kwargs={"city": "Paris"})]

    @dispatcher.span
    def structured_predict(self, output_cls, prompt, llm_kwargs=None, **prompt_args):
        return super().structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)

    @dispatcher.span
    def stream_structured_predict(self, output_cls, prompt, llm_kwargs=None, **prompt_args):
        return super().stream_structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)


class Calls(Scripted):
    """Answers with a call of a tool, from which the core makes the object."""

    def get_tool_calls_from_response(self, response, error_on_no_tool_call=True, **kwargs):
        return [ToolSelection(tool_id="1", tool_name="Answer", tool_kwargs={"city": "Paris"})]


def predict(llm, **given):
    return llm.structured_predict(Answer, CHAT, **given)


def apredict(llm, **given):
    return asyncio.run(llm.astructured_predict(Answer, CHAT, **given))


def stream(llm, **given):
    return list(llm.stream_structured_predict(Answer, CHAT, **given))[-1]


def astream(llm, **given):
    async def read():
        return [part async for part in await llm.astream_structured_predict(Answer, CHAT, **given)][-1]

    return asyncio.run(read())


EVERY = [predict, apredict, stream, astream]


@pytest.mark.parametrize("nested", [False, True], ids=["bare", "under trace()"])
@pytest.mark.parametrize("ask", EVERY)
def test_a_provider_s_own_structured_prediction_is_a_models_step_whose_tokens_are_unknown(traces, ask, nested):
    if nested:
        with trace("Ask"):
            ask(Client(), x="it", how="brief")
    else:
        ask(Client(), x="it", how="brief")
    task = one(traces)
    (call,) = steps(task)
    assert (status(task), call.action, call.description) == ("ok", "llm_inference", "Client")
    assert (call.llm_call.model, call.llm_call.prompt_tokens) == ("client-1", None)
    assert (task.llm_usage.api_calls_count, task.llm_usage.total_tokens) == (1, None)
    assert (call.input_preview, call.metadata["system"]) == ("user: Where is it?", "Be brief.")
    if ask in {predict, apredict}:
        assert call.output_preview == '{"city": "Paris"}'
        assert call.captured.output_messages[0]["parts"] == [{"type": "text", "content": '{"city": "Paris"}'}]


def test_a_prediction_that_fails_is_a_failed_models_step(traces):
    with pytest.raises(RuntimeError, match="quota"):
        Client().structured_predict(Answer, PROMPT, x="nowhere")
    task = one(traces)
    assert (status(task), actions(task)) == ("error", ["llm_inference"])
    assert steps(task)[0].error.message == "quota"


def test_predictions_at_once_are_numbered_as_they_began(traces):
    async def both():
        with trace("Ask"):
            await asyncio.gather(*(Client().astructured_predict(Answer, PROMPT, x=name) for name in "ab"))

    asyncio.run(both())
    assert [call.input_preview for call in steps(one(traces))] == ["user: Where is a?", "user: Where is b?"]


@pytest.mark.parametrize("ask", [predict, stream])
@pytest.mark.parametrize("nested", [False, True], ids=["bare", "under trace()"])
def test_a_prediction_that_is_left_to_the_core_is_the_call_below_and_no_other(traces, ask, nested):
    llm = Passes(replies=["a b"])
    if nested:
        with trace("Ask"):
            ask(llm, x="it", how="brief")
    else:
        ask(llm, x="it", how="brief")
    task = one(traces)
    assert actions(task) == ["llm_inference"]
    assert task.llm_usage.total_tokens == USAGE["total_tokens"]


def test_a_structured_model_over_a_provider_s_own_prediction_is_one_call_of_that_provider(traces):
    StructuredLLM(llm=Client(), output_cls=Answer).chat([ChatMessage(role="user", content="Where is it?")])
    task = one(traces)
    (call,) = steps(task)
    assert (task.llm_usage.api_calls_count, call.llm_call.model) == (1, "client-1")


def test_with_every_detail_the_call_is_counted_once(caught):
    with InfiniumEventHandler(detail="full"):
        predict(Passes(replies=["a b"]), x="it", how="brief")
        predict(Client(), x="it", how="brief")
        StructuredLLM(llm=Client(), output_cls=Answer).chat([ChatMessage(role="user", content="Where is it?")])
    assert [task.llm_usage.api_calls_count for task in ended(caught, 3)] == [1, 1, 1]


def test_a_prediction_shows_no_content_where_none_is_captured(caught):
    with InfiniumEventHandler(capture_content=False):
        predict(Client(), x="it", how="brief")
    (call,) = steps(one(caught))
    assert (call.input_preview, call.output_preview, call.llm_call.model) == (None, None, "client-1")


@pytest.mark.parametrize("ask", EVERY)
def test_the_answer_of_a_prediction_by_a_tools_call_is_the_object_streamed_or_not(traces, ask):
    found = ask(Calls(replies=["a b"]), x="it", how="brief")
    assert json.loads(one(traces).output_summary) == found.model_dump(exclude_none=True)
