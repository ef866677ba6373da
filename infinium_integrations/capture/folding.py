"""Each text of a trace's content once: what occurs again refers to where it stands first."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json

__all__ = ["Json", "Reference", "folded", "of_messages", "unfolded"]

Json = Any
"""A JSON value."""

KEY = "$is"
"""``{"$is": "/messages/3/parts/0/content"}`` stands for what stands there."""
LEAST = 48
"""Characters; a shorter text is repeated."""


class Reference:
    """A message, by its index among the trace's messages."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


def of_messages(indexes: Sequence[int]) -> dict[str, str]:
    """Return what stands for a list of messages: ``{"$is": "/messages/0:3,7:8"}``, as slices have it."""
    spans: list[list[int]] = []
    for index in indexes:
        if spans and index == spans[-1][1]:
            spans[-1][1] += 1
        else:
            spans.append([index, index + 1])
    return {KEY: "/messages/" + ",".join(f"{start}:{end}" for start, end in spans)}


def folded(content: Mapping[str, Json]) -> dict[str, Json]:
    """Return content as JSON in which each longer text, and each call's arguments, stand once."""
    known: dict[object, _Path | str] = {}
    return {key: _fold(value, (None, key), known) for key, value in content.items()}


_Path = tuple[Any, str | int]
"""The path of what holds a value, and under which key or index it stands there."""


def _fold(value: Json, path: _Path, known: dict[object, _Path | str]) -> Json:  # noqa: PLR0911  (a table in the form of code)
    kind = type(value)
    if kind is str:
        return _once(value, value, path, known) if len(value) >= LEAST else value
    if kind is Reference:
        return {KEY: f"/messages/{value.index}"}
    if kind is list:
        if value and all(type(item) is Reference for item in value):
            return of_messages([item.index for item in value])
        return [_fold(item, (path, index), known) for index, item in enumerate(value)]
    if kind is not dict:
        return value
    if KEY in value and len(value) == 1:  # the user's own key of that name
        return {KEY: None, "value": _fold(value[KEY], (path, "value"), known)}
    whole = {key: _fold(item, (path, key), known) for key, item in value.items()}
    if path[1] == "arguments":
        written = to_json(value, fallback=lambda reference: reference.index)
        if len(written) >= LEAST:
            return _once(whole, ("arguments", written), path, known)  # a text may read the same
    return whole


def _once(value: Json, written: object, path: _Path, known: dict[object, _Path | str]) -> Json:
    where = known.setdefault(written, path)
    if where is path:
        return value
    known[written] = pointer = where if isinstance(where, str) else _pointer(where)
    return {KEY: pointer}


def _pointer(path: _Path | None) -> str:
    if path is None:
        return ""
    key = str(path[1]).replace("~", "~0").replace("/", "~1")
    return f"{_pointer(path[0])}/{key}"


def unfolded(content: Mapping[str, Json]) -> dict[str, Json]:
    """Return content with each reference replaced by what it refers to: one object, however often it is referred to.

    Raises:
        LookupError: It refers to what is not there.
        RecursionError: It refers to itself.
    """
    known: dict[str, Json] = {}
    messages = [_referred(f"/messages/{index}", content, known) for index in range(len(content.get("messages") or ()))]
    rest = {key: _unfold(value, content, known) for key, value in content.items() if key != "messages"}
    return {"messages": messages, **rest}


_SLICES = re.compile(r"/messages/\d{1,9}:\d{1,9}(,\d{1,9}:\d{1,9}){0,100000}")


def _referred(where: str, whole: Mapping[str, Json], known: dict[str, Json]) -> Json:
    """Return what stands at a place: each time the same object."""
    if where not in known and _SLICES.fullmatch(where):
        count = len(whole["messages"])
        spans = (span.split(":") for span in where.removeprefix("/messages/").split(","))
        indexes = [index for start, end in spans for index in range(int(start), min(int(end), count))]
        known[where] = [_referred(f"/messages/{index}", whole, known) for index in indexes]
    if where not in known:
        found: Json = whole
        for key in where.split("/")[1:]:
            found = found[int(key)] if isinstance(found, list) else found[key.replace("~1", "/").replace("~0", "~")]
        known[where] = _unfold(found, whole, known)
    return known[where]


def _unfold(value: Json, whole: Mapping[str, Json], known: dict[str, Json]) -> Json:
    if isinstance(value, list):
        return [_unfold(item, whole, known) for item in value]
    if not isinstance(value, dict):
        return value
    where = value.get(KEY)
    if isinstance(where, str) and len(value) == 1:
        return _referred(where, whole, known)
    if KEY in value and where is None and "value" in value:
        return {KEY: _unfold(value["value"], whole, known)}
    return {key: _unfold(item, whole, known) for key, item in value.items()}
