"""Tools that a model's provider runs itself: their calls and what came of them, as providers' blocks have them."""

from typing import Any

from infinium_integrations.capture.content import Part, parsed
from infinium_integrations.capture.media import Media, size

__all__ = ["HOSTED", "RESULTS", "hosted", "unsealed"]

HOSTED = ("_call", "_approval_request")
"""The kinds of the blocks of a call, and of what waits until the user allows a call, end so."""

RESULTS = ("content", "output", "outputs", "result", "results", "tools", "error")
"""Where the blocks have what came of a call."""
_ASKED = ("args", "input", "arguments", "queries", "code", "operation")
_SEALED = ("encrypted_content", "encrypted_index", "signature", "encrypted_stdout")


def hosted(block: Part, kind: str) -> list[Part]:
    """Return the call of a tool that the provider runs, by its name, with what it was asked, and what came of it."""
    beside, action = (found if isinstance(found := block.get(key), dict) else {} for key in ("extras", "action"))
    name = beside.get("tool_name") or block.get("name") or kind.partition("_call")[0].removesuffix("_tool_use")
    asked = next((block[key] for key in _ASKED if block.get(key)), None)
    if asked is None and action:
        asked = {key: item for key, item in action.items() if key != "sources"}
    called = block.get("id") or block.get("call_id")
    call = {"type": "server_tool_call", "id": called, "name": name, "arguments": parsed(asked)}
    came = next((block[key] for key in RESULTS if block.get(key)), None) or action.get("sources")
    if isinstance(came, Media):
        return [call, came.part()]
    if not came or kind == "image_generation_call":
        return [call]
    return [call, {"type": "server_tool_call_response", "id": called, "response": unsealed(came)}]


def unsealed(value: Any) -> Any:
    """Return a value in which what only the provider can read is its size."""
    if isinstance(value, list):
        return [unsealed(item) for item in value]
    if not isinstance(value, dict):
        return value
    open_to_all = {}
    for key, item in value.items():
        if key in _SEALED and isinstance(item, str):
            open_to_all[key] = f"<sealed, {size(item.bytes if isinstance(item, Media) else len(item) * 3 // 4)}>"
        else:
            open_to_all[key] = unsealed(item)
    return open_to_all
