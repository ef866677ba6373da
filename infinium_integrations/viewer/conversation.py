"""What each step of a run saw and said, as it is read: as a conversation, each message new at one step.

Content is hostile input, and a trace may be sent by anybody: whatever stands in it, rows come of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from infinium_integrations.capture.media import size
from infinium_integrations.models import Captured, CapturedStep, ExecutionStep, TaskData

__all__ = [
    "Conversation",
    "Message",
    "Passage",
    "Piece",
    "StepContent",
    "Value",
    "matching_steps",
    "of_models",
    "parsed",
    "pieces",
    "split",
]

Message = dict[str, Any]

PARSED_CHARS = 200_000
"""Of a text that is looked at as JSON; a longer one is shown as text."""


NESTED = 3
"""Levels of answers within answers that are read as parts."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Messages of a call that follow each other: all new at its step, or all shown at an earlier one."""

    messages: list[Message]
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a message, whatever a provider made of it."""

    kind: Literal["text", "refusal", "reasoning", "call", "result", "media", "other"]
    text: str = ""
    value: object = None
    """The arguments of a call; what a tool answered, where that is no text and no list of parts."""
    name: str = ""
    call_id: object = None
    served: bool = False
    """The provider ran the tool itself."""
    malformed: bool = False
    """A call whose arguments are no JSON."""
    citations: list[object] = field(default_factory=list)
    inner: list["Piece"] = field(default_factory=list)
    """Of a tool's answer that is itself made of parts."""


@dataclass(frozen=True, slots=True)
class Value:
    """What went in or came out: messages that are new with it, those ``shown`` at another step, and the rest."""

    label: str
    messages: list[Message] = field(default_factory=list)
    shown: list[Message] = field(default_factory=list)
    rest: object = None


@dataclass(frozen=True, slots=True)
class StepContent:
    """What one step saw and said."""

    given: list[Passage] = field(default_factory=list)
    answers: list[Message] = field(default_factory=list)
    since: int | None = None
    """The latest step that showed a message which this one was given again."""
    values: list[Value] = field(default_factory=list)
    documents: list[Mapping[str, Any]] = field(default_factory=list)
    tools: list[tuple[str, object]] = field(default_factory=list)
    """The tools that a model was offered: name, and definition where it is known."""
    parameters: Mapping[str, Any] | None = None

    def new(self) -> list[Message]:
        """Return the messages that are new at this step."""
        given = [message for passage in self.given if not passage.earlier for message in passage.messages]
        return [*given, *self.answers, *(message for value in self.values for message in value.messages)]


class Conversation:
    """The content of a whole run, by step.

    Example:
        >>> from infinium_integrations.models import ExecutionStep, TaskData
        >>> from infinium_integrations.viewer.conversation import Conversation
        >>> step = ExecutionStep(step_number=1, action="llm_inference", description="model")
        >>> task = TaskData(name="Triage", description="Sort a ticket", duration=1.5, steps=[step])
        >>> hello = {"role": "user", "parts": [{"type": "text", "content": "Hello"}]}
        >>> task = task.with_captured({"messages": [hello], "steps": {"1": {"input_messages": [0]}}})
        >>> Conversation(task).step(task.steps[0]).given[0].messages[0]["role"]
        'user'
    """

    def __init__(self, task: TaskData) -> None:
        captured = task.captured
        self.kept = captured is not None
        self.cut = captured is not None and captured.cut
        self._captured = captured or Captured()
        self._indexes = {id(message): index for index, message in enumerate(self._captured.messages)}
        steps = sorted(task.steps or (), key=lambda step: step.step_number)
        self._of_models = of_models(task)
        self._definitions = {_name(definition): definition for definition in self._captured.tool_definitions}
        self._calls: dict[str, int] = {}
        self._first: dict[int, int] = {}
        self._contents: dict[int, StepContent] = {}
        for step in steps:
            called = (step.metadata or {}).get("tool_call_id")
            if isinstance(called, str) and step.action == "tool_use":
                self._calls[called] = step.step_number
            if step.captured is not None:
                self._contents[id(step)] = self._content(step.step_number, step.captured)

    def step(self, step: ExecutionStep) -> StepContent | None:
        """Return what a step saw and said; None where nothing was kept of it."""
        return self._contents.get(id(step))

    def ends(self) -> list[Value]:
        """Return what the run itself was given and gave."""
        found = (self._value(name.capitalize(), getattr(self._captured, name)) for name in ("input", "output"))
        return [value for value in found if value is not None]

    def index(self, message: Message) -> int | None:
        """Return a message's number in the run; None for one that stands in a value only."""
        return self._indexes.get(id(message))

    def shown_at(self, message: Message) -> int | None:
        """Return the step at which a message is new."""
        return self._first.get(id(message))

    def ran_at(self, call_id: object) -> int | None:
        """Return the step that ran a tool's call."""
        return self._calls.get(call_id) if isinstance(call_id, str) else None

    def _content(self, number: int, captured: CapturedStep) -> StepContent:
        given, came = captured.input_messages or [], captured.output_messages or []
        passages: list[Passage] = []
        since, first = 0, self._first
        for message in given:
            place = first.get(id(message), 0)
            since = max(since, place)
            if not passages or passages[-1].earlier is not bool(place):
                passages.append(Passage([], earlier=bool(place)))
            passages[-1].messages.append(message)
        for message in (*given, *came):
            first.setdefault(id(message), number)
        names = ("arguments", "result", "input", "output")
        values = (self._value(name.capitalize(), getattr(captured, name), number) for name in names)
        return StepContent(
            given=passages,
            answers=list(came),
            since=since or None,
            values=[value for value in values if value is not None],
            documents=[one if isinstance(one, dict) else {"content": one} for one in _listed(captured.documents)],
            tools=[(str(name), self._definitions.get(str(name))) for name in _listed(captured.tools)],
            parameters=captured.parameters if isinstance(captured.parameters, dict) else None,
        )

    def _value(self, label: str, value: object, number: int | None = None) -> Value | None:
        if value is None or value in ("", [], {}):
            return None
        messages, rest = split(value)
        own = [message for message in messages if id(message) not in self._of_models]
        fresh = [message for message in own if number is None or id(message) not in self._first]
        if number is not None:
            self._first.update((id(message), number) for message in fresh)
        taken = {id(message) for message in fresh}
        return Value(label, fresh, [message for message in messages if id(message) not in taken], rest)


def of_models(task: TaskData) -> set[int]:
    """Return the identities of the messages that models were given and gave."""
    kept = [step.captured for step in task.steps or () if step.captured is not None]
    return {id(message) for one in kept for message in (*(one.input_messages or ()), *(one.output_messages or ()))}


def split(value: object) -> tuple[list[Message], object]:
    """Return the messages that a value is, or has as its ``messages``, and what else it holds."""
    if _is_message(value):
        return [value], None  # type: ignore[list-item]
    if isinstance(value, list) and value and all(map(_is_message, value)):
        return value, None
    if isinstance(value, dict) and "messages" in value:
        messages, rest = split(value["messages"])
        if messages and rest is None:
            return messages, {key: item for key, item in value.items() if key != "messages"} or None
    return [], value


def pieces(message: Mapping[str, Any]) -> list[Piece]:
    """Return a message's parts."""
    return [_piece(part) for part in _listed(message.get("parts"))]


def _piece(part: object, depth: int = 0) -> Piece:
    if not isinstance(part, dict):
        return Piece("text", _text(part))
    kind, name = str(part.get("type")), _text(part.get("name"))
    served = kind.startswith("server_")
    match kind.removeprefix("server_"):
        case "text" | "refusal" | "reasoning" as known:
            return Piece(known, _text(part.get("content")), citations=list(_listed(part.get("citations"))))
        case "tool_call":
            asked = part.get("arguments")
            arguments = parsed(asked) if isinstance(asked, str) else asked
            wrong = isinstance(arguments, str) and bool(arguments.strip())
            return Piece("call", name=name, value=arguments, call_id=part.get("id"), served=served, malformed=wrong)
        case "tool_call_response":
            answer = part.get("response")
            many = answer if isinstance(answer, list) and depth < NESTED else []
            inner = many if all(isinstance(one, dict) and "type" in one for one in many) else []
            text, value = (answer, None) if isinstance(answer, str) else ("", None if inner else answer)
            parts = [_piece(one, depth + 1) for one in inner]
            return Piece("result", text, value, name, part.get("id"), served=served, inner=parts)
        case "blob" | "uri" | "file":
            count = part.get("size")
            kinds = _text(part.get("mime_type") or part.get("modality") or "file")
            where = size(count) if isinstance(count, int) else _text(part.get("uri") or part.get("file_id"))
            return Piece("media", where, name=" ".join(filter(None, (kinds, name))))
    return Piece("other", value=part, name=kind)


def _text(value: object) -> str:
    return (
        value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    )


def parsed(text: str) -> object:
    """Return a text's JSON object or list; the text itself where it is none."""
    if len(text) > PARSED_CHARS or text.lstrip()[:1] not in {"{", "["}:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and {"role", "parts"} <= value.keys() and isinstance(value["parts"], list)


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _name(definition: object) -> str:
    """Return the name of a tool, however a provider spells its definition."""
    levels = [definition, *definition.values()] if isinstance(definition, dict) else []
    return next((str(one["name"]) for one in levels if isinstance(one, dict) and one.get("name")), "")


def matching_steps(task: TaskData, words: Sequence[str]) -> list[int]:
    """Return the numbers of the steps that say all of these words, upper and lower case alike, in whatever text.

    Each message is looked at once, however many steps were given it.
    """
    wanted = [word.casefold() for word in words]
    told: dict[int, set[str]] = {}
    found = []
    for step in task.steps or ():
        said, kept = _said(step.model_dump(exclude_none=True), wanted), step.captured
        for name in CapturedStep.__dataclass_fields__ if kept is not None else ():
            value = getattr(kept, name)
            for message in value or () if name.endswith("_messages") else ():
                if id(message) not in told:
                    told[id(message)] = _said(message, wanted)
                said |= told[id(message)]
            said |= set() if name.endswith("_messages") else _said(value, wanted)
        if said.issuperset(wanted):
            found.append(step.step_number)
    return found


def _said(value: object, words: Sequence[str]) -> set[str]:
    """Return those of some words that occur in a value's texts."""
    said, waiting = set[str](), [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += [*one, *one.values()]
        elif isinstance(one, list | tuple):
            waiting += one
        elif one is not None:
            text = str(one).casefold()
            said.update(word for word in words if word in text)
    return said
