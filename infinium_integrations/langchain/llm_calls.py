"""What a LangChain model call says of itself: model, provider, tokens, text."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infinium_integrations.capture.preview import SLACK, preview
from infinium_integrations.langchain.content import message_text
from infinium_integrations.payload import usage
from infinium_integrations.payload.usage import Usage
from infinium_integrations.recording.adapters import NAME_CHARS, TOOLS_LISTED, bounded_name, set_temperature
from infinium_integrations.recording.run import ModelCall, Run

__all__ = ["Stream", "answer_text", "answered", "broke_off", "called", "tools_offered"]

_MODEL = ("ls_model_name", "model", "model_name", "azure_deployment", "deployment_name", "model_id", "base_model_id")


@dataclass(slots=True, eq=False)
class Stream:
    """What is kept of a stream while it runs: the first token's time, the beginning of its text, its last usage."""

    parts: list[str] = field(default_factory=list)
    chars: int = 0
    chunks: int = 0
    usage: Usage | None = None

    def token(self, run: Run, token: object, chunk: object, clock: Callable[[], float]) -> None:
        """Take one token in: O(1) in time and memory."""
        self.chunks += 1
        if token:
            call = run.llm
            if call is not None and call.ttft_ms is None:
                call.ttft_ms = round((clock() - run.started) * 1000)
            if self.chars <= run.trace.options.preview_chars + SLACK and type(token) is str:
                self.parts.append(token)
                self.chars += len(token)
        message = getattr(chunk, "message", None)
        reported = getattr(message, "usage_metadata", None)
        if reported:
            self.usage = usage.larger(self.usage, usage.read(reported))

    def event(self, run: Run, event: object, clock: Callable[[], float]) -> None:
        """Take one event of a v3 stream in."""
        kind = event.get("event") if isinstance(event, dict) else getattr(event, "event", None)
        if kind == "content-block-delta":
            facts = event if isinstance(event, dict) else getattr(event, "__dict__", {})
            delta = facts.get("delta") or facts.get("content_block") or facts.get("content") or {}
            said = (delta.get("text") or delta.get("reasoning")) if isinstance(delta, dict) else None
            self.token(run, said or "…", None, clock)

    def text(self) -> str:
        """Return the beginning of what was streamed."""
        return "".join(self.parts)


def called(metadata: Mapping[str, object], params: Mapping[str, object], serialized: object) -> ModelCall:
    """Describe a call when it starts: which model was asked for, of whom, with what temperature."""
    call = ModelCall()
    held = serialized if isinstance(serialized, dict) else {}
    kwargs, path = held.get("kwargs"), held.get("id")
    module = path[-2] if isinstance(path, list | tuple) and len(path) > 1 else None
    sources = (metadata, params, kwargs if isinstance(kwargs, dict) else {})
    call.requested = next((found for source in sources if (found := _first(source, _MODEL))), None)
    named = (bounded_name(name) for name in (metadata.get("ls_provider"), params.get("_type"), module))
    call.provider = next(filter(None, named), None)
    set_temperature(call, metadata.get("ls_temperature", params.get("temperature")))
    return call


def tools_offered(run: Run, params: Mapping[str, object]) -> None:
    """Note the names of the tools that the model was offered."""
    tools = params.get("tools") or params.get("functions")
    if isinstance(tools, list | tuple):
        run.put(tools=[name for tool in tools[:TOOLS_LISTED] if (name := _tool_name(tool))] or None)


def _tool_name(tool: object) -> str | None:
    if not isinstance(tool, dict):
        return bounded_name(getattr(tool, "name", None))
    function = tool.get("function")
    return bounded_name(tool.get("name") or (function.get("name") if isinstance(function, dict) else None))


def answered(run: Run, response: object) -> None:
    """Take tokens and the model that answered from the result."""
    call = run.llm
    if call is None:
        return
    sources = _sources(response)
    _resolve(call, sources)
    reasons = (_first(source, ("finish_reason", "stop_reason")) for source in sources[1:])
    run.put(finish_reason=next(filter(None, reasons), None))
    reported = getattr(getattr(_first_generation(response), "message", None), "usage_metadata", None)
    if isinstance(reported, Mapping) and reported.get("total_cost") == 0:
        call.cached = True
        return
    usage.apply(call, usage.read(reported) or _reported(*sources) or _streamed(run))


def _sources(response: object) -> tuple[Mapping[str, object], Mapping[str, object], Mapping[str, object]]:
    """Return what a result says beside its text: of the call, of the message and of the generation."""
    generation = _first_generation(response)
    facts = (
        getattr(response, "llm_output", None),
        getattr(getattr(generation, "message", None), "response_metadata", None),
        getattr(generation, "generation_info", None),
    )
    output, message, info = (one if isinstance(one, dict) else {} for one in facts)
    return output, message, info


def _streamed(run: Run) -> usage.Usage | None:
    return run.adapter_state.usage if isinstance(run.adapter_state, Stream) else None


def _reported(*sources: Mapping[str, object]) -> usage.Usage | None:
    for source in sources:
        for name in ("token_usage", "usage", "usage_metadata", "amazon-bedrock-invocationMetrics"):
            raw = source.get(name) if source else None
            found = usage.read(raw) if raw is not None else None
            if found is not None:
                return found
    return next((usage.read(source) for source in sources if "eval_count" in source), None)


def _resolve(call: ModelCall, sources: Iterable[Mapping[str, object]]) -> None:
    """Take the model that answered, and its provider where that is not known yet."""
    for source in sources:
        call.model = call.model or _first(source, ("model_name", "model", "model_id"))
        call.provider = call.provider or bounded_name(source.get("model_provider"))


def broke_off(run: Run, response: object) -> None:
    """Take the tokens of a call that failed, or broke off, and was billed all the same."""
    call = run.llm
    if call is None:
        return
    sources = _sources(response)
    _resolve(call, sources)
    streamed = _streamed(run)
    if streamed is not None:
        usage.apply(call, streamed, partial=True)
        return
    message = getattr(_first_generation(response), "message", None)
    body = sources[1].get("body")
    found = usage.read(getattr(message, "usage_metadata", None)) or _reported(*sources)
    usage.apply(call, found or (_reported(body) if isinstance(body, dict) else None))


def _first_generation(response: object) -> object:
    generations = getattr(response, "generations", None)
    first = generations[0] if isinstance(generations, list) and generations else None
    return first[0] if isinstance(first, list) and first else None


def answer_text(response: Any, limit: int) -> str | None:
    """Return the text of the answer, and the tool calls that it asks for; of several answers the first, counted."""
    generation = _first_generation(response)
    if generation is None:
        return None
    message = getattr(generation, "message", None)
    text = message_text(message, limit) if message is not None else preview(getattr(generation, "text", ""), limit)
    more = len(response.generations[0]) - 1
    return f"{text}\n(+{more} more)" if more > 0 else text


def _first(facts: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    for name in names if facts else ():
        found = facts.get(name)
        if found and isinstance(found, str):
            return found[:NAME_CHARS]
    return None
