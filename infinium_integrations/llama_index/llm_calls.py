"""What a LlamaIndex model call says of itself: model, provider, tokens, text, tools offered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infinium_integrations.capture.content import Conversation, Message, Streamed
from infinium_integrations.capture.hosted_tools import HOSTED
from infinium_integrations.llama_index import messages
from infinium_integrations.llama_index.classes import OfClass, names
from infinium_integrations.llama_index.content import conversation
from infinium_integrations.payload import usage
from infinium_integrations.payload.usage import Usage
from infinium_integrations.recording.adapters import bounded_name, fact, finish_reason, set_temperature, tool_names
from infinium_integrations.recording.run import ModelCall, Run

__all__ = ["Call", "answer", "answered", "asked", "called", "described", "left", "token"]


_MODEL = ("model", "model_name", "model_id", "deployment_name", "engine", "azure_deployment")
_UNKNOWN = {"unknown", "unknown_model", ""}
_PROVIDERS = {
    "openai_llm": "openai",
    "openai_responses_llm": "openai",
    "azure_openai_llm": "azure_openai",
    "Anthropic_LLM": "anthropic",
    "Bedrock_Converse_LLM": "bedrock",
    "GenAI": "google_genai",
    "Ollama_llm": "ollama",
    "MistralAI_LLM": "mistralai",
    "Cohere_LLM": "cohere",
    "Vertex": "vertex",
    "litellm_llm": "litellm",
    "OpenAILike": "openai_like",
    "AzureAICompletionsModel": "azure_inference",
    "WatsonxLLM": "watsonx",
    "HuggingFaceInferenceAPI": "huggingface_api",
}


@dataclass(slots=True, eq=False)
class Call:
    """What is kept of a call while it goes on: its chunks by reference, its last usage, whether events report it."""

    said: Streamed = field(default_factory=messages.streamed)
    chunks: int = 0
    started: bool = False
    usage: Usage | None = None
    raw_model: str | None = None
    reason: str | None = None
    """Why the model stopped, as a chunk has said."""


def called(instance: object) -> ModelCall:
    """Describe a call when it starts, from what the model object holds; none of its properties is asked."""
    held = getattr(instance, "__dict__", {})
    call = ModelCall()
    call.requested = _first(held)
    call.provider = _providers.of(type(instance))
    set_temperature(call, held.get("temperature"))
    return call


def _provider(kind: type) -> str | None:
    for base in kind.__mro__:
        parts = base.__module__.split(".")
        if parts[:2] == ["llama_index", "llms"] and len(parts) > 2:  # noqa: PLR2004
            return parts[2]
    return kind.__name__.lower() if "BaseLLM" in names(kind) else None


_providers = OfClass(_provider)


def described(run: Run, payload: Mapping[str, object], asked: Mapping[str, object]) -> None:
    """Take what the start event says: the model's name, its class, the tools that it was offered."""
    call = run.llm
    if call is None:
        return
    call.requested = _first(payload) or call.requested
    name = payload.get("class_name")
    call.provider = (_PROVIDERS.get(name) if isinstance(name, str) else None) or call.provider
    if call.temperature is None:
        set_temperature(call, payload.get("temperature"))
    tools = asked.get("tools")
    if tools:
        run.put(tools=tool_names(tools) or None)


def token(run: Run, call: Call, response: Any, now: float) -> None:
    """Take one chunk of a stream in: O(1) in time and memory."""
    call.chunks += 1
    delta = response.delta
    if delta:
        record = run.llm
        if record is not None and record.ttft_ms is None:
            record.ttft_ms = round((now - run.started) * 1000)
        if type(delta) is str and not run.private:
            call.said.add(run.trace.content, delta)
            if run.output is None:
                run.output = call.said.message()  # it grows with the stream: what there is of a call that never ends
    raw = response.raw
    if raw is None:
        return
    inner = _inner(raw)
    if not delta and not run.private and (refusal := _refusal_in(inner, "delta")):
        call.said.add(run.trace.content, messages.refused(refusal))
        run.output = run.output or call.said.message()
    seen = fact(inner, "usage")
    if seen is None:
        seen = fact(inner, "usage_metadata") or _nested(inner)
    if seen is not None:
        call.usage = usage.later(call.usage, usage.read(seen))
    if call.raw_model is None:
        call.raw_model = bounded_name(fact(inner, "model"))
    call.reason = _reason(raw) or call.reason


def _inner(raw: Any) -> object:
    """Return what a stream's event holds: Mistral's ``data``, the ``response`` of OpenAI's Responses."""
    for name in ("data", "response"):
        held = fact(raw, name)
        if held is not None and not isinstance(held, str | bytes | list):
            return held
    return raw


def _reason(raw: Any) -> str | None:
    """Return why the model stopped, from wherever a provider's reply or last event says so."""
    inner = _inner(raw)
    for place in ("choices", "candidates"):
        several = fact(inner, place)
        if isinstance(several, list) and several and (found := finish_reason(several[0])):
            return found
    nested = (fact(inner, name) for name in ("delta", "messageStop", "message"))
    return next(filter(None, map(finish_reason, (inner, *nested))), None)


def _nested(raw: Any) -> object:
    """Return the usage of a stream that puts it one level deeper: Anthropic's first event, Bedrock's last, Groq's."""
    nested = (fact(fact(raw, name), "usage") for name in ("message", "metadata"))
    found = next((one for one in nested if one is not None), None)
    if found is not None:
        return found
    extra = getattr(raw, "model_extra", None)
    return fact(extra.get("x_groq"), "usage") if isinstance(extra, dict) and "x_groq" in extra else None


def answered(run: Run, call: Call, response: object) -> None:
    """Take tokens and the model that answered from the end of the call."""
    record = run.llm
    if record is None:
        return
    raw = getattr(response, "raw", None)
    record.model = bounded_name(fact(_inner(raw), "model")) or call.raw_model
    if record.model in _UNKNOWN:
        record.model = None
    record.unread = _Billed(record, call.usage, _reported(response, _inner(raw)))
    if call.chunks:
        run.put(chunks=call.chunks)
    beside = getattr(getattr(response, "message", None), "additional_kwargs", None)
    run.put(finish_reason=_reason(raw) or finish_reason(beside) or call.reason)


def left(run: Run, call: Call, *, partial: bool) -> None:
    """Keep what was streamed by a call that reports nothing more."""
    if run.llm is not None:
        run.llm.model = run.llm.model or call.raw_model
        usage.apply(run.llm, call.usage, partial=partial)
        run.llm.partial = partial
    run.put(finish_reason=call.reason)
    if call.chunks:
        run.put(chunks=call.chunks)
    if not run.private:
        run.output = call.said.message() or run.output


@dataclass(slots=True, eq=False)
class _Billed:
    """What was said of a call's tokens; the writer's thread reads it."""

    call: ModelCall
    streamed: Usage | None
    sources: list[object]

    def read(self) -> dict[str, object]:
        """Read the tokens from the first place that has any."""
        found = next(filter(None, map(usage.read, self.sources)), None)
        usage.apply(self.call, usage.later(self.streamed, found))
        return {}


def _reported(response: object, raw: object) -> list[object]:
    """Return what there is of the places where providers put the tokens."""
    beside = getattr(response, "additional_kwargs", None)
    message = getattr(getattr(response, "message", None), "additional_kwargs", None)
    sources: tuple[object, ...] = (fact(beside, "usage"), beside, message)
    if raw is not None:
        sources = (
            fact(raw, "usage"),
            fact(raw, "usage_metadata"),
            fact(fact(raw, "_raw_response"), "usage_metadata"),
            _nested(raw),
            fact(fact(raw, "meta"), "tokens"),
            fact(fact(raw, "meta"), "billed_units"),
            fact(beside, "usage"),
            fact(raw, "token_count"),
            raw if type(raw) is dict and "eval_count" in raw else None,
            beside,
            message,
        )
    told = (usage.facts_of(source) for source in sources if source is not None)
    # counts, and what holds counts: the rest, such as the calls of tools, may be large
    return [{name: one for name, one in facts.items() if not isinstance(one, (str, list, tuple))} for facts in told]


def answer(run: Run, response: object, call: Call, limit: int) -> Message | None:
    """Take the answer: the message, the completion, or what was streamed."""
    message = getattr(response, "message", None)
    content = run.trace.content
    if message is not None:
        given: Message | None = messages.take(content, message, limit)
    else:
        text = getattr(response, "text", None)
        given = messages.answered(content, text, limit) if text else None
    streamed = call.said.message()
    told = messages.longer(given, streamed) if given is not None and streamed is not None else given or streamed
    raw = getattr(response, "raw", None)
    refusal = fact(getattr(response, "additional_kwargs", None), "refusal") or _refusal(raw)
    if type(refusal) is str:
        told = messages.with_refusal(told, content.take(refusal, limit))
    if raw is None:
        return told
    ran = [content.take(block, limit) for block in _hosted(raw)]
    if ran:
        told = messages.with_hosted(told, ran)
    left_out = _calls_left_out(raw)
    return messages.with_calls(told, content.take(left_out, limit)) if left_out else told


def _refusal_in(inner: object, place: str) -> str | None:
    """Return the refusal in the first choice of an answer (``message``), or of a chunk (``delta``)."""
    choices = fact(inner, "choices")
    found = fact(fact(choices[0], place), "refusal") if isinstance(choices, list) and choices else None
    return found if type(found) is str and found else None


def _refusal(raw: object) -> str | None:
    """Return the refusal in a provider's answer: LlamaIndex leaves it out of its message."""
    inner = _inner(raw)
    output = fact(inner, "output")
    for one in output if isinstance(output, list) else ():
        parts = fact(one, "content")
        for part in parts if isinstance(parts, list) else ():
            found = fact(part, "refusal")
            if type(found) is str and found:
                return found
    return _refusal_in(inner, "message")


def _hosted(raw: object) -> list[object]:
    """Return the calls of tools that OpenAI itself ran: LlamaIndex has them beside its message."""
    output = fact(_inner(raw), "output")
    kinds = ((one, fact(one, "type")) for one in output) if isinstance(output, list) else ()
    return [one for one, kind in kinds if type(kind) is str and kind.endswith(HOSTED) and kind not in _USERS]


_USERS = frozenset({"function_call", "custom_tool_call"})
"""Calls of the user's own tools."""


def _calls_left_out(raw: object) -> list[dict[str, object]]:
    """Return the calls that LlamaIndex leaves out of OpenAI's answers: of custom tools, and as in 2023."""
    inner = _inner(raw)
    output, choices = fact(inner, "output"), fact(inner, "choices")
    if isinstance(output, list):
        return [_call_of(one, "input") for one in output if fact(one, "type") == "custom_tool_call"]
    if not isinstance(choices, list) or not choices:
        return []
    called = fact(fact(choices[0], "message"), "function_call")
    return [_call_of(called, "arguments")] if called is not None else []


def _call_of(called: object, given: str) -> dict[str, object]:
    return {"id": fact(called, "call_id"), "name": fact(called, "name"), "arguments": fact(called, given)}


def asked(run: Run, arguments: Mapping[str, object], limit: int) -> Conversation | None:
    """Take what a model was asked where no event has it: the messages or the prompt among the arguments."""
    given = arguments.get("messages")
    if isinstance(given, list | tuple) and given:
        return conversation(run.trace.content, given, limit)
    prompt = arguments.get("prompt")
    return conversation(run.trace.content, [prompt], limit) if isinstance(prompt, str) else None


def _first(facts: Mapping[str, object]) -> str | None:
    for name in _MODEL:
        found = bounded_name(facts.get(name))
        if found is not None and found.lower() not in _UNKNOWN:
            return found
    return None
