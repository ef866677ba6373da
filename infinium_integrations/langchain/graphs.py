"""What LangGraph's graphs are made of: agents, nodes that are agents, tools, and what tells one graph from another.

Callbacks do not name the object whose run they report; the frames that call them do. Nothing of it is kept but names.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType, FunctionType, MethodType
from typing import Any

__all__ = ["Graph", "is_node", "is_of_history", "reported", "started"]

FRAMES = 10
"""How far up is looked: from a callback through our guard and LangChain's manager."""
NODES_READ = 200

_AGENTS = ("create_agent.<locals>.", "create_react_agent.<locals>.")
"""Where the functions are defined that LangChain's and LangGraph's ready-made agents call their model with."""
_WORKER = "_make_call_agent.<locals>."
"""Where those are defined that langgraph-supervisor calls its workers with."""
_WRAPPERS = ("_wrap_tool_call", "_awrap_tool_call")
"""What a ``ToolNode`` holds where middleware stands around its tools."""


@dataclass(slots=True, eq=False)
class Graph:
    """What is known of a graph whose run is open."""

    name: str | None = None
    agent: bool = False
    """Whether it is one of the frameworks' ready-made agents."""
    agents: dict[str, str] = field(default_factory=dict)
    """The names of its agents by the node that each is."""
    wrapped_tools: dict[str, frozenset[str]] = field(default_factory=dict)
    """By node, the names of the tools that it runs, where middleware may answer in a tool's place."""
    key: tuple[object, ...] | None = None
    """What tells it from other graphs on the same thread: where its checkpoints are, and its nodes."""


def is_node(tags: Sequence[str]) -> bool:
    """Return whether a run with these tags is a node of a graph."""
    for tag in tags:  # noqa: SIM110  (quicker: no generator)
        if tag.startswith("graph:step:"):
            return True
    return False


def reported() -> dict[str, Any]:
    """Return what the object holds whose start or end LangChain's callback manager reports right now."""
    frame = _reporting(sys._getframe(1))  # noqa: SLF001
    return _held(frame.f_locals.get("self")) if frame is not None else {}


def is_of_history() -> bool:
    """Return whether the runnable whose start is reported is one that ``RunnableWithMessageHistory`` is made of."""
    held = reported()
    if _made_by(held):
        return _made_by(held).startswith("RunnableWithMessageHistory.")
    return "mapper" in held  # it assigns what the history gives


def started(tags: Sequence[str]) -> Graph | None:
    """Return what is known of the graph whose start is reported; None where it is none."""
    if is_node(tags):
        return None
    frame = _reporting(sys._getframe(1))  # noqa: SLF001
    if frame is None or not frame.f_code.co_qualname.startswith("Pregel."):
        return None
    held = _held(frame.f_locals.get("self"))
    graph = _read(held)
    checkpointer = held.get("checkpointer")
    if checkpointer is not None and type(checkpointer) is not bool:  # a graph within another has a bool or none
        graph.key = (id(checkpointer), frozenset(held.get("nodes") or ()))
    return graph


def _reporting(frame: FrameType | None) -> FrameType | None:
    """Return the frame that called LangChain's callback manager."""
    for _ in range(FRAMES):
        frame = frame.f_back if frame is not None else None
        if frame is None:
            return None
        if frame.f_code.co_qualname.startswith(("CallbackManager", "AsyncCallbackManager")):
            return frame.f_back
    return None


def _held(thing: object) -> dict[str, Any]:
    """Return what an object holds: no code of the user's runs, as it might where an attribute is asked for."""
    held = getattr(thing, "__dict__", None)
    return held if type(held) is dict else {}


def _read(graph: dict[str, Any]) -> Graph:
    found = Graph(_name_of(graph))
    swarm = "active_agent" in (graph.get("channels") or ())
    for node, bound in _nodes(graph):
        tools = bound.get("tools_by_name") or bound.get("_tools_by_name")
        if isinstance(tools, dict) and any(bound.get(name) for name in _WRAPPERS):
            found.wrapped_tools[node] = frozenset(tools)
        made = _made_by(bound)
        found.agent = found.agent or made.startswith(_AGENTS)
        if made.startswith(_WORKER):
            found.agents[node] = node
        elif "nodes" in bound and (swarm or any(_made_by(inner).startswith(_AGENTS) for _, inner in _nodes(bound))):
            found.agents[node] = _name_of(bound) or node
    return found


def _nodes(graph: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return a graph's nodes: their names and what each runs."""
    nodes = graph.get("nodes")
    some = list(nodes.items())[:NODES_READ] if isinstance(nodes, dict) else []
    return [(name, _held(getattr(node, "bound", None))) for name, node in some]


def _name_of(graph: dict[str, Any]) -> str | None:
    name = graph.get("name")
    return name if isinstance(name, str) and name != "LangGraph" else None


def _made_by(bound: dict[str, Any]) -> str:
    """Return where the function was defined that something runs."""
    function: Any = bound.get("func") or bound.get("afunc")
    return function.__qualname__ if type(function) in {FunctionType, MethodType} else ""
