"""What LangGraph's graphs are made of: agents, nodes that are agents, tools, and what tells one graph from another.

Callbacks do not name the object whose run they report; the frames that call them do. Nothing of it is kept but names.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

__all__ = ["Graph", "reported", "started"]

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


def reported() -> object:
    """Return the object whose start or end LangChain's callback manager reports right now, if it can be seen."""
    frame = _reporting(sys._getframe(1))  # noqa: SLF001
    return frame.f_locals.get("self") if frame is not None else None


def started(tags: Sequence[str], kwargs: Mapping[str, object]) -> Graph | None:
    """Return what is known of the graph whose start is reported; None where it is none."""
    if "run_type" in kwargs or any(tag.startswith("graph:step:") for tag in tags):
        return None  # langchain-core's runnables say their run_type; nodes have such a tag
    frame = _reporting(sys._getframe(1))  # noqa: SLF001
    if frame is None or not frame.f_code.co_qualname.startswith("Pregel."):
        return None
    known = frame.f_locals
    graph = _read(known.get("self"))
    config: Any = known.get("config")
    place = (config.get("configurable") or {}).get("checkpoint_ns") if isinstance(config, dict) else None
    checkpointer = getattr(known.get("self"), "checkpointer", None)
    if checkpointer is not None:
        nodes = frozenset(getattr(known.get("self"), "nodes", ()))
        graph.key = (id(checkpointer), place if isinstance(place, str) else "", nodes)
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


def _read(graph: object) -> Graph:
    found = Graph(_name_of(graph))
    nodes: Any = getattr(graph, "nodes", None)
    swarm = "active_agent" in (getattr(graph, "channels", None) or ())
    for node, held in list(nodes.items())[:NODES_READ] if isinstance(nodes, dict) else ():
        bound = getattr(held, "bound", None)
        tools = getattr(bound, "tools_by_name", None)
        if isinstance(tools, dict) and any(getattr(bound, name, None) for name in _WRAPPERS):
            found.wrapped_tools[node] = frozenset(tools)
        within = getattr(bound, "nodes", None)
        made = _made_by(bound)
        found.agent = found.agent or made.startswith(_AGENTS)
        if made.startswith(_WORKER) or (isinstance(within, dict) and (swarm or _is_agent(within))):
            found.agents[node] = node if made else _name_of(bound) or node
    return found


def _name_of(graph: object) -> str | None:
    name = getattr(graph, "name", None)
    return name if isinstance(name, str) and name != "LangGraph" else None


def _is_agent(nodes: Mapping[str, object]) -> bool:
    return any(_made_by(getattr(held, "bound", None)).startswith(_AGENTS) for held in list(nodes.values())[:NODES_READ])


def _made_by(bound: object) -> str:
    function = getattr(bound, "func", None) or getattr(bound, "afunc", None)
    return str(getattr(function, "__qualname__", ""))
