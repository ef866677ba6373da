"""Structured predictions: a provider's own is a model's call though no event says so, any other is what lies below."""

from collections.abc import Mapping
from typing import Any

from infinium_integrations import runtime
from infinium_integrations.capture.content import Content, Conversation, Message, Part
from infinium_integrations.capture.preview import to_json_value
from infinium_integrations.capture.serializer import encode
from infinium_integrations.llama_index import messages
from infinium_integrations.llama_index.classes import is_a
from infinium_integrations.llama_index.content import take
from infinium_integrations.llama_index.span_state import BETWEEN, State, model_around, state_of
from infinium_integrations.recording.run import Run

__all__ = ["answer", "asked", "ended", "replaceable", "stand_in"]


def replaceable(run: Run | None) -> Run | None:
    """Return the prediction around a model's call whose step the call takes; None where there is none."""
    while run is not None and run.parent is not None:
        state = state_of(run)
        if state is None or state.kind.role not in BETWEEN:
            return None
        if state.kind.role == "structured" and run.is_step:
            return run if state.leaf is None and not run.trace.options.full else None
        run = run.parent
    return None


def stand_in(prediction: Run, call: Run) -> None:
    """Let a model's call take the step of the prediction around it."""
    state = state_of(prediction)
    if state is not None:
        state.leaf, prediction.llm = call, None
        runtime.recorder().replace(prediction, call)


def ended(run: Run, state: State) -> None:
    """Make a prediction the model's call that it was, where none was seen below; its tokens are unknown."""
    if state.calls or state.leaf is not None or run.inner_calls:
        run.action, run.llm = "chain", None
        return
    outer = model_around(run.parent)
    if outer is not None:  # it hands the prediction on
        run.action, run.llm, outer.llm = "chain", None, run.llm
        return
    if run.parent is None and not run.trace.root_is_step:
        run.trace.root_is_step = True
        run.trace.keep(run)


# -- what was asked and answered ---------------------------------------------------------------------------------------


def asked(content: Content, arguments: Mapping[str, Any], limit: int) -> Conversation | None:
    """Take a prompt and what it is filled with as the messages that they make; it is filled in when they are read."""
    beside: list[Any] = [value for value in arguments.values() if isinstance(value, tuple)]
    prompt = next((one for one in (*arguments.values(), *sum(beside, ())) if is_a(one, "BasePromptTemplate")), None)
    held = getattr(prompt, "__dict__", {})
    given = dict(held.get("kwargs") or {})
    for name, value in arguments.items():
        if isinstance(value, Mapping) and name != "llm_kwargs":
            given.update(value)
    taken = {name: value if type(value) is str else take(content, value, limit) for name, value in given.items()}
    template, several = held.get("template"), held.get("message_templates")
    if isinstance(template, str):
        several = [template]
    if not isinstance(several, list):
        return None
    whole = [messages.take_any(content, one, limit) for one in several]
    return Conversation([Message(one.role, one.name, (one, taken), _filled) for one in whole])


def _filled(held: tuple[Message, Mapping[str, object]]) -> list[Part]:
    message, given = held
    parts = [{**part} for part in message.parts()]
    for text in (part for part in parts if part["type"] == "text"):
        for name, value in given.items():
            mark = f"{{{name}}}"
            if mark in text["content"]:
                written = value if isinstance(value, str) else encode(to_json_value(value, 1_000_000))
                text["content"] = text["content"].replace(mark, written)
    return parts


def answer(content: Content, result: object, limit: int) -> Message:
    """Take the object that a prediction gave as the model's answer."""
    return Message("assistant", None, take(content, result, limit), _object)


def _object(held: object) -> list[Part]:
    text = held if isinstance(held, str) else encode(to_json_value(held, 1_000_000))
    return [{"type": "text", "content": text}]
