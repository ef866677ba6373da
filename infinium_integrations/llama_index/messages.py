"""LlamaIndex's messages: taken by reference when they are seen, read as parts on the writer's thread."""

from collections.abc import Mapping, Sequence
from typing import Any

from infinium_integrations.capture.content import Content, Form, Message, Part, Streamed, parsed
from infinium_integrations.capture.hosted_tools import hosted
from infinium_integrations.capture.media import Media, encoded
from infinium_integrations.llama_index.classes import is_a

__all__ = [
    "answered",
    "has_calls",
    "held_blocks",
    "longer",
    "read",
    "refused",
    "streamed",
    "take",
    "take_all",
    "take_any",
    "with_calls",
    "with_hosted",
    "with_refusal",
]

_BESIDE = ("tool_calls", "tool_call_id", "function_call", "reasoning_content", "reasoning", "refusal", "name")
"""What provider packages put beside the blocks."""
_BYTES = ("image", "audio", "video", "data")
_ROLES = {"chatbot": "assistant", "model": "assistant", "developer": "system", "function": "tool"}


def take(content: Content, message: object, limit: int) -> Message:
    """Take a ``ChatMessage``; one that was seen before, and holds the same, is the same."""
    return content.message(message, _FORM, limit)


def take_all(content: Content, given: Sequence[object], limit: int) -> list[Message]:
    """Take messages in order, and texts, which are the user's."""
    return content.take_all(given, _FORM, limit)


def _new(content: Content, message: object, limit: int) -> Message:
    held = getattr(message, "__dict__", {})
    beside, role = held.get("additional_kwargs"), _role(held.get("role"))
    kept = None
    if isinstance(beside, dict) and dict.__len__(beside):
        kept = {key: beside[key] for key in _BESIDE if beside.get(key)}
    name = kept.pop("name", None) if kept else None
    taken = {
        "blocks": held_blocks(content, held.get("blocks") or (), limit),
        "beside": _objects(content, kept, limit) if kept else {},
        "tool": role == "tool",
    }
    return Message(role, name if isinstance(name, str) else None, taken, read)


def has_calls(message: object) -> bool:
    """Return whether a ``ChatMessage`` holds the calls of tools that it asks for itself."""
    held = getattr(message, "__dict__", {})
    beside = held.get("additional_kwargs")
    if isinstance(beside, dict) and beside.get("tool_calls"):
        return True
    return any(getattr(block, "__dict__", {}).get("block_type") == "tool_call" for block in held.get("blocks") or ())


def _role(role: object) -> str:
    word = role if type(role) is str else getattr(role, "value", role)
    return _ROLES.get(word, word) if isinstance(word, str) else "user"


def take_any(content: Content, value: object, limit: int) -> Message:
    """Take a message, or a text, which is the user's."""
    if is_a(value, "ChatMessage"):
        return take(content, value, limit)
    return Message("user", None, {"blocks": [content.take(value, limit)]}, read)


_FORM = Form(
    said=("blocks", "additional_kwargs"),
    copied="",
    owns=lambda value: is_a(value, "ChatMessage"),
    new=_new,
    other=take_any,
)


def held_blocks(content: Content, blocks: Any, limit: int) -> list[Any]:
    """Take a message's blocks: of a text the text, of any other its fields."""
    return [_held_block(content, block, limit) for block in blocks]


def _held_block(content: Content, block: object, limit: int) -> object:
    fields: Mapping[str, Any] = getattr(block, "__dict__", {})
    kind = fields.get("block_type")
    if kind == "text":
        text = fields.get("text")
        return content.text(text, limit) if type(text) is str else content.take(text, limit)
    taken: dict[str, Any] = {"block_type": kind or type(block).__name__}
    for key, value in fields.items():
        if value is None or key == "block_type":
            continue
        if key in _BYTES and isinstance(value, bytes):
            told = (fields.get(f"{kind}_mimetype"), fields.get("format"), kind)
            mime = next((word for word in told if type(word) is str and word), "file")
            taken[key] = Media(mime, len(value) * 3 // 4, kind)  # LlamaIndex turns it into base64
        elif key in {"content", "cited_content"} and not isinstance(value, str):
            taken[key] = held_blocks(content, value if isinstance(value, list) else [value], limit)
        elif key == "url" and type(value).__module__.startswith("pydantic"):  # it can't change, and is written later
            taken[key] = value
        else:
            taken[key] = content.take(value, limit)
    return taken


def _objects(content: Content, beside: dict[str, Any], limit: int) -> object:
    """Take what stands beside a message; older packages keep tool calls there, as dicts or objects of their own."""
    calls = beside.get("tool_calls")
    if not isinstance(calls, list):
        return content.take(beside, limit)
    told = [{name: _field(one, name) for name in ("id", "function", "name", "arguments")} for one in calls]
    for call in told:
        function = call.pop("function")
        if function is not None:
            call.update(name=_field(function, "name"), arguments=_field(function, "arguments"))
    return content.take({**beside, "tool_calls": told}, limit)


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else getattr(value, "__dict__", {}).get(name)


# -- a message as parts ------------------------------------------------------------------------------------------------


def read(held: Mapping[str, Any]) -> list[Part]:
    """Return the parts of what was taken of a message."""
    beside = held.get("beside") or {}
    parts = _of_blocks(held["blocks"])
    if held.get("tool"):
        texts = [part["content"] for part in parts if part["type"] == "text" and type(part["content"]) is str]
        response = "\n".join(texts) if len(texts) == len(parts) else parts
        return [{"type": "tool_call_response", "id": beside.get("tool_call_id"), "response": response}]
    thought = beside.get("reasoning_content") or beside.get("reasoning")
    if isinstance(thought, str) and not any(part["type"] == "reasoning" for part in parts):
        parts.insert(0, {"type": "reasoning", "content": thought})
    if beside.get("refusal"):
        parts.append({"type": "refusal", "content": beside["refusal"]})
    if not any(part["type"] == "tool_call" for part in parts):
        calls = beside.get("tool_calls") or ([beside["function_call"]] if beside.get("function_call") else [])
        parts += [
            {
                "type": "tool_call",
                "id": call.get("id"),
                "name": call.get("name"),
                "arguments": parsed(call.get("arguments")),
            }
            for call in calls
            if isinstance(call, dict)
        ]
    return parts


def _of_blocks(blocks: list[Any]) -> list[Part]:
    """Return the parts that taken blocks stand for; a citation is of the text beside it."""
    parts: list[Part] = []
    cited: list[Part] = []
    for block in blocks:
        if isinstance(block, dict) and block["block_type"] == "citation":
            quoted = (part for part in _of_blocks(block.get("cited_content") or []) if part["type"] == "text")
            told = {"title": block.get("title"), "source": block.get("source")}
            told["cited_text"] = "".join(part["content"] for part in quoted)
            cited.append({key: value for key, value in told.items() if value})
        else:
            parts += _block(block)
        last = parts[-1] if parts else None
        if cited and last is not None and last["type"] == "text":
            parts[-1] = {**last, "citations": [*last.get("citations", ()), *cited]}
            cited = []
    return parts + [{"type": "text", "content": one.get("cited_text", ""), "citations": [one]} for one in cited]


def _block(block: Any) -> list[Part]:  # noqa: PLR0911  (a table in the form of code)
    if isinstance(block, Media):
        return [block.part()]
    if not isinstance(block, dict):
        return [{"type": "text", "content": block}] if block not in (None, "") else []
    match block["block_type"]:
        case "thinking":
            return [{"type": "reasoning", "content": block["content"]}] if block.get("content") else []
        case "tool_call":
            call = {
                "id": block.get("tool_call_id"),
                "name": block.get("tool_name"),
                "arguments": parsed(block.get("tool_kwargs")),
            }
            return [{"type": "tool_call", **call}]
        case "cache":
            return []
        case "citable":
            title = [block["title"]] if block.get("title") else []
            inner = _of_blocks([*title, *(block.get("content") or [])])
            cited = {key: block[key] for key in ("title", "source") if block.get(key)}
            return [{**part, "citations": [cited]} if part["type"] == "text" else part for part in inner]
        case "image" | "audio" | "video" | "document" as kind:
            return [_file(block, kind)]
    return [{"type": block["block_type"], **{key: value for key, value in block.items() if key != "block_type"}}]


def _file(block: Part, kind: str) -> Part:
    if (address := block.get("url")) is not None and not isinstance(address, str):
        block = {**block, "url": encoded(str(address)) or str(address)}
    found = next((item for item in block.values() if isinstance(item, Media)), None)
    modality = "file" if kind == "document" else kind
    part: Part = {"type": "file", "modality": modality}
    if found is not None:
        part = {**found.part(), "modality": modality}
    elif block.get("url") or block.get("path"):
        part = {"type": "uri", "modality": modality, "uri": block.get("url") or block["path"]}
        mime = block.get(f"{kind}_mimetype") or block.get("format")
        if mime:
            part["mime_type"] = mime
    if block.get("title"):
        part["name"] = block["title"]
    return part


def streamed() -> Streamed:
    """Return what keeps a stream's chunks: its texts."""
    return Streamed(_of_chunks)


def refused(text: str) -> Part:
    """Return a chunk of a refusal, which is no chunk of a text."""
    return {"type": "refusal", "content": text}


def _of_chunks(chunks: list[Any]) -> list[Part]:
    texts = "".join(chunk for chunk in chunks if isinstance(chunk, str))
    refusal = "".join(chunk["content"] for chunk in chunks if isinstance(chunk, dict))
    parts: list[Part] = [{"type": "text", "content": texts}] if texts else []
    return [*parts, refused(refusal)] if refusal else parts


def answered(content: Content, text: object, limit: int) -> Message:
    """Take the text of a completion."""
    return Message("assistant", None, {"blocks": [content.take(text, limit)]}, read)


def longer(given: Message, streamed: Message) -> Message:
    """Return a message that says what was streamed where the final one says less of it."""
    return Message("assistant", given.name, (given, streamed), _longer)


def _longer(held: tuple[Message, Message]) -> list[Part]:
    given, streamed = (message.parts() for message in held)
    texts = [str(part["content"]) for part in given if part["type"] == "text"]
    told = "".join(str(part["content"]) for part in streamed if part["type"] == "text")
    so_far = len(texts) > 1 and all(map(told.startswith, texts))  # Mistral's has what was said up to each chunk
    if not so_far and len(told.strip()) <= len("".join(texts).strip()):
        known = any(part["type"] == "refusal" for part in given)
        return given if known else [*given, *(part for part in streamed if part["type"] == "refusal")]
    return [*streamed, *(part for part in given if part["type"] != "text")]


def with_calls(given: Message | None, calls: object) -> Message:
    """Return a message with calls of tools that it leaves out; a stream's last event may hold those that it has."""
    return Message("assistant", given.name if given is not None else None, (given, calls), _with_calls)


def _with_calls(held: tuple[Message | None, Any]) -> list[Part]:
    given, calls = held
    parts = given.parts() if given is not None else []
    known = {part["name"] for part in parts if part["type"] == "tool_call"}
    further = (call for call in calls if call["name"] not in known)
    return parts + [{"type": "tool_call", **call, "arguments": parsed(call["arguments"])} for call in further]


def with_refusal(given: Message | None, refusal: object) -> Message:
    """Return a message with the refusal that it leaves out."""
    return Message("assistant", given.name if given is not None else None, (given, refusal), _with_refusal)


def _with_refusal(held: tuple[Message | None, Any]) -> list[Part]:
    given, refusal = held
    parts = given.parts() if given is not None else []
    known = any(part["type"] == "refusal" for part in parts)
    return parts if known else [*parts, {"type": "refusal", "content": refusal}]


def with_hosted(given: Message | None, blocks: object) -> Message:
    """Return a message with the calls of tools that the provider ran, and what came of each, before all else."""
    return Message("assistant", given.name if given is not None else None, (given, blocks), _with_hosted)


def _with_hosted(held: tuple[Message | None, Any]) -> list[Part]:
    given, blocks = held
    # of one that found no room, what says its kind may be missing
    told = [block for block in blocks if isinstance(block, dict) and isinstance(block.get("type"), str)]
    parts = [part for block in told for part in hosted(block, block["type"])]
    ran = [part for part in parts if part["type"] != "blob"]  # pictures stand in the message itself
    return ran + (given.parts() if given is not None else [])
