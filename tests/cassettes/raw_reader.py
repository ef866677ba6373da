"""What a provider's raw answer says, read from its bytes: short, and without a line of the package's code."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from recorded import Recorded

Json = dict[str, Any]


class Facts(NamedTuple):
    """What is compared. None where the provider does not say; of the counts in detail 0 is the same."""

    input: int | None = None
    """All of it: read from the cache and written to it included."""
    output: int | None = None
    """All of it: reasoning included."""
    cache_read: int = 0
    cache_creation: int = 0
    reasoning: int = 0
    model: str | None = None
    reason: str | None = None
    text: str = ""
    calls: tuple[tuple[str, Any], ...] = ()


def facts(one: Recorded) -> Facts:
    """Read a recorded answer."""
    return READERS[one.kind](list(_events(one)) if one.streamed else [json.loads(one.body)], one.streamed)


def _events(one: Recorded) -> Iterator[Json]:
    if one.kind == "bedrock":
        from botocore.eventstream import EventStreamBuffer

        buffer = EventStreamBuffer()
        buffer.add_data(one.body)
        yield from ({event.headers[":event-type"]: json.loads(event.payload)} for event in buffer)
    elif one.body.lstrip()[:1] == b"[":
        yield from json.loads(one.body)
    else:
        lines = (line.removeprefix("data:").strip() for line in one.body.decode().splitlines())
        yield from (json.loads(line) for line in lines if line.startswith("{"))


def _chat(events: list[Json], streamed: bool) -> Facts:
    usage: Json = {}
    model = reason = None
    text, calls = "", {}
    for event in events:
        usage = {**usage, **(event.get("usage") or (event.get("x_groq") or {}).get("usage") or {})}
        model = event.get("model") or model
        for choice in event.get("choices") or ():
            if choice.get("index", 0) != 0:
                continue
            said = choice.get("delta" if streamed else "message") or {}
            reason = choice.get("finish_reason") or reason
            content = said.get("content") or ""
            pieces = content if isinstance(content, list) else [{"type": "text", "text": content}]
            text += "".join(piece["text"] for piece in pieces if piece["type"] == "text")
            told = [{"function": said["function_call"]}] if said.get("function_call") else said.get("tool_calls") or ()
            for n, call in enumerate(told):
                held = calls.setdefault(call.get("index", n) if streamed else n, ["", ""])
                held[0] += call["function"].get("name") or ""
                held[1] += _string(call["function"].get("arguments"))
    inner, outer = (usage.get(f"{name}_tokens_details") or {} for name in ("prompt", "completion"))
    read, thought = inner.get("cached_tokens") or 0, outer.get("reasoning_tokens") or 0
    spent = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return Facts(*spent, read, 0, thought, model, reason, text, _calls(calls.values()))


def _responses(events: list[Json], streamed: bool) -> Facts:
    ends = ("response.completed", "response.incomplete", "response.failed")
    whole = next((event["response"] for event in events if event.get("type") in ends), {}) if streamed else events[0]
    usage = whole.get("usage") or {}
    inner, outer = (usage.get(f"{name}_tokens_details") or {} for name in ("input", "output"))
    parts = [part for item in whole.get("output") or () if item["type"] == "message" for part in item["content"]]
    text = "".join(part["text"] for part in parts if part["type"] == "output_text")
    called = [item for item in whole.get("output") or () if item["type"] in {"function_call", "custom_tool_call"}]
    calls = [(item["name"], item.get("arguments", item.get("input"))) for item in called]
    reason = (whole.get("incomplete_details") or {}).get("reason") or whole.get("status")
    read, thought = inner.get("cached_tokens") or 0, outer.get("reasoning_tokens") or 0
    spent = usage.get("input_tokens"), usage.get("output_tokens")
    return Facts(*spent, read, 0, thought, whole.get("model"), reason, text, _calls(calls))


def _anthropic(events: list[Json], streamed: bool) -> Facts:
    whole: Json = events[0] if not streamed else {"usage": {}, "content": []}
    blocks: dict[int, Json] = dict(enumerate(whole.get("content") or ()))
    for event in events if streamed else ():
        told = event.get("message") or event.get("delta") or {}
        whole |= {key: told[key] for key in ("model", "stop_reason") if told.get(key)}
        reported = told.get("usage") or event.get("usage") or {}
        whole["usage"] |= {key: value for key, value in reported.items() if value is not None}
        if event["type"] == "content_block_start":
            blocks[event["index"]] = {**event["content_block"], "partial": ""}
        elif event["type"] == "content_block_delta":
            block = blocks[event["index"]]
            block["text"] = block.get("text", "") + told.get("text", "")
            block["partial"] += told.get("partial_json", "")
    usage = whole.get("usage") or {}
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    spent = usage.get("input_tokens")
    text = "".join(block["text"] for block in blocks.values() if block["type"] == "text")
    used = [block for block in blocks.values() if block["type"] == "tool_use"]
    calls = _calls((block["name"], block.get("partial") or json.dumps(block["input"])) for block in used)
    spent = None if spent is None else spent + read + written
    thought = (usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    return Facts(
        *(spent, usage.get("output_tokens"), read, written, thought, whole.get("model"), whole.get("stop_reason")),
        *(text, calls),
    )


def _google(events: list[Json], streamed: bool) -> Facts:
    usage: Json = {}
    model = reason = None
    parts: list[Json] = []
    for event in events:
        usage = {**usage, **(event.get("usageMetadata") or {})}
        model = event.get("modelVersion") or model
        for candidate in (event.get("candidates") or ())[:1]:
            reason = candidate.get("finishReason") or reason
            parts += (candidate.get("content") or {}).get("parts") or ()
    thought = usage.get("thoughtsTokenCount") or 0
    said = usage.get("candidatesTokenCount")
    output = None if said is None and not thought else (said or 0) + thought
    asked = usage.get("promptTokenCount")
    asked = None if asked is None else asked + (usage.get("toolUsePromptTokenCount") or 0)
    text = "".join(part.get("text") or "" for part in parts if not part.get("thought"))
    calls = [
        (part["functionCall"]["name"], part["functionCall"].get("args") or {})
        for part in parts
        if "functionCall" in part
    ]
    read = usage.get("cachedContentTokenCount") or 0
    return Facts(asked, output, read, 0, thought, model, reason, text, _calls(calls))


def _ollama(events: list[Json], streamed: bool) -> Facts:
    last = events[-1]
    said = [event.get("message") or {"content": event.get("response")} for event in events]
    text = "".join(message.get("content") or "" for message in said)
    called = [call["function"] for message in said for call in message.get("tool_calls") or ()]
    calls = _calls((call["name"], call["arguments"]) for call in called)
    spent = last.get("prompt_eval_count"), last.get("eval_count")
    return Facts(*spent, 0, 0, 0, last.get("model"), last.get("done_reason"), text, calls)


def _cohere(events: list[Json], streamed: bool) -> Facts:
    last = {**events[-1], **(events[-1].get("delta") or {}), **(events[-1].get("response") or {})}
    tokens = (last.get("usage") or last.get("meta") or {}).get("tokens") or {}
    text, calls = "", {}
    for event in events:
        message = event.get("message") or (event.get("delta") or {}).get("message") or {}
        text += "".join(piece.get("text") or "" for piece in _several(message.get("content")))
        for n, call in enumerate(_several(message.get("tool_calls"))):
            held = calls.setdefault(event.get("index", n), ["", ""])
            held[0] += call["function"].get("name") or ""
            held[1] += call["function"].get("arguments") or ""
        text += message.get("tool_plan") or ""
    if not text and "text" in last:  # of version 1
        text = last["text"]
        calls = dict(enumerate((call["name"], call["parameters"]) for call in last.get("tool_calls") or ()))
    read = (last.get("usage") or {}).get("cached_tokens") or 0
    spent = tokens.get("input_tokens"), tokens.get("output_tokens")
    return Facts(*spent, read, 0, 0, None, last.get("finish_reason"), text, _calls(calls.values()))


def _bedrock(events: list[Json], streamed: bool) -> Facts:
    usage: Json = {}
    reason, text, calls = None, "", {}
    for event in events:
        usage = (event.get("metadata") or event).get("usage") or usage
        reason = (event.get("messageStop") or event).get("stopReason") or reason
        for block in ((event.get("output") or {}).get("message") or {}).get("content") or ():
            cited = (block.get("citationsContent") or {}).get("content") or ()
            text += "".join(piece["text"] for piece in (block, *cited) if "text" in piece)
            if "toolUse" in block:
                calls[len(calls)] = [block["toolUse"]["name"], block["toolUse"]["input"]]
        at = (event.get("contentBlockStart") or event.get("contentBlockDelta") or {}).get("contentBlockIndex")
        if started := ((event.get("contentBlockStart") or {}).get("start") or {}).get("toolUse"):
            calls[at] = [started["name"], ""]
        delta = (event.get("contentBlockDelta") or {}).get("delta") or {}
        text += delta.get("text") or ""
        if "toolUse" in delta:
            calls[at][1] += delta["toolUse"]["input"]
    read, written = usage.get("cacheReadInputTokens") or 0, usage.get("cacheWriteInputTokens") or 0
    spent = usage.get("inputTokens")
    spent = None if spent is None else spent + read + written
    return Facts(spent, usage.get("outputTokens"), read, written, 0, None, reason, text, _calls(calls.values()))


def _several(told: Any) -> list[Json]:
    return told if isinstance(told, list) else [told] if told else []


def _string(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""


def _calls(told: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((name, arguments_of(arguments)) for name, arguments in told)


def arguments_of(arguments: Any) -> Any:
    """Return a call's arguments as the value they stand for; as they are where they are not valid."""
    if not isinstance(arguments, str):
        text_only = isinstance(arguments, dict) and list(arguments) == ["__arg1"]  # LangChain's name for a plain text
        return arguments["__arg1"] if text_only else arguments
    try:
        return json.loads(arguments or "{}", strict=False)
    except ValueError:
        return arguments


READERS: dict[str, Callable[[list[Json], bool], Facts]] = {
    "chat": _chat,
    "responses": _responses,
    "anthropic": _anthropic,
    "google": _google,
    "ollama": _ollama,
    "cohere": _cohere,
    "bedrock": _bedrock,
}
