"""What a LangChain model call says of itself: model, provider, tokens, text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infinium_integrations.capture.content import Conversation, Message, Streamed
from infinium_integrations.capture.preview import cut
from infinium_integrations.langchain import messages
from infinium_integrations.payload import usage
from infinium_integrations.payload.usage import Usage
from infinium_integrations.recording.adapters import (
    NAME_CHARS,
    bounded_name,
    finish_reason,
    set_temperature,
    tool_names,
)
from infinium_integrations.recording.run import ModelCall, Run

__all__ = ["Stream", "answer", "asked", "begin", "ended"]

_MODEL = ("ls_model_name", "model", "model_name", "azure_deployment", "deployment_name", "model_id", "base_model_id")
_NAMED = (*_MODEL, "ls_provider", "ls_temperature")


@dataclass(slots=True, eq=False)
class Stream:
    """What is kept of a stream while it runs: the first token's time, its chunks by reference, its last usage."""

    said: Streamed | None = None
    """None where no content is kept."""
    usage: Usage | None = None
    """What the chunks have reported: added up, as LangChain has it, or the last where each tells of the whole."""
    last: int | None = None
    """Input tokens of the last chunk that reported some."""
    repeated: bool = False
    """Several chunks have reported the whole call so far."""
    stopped: Mapping[str, object] | None = None
    """What the chunk says beside its text that tells why the model stopped."""

    def token(self, run: Run, token: object, chunk: object, now: float) -> None:
        """Take one token in: O(1) in time and memory."""
        held = getattr(getattr(chunk, "message", None), "__dict__", _NOTHING)
        text, calls = held.get("content"), held.get("tool_call_chunks")
        said = (text if type(text) is str else token) or text or token or calls
        if said:
            call = run.llm
            if call is not None and call.ttft_ms is None:
                call.ttft_ms = round((now - run.started) * 1000)
            if self.said is not None:
                self.said.add(run.trace.content, said)
                if calls and said is not calls:
                    self.said.add(run.trace.content, calls)
        beside = held.get("response_metadata") or getattr(chunk, "generation_info", None)
        if beside and type(beside) is dict and not _STOPPED.isdisjoint(beside):
            self.stopped = beside.copy()
        reported = held.get("usage_metadata")
        if reported:
            found = usage.read(reported)
            if found is not None and found.prompt:
                self.repeated = self.repeated or found.prompt == self.last
                self.last = found.prompt
            self.usage = (usage.later if self.repeated else usage.added)(self.usage, found)

    def event(self, run: Run, event: object, now: float) -> None:
        """Take one event of a v3 stream in."""
        kind = event.get("event") if isinstance(event, dict) else getattr(event, "event", None)
        if kind == "content-block-delta":
            facts = event if isinstance(event, dict) else getattr(event, "__dict__", {})
            delta = facts.get("delta") or facts.get("content_block") or facts.get("content") or {}
            said = (delta.get("text") or delta.get("reasoning")) if isinstance(delta, dict) else None
            self.token(run, said or "…", None, now)


_NOTHING: dict[str, Any] = {}
_STOPPED = frozenset({"finish_reason", "stop_reason", "stopReason", "done_reason"})


def begin(run: Run, metadata: Mapping[str, object], params: Mapping[str, object], serialized: object) -> None:
    """Take a call in when it starts."""
    stream = run.adapter_state = Stream()
    call = run.llm = ModelCall()
    named = {name: metadata[name] for name in _NAMED if name in metadata}  # the rest may be the user's objects
    call.unread = _Said(call, stream, (named, params, serialized))
    if not run.private:
        run.request = params
        run.output = stream.said = messages.streamed()


def asked(run: Run, given: Sequence[object], limit: int) -> Conversation:
    """Take what a model is sent: messages, or prompts, which are the user's."""
    return Conversation(messages.take_all(run.trace.content, given, limit))


@dataclass(slots=True, eq=False)
class _Said:
    """What was said of a call when it started and when it ended, by reference; the writer's thread reads it."""

    call: ModelCall
    stream: Stream
    asked: tuple[Mapping[str, object], Mapping[str, object], object]
    """What the run's metadata says of the model, the parameters of the call, and the model as it is written."""
    sources: tuple[Mapping[str, object], Mapping[str, object], Mapping[str, object]] | None = None
    """Of an answer, what is said beside its text: of the call, of the message and of the generation."""
    reported: Mapping[str, object] | None = None
    """The tokens that LangChain itself says."""
    failed: bool = False

    def end(self, response: object, *, failed: bool) -> None:
        """Take what an answer says; what holds it may be changed by whoever gets it."""
        generation = _first_generation(response)
        message = getattr(generation, "message", None)
        facts = (
            getattr(response, "llm_output", None),
            getattr(message, "response_metadata", None),
            getattr(generation, "generation_info", None),
        )
        output, beside, info = (one.copy() if isinstance(one, dict) else {} for one in facts)
        self.sources, self.failed = (output, beside, info), failed
        reported = getattr(message, "usage_metadata", None)
        self.reported = reported.copy() if isinstance(reported, dict) else None

    def read(self) -> dict[str, object]:
        """Describe the call; return what is known beside, for its step."""
        call, (metadata, params, serialized) = self.call, self.asked
        held = serialized if isinstance(serialized, dict) else {}
        kwargs, path = held.get("kwargs"), held.get("id")
        module = path[-2] if isinstance(path, (list, tuple)) and len(path) > 1 else None
        known = (metadata, params, kwargs if isinstance(kwargs, dict) else {})
        call.requested = next((found for source in known if (found := _first(source, _MODEL))), None)
        named = (bounded_name(name) for name in (metadata.get("ls_provider"), params.get("_type"), module))
        call.provider = next(filter(None, named), None)
        set_temperature(call, metadata.get("ls_temperature", params.get("temperature")))
        tools = params.get("tools") or params.get("functions") or params.get("toolConfig")
        facts: dict[str, object] = {"tools": (tool_names(tools) or None) if tools else None}
        broken = self.sources is None or self.failed
        call.partial = broken and call.ttft_ms is not None  # a stream that began, and was left or broke off
        if broken:
            facts["finish_reason"] = finish_reason(self.stream.stopped)
        if self.sources is not None:
            for source in self.sources:
                call.model = call.model or _first(source, ("model_name", "model", "model_id"))
                call.provider = call.provider or bounded_name(source.get("model_provider"))
            if self.failed:
                self._broke_off(self.sources)
            else:
                facts["finish_reason"] = self._answered(self.sources)
        return facts

    def _answered(self, sources: tuple[Mapping[str, object], ...]) -> str | None:
        call, stream = self.call, self.stream
        reason = next(filter(None, map(finish_reason, (*sources[1:], sources[0]))), None)
        if call.ttft_ms is not None:
            call.model, reason = _once(call.model), _once(reason)
        if self.reported is not None and self.reported.get("total_cost") == 0:
            call.cached = True
        elif stream.repeated:  # LangChain has added up what each chunk says of the whole
            usage.apply(call, stream.usage)
        else:
            found = usage.filled(usage.read(self.reported), _reported(*sources))
            usage.apply(call, found or stream.usage)
        return reason

    def _broke_off(self, sources: tuple[Mapping[str, object], ...]) -> None:
        """Take the tokens of a call that failed, or broke off, and was billed all the same."""
        if self.stream.usage is not None:
            usage.apply(self.call, self.stream.usage, partial=True)
            return
        body = sources[1].get("body")
        found = usage.read(self.reported) or _reported(*sources)
        found = found or (_reported(body) if isinstance(body, dict) else None)
        usage.apply(self.call, found, partial=self.call.partial)


def ended(run: Run, response: object, *, failed: bool = False) -> None:
    """Take what a call's answer, or what there is of one, says of the call."""
    unread = run.llm.unread if run.llm is not None else None
    if isinstance(unread, _Said):
        unread.end(response, failed=failed)


def _once(word: str | None) -> str | None:
    """Return a word that several chunks said and LangChain strung together."""
    period = (word + word).find(word, 1) if word else 0
    return word[:period] if word and period > _LETTERS else word


_LETTERS = 3
"""What is shorter and repeats itself is a name."""


def _reported(*sources: Mapping[str, object]) -> usage.Usage | None:
    for source in sources:
        for name in ("token_usage", "usage", "usage_metadata", "token_count", "amazon-bedrock-invocationMetrics"):
            raw = source.get(name) if source else None
            found = usage.read(raw) if raw is not None else None
            if found is not None:
                return found
    return next((usage.read(source) for source in sources if "eval_count" in source), None)


def _first_generation(response: object) -> object:
    generations = getattr(response, "generations", None)
    first = generations[0] if isinstance(generations, list) and generations else None
    return first[0] if isinstance(first, list) and first else None


def answer(run: Run, response: Any, limit: int) -> Message | Conversation | None:
    """Take the answer, or all where there are several to one question."""
    if _first_generation(response) is None:
        return None
    content, said = run.trace.content, list[Message]()
    for generation in response.generations[0]:
        message = getattr(generation, "message", None)
        if message is not None:
            said.append(messages.take(content, message, limit))
        else:
            said.append(messages.take_any(content, ("ai", getattr(generation, "text", "")), limit))
    if isinstance(run.adapter_state, Stream) and run.adapter_state.said is not None:
        run.adapter_state.said.forget(run.trace.content)
    return said[0] if len(said) == 1 else Conversation(said, choices=True)


def _first(facts: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    for name in names if facts else ():
        found = facts.get(name)
        if found and isinstance(found, str):
            return cut(found, NAME_CHARS)
    return None
