"""Pictures inside messages cost the caller the same however large they are: nothing of them is copied."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from lc_support import Model
from measured import ALLOWED, SIZES, measured

from infinium_integrations.langchain import InfiniumCallbackHandler

CALLBACKS = ("on_chain_start", "on_chain_end", "on_chat_model_start", "on_llm_end")
BASE64, TEXT = "iVBORw0KGgo" + "A" * 9, {"type": "text", "text": "what is this?"}
IMAGES = 3


def contents(raw):
    url = f"data:image/png;base64,{raw}"
    return {
        "text": url,
        "texts": [TEXT["text"], *[url] * IMAGES],
        "text blocks": [TEXT, *[{"type": "text", "text": url}] * IMAGES],
        "image_url": [TEXT, *[{"type": "image_url", "image_url": {"url": url}}] * IMAGES],
        "input_image": [TEXT, *[{"type": "input_image", "image_url": url}] * IMAGES],
        "base64": [TEXT, *[{"type": "image", "base64": raw, "mime_type": "image/png"}] * IMAGES],
        "source": [
            TEXT,
            *[{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": raw}}] * IMAGES,
        ],
        "of no known type": [TEXT, *[{"type": "x", "held": {"inside": [url]}}] * IMAGES],
    }


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("content", contents(""))
def test_a_picture_of_any_size_is_shown_by_its_size_and_never_copied(traces, monkeypatch, content, size):
    peaks = measured(monkeypatch, InfiniumCallbackHandler, *CALLBACKS)
    given = contents("iVBORw0KGgo" + "A" * size)[content]
    chain = RunnableLambda(lambda asked: [HumanMessage(asked["content"])]) | Model(replies=[AIMessage(given)])
    chain.invoke({"content": given}, {"callbacks": [InfiniumCallbackHandler()]})
    assert {name for name, _ in peaks} == set(CALLBACKS)
    assert [peak for peak in peaks if peak[1] > ALLOWED] == []
    call = next(step for step in traces[0].steps if step.action == "llm_inference")
    for text in (call.input_preview, call.output_preview):
        assert text.count(f"image/png, {size * 3 // 4 / 1e6:.1f} MB>") == (1 if content == "text" else IMAGES)
