"""Pictures inside messages cost the caller the same however large they are: nothing of them is copied."""

import asyncio

import pytest
from kit import Scripted, one
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from measured import ALLOWED, SIZES, measured

from infinium_integrations.llama_index import InfiniumEventHandler
from infinium_integrations.llama_index.handler import _SpanHandler

IMAGES = 3


def message(kind, raw):
    url = f"data:image/png;base64,{raw}"
    if kind == "text":
        return ChatMessage(role="user", content=url)
    block = TextBlock(text=url) if kind == "text blocks" else ImageBlock(image=raw.encode(), image_mimetype="image/png")
    return ChatMessage(role="user", blocks=[TextBlock(text="what is this?"), *[block] * IMAGES])


class Describe(Workflow):
    """Spans that are given the message, and a model's call inside."""

    llm: object = None

    @step
    async def describe(self, ev: StartEvent) -> StopEvent:
        self.llm.chat([ChatMessage(role="system", content="Describe"), ev.message])
        return StopEvent(result=ev.message)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["text", "text blocks", "image blocks"])
def test_a_picture_of_any_size_is_shown_by_its_size_and_never_copied(caught, monkeypatch, kind, size):
    spans = measured(monkeypatch, _SpanHandler, "span_enter", "span_exit")
    events = measured(monkeypatch, InfiniumEventHandler, "handle")
    given = message(kind, "iVBORw0KGgoA" + "A" * size)
    flow = Describe()
    flow.llm = Scripted(replies=[(given.content, [])])

    async def main():
        return await flow.run(message=given)

    with InfiniumEventHandler():
        assert asyncio.run(main()) is given
    assert {name for name, _ in spans + events} == {"span_enter", "span_exit", "handle"}
    assert [peak for peak in spans + events if peak[1] > ALLOWED] == []
    trace = one(caught)
    call = next(step for step in trace.steps if step.action == "llm_inference")
    for text in (trace.input_summary, trace.output_summary, call.input_preview):
        assert text.count(f"image/png, {size * 3 // 4 / 1e6:.1f} MB>") == (1 if kind == "text" else IMAGES)
