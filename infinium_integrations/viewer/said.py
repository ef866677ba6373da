"""What went into a step and came out of it, as text under a label: whole where it was kept, else its previews."""

from collections.abc import Iterable

from infinium_integrations.capture.folding import Json
from infinium_integrations.viewer.formatting import pretty
from infinium_integrations.viewer.summary import texts
from infinium_integrations.viewer.timeline import Node

__all__ = ["as_text", "previews", "whole_texts"]


def whole_texts(node: Node) -> dict[str, str] | None:
    """Return what was kept of a step, by label; None where nothing was."""
    kept = node.step.captured
    if kept is None:
        return None
    prompt = kept.input_messages
    values = {
        "System prompt": _of_role(prompt, "system", wanted=True),
        "Prompt": _of_role(prompt, "system", wanted=False),
        "Tools": "\n".join(kept.tools) if kept.tools else None,
        "Parameters": kept.parameters or None,
        "Arguments": kept.arguments,
        "Input": kept.input if prompt is None else None,
        "Documents": [document.get("content") for document in kept.documents] if kept.documents else None,
        "Result": kept.result,
        "Answer": _transcript(kept.output_messages),
        "Output": kept.output if kept.output_messages is None else None,
    }
    return {label: as_text(value) for label, value in values.items() if value is not None}


def previews(node: Node) -> dict[str, str]:
    """Return what a step's previews say, by label, and the system prompt where it stands at this step."""
    system = node.meta.get("system")
    return {**({"System prompt": system} if isinstance(system, str) else {}), **dict(texts(node))}


def as_text(value: object) -> str:
    """Return a text as it is, messages as a conversation, and anything else as JSON over several lines."""
    if isinstance(value, str):
        return value
    if _is_conversation(value):
        return _transcript(value) or ""  # type: ignore[arg-type]  # as was looked up
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "\n\n".join(value)
    return pretty(value)


def _is_conversation(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and {"role", "parts"} <= one.keys() for one in value)
    )


def _of_role(messages: Iterable[dict[str, Json]] | None, role: str, *, wanted: bool) -> str | None:
    return None if messages is None else _transcript([one for one in messages if (one.get("role") == role) is wanted])


def _transcript(messages: Iterable[dict[str, Json]] | None) -> str | None:
    """Return messages as text, each under its role; None where there are none."""
    return "\n\n".join(f"{one.get('role')}: {_message(one)}" for one in messages or ()) or None


def _message(message: dict[str, Json]) -> str:
    parts = message.get("parts")
    return "\n".join(_part(part) for part in parts) if isinstance(parts, list) else as_text(parts)


def _part(part: Json) -> str:
    if not isinstance(part, dict):
        return as_text(part)
    match part.get("type"):
        case "text" | "refusal":
            return as_text(part.get("content"))
        case "reasoning":
            return f"(reasoning) {as_text(part.get('content'))}"
        case "tool_call" | "server_tool_call":
            return f"→ {part.get('name')}({as_text(part.get('arguments'))})"
        case "tool_call_response" | "server_tool_call_response":
            return as_text(part.get("response"))
        case _:
            return as_text(part)
