"""What a LangChain run is, read from its name, tags and metadata: plumbing or a step, a node, an agent, an attempt.

LangGraph is never imported: what belongs to it is recognised by the metadata that it sets.
"""

import functools
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infinium_integrations import runtime
from infinium_integrations.capture.content import Conversation
from infinium_integrations.capture.preview import to_json_value
from infinium_integrations.langchain import graphs
from infinium_integrations.langchain.graphs import Graph
from infinium_integrations.recording.run import ATTEMPTS_REMEMBERED, Failure, Run

__all__ = [
    "Kind",
    "asked_again",
    "attempted",
    "called_again",
    "describe",
    "fold_idle",
    "graph_of",
    "hear",
    "interruption",
    "keep_graph",
    "kind",
    "memory",
]

PLUMBING = frozenset(
    {
        "RunnableSequence",
        "RunnableParallel",
        "RunnableAssign",
        "RunnablePassthrough",
        "RunnablePick",
        "RunnableBinding",
        "RunnableEach",
        "RunnableBranch",
        "RunnableGenerator",
        "RunnableMap",
    }
)
"""Names that LangChain assigns to compositions; one that the user named is a step."""

NOISE = {"prompt", "parser"}

HOOKS = (".before_agent", ".before_model", ".after_model", ".after_agent")
"""What the names of the nodes end with that ``create_agent`` makes of its middleware."""

HISTORY = {"load_history", "insert_history", "check_sync_or_async"}
"""What ``RunnableWithMessageHistory`` calls its parts; a user's function may have such a name too."""

RAW = {"raw", "parsed", "parsing_error"}
"""What ``with_structured_output(include_raw=True)`` gives."""


@dataclass(slots=True, eq=False)
class Kind:
    """What a chain run is."""

    action: str
    is_step: bool
    node: bool = False


_CHAIN = Kind("chain", is_step=True)
_NODE = Kind("chain", is_step=True, node=True)
_AGENT = Kind("agent", is_step=True)
_AGENT_NODE = Kind("agent", is_step=True, node=True)
_PLUMBING = Kind("chain", is_step=False)
_AGENT_PLUMBING = Kind("agent", is_step=False)


def kind(
    name: str,
    tags: Sequence[str],
    metadata: Mapping[str, object],
    kwargs: Mapping[str, object],
    graph: Graph | None = None,
) -> Kind:
    """Classify a chain run; ``graph`` is what is known of it where it is a graph."""
    if "langsmith:hidden" in tags or kwargs.get("run_type") in NOISE or name.partition("<")[0] in PLUMBING:
        return _PLUMBING
    if name in HISTORY and graphs.is_of_history():
        return _PLUMBING
    if "langgraph_node" in metadata:
        return _in_graph(name, tags, metadata, kwargs, graph)
    return _AGENT if _is_agent(name, metadata, graph) else _CHAIN


def _is_agent(name: str, metadata: Mapping[str, object], graph: Graph | None) -> bool:
    return metadata.get("lc_agent_name") == name or (graph is not None and graph.agent)


def _in_graph(
    name: str,
    tags: Sequence[str],
    metadata: Mapping[str, object],
    kwargs: Mapping[str, object],
    graph: Graph | None,
) -> Kind:
    node = metadata["langgraph_node"]
    agent = _is_agent(name, metadata, graph)
    if graphs.is_node(tags):
        return _AGENT_NODE if agent else _NODE
    if metadata.get("checkpoint_ns") != metadata.get("langgraph_checkpoint_ns"):
        return _NODE if name == node else _PLUMBING  # a task of the functional API; a router
    if "run_type" in kwargs:
        return _CHAIN  # langchain-core's runnables say their run_type; a graph does not
    if name == "Prompt":
        return _PLUMBING  # of create_react_agent
    if name in {"LangGraph", node}:
        is_the_node = name == node or any(tag.startswith("seq:step:") for tag in tags)
        return _AGENT_PLUMBING if agent and is_the_node else _PLUMBING
    return _AGENT if agent else _CHAIN


def fold_idle(run: Run, outputs: object) -> None:
    """Fold a step away that turns out at its end to be clutter: a hook that did nothing, the parts of a parser."""
    if run.name.endswith(HOOKS):
        update = outputs["messages"] if type(outputs) is dict and outputs.keys() == {"messages"} else outputs
        nothing = update is None or (type(update) in {dict, list} and not update)
        if nothing and (run.metadata or {}).get("node") == run.name:
            runtime.recorder().fold(run)
    elif (
        run.name == "RunnableWithFallbacks"
        and isinstance(outputs, dict)
        and RAW - {"parsed"} <= dict.keys(outputs) <= RAW
    ):
        for step in list(run.trace.later(run)):
            if step.above is run and step.action == "chain":
                runtime.recorder().fold(step)
        runtime.recorder().fold(run)


def describe(
    run: Run, what: Kind | None, tags: Iterable[str], metadata: Mapping[str, object], graph: Graph | None = None
) -> None:
    """Put the node, the agent, the tags and the attempt into the step's metadata."""
    if not run.is_step:
        if what is _AGENT_PLUMBING and run.nearest_step is not None and run.nearest_step is run.parent:
            run.nearest_step.action = what.action
            run.nearest_step.put(agent=metadata.get("lc_agent_name") or (graph.name if graph is not None else None))
        return
    if tags:
        _tagged(run, tags)
    node, agent = metadata.get("langgraph_node"), metadata.get("lc_agent_name")
    if node is not None:
        run.put(node=node)
        is_node = what is not None and what.node
        if is_node:
            _again(run, metadata)
        if agent is None:
            around = graph_of(run.parent) if is_node else None
            agent = _agent_around(run, node) if around is None else _agent_of_node(run, around)
    if agent is not None:
        run.put(agent=agent)


def _tagged(run: Run, tags: Iterable[str]) -> None:
    own = []
    for tag in tags:
        if tag.startswith("retry:attempt:"):
            _retried(run, tag)
        elif not tag.startswith(("seq:step:", "graph:step:", "map:key:", "langsmith:")):
            own.append(tag)
    if own:
        run.put(tags=own)


def _agent_of_node(run: Run, around: Graph) -> object:
    """Return the agent of a node whose metadata does not name it; a node that is an agent becomes one."""
    if run.name in around.agents:
        run.action = "agent"
        return around.agents[run.name]
    return around.name if around.agent else None


def _agent_around(run: Run, node: object) -> object:
    """Return the agent of the node that calls a run."""
    step = run.above
    facts = step.metadata if step is not None else None
    return facts.get("agent") if facts is not None and facts.get("node") == node else None


def keep_graph(run: Run, graph: Graph) -> None:
    """Remember what is known of a graph while its run is open."""
    if run.parent is None:
        memory(run)["graph"] = graph
    else:
        run.adapter_state = graph


def graph_of(run: Run | None) -> Graph | None:
    """Return what is known of the graph whose run this is."""
    state = run.adapter_state if run is not None else None
    found = state.get("graph") if type(state) is dict else state
    return found if type(found) is Graph else None


def is_langgraphs(run: Run) -> bool:
    """Return whether a run is a graph, or a node of one."""
    return graph_of(run) is not None or (run.metadata or {}).get("node") == run.name


# -- attempts ----------------------------------------------------------------------------------------------------------


def memory(run: Run) -> dict[object, Any]:
    """Return what is remembered while a trace's root is open."""
    root = run.trace.root
    state = root.adapter_state
    if state is None:
        state = root.adapter_state = {}
    return state if type(state) is dict else {}


def _retried(run: Run, tag: str) -> None:
    """Number an attempt of ``with_retry``; the first has no tag, so it is numbered when the second comes."""
    attempt = tag.rpartition(":")[2]
    if attempt.isdecimal():
        run.put(attempt=int(attempt))
        before = memory(run).get(("failed", run.parent.id if run.parent else None))
        if before is not None and "attempt" not in (before.metadata or {}):
            before.put(attempt=int(attempt) - 1)


def _again(run: Run, metadata: Mapping[str, object]) -> None:
    """Number an attempt of a node with a ``RetryPolicy``: the same task, run again after it failed."""
    task = metadata.get("langgraph_checkpoint_ns")
    before = memory(run).get(("task", task))
    run.adapter_state = task
    if before is not None:
        run.follow(before)


def called_again(run: Run) -> None:
    """Number an attempt of a tool's call: the same call in the same place, run again after it failed."""
    call_id = run.tool.call_id if run.tool is not None else None
    before = memory(run).get(("failed call", call_id)) if call_id is not None else None
    if before is None or before.parent is not run.parent or before.name != run.name:
        return
    if "attempt" not in (run.metadata or {}):  # ``with_retry`` numbers its own
        run.follow(before)


def asked_again(run: Run) -> None:
    """Number an attempt of a model's call: the same model is sent the same messages again, after that failed."""
    before = memory(run).get(("failed", run.parent.id)) if run.parent is not None else None
    if before is None or before.llm is None or before.name != run.name or "attempt" in (run.metadata or {}):
        return
    given, sent = before.input, run.input
    if not isinstance(given, Conversation) or not isinstance(sent, Conversation) or not given.messages:
        return
    one, other = ([(call.request or {}).get(name) for name in _MODELS] for call in (before, run))
    if list(given.messages) == list(sent.messages) and one == other:
        run.follow(before)


_MODELS = ("model", "model_name", "model_id")


def attempted(run: Run, failure: Failure) -> None:
    """Remember a failed run, in case that it is tried again."""
    attempt = (run.metadata or {}).get("attempt")
    if isinstance(attempt, int):
        failure.attempts = attempt - 1
    known = memory(run)
    if run.is_step and run.parent is not None and len(known) < ATTEMPTS_REMEMBERED:
        known["failed", run.parent.id] = run
        if run.tool is not None and run.tool.call_id is not None:
            known["failed call", run.tool.call_id] = run
        if isinstance(run.adapter_state, str):
            known["task", run.adapter_state] = run


# -- interrupts --------------------------------------------------------------------------------------------------------


def interruption(run: Run, error: BaseException) -> None:
    """Keep what a graph asks a human, on the step that asks."""
    asked = error.args[0] if error.args else ()
    values = [getattr(one, "value", None) for one in asked] if isinstance(asked, list | tuple) else []
    if values and run.is_step:
        run.put(interrupts=to_json_value(values))


def hear(handler: object) -> None:
    """Subscribe to LangGraph's interrupt callbacks once it is imported; older versions have none."""
    callbacks = sys.modules.get("langgraph.callbacks")
    base = getattr(callbacks, "GraphCallbackHandler", None)
    if base is not None and not isinstance(handler, base):
        kind: object = type(handler)
        handler.__class__ = _with_base(kind, base)
    tracer = getattr(sys.modules.get("langchain_core.tracers.base"), "BaseTracer", None)
    if tracer is not None and not isinstance(handler, tracer):
        tracer.register(type(handler))  # a node's ``TracePolicy`` holds for those alone that are tracers


@functools.cache
def _with_base(cls: Any, base: Any) -> type[object]:
    return type(cls.__name__, (cls, base), {"__module__": cls.__module__, "__doc__": cls.__doc__})
