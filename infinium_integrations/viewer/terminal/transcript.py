"""What a run saw and said, whole, in a terminal: step by step, each message where it comes up first."""

from collections.abc import Iterator
from textwrap import indent

import click

from infinium_integrations.capture.folding import Json, of_messages
from infinium_integrations.capture.serializer import encode
from infinium_integrations.models import CapturedStep, ExecutionStep, TaskData
from infinium_integrations.viewer.conversation import Message, of_models, split
from infinium_integrations.viewer.formatting import counted, printable
from infinium_integrations.viewer.formatting import number as number_of

__all__ = ["as_json", "transcript"]


def transcript(task: TaskData) -> Iterator[str]:
    """Return what was captured of a trace, line by line; texts stand as they are, control characters made visible."""
    captured = task.captured
    if captured is None:
        yield "No content was kept beside this trace: it was switched off, or the trace is older."
        return
    if captured.cut:
        yield "Texts that end with … were cut: until it is stored a trace holds 8 MiB, a process 64 MiB, a text 1 MB."
    writer = _Writer(task)
    yield from writer.value("input", captured.input)
    for step in task.steps or ():
        if step.captured is not None:
            yield from writer.step(step, step.captured)
    yield from writer.value("output", captured.output)
    for definition in captured.tool_definitions:
        yield from writer.value("tool definition", definition)


def as_json(task: TaskData) -> dict[str, Json] | None:
    """Return what was captured of a trace, its messages once; None where nothing was.

    ``input_messages`` and ``output_messages`` of a step are indexes of ``messages``; elsewhere messages stand as the
    file has them: ``{"$is": "/messages/3"}`` is one, ``{"$is": "/messages/0:3"}`` the first three.
    """
    captured = task.captured
    if captured is None:
        return None
    indexes = {id(message): index for index, message in enumerate(captured.messages)}
    steps: dict[str, Json] = {}
    for step in task.steps or ():
        if step.captured is not None:
            found = {name: getattr(step.captured, name) for name in CapturedStep.__dataclass_fields__}
            for name in ("input_messages", "output_messages"):
                found[name] = found[name] and [indexes[id(message)] for message in found[name]]
            found.update(input=_referring(found["input"], indexes), output=_referring(found["output"], indexes))
            steps[str(step.step_number)] = {name: value for name, value in found.items() if value is not None}
    ends = {"input": _referring(captured.input, indexes), "output": _referring(captured.output, indexes)}
    kept = {name: value for name, value in ends.items() if value is not None}
    if captured.cut:
        kept["cut"] = True
    return {"messages": captured.messages, "tool_definitions": captured.tool_definitions, **kept, "steps": steps}


def _referring(value: Json, indexes: dict[int, int]) -> Json:
    """Return a value in which messages stand by their indexes."""
    if isinstance(value, list) and value and all(id(item) in indexes for item in value):
        return of_messages([indexes[id(item)] for item in value])
    if id(value) in indexes:
        return {"$is": f"/messages/{indexes[id(value)]}"}
    if isinstance(value, dict):
        return {key: _referring(item, indexes) for key, item in value.items()}
    return [_referring(item, indexes) for item in value] if isinstance(value, list) else value


class _Writer:
    """Writes each message where a model first saw or said it; elsewhere messages are counted."""

    def __init__(self, task: TaskData) -> None:
        self._modelled = of_models(task)
        self._seen: dict[int, int] = {}
        """The step at which a message was written."""
        self._tools: list[str] = []
        """What the last model that was offered tools was offered."""
        framework = task.environment.framework if task.environment is not None else None
        self._glue = "\n" if framework == "llama_index" else ""
        """What stands between neighbouring texts of a message where its framework reads it."""

    def step(self, step: ExecutionStep, captured: CapturedStep) -> Iterator[str]:
        yield ""
        yield click.style(f"━━ {step.step_number}  {printable(step.description)}", bold=True)
        given, came = captured.input_messages or [], captured.output_messages or []
        earlier = [self._seen[id(message)] for message in given if id(message) in self._seen]
        if earlier:
            yield _aside(f"{counted(len(earlier), 'message')} again, from step {min(earlier)} on")
        yield from self._messages([*given, *came], step.step_number)
        if captured.tools and captured.tools != self._tools:
            self._tools = captured.tools
            yield from self.value("tools offered", ", ".join(captured.tools))
        for name in ("parameters", "arguments", "result", "input", "output"):
            yield from self.value(name, getattr(captured, name), step.step_number)
        for place, document in enumerate(captured.documents or (), start=1):
            score = number_of(document.get("score"))
            told = (f"document {place}", document.get("id"), None if score is None else f"score {score:.3g}")
            yield from self.value(" · ".join(str(text) for text in told if text), document.get("content"))
            yield from self.value("metadata", document.get("metadata"))

    def value(self, name: str, value: object, step: int = 0) -> Iterator[str]:
        if value is None:
            return
        yield _heading(name)
        messages, rest = split(value)
        shown = [message for message in messages if id(message) in self._modelled]
        if shown:
            yield _aside(f"{counted(len(shown), 'message')} that a model's step shows")
        yield from self._messages([message for message in messages if id(message) not in self._modelled], step)
        if rest is not None:
            yield _text(rest)

    def _messages(self, messages: list[Message], step: int) -> Iterator[str]:
        for message in messages:
            if id(message) not in self._seen:
                self._seen[id(message)] = step
                yield from _message(message, self._glue)


def _aside(text: str) -> str:
    return click.style(f"({text})", dim=True)


def _message(message: Message, glue: str) -> Iterator[str]:
    name = f" {message['name']}" if message.get("name") else ""
    yield _heading(f"{message['role']}{name}")
    parts: list[dict[str, Json]] = []
    for part in message["parts"]:
        if parts and {part["type"], parts[-1]["type"]} == {"text"} and not parts[-1].get("citations"):
            parts[-1] = {**part, "content": f"{parts[-1]['content']}{glue}{part['content']}"}
        else:
            parts.append(part)
    for part in parts:
        match part["type"]:
            case "text" | "refusal":
                yield _text(part["content"])
            case "reasoning":
                yield click.style("reasoning:", dim=True)
                yield click.style(indent(_text(part["content"]), "  "), dim=True)
            case "tool_call" | "server_tool_call":
                yield f"→ {printable(str(part['name']))}({_text(part['arguments'])})"
            case "tool_call_response" | "server_tool_call_response":
                yield _text(part["response"])
            case _:
                yield _text(part)
        for citation in part.get("citations") or ():
            yield click.style(f"  cites {_text(citation)}", dim=True)


def _heading(text: str) -> str:
    return click.style(f"── {printable(text)}", fg="cyan")


def _text(value: object) -> str:
    return printable(value if isinstance(value, str) else "" if value is None else encode(value))
