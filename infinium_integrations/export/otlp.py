"""The rules by which a finished trace becomes spans: names, kinds and attributes of the GenAI conventions.

Pure: a stored trace in, plain records out, and each time the same. Four attributes of OpenInference stand beside the
conventions', which is what Phoenix lacks without them.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from infinium_integrations.recording.trace_context import span_id_of, trace_id_of
from infinium_integrations.storage.record import Record

__all__ = ["SAID", "Attributes", "Event", "Span", "as_json", "spans_of"]

Value = str | int | float | bool | list[str]
Attributes = dict[str, Value]
Messages = list[dict[str, Any]]

SAID = "gen_ai.output.messages"


@dataclass(slots=True)
class Event:
    """Something that happened within a span, at a moment in nanoseconds since the epoch."""

    name: str
    at_ns: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(slots=True)
class Span:
    """One span. Ids are in hexadecimal, times in nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    client: bool
    """Whether it calls another service; else all of it is in the process."""
    start_ns: int
    end_ns: int
    attributes: Attributes
    error: str | None = None
    """What went wrong, where it failed; may be empty."""
    events: list[Event] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    """The ids of spans, of their trace and their own, that this one goes on from."""
    messages: dict[str, Messages] = field(default_factory=dict)
    """By attribute, what the model was sent and said: among the attributes when it is known what there is room for."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a step's action is in the words of the conventions."""

    operation: str | None
    client: bool
    openinference: str
    about: Callable[["_Step"], Any]
    """Returns what the span's name says beside the operation."""


@dataclass(slots=True)
class _Step:
    """A step of the payload, with what was captured of it."""

    number: int
    given: Mapping[str, Any]
    facts: Mapping[str, Any]
    """Its metadata."""
    captured: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.facts.get("name") or self.given.get("description") or self.given.get("action") or "step")

    @property
    def model(self) -> str | None:
        call = self.given.get("llm_call") or {}
        named = self.facts.get("model_requested") or call.get("model")
        return None if named in {None, "", "unknown"} else str(named)


_PLAIN = _Kind(None, client=False, openinference="CHAIN", about=lambda step: step.name)
_KINDS: dict[str, _Kind] = {
    "llm_inference": _Kind("chat", client=True, openinference="LLM", about=lambda step: step.model),
    "embedding": _Kind("embeddings", client=True, openinference="EMBEDDING", about=lambda step: step.model),
    "retrieval": _Kind("retrieval", client=True, openinference="RETRIEVER", about=lambda step: step.name),
    "tool_use": _Kind("execute_tool", client=False, openinference="TOOL", about=lambda step: _tool(step)),  # noqa: PLW0108
    "agent": _Kind("invoke_agent", client=False, openinference="AGENT", about=lambda step: _agent(step)),  # noqa: PLW0108
    "rerank": _Kind(None, client=False, openinference="RERANKER", about=lambda step: step.name),
}

_PROVIDERS: dict[str, str] = {
    "amazon_bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "azure_inference": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "google_genai": "gcp.gen_ai",
    "google_vertexai": "gcp.vertex_ai",
    "ibm": "ibm.watsonx.ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""What frameworks call a provider, and the conventions otherwise; others have one name in both."""
_TOKENS = {"prompt_tokens": "gen_ai.usage.input_tokens", "completion_tokens": "gen_ai.usage.output_tokens"}
_USAGE: dict[str, tuple[str, ...]] = {
    "cache_read": ("gen_ai.usage.cache_read.input_tokens",),
    # the second is the newer name; both are read today
    "cache_creation": ("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens"),
    "reasoning": ("gen_ai.usage.reasoning.output_tokens", "llm.token_count.completion_details.reasoning"),
}
_PARAMETERS: dict[str, str] = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "stop": "gen_ai.request.stop_sequences",
    "stop_sequences": "gen_ai.request.stop_sequences",
}
_STEP_FACTS: dict[str, str] = {
    "tool_call_id": "gen_ai.tool.call.id",
    "agent": "gen_ai.agent.name",
    "node": "infinium.node",
    "attempt": "infinium.attempt",
    "cached": "infinium.cached",
    "partial": "infinium.partial",
    "document_count": "infinium.document_count",
    "estimated_cost_usd": "infinium.cost_usd",
}
_SPOKEN = {"input_messages": "gen_ai.input.messages", "output_messages": SAID}
_PLAIN_ENDS: dict[str, tuple[str, str | None]] = {"input": ("input", None), "output": ("output", None)}
_ENDS: dict[str, dict[str, tuple[str, str | None]]] = {
    "tool_use": {
        "input": ("arguments", "gen_ai.tool.call.arguments"),
        "output": ("result", "gen_ai.tool.call.result"),
    },
    "retrieval": {"input": ("input", "gen_ai.retrieval.query.text"), "output": ("output", None)},
}
"""What was captured of the two ends of a step, and the attribute that it has beside the general one."""
_IDENTITY: dict[str, tuple[str, ...]] = {
    "session_id": ("gen_ai.conversation.id", "session.id"),
    "user_id": ("user.id",),
}
"""Facts of a trace that stand on each of its spans."""
_PRIVATE_EVENT = frozenset({"name", "at_ms", "attempt", "error_type"})
"""What is said of an event where content is left out."""


def spans_of(record: Record, *, content: bool = True) -> list[Span]:
    """Return the spans of a stored trace: its own first, then one a step, in order.

    Args:
        record: The trace.
        content: False for whoever sends it without what the model saw and said, whatever was meant when it was stored.

    Raises:
        DamagedError: What lies beside the payload can't be read.
    """
    return _Trace(record, content=content).spans()


class _Trace:
    """A stored trace that becomes spans."""

    def __init__(self, record: Record, *, content: bool) -> None:
        self.id = record.trace_id
        self.payload: dict[str, Any] = {**record.payload()}
        self.times: dict[str, Any] = dict(record.spans() or {})
        self.with_content = content and record.head["delivery"].get("content", True) is not False
        self.captured: dict[str, Any] = (record.captured() or {}) if self.with_content else {}
        self.tags: dict[str, str] = (self.payload.get("environment") or {}).get("custom_tags") or {}
        self.otel_id = self.times.get("trace_id") or trace_id_of(self.id)
        self.identity: Attributes = {
            attribute: self.tags[fact]
            for fact, names in _IDENTITY.items()
            if self.tags.get(fact)
            for attribute in names
        }
        duration = round(float(self.payload.get("duration") or 0.0) * 1e9)
        known = self.times.get("started_ns")
        ended = _moment(self.payload.get("current_datetime"))
        self.start_ns: int = known if isinstance(known, int) else max(0, ended - duration)
        self.end_ns = self.start_ns + duration
        self._told: dict[str, str] = self.times.get("ids") or {}
        contents = self.captured.get("steps") or {}
        self.steps = [
            _Step(number, given, given.get("metadata") or {}, contents.get(str(number)) or {})
            for number, given in self._numbered()
        ]

    def _numbered(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        taken: set[int] = set()
        for place, given in enumerate(self.payload.get("steps") or (), 1):
            number = given.get("step_number")
            number = number if isinstance(number, int) and number > 0 and number not in taken else place
            while number in taken:  # made by hand, and numbered like another
                number += 1
            taken.add(number)
            yield number, given

    def spans(self) -> list[Span]:
        if self._is_one_step():
            (step,) = self.steps
            span = self._step(step, known=set())
            span.parent_id = self.times.get("span_id")
            span.attributes = {**self._facts(), **span.attributes}
            span.links = self._links()
            return [span]
        known = {step.number for step in self.steps}
        return [self._root(), *(self._step(step, known) for step in self.steps)]

    def _id(self, number: int) -> str:
        """Return the id of a step, of the trace itself where ``number`` is 0; no two steps have the same."""
        told = self._told.get(str(number))
        found = span_id_of(self.id, number)
        return told or (found if found not in self._told.values() else span_id_of(f"{self.id}/{number}", number))

    def _is_one_step(self) -> bool:
        """Whether the trace is itself its one step: a bare call of a model, a tool or a retriever."""
        if len(self.steps) != 1:
            return False
        run_id = self.steps[0].facts.get("run_id")
        return run_id is not None and run_id == self.tags.get("run_id")

    # -- the trace -------------------------------------------------------------------------------------------------

    def _root(self) -> Span:
        name = str(self.payload.get("name") or "trace")
        workflow = self._is_workflow()
        operation = "invoke_workflow" if workflow else "invoke_agent"
        attributes: Attributes = {
            "gen_ai.operation.name": operation,
            "gen_ai.workflow.name" if workflow else "gen_ai.agent.name": name,
            "openinference.span.kind": "CHAIN" if workflow else "AGENT",
            **self._facts(),
        }
        _put(attributes, "gen_ai.agent.description", self._text(self.payload.get("description")))
        for end in ("input", "output"):
            text = self._text(self.payload.get(f"{end}_summary"))
            if text is None and end in self.captured:
                text = _as_text(self.captured[end])
            _put(attributes, f"{end}.value", text)
        span = Span(
            self.otel_id,
            self._id(0),
            self.times.get("span_id"),
            f"{operation} {name}",
            client=False,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            attributes=attributes,
            links=self._links(),
        )
        status = str(self.tags.get("status") or ("error" if self.payload.get("errors") else "ok"))
        errors = self.payload.get("errors") or []
        fatal = next((error for error in errors if not error.get("recoverable")), errors[-1] if errors else None)
        shown = fatal if fatal is not None and not any(step.given.get("error") for step in self.steps) else None
        self._end(span, status, fatal, shown)
        return span

    def _is_workflow(self) -> bool:
        if self.times.get("action") == "agent":
            return False
        return any(step.given.get("action") == "workflow_step" or "node" in step.facts for step in self.steps)

    def _facts(self) -> Attributes:
        """Return what is known of the trace as a whole."""
        found: Attributes = {"infinium.trace_id": self.id, **self.identity}
        for name, value in self.tags.items():
            if name in {"trace_id", "status", "tags", *_IDENTITY}:
                continue
            found[f"infinium.{name}"] = str(value)
        if tags := self.tags.get("tags"):
            found["infinium.tags"] = [tag for tag in str(tags).split(",") if tag]
        if outcome := self.payload.get("expected_outcome"):
            found["infinium.expected_outcome"] = as_json(outcome)
        for name, section in (self.payload.get("sections") or {}).items():
            found[f"infinium.section.{name}"] = as_json(section)
        _put(found, "infinium.framework", (self.payload.get("environment") or {}).get("framework"))
        return found

    def _links(self) -> list[tuple[str, str]]:
        before = self.tags.get("resumed_from")
        return [(self.times.get("resumed_trace_id") or trace_id_of(before), span_id_of(before, 0))] if before else []

    # -- steps -----------------------------------------------------------------------------------------------------

    def _step(self, step: _Step, known: set[int]) -> Span:
        kind = _KINDS.get(str(step.given.get("action")), _PLAIN)
        about = kind.about(step)
        attributes: Attributes = {"openinference.span.kind": kind.openinference, **self.identity}
        _put(attributes, "gen_ai.operation.name", kind.operation)
        attributes["infinium.step"] = step.number
        for fact, name in _STEP_FACTS.items():
            _put(attributes, name, _scalar(step.facts.get(fact)))
        start_ns, end_ns = self._times(step)
        above = step.facts.get("parent_step")
        span = Span(
            self.otel_id,
            self._id(step.number),
            self._id(above if above in known else 0),
            " ".join(str(part) for part in (kind.operation, about) if part) or step.name,
            kind.client,
            start_ns,
            end_ns,
            attributes,
        )
        _SPECIFIC.get(str(step.given.get("action")), _no_more)(step, attributes)
        if self.with_content:
            self._content(step, span)
        span.events = [event for given in step.facts.get("events") or () if (event := self._event(given)) is not None]
        error = step.given.get("error")
        self._end(span, str(step.facts.get("status") or ("error" if error else "ok")), error, error)
        return span

    def _times(self, step: _Step) -> tuple[int, int]:
        known = (self.times.get("steps") or {}).get(str(step.number))
        if known:
            start = self.start_ns + known[0]
            return start, start + (known[1] if len(known) > 1 else 0)
        start = self.start_ns + 1_000_000 * int(step.facts.get("started_ms") or 0)
        return start, start + 1_000_000 * int(step.given.get("duration_ms") or 0)

    def _content(self, step: _Step, span: Span) -> None:
        attributes, held, action = span.attributes, step.captured, str(step.given.get("action"))
        for key, name in _SPOKEN.items():
            if messages := self._messages(held.get(key) or ()):
                span.messages[name] = messages
        if definitions := self._definitions(held.get("tools") or ()):
            attributes["gen_ai.tool.definitions"] = as_json(definitions)
        for end, (key, own) in _ENDS.get(action, _PLAIN_ENDS).items():
            text = _as_text(held[key]) if key in held else step.given.get(f"{end}_preview")
            if own is not None:
                _put(attributes, own, text)
            if not span.messages:  # of which whoever knows the conventions makes these two
                _put(attributes, f"{end}.value", text)
        documents = held.get("documents") or step.facts.get("documents")
        if action == "retrieval" and documents:
            named = [{**one, "id": str(one.get("id") or place)} for place, one in enumerate(documents, 1)]
            attributes["gen_ai.retrieval.documents"] = as_json(named)

    def _messages(self, given: Iterable[Any]) -> Messages:
        """Return messages, which the file names by their indexes."""
        every = self.captured.get("messages") or []
        found = [
            every[one] if isinstance(one, int) else one for one in given if not isinstance(one, int) or one < len(every)
        ]
        return [one for one in found if isinstance(one, dict)]

    def _definitions(self, names: Iterable[Any]) -> list[Any]:
        """Return the definitions of a call's tools, flat as the conventions have them."""
        wanted = set(map(str, names))
        flat = [tool for one in self.captured.get("tool_definitions") or () for tool in _flat(one)]
        return [one for one in flat if one["name"] in wanted]

    def _event(self, given: object) -> Event | None:
        if not isinstance(given, Mapping):
            return None
        at = given.get("at_ms")
        shown = {
            name: value
            for name, value in given.items()
            if name not in {"name", "at_ms"} and (self.with_content or name in _PRIVATE_EVENT)
        }
        attributes = {str(name): _plain(value) for name, value in shown.items() if value is not None}
        at_ns = self.start_ns + 1_000_000 * int(at) if isinstance(at, int | float) else self.start_ns
        return Event(str(given.get("name") or "event"), at_ns, attributes)

    # -- both ------------------------------------------------------------------------------------------------------

    def _text(self, value: object) -> str | None:
        return str(value) if value is not None and self.with_content else None

    def _end(self, span: Span, status: str, error: Mapping[str, Any] | None, shown: Mapping[str, Any] | None) -> None:
        """Say how a span ended; ``error`` is what ended it, ``shown`` what stands in an event of its own."""
        span.attributes["infinium.status"] = status
        if status == "error":
            span.error = self._text((error or {}).get("message")) or ""
            span.attributes["error.type"] = str((error or {}).get("error_type") or "_OTHER")
        if shown is not None:
            exception: Attributes = {"exception.type": str(shown.get("error_type") or "_OTHER")}
            _put(exception, "exception.message", self._text(shown.get("message")))
            _put(exception, "exception.stacktrace", self._text(shown.get("stack_trace")))
            span.events.append(Event("exception", span.end_ns, exception))


# -- what a kind of step has beside -----------------------------------------------------------------------------------


def _no_more(step: _Step, attributes: Attributes) -> None:
    """Leave a span as it is."""


def _model_call(step: _Step, attributes: Attributes) -> None:
    call = step.given.get("llm_call") or {}
    _put(attributes, "gen_ai.request.model", step.model)
    model = call.get("model")
    _put(attributes, "gen_ai.response.model", None if model == "unknown" else model)
    if provider := call.get("provider"):
        attributes["gen_ai.provider.name"] = _PROVIDERS.get(str(provider).lower(), str(provider))
    _put(attributes, "gen_ai.request.temperature", _scalar(call.get("temperature")))
    if not step.facts.get("cached"):  # those tokens were paid before
        for fact, name in _TOKENS.items():
            _put(attributes, name, _scalar(call.get(fact)))
        usage = step.facts.get("usage_details") or {}
        for fact, names in _USAGE.items():
            for name in names:
                _put(attributes, name, _scalar(usage.get(fact)))
    if isinstance(ttft := step.facts.get("ttft_ms"), int | float):
        attributes["gen_ai.response.time_to_first_chunk"] = ttft / 1_000
    if reason := step.facts.get("finish_reason"):
        attributes["gen_ai.response.finish_reasons"] = [str(reason)]
    for name, attribute in _PARAMETERS.items():
        value = (step.captured.get("parameters") or {}).get(name)
        if name in {"stop", "stop_sequences"} and value:
            attributes[attribute] = [value] if isinstance(value, str) else [str(one) for one in value]
        else:
            _put(attributes, attribute, _scalar(value))


def _tool_call(step: _Step, attributes: Attributes) -> None:
    attributes["gen_ai.tool.name"] = _tool(step)
    attributes["gen_ai.tool.type"] = "function"


def _agent_call(step: _Step, attributes: Attributes) -> None:
    attributes["gen_ai.agent.name"] = _agent(step)


_SPECIFIC: dict[str, Callable[[_Step, Attributes], None]] = {
    "llm_inference": _model_call,
    "embedding": _model_call,
    "tool_use": _tool_call,
    "agent": _agent_call,
}


def _tool(step: _Step) -> str:
    return str((step.given.get("tool_call") or {}).get("tool_name") or step.name)


def _flat(definition: object) -> list[dict[str, Any]]:
    """Return the tools of one definition, in whatever form its provider has them, as the conventions have them."""
    if not isinstance(definition, dict):
        return []
    declared = definition.get("function_declarations") or definition.get("functionDeclarations")  # Gemini
    if isinstance(declared, list):
        return [tool for one in declared for tool in _flat(one)]
    inner = definition.get("function") or definition.get("toolSpec")  # the latter is Bedrock's
    tool = {**inner} if isinstance(inner, dict) else {**definition}
    schema = next((tool.pop(name) for name in _SCHEMAS if name in tool), None)
    if isinstance(schema, dict) and isinstance(schema.get("json"), dict):
        schema = schema["json"]
    kind = str(tool.pop("type", None) or "function")
    name = str(tool.pop("name", None) or kind)  # what the provider has built in is named by its type
    return [{"type": kind, "name": name, **tool, **({} if schema is None else {"parameters": schema})}]


_SCHEMAS = ("parameters", "input_schema", "inputSchema", "parametersJsonSchema", "parameters_json_schema")


def _agent(step: _Step) -> str:
    return str(step.facts.get("agent") or step.name)


# -- values ------------------------------------------------------------------------------------------------------------


def _put(attributes: Attributes, name: str, value: Value | None) -> None:
    if value is not None:
        attributes[name] = value


def _scalar(value: object) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float) else None


def _plain(value: object) -> Value:
    found = _scalar(value)
    return as_json(value) if found is None else found


def _as_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else as_json(value)


def as_json(value: object) -> str:
    """Return a value as the JSON text that an attribute holds."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _moment(text: object) -> int:
    try:
        read = datetime.fromisoformat(str(text))
    except ValueError:
        return 0
    aware = read if read.utcoffset() is not None else read.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1e6) * 1_000
