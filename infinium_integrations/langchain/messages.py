"""LangChain's messages: taken by reference when they are seen, read as parts on the writer's thread.

The shapes of the providers' blocks are those of their packages and of LangChain's standard content blocks.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from infinium_integrations.capture.content import GOES_ON, Content, Form, Message, Part, Streamed, parsed
from infinium_integrations.capture.folding import Json
from infinium_integrations.capture.hosted_tools import HOSTED, RESULTS, hosted, unsealed
from infinium_integrations.capture.media import Media, size
from infinium_integrations.capture.serializer import encode
from infinium_integrations.langchain.message_forms import FIELDS, is_pair, read_dict, roles, told_call
from infinium_integrations.redaction.key_names import HIDDEN, hides

__all__ = ["held_call", "streamed", "take", "take_all", "take_any"]

_BESIDE = ("function_call", "reasoning_content", "reasoning", "refusal", "audio", "thinking", "thinking_blocks")
"""What providers put beside the content."""
_BESIDE_ANSWERS = (*_BESIDE, "executed_tools", "citations", "search_results")
_GROUNDED = ("web_search_queries", "grounding_chunks")
"""Of what Gemini says of its sources; the rest is where each supports the text, and a page to show."""
_REASONING = ("reasoning_content", "reasoning", "thinking", "thinking_blocks")
"""Of these, what the model has thought."""


def take(content: Content, message: BaseMessage, limit: int) -> Message:
    """Take a message; one that was seen before, and holds the same, is the same."""
    return content.message(message, _FORM, limit)


def _new(content: Content, message: BaseMessage, limit: int) -> Message:
    kind = message.__dict__.get("type")
    return _taken(content, kind if isinstance(kind, str) else type(message).__name__, message.__dict__, limit)


def _taken(content: Content, kind: str, fields: Mapping[str, Json], limit: int) -> Message:
    """Take the fields of a message, which is an object or a dict."""
    get = fields.get
    name, beside = get("name"), get("additional_kwargs")
    if kind == "chat" and type(get("role")) is str:
        kind = fields["role"]
    taken: dict[str, Json] = {}
    if text := get("content"):
        taken["content"] = content.take(text, limit)
    if (calls := get("tool_calls")) and type(calls) is list:
        if (copies := content.several(calls)) is not None:
            taken["calls"] = taken["tool_calls"] = copies
        else:
            taken["calls"] = [held_call(content, call, limit) for call in calls]
    if (calls := get("invalid_tool_calls")) and type(calls) is list:
        taken["invalid"] = [held_call(content, call, limit) for call in calls]
    role = roles.get(kind, kind)
    if type(beside) is dict and beside:
        kept = _BESIDE_ANSWERS if role == "assistant" else _BESIDE
        taken["beside"] = content.take({key: beside[key] for key in kept if beside.get(key)}, limit)
    told = get("response_metadata")
    if type(told) is dict and type(grounding := told.get("grounding_metadata")) is dict:
        taken["grounding"] = content.take({key: grounding.get(key) for key in _GROUNDED}, limit)
    if call := get("tool_call_id"):
        taken["call_id"] = content.take(call, limit)
    if kind == "remove":
        taken["remove"] = content.take(get("id"), limit)
    return Message(role, name if isinstance(name, str) else None, taken, _parts)


_OF_A_CALL = frozenset({"name", "args", "id", "type", "error", "index", "extras"})


def held_call(content: Content, call: Json, limit: int) -> object:
    """Take a tool call: what is in its few fields."""
    if type(call) is not dict or not call.keys() <= _OF_A_CALL:
        return content.take(call, limit)
    return {key: content.take(value, limit) for key, value in call.items() if key != "type"}


def take_all(content: Content, given: Sequence[object], limit: int, *, every: bool = True) -> list[Message]:
    """Take messages in order, each in any of its forms; see ``Content.take_all``."""
    return content.take_all(given, _FORM, limit, every=every)


def take_any(content: Content, value: Json, limit: int) -> Message:
    """Take a message in any of its forms, or a text, which is the user's."""
    if isinstance(value, BaseMessage):
        return take(content, value, limit)
    kind = type(value)
    read = read_dict(value) if kind is dict else None
    if read is None:
        role, said = value if (kind is tuple or kind is list) and is_pair(value) else ("user", value)
        return Message(roles.get(role, role), None, {"content": content.take(said, limit)} if said else {}, _parts)
    role, fields = read
    calls, inner = fields.get("tool_calls"), fields.get("additional_kwargs")
    beside = {**(inner if type(inner) is dict else {}), **{key: fields[key] for key in _BESIDE if fields.get(key)}}
    told = [told_call(call) for call in calls] if type(calls) is list else []
    message = _taken(content, role, {**fields, "tool_calls": told, "additional_kwargs": beside}, limit)
    if fields is value and not value.keys() <= FIELDS:
        further = {
            key: HIDDEN if type(key) is str and hides(fields, key, item) else item
            for key, item in fields.items()
            if key not in FIELDS
        }
        message.held["further"] = content.take(further, limit)
    return message


_PLAIN_ROLES: dict[type, str] = {HumanMessage: "user", SystemMessage: "system", AIMessage: "assistant"}


def _only_texts(content: Content, given: Sequence[object], limit: int) -> tuple[list[Message], list[dict[str, Json]]]:
    """Take messages as long as each is a text and nothing else, and copy the fields of each."""
    taken, before = list[Message](), list[dict[str, Json]]()
    with contextlib.suppress(KeyError):  # of one that was made without a look at its fields
        for message in given:
            role = _PLAIN_ROLES.get(type(message))
            if role is None:
                break
            fields: dict[str, Json] = message.__dict__
            text, name, emptied = fields["content"], fields["name"], _EMPTIED
            if type(text) is not str or (name is not None and type(name) is not str) or fields["additional_kwargs"]:
                break
            if role == "assistant":
                emptied = _EMPTIED_ANSWER
                told = fields["tool_calls"] or fields["invalid_tool_calls"]
                if told or "grounding_metadata" in fields["response_metadata"]:
                    break
            taken.append(Message(role, name, {"content": text} if text else {}, _parts))
            before.append({**fields, **emptied})
    whole = content.whole([fields["content"] for fields in before], limit)
    return taken[:whole], before[:whole]


_EMPTIED: dict[str, Json] = {"additional_kwargs": {}}
_EMPTIED_ANSWER: dict[str, Json] = {**_EMPTIED, "tool_calls": [], "invalid_tool_calls": []}
"""What a message that is only a text has of these; not the message's own, which may change."""
_FORM = Form(
    said=("content", "tool_calls", "invalid_tool_calls", "additional_kwargs"),
    copied="tool_calls",
    owns=lambda value: isinstance(value, BaseMessage),
    new=_new,
    other=take_any,
    plain=_only_texts,
)


# -- a message as parts ------------------------------------------------------------------------------------------------


def _parts(held: dict[str, Json]) -> list[Part]:
    """Return the parts of what was taken of a message, and the facts that the user's program keeps beside it."""
    content = held.get("content")
    if len(held) == 1 and type(content) is str:  # what most messages are
        return [{"type": "text", "content": content}]
    further: list[Part] = [{"type": "data", "content": held["further"]}] if "further" in held else []
    if "call_id" in held:
        return [{"type": "tool_call_response", "id": held["call_id"], "response": _response(content)}, *further]
    if "remove" in held:
        return [{"type": "text", "content": f"remove message {held['remove']}"}]
    beside: dict[str, Json] = held.get("beside") or {}
    parts = [part for key in _REASONING for part in _reasoning(_thought(beside.get(key)))] if beside else []
    calls = held.get("calls") or []
    known = {call.get("id") for call in calls if isinstance(call, dict)}
    parts += _served(beside, held.get("grounding"))
    said = _blocks([content] if not isinstance(content, list) else content, known, calls=bool(calls))
    parts += _cited(said, beside, held.get("grounding"))
    parts += _said_beside(beside, calls=bool(calls))
    parts += [_call(call) for call in calls if isinstance(call, dict)]
    for call in held.get("invalid") or ():
        if isinstance(call, dict):
            error = call.get("error") or "not valid JSON"
            parts.append({**_call(call), "arguments": call.get("args"), "error": error})
    return parts + further


def _response(content: object) -> object:
    """Return a tool's answer: its text where it is all text, else its parts."""
    if not isinstance(content, list):
        return content if content is not None else ""
    parts = _inner(content)
    if all(part["type"] == "text" and type(part["content"]) is str for part in parts):
        return "\n".join(part["content"] for part in parts)
    return parts


def _inner(blocks: Iterable[Json]) -> list[Part]:
    """Return the parts of blocks that lie in a part: neighbouring texts are one, so that none goes on."""
    parts = _blocks(blocks, set(), calls=False, joined=True)
    return [{key: item for key, item in part.items() if key != GOES_ON} for part in parts]


def _call(call: dict[str, Json]) -> Part:
    return {"type": "tool_call", "id": call.get("id"), "name": call.get("name"), "arguments": parsed(call.get("args"))}


def _text(text: object) -> list[Part]:
    if isinstance(text, Media):
        return [text.part()]
    if isinstance(text, (int, float)) or text:
        return [{"type": "text", "content": text if isinstance(text, str) else encode(text)}]
    return []


def _reasoning(text: object) -> list[Part]:
    return [{"type": "reasoning", "content": text}] if text else []


def _thought(value: Json) -> str:
    """Return the text of reasoning, in whatever form a provider has it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(_thought, value)))
    if not isinstance(value, dict):
        return ""
    for key in _THOUGHTS:
        if value.get(key):
            return _thought(value[key])
    return ""


_THOUGHTS = (
    *("thinking", "reasoning", "text", "summary", "content"),
    *("reasoning_content", "reasoningContent", "reasoning_text", "reasoningText"),
)


def _served(beside: dict[str, Json], grounding: Json) -> list[Part]:
    """Return the calls of tools that the provider ran, where they stand beside the content: Groq's and Gemini's."""
    parts: list[Part] = []
    ran = beside.get("executed_tools")
    for call in ran if isinstance(ran, list) else ():
        if isinstance(call, dict):
            came = next((call[key] for key in _CAME if call.get(key)), None)
            named = call.get("id") or str(call.get("index", ""))
            parts += hosted({**call, "id": named, "output": came}, str(call.get("type") or ""))
    if isinstance(grounding, dict) and (queries := grounding.get("web_search_queries")):
        parts.append({"type": "server_tool_call", "id": None, "name": "google_search", "arguments": queries})
    return parts


_CAME = ("output", "search_results", "code_results", "browser_results")


def _cited(parts: list[Part], beside: dict[str, Json], grounding: Json) -> list[Part]:
    """Return parts whose text has the citations that a provider puts beside it, if it has none of its own."""
    chunks = grounding.get("grounding_chunks") if isinstance(grounding, dict) else None
    found: list[Json] = [_citation(_source(one)) for one in chunks if one] if isinstance(chunks, list) else []
    for key in ("search_results", "citations"):
        given = beside.get(key)
        found += [_citation(_source(one)) for one in given if one] if isinstance(given, list) else ()
    known = [one.get("url") for one in found if isinstance(one, dict) and len(one) > 1]
    found = [one for one in found if not isinstance(one, dict) or one.keys() != {"url"} or one["url"] not in known]
    texts = [index for index, part in enumerate(parts) if part["type"] == "text"]
    if not found or not texts or any("citations" in part for part in parts):
        return parts
    return [{**part, "citations": found} if index == texts[-1] else part for index, part in enumerate(parts)]


def _source(citation: Json) -> Json:
    """Return what a citation says, in the words of the blocks: Perplexity's is an address, Gemini's lies within."""
    if isinstance(citation, str):
        return {"url": citation}
    if not isinstance(citation, dict):
        return citation
    inner: dict[str, Json] = next((citation[key] for key in _GEMINIS if isinstance(citation.get(key), dict)), {})
    sources = citation.get("sources")
    first = next((one for one in sources if isinstance(one, dict)), {}) if isinstance(sources, list) else {}
    document = first.get("document")
    told = {**first, **(document if isinstance(document, dict) else {}), **citation, **inner}
    return {**told, "url": told.get("url") or told.get("uri")}


_GEMINIS = ("web", "retrieved_context", "maps")


def _said_beside(beside: dict[str, Json], *, calls: bool) -> Iterable[Part]:
    if beside.get("refusal"):
        yield {"type": "refusal", "content": beside["refusal"]}
    audio = beside.get("audio")
    if isinstance(audio, dict):
        data = audio.get("data")
        if isinstance(data, Media):
            yield {**data.part(), "modality": "audio"}
        yield from _text(audio.get("transcript"))
    called = beside.get("function_call")
    if isinstance(called, dict) and not calls:
        arguments = parsed(called.get("arguments"))
        yield {"type": "tool_call", "id": None, "name": called.get("name"), "arguments": arguments}


# -- blocks ------------------------------------------------------------------------------------------------------------


def _blocks(blocks: Iterable[Json], known: set[Json], *, calls: bool, joined: bool = False) -> list[Part]:
    """Return the parts of blocks.

    Texts that neighbour each other go on, as LangChain reads them; those that citations have cut up are one again.

    Args:
        blocks: The content of one message.
        known: The ids of calls that stand beside the content.
        calls: Whether there are any.
        joined: All neighbouring texts become one.
    """
    parts: list[Part] = []
    after: Json = None
    for given in blocks:
        wrapped = isinstance(given, dict) and given.get("type") == "non_standard"  # by LangChain: a provider's own
        block = given.get("value") if wrapped else given
        if after is not None and isinstance(block, dict) and block.get("type") in _CITING:
            parts[-1] = {**parts[-1], "citations": [*parts[-1].get("citations", ()), _citation(block)]}
            continue
        found = _block(block, known, calls=calls)
        said = not isinstance(block, dict) or block.get("type") in _TEXTS
        is_text = said and bool(found) and found[0]["type"] == "text"
        if is_text and after is not None and not _apart(after, block):
            last, (part,) = parts[-1], found
            whole = {type(last["content"]), type(part["content"])} == {str}  # what was cut ends where it was cut
            if whole and (joined or "citations" in last or "citations" in part):
                parts[-1] = {**last, "content": last["content"] + part["content"]}
                if citations := [*last.get("citations", ()), *part.get("citations", ())]:
                    parts[-1]["citations"] = citations
            else:
                parts.append({**part, GOES_ON: True})
        else:
            parts += found
        if found:
            after = block if is_text else None
    return parts


def _apart(before: Json, block: Json) -> bool:
    """Return whether two texts are of two messages, as the Responses API has several in one answer."""
    one, other = (text.get("id") if isinstance(text, dict) else None for text in (before, block))
    return bool(one and other) and one != other and not str(other).startswith("lc_")  # those are LangChain's own


_CITING = frozenset({"reference", "citation"})
"""Blocks that say where the text before them is from; it goes on behind them."""
_TEXTS = frozenset({"text", "output_text", "input_text", "", None})


def _block(block: Json, known: set[Json], *, calls: bool) -> list[Part]:  # noqa: PLR0911  (a table in the form of code)
    """Return the parts that a block of content stands for."""
    if isinstance(block, Media):
        return [block.part()]
    if not isinstance(block, dict):
        return _text(block)
    kind = str(block.get("type") or "")
    read = _BLOCKS.get(kind)
    if read is not None:
        return read(block)
    if kind in _CALLS:
        told = not known.isdisjoint((block.get("id"), block.get("call_id"), block.get("toolUseId")))
        return [] if calls and (told or not known or kind in _OWN) else [_asked(block)]
    if kind.endswith(("_result", "_tool_result", "_output")):
        return [_answer(block)]
    if kind.endswith((*HOSTED, "_call_chunk", "_use")):
        return hosted(block, kind)
    if "text" in block and isinstance(block["text"], str) and kind in {"", "text"}:
        return _plain(block)
    for key, read_keyed in _KEYED.items():  # Bedrock's and Gemini's blocks are told by their one key
        if key in block and not kind and (key not in _OPENED or isinstance(block[key], dict)):
            return read_keyed(block[key])
    held = unsealed(block)
    return [{**held, "type": kind or "unknown"}, *_pictures(held)]


def _pictures(value: Json) -> list[Part]:
    """Return the pictures and sounds that a block of an unknown type holds."""
    if isinstance(value, Media):
        return [] if value.modality == "file" else [value.part()]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [part for item in items for part in _pictures(item)]


_OWN = frozenset({"tool_call", "tool_call_chunk"})
_CALLS = frozenset({"tool_use", "tool_call", "function_call", "custom_tool_call", "tool_call_chunk", "toolUse"})


def _plain(block: Part) -> list[Part]:
    text = block.get("text")
    if isinstance(text, Media):
        return [text.part()]
    if block.get("thought") is True:
        return _reasoning(text)
    part: Part = {"type": "text", "content": text if isinstance(text, str) else ""}
    found = [_citation(one) for one in (block.get("citations") or block.get("annotations") or ()) if one]
    if found:
        part["citations"] = found
    return [part] if part["content"] or found else []


_CITED = (
    *("title", "document_title", "url", "source", "cited_text", "file_name", "filename", "file_id", "text"),
    "document_ids",
)


def _citation(citation: Json) -> object:
    """Return what a citation says of its source."""
    if not isinstance(citation, dict):
        return citation
    value = citation.get("value")
    inner = {**citation, **(value if isinstance(value, dict) else {})}
    return {key: inner[key] for key in _CITED if inner.get(key)} or citation


def _hidden_thinking(block: Part) -> list[Part]:
    data = block.get("data")
    count = data.bytes if isinstance(data, Media) else len(data) * 3 // 4 if isinstance(data, str) else 0
    return _reasoning(f"<sealed by the provider, {size(count)}>")


def _asked(block: Part) -> Part:
    arguments: Json = next((block[key] for key in ("args", "input", "arguments") if block.get(key) is not None), {})
    called = block.get("call_id") or block.get("id") or block.get("toolUseId")
    return {"type": "tool_call", "id": called, "name": block.get("name"), "arguments": parsed(arguments)}


def _answer(block: Part) -> Part:
    beside = block.get("extras")
    known = {**beside, **block} if isinstance(beside, dict) else block
    found = next((known[key] for key in RESULTS if known.get(key) is not None), None)
    called = block.get("tool_use_id") or block.get("tool_call_id") or block.get("call_id") or block.get("id")
    if found is None:
        found = block.get(str(block["type"]))  # Gemini's stands under its own type
    return {"type": "server_tool_call_response", "id": called, "response": unsealed(found)}


def _file(block: Part) -> list[Part]:
    """Return what a picture, sound or file says of itself; its own bytes were left where they are."""
    inner = {**block, **{key: item for part in _inside(block) for key, item in part.items() if key != "type"}}
    found = next((item for item in inner.values() if isinstance(item, Media)), None)
    kind = str(block["type"])
    mime = next((inner[key] for key in ("mime_type", "media_type", "mimeType", "format") if inner.get(key)), None)
    modality = next((known for known in ("image", "audio", "video") if known in f"{kind} {mime}"), "file")
    text = inner.get("text") or inner.get("transcript") or (inner.get("data") if _is_text(block) else None)
    title = inner.get("title") or inner.get("filename") or inner.get("name")
    parts: list[Part] = []
    if found is not None:
        parts.append({**found.part(), "modality": found.modality if modality == "file" else modality})
    elif (where := inner.get("url") or inner.get("file_uri") or inner.get("uri")) and isinstance(where, str):
        parts.append({"type": "uri", "modality": modality, "uri": where})
    elif identity := inner.get("file_id") or inner.get("id"):
        parts.append({"type": "file", "modality": modality, "file_id": identity})
    if parts and isinstance(mime, str):
        parts[-1]["mime_type"] = mime
    if isinstance(title, str) and parts:
        parts[-1]["name"] = title
    if isinstance(text, str) and text and not isinstance(text, Media):
        parts += _text(f"{title}\n{text}" if isinstance(title, str) else text)
    elif isinstance(inner.get("content"), list):
        parts += _text(title)
        parts += _inner(inner["content"])
    if parts:
        return parts
    named = {"mime_type": mime, "name": title}
    return [{**block, "type": "file", "modality": modality, **{key: item for key, item in named.items() if item}}]


def _found(block: Part) -> list[Part]:
    """Return what a search found: its title, where it stands, and its text, as one text beside all else."""
    content = block.get("content")
    parts = _inner(content if isinstance(content, list) else [content])
    facts = [one for one in (block.get("title"), block.get("source")) if isinstance(one, str) and one]
    texts = [part["content"] for part in parts if part["type"] == "text" and type(part["content"]) is str]
    return [*_text("\n".join([*facts, *texts])), *(part for part in parts if part["type"] != "text")]


def _inside(block: Part) -> list[Part]:
    found = [item for item in block.values() if isinstance(item, dict)]
    addresses = [
        {"url": block[key]} for key in ("image_url", "audio_url", "video_url") if isinstance(block.get(key), str)
    ]
    return [*found, *addresses]


def _is_text(block: Part) -> bool:
    return any(part.get("type") == "text" for part in _inside(block)) or "text" in str(block.get("source_type"))


def _given_back(block: Part, key: str) -> list[Part]:
    """Return the answer of the user's own tool among the user's blocks."""
    return [{"type": "tool_call_response", "id": block.get(key), "response": _response(block.get("content"))}]


Reader = Callable[[Part], list[Part]]
_BLOCKS: dict[str, Reader] = {
    **dict.fromkeys(("text", "output_text", "input_text", "guard_content"), _plain),
    **dict.fromkeys(
        ("thinking", "reasoning", "reasoning_content"),
        lambda block: _reasoning(_thought({key: block[key] for key in block.keys() - {"type", "signature", "id"}})),
    ),
    "redacted_thinking": _hidden_thinking,
    "refusal": lambda block: [{"type": "refusal", "content": block.get("refusal") or block.get("text") or ""}],
    "tool_result": lambda block: _given_back(block, "tool_use_id"),
    "toolResult": lambda block: _given_back(
        inner if isinstance(inner := block.get("toolResult"), dict) else block, "toolUseId"
    ),
    "executable_code": lambda block: [
        {
            "type": "server_tool_call",
            "id": block.get("id"),
            "name": "code_execution",
            "arguments": block.get("executable_code") or block.get("code"),
        }
    ],
    "computer_screenshot": lambda block: _file({**block, "type": "image"}),
    "search_result": _found,
    **dict.fromkeys(  # the answer of the user's own tool, as it is handed back to the provider
        ("custom_tool_call_output", "function_call_output", "computer_call_output"),
        lambda block: _inner(output if isinstance(output := block.get("output"), list) else [output]),
    ),
    **dict.fromkeys(
        (
            *("image", "image_url", "input_image", "audio", "input_audio", "audio_url", "video", "video_url"),
            *("file", "input_file", "document", "media", "blob", "text-plain"),
            "container_upload",
        ),
        _file,
    ),
}
_OPENED = frozenset({"toolResult", "image", "video", "document"})
_KEYED: dict[str, Callable[[Json], list[Part]]] = {
    "reasoning_content": lambda inner: _reasoning(_thought(inner)),
    "reasoningContent": lambda inner: _reasoning(_thought(inner)),
    "thinking": lambda inner: _reasoning(_thought(inner)),
    "text": _text,
    "toolUse": lambda inner: [_asked(inner)],
    "toolResult": lambda inner: _given_back(inner, "toolUseId"),
    "image": lambda inner: _file({**inner, "type": "image"}),
    "video": lambda inner: _file({**inner, "type": "video"}),
    "document": lambda inner: _file({**inner, "type": "document"}),
}


# -- streams -----------------------------------------------------------------------------------------------------------


def streamed() -> Streamed:
    """Return what keeps a stream's chunks: texts, lists of blocks, and chunks of tool calls."""
    return Streamed(_of_chunks)


def _of_chunks(chunks: list[Json]) -> list[Part]:
    """Put a stream's chunks together, as far as it came."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: dict[object, Part] = {}
    for chunk in chunks:
        for piece in chunk if isinstance(chunk, list) else [chunk]:
            if isinstance(piece, str):
                texts.append(piece)
            elif isinstance(piece, dict):
                _add(piece, texts, thoughts, calls)
    parts = [*_reasoning("".join(thoughts)), *_text("".join(texts))]
    return parts + [{**call, "arguments": parsed(call["arguments"])} for call in calls.values()]


def _add(piece: dict[str, Json], texts: list[str], thoughts: list[str], calls: dict[object, Part]) -> None:
    kind = piece.get("type")
    if kind in {"text", "output_text", "text_delta"}:
        texts.append(str(piece.get("text") or ""))
    elif kind in {"thinking", "reasoning", "reasoning_content", "thinking_delta"}:
        thoughts.append(_thought({key: item for key, item in piece.items() if key not in {"type", "signature"}}))
    elif kind in {"tool_call_chunk", "tool_call"}:
        index = piece.get("index")
        if index is None:  # what names no call goes on with the last
            goes_on = calls and not (piece.get("id") or piece.get("name"))
            index = next(reversed(calls)) if goes_on else len(calls)
        call = calls.setdefault(index, {"type": "tool_call", "id": None, "name": "", "arguments": ""})
        call["id"] = call["id"] or piece.get("id")
        call["name"] += piece.get("name") or ""
        arguments = piece.get("args")
        call["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""
