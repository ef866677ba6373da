"""What a run saw and said, whole, in a terminal: step by step, each message where it comes up first."""

from collections.abc import Iterator
from typing import Any

import click

from infinium_integrations.capture.serializer import encode
from infinium_integrations.models import CapturedStep, ExecutionStep, TaskData
from infinium_integrations.viewer.formatting import printable

__all__ = ["transcript"]

Message = dict[str, Any]


def transcript(task: TaskData) -> Iterator[str]:
    """Return what was captured of a trace, line by line; texts stand as they are, control characters made visible."""
    captured = task.captured
    if captured is None:
        yield "No content was kept beside this trace: it was switched off, or the trace is older."
        return
    seen: dict[int, int] = {}
    yield from _value("input", captured.input, seen)
    for step in task.steps or ():
        if step.captured is not None:
            yield from _step(step, step.captured, seen)
    yield from _value("output", captured.output, seen)
    for definition in captured.tool_definitions:
        yield from _value("tool definition", definition)


def _step(step: ExecutionStep, captured: CapturedStep, seen: dict[int, int]) -> Iterator[str]:
    yield ""
    yield click.style(f"━━ {step.step_number}  {printable(step.description)}", bold=True)
    yield from _messages(captured.input_messages or [], seen, step.step_number)
    yield from _messages(captured.output_messages or [], seen, step.step_number)
    for name in ("parameters", "arguments", "result", "input", "output"):
        yield from _value(name, getattr(captured, name), seen, step.step_number)
    for number, document in enumerate(captured.documents or (), start=1):
        yield from _value(f"document {number}", document.get("content"))
        yield from _value("metadata", document.get("metadata"))


def _messages(messages: list[Message], seen: dict[int, int], step: int) -> Iterator[str]:
    """Write messages out; those that were written before are counted."""
    earlier = [message for message in messages if id(message) in seen]
    if earlier:
        where = f"from step {seen[id(earlier[0])]} on" if seen[id(earlier[0])] else "at the beginning"
        count = f"{len(earlier)} message{'s' if len(earlier) > 1 else ''}"
        yield click.style(f"({count} again, which stand{'s' if len(earlier) == 1 else ''} {where})", dim=True)
    for message in messages:
        if id(message) not in seen:
            seen[id(message)] = step
            yield from _message(message)


def _message(message: Message) -> Iterator[str]:
    name = f" {message['name']}" if message.get("name") else ""
    yield _heading(f"{message['role']}{name}")
    for part in message["parts"]:
        match part["type"]:
            case "text" | "refusal":
                yield _text(part["content"])
            case "reasoning":
                yield click.style("reasoning:", dim=True)
                yield _text(part["content"])
            case "tool_call" | "server_tool_call":
                yield f"→ {printable(str(part['name']))}({_text(part['arguments'])})"
            case "tool_call_response" | "server_tool_call_response":
                yield _text(part["response"])
            case _:
                yield _text(part)
        for citation in part.get("citations") or ():
            yield click.style(f"  cites {_text(citation)}", dim=True)


def _value(name: str, value: object, seen: dict[int, int] | None = None, step: int = 0) -> Iterator[str]:
    if value is None:
        return
    yield _heading(name)
    if seen is not None and isinstance(value, list) and value and all(map(_is_message, value)):
        yield from _messages(value, seen, step)
    else:
        yield _text(value)


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and {"role", "parts"} <= value.keys()


def _heading(text: str) -> str:
    return click.style(f"── {printable(text)}", fg="cyan")


def _text(value: object) -> str:
    return printable(value if isinstance(value, str) else "" if value is None else encode(value))
