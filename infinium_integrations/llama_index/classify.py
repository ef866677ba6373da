"""What a span is: a model's call, a tool, a step of a workflow, or plumbing; read from its class and method."""

import functools
from collections.abc import Mapping

from infinium_integrations.llama_index.classes import OfClass, is_a, names

__all__ = ["AGENT_TURN", "Kind", "kind"]

AGENT_TURN = "run_agent_step"


class Kind:
    """What a span is.

    ``role`` says what the adapter reads of it; ``action``, ``is_step`` and ``root_is_step`` are the recorder's;
    ``has_content`` says whether a trace that has nothing else is sent.
    """

    __slots__ = ("action", "has_content", "is_step", "method", "role", "root_is_step")

    def __init__(self, role: str, action: str, method: str, *, is_step: bool = True, has_content: bool = True) -> None:
        self.role = role
        self.action = action
        self.method = method
        self.is_step = is_step
        self.root_is_step = role in _BARE
        self.has_content = has_content


_BARE = {"llm", "tool", "retrieval", "rerank", "embedding"}

_LLM = {
    *("complete", "acomplete", "stream_complete", "astream_complete"),
    *("chat", "achat", "stream_chat", "astream_chat"),
}
_EMBEDDING = {
    *("get_query_embedding", "aget_query_embedding", "get_text_embedding", "aget_text_embedding"),
    *("get_text_embedding_batch", "aget_text_embedding_batch", "get_agg_embedding_from_queries"),
    *("get_image_embedding", "aget_image_embedding", "get_image_embedding_batch", "aget_image_embedding_batch"),
}
_STRUCTURED = {
    *("structured_predict", "astructured_predict", "stream_structured_predict", "astream_structured_predict"),
}
"""Most classes leave them to the core, which calls the model; a provider's own may call its client."""
_RERANK = {"postprocess_nodes", "apostprocess_nodes", "_postprocess_nodes", "_apostprocess_nodes"}
_WRITER = {"write_response_to_history", "awrite_response_to_history"}
_ENGINE = {"query", "aquery", "chat", "achat", "stream_chat", "astream_chat"}
_FUNCTIONS = {"run_jobs", "run_jobs.<locals>.worker"}
"""The framework's own functions that are spans."""

_kinds: OfClass[tuple[bool, dict[str, Kind]]] = OfClass(lambda kind: ("Workflow" in names(kind), {}))
"""Of each class whether it is a workflow, and the kinds of its methods."""


def kind(
    span: str, instance: object, arguments: Mapping[str, object], tags: Mapping[str, object], *, in_flow: bool
) -> Kind:
    """Classify a span.

    Args:
        span: The span's name: ``Class.method``, or the qualified name of a function.
        instance: The object whose method it is, or None.
        arguments: The bound arguments.
        tags: The span's tags, those of the spans around it included.
        in_flow: Whether it stands directly under the run of a workflow.
    """
    method = span.rpartition(".")[2]
    workflow, known = _kinds.of(type(instance)) if instance is not None else (True, {})
    if workflow and (instance is None or method != "run") and _is_step(instance, arguments, tags, in_flow=in_flow):
        return _step(method)
    if instance is None:
        return Kind("function", "custom", span) if span not in _FUNCTIONS else _plumbing(span)
    found = known.get(method)
    if found is None:
        found = known[method] = _classify(type(instance), method)
    return found


def _is_step(instance: object, arguments: Mapping[str, object], tags: Mapping[str, object], *, in_flow: bool) -> bool:
    for value in arguments.values():
        if is_a(value[0] if type(value) is list and value else value, "Event"):
            return True
    return in_flow and instance is None and "llamaindex.step.input_event" in tags


@functools.lru_cache(1_024)
def _step(method: str) -> Kind:
    return Kind("step", "workflow_step", method, is_step=method not in _PLUMBING_STEPS)


_PLUMBING_STEPS = {
    *("init_run", "setup_agent", "parse_agent_output", "call_tool", "aggregate_tool_results", "_done"),
}


def _plumbing(method: str) -> Kind:
    return Kind("plumbing", "chain", method, is_step=False, has_content=False)


def _classify(owner: type, method: str) -> Kind:  # noqa: C901, PLR0911  (a table in the form of code)
    bases = names(owner)
    if "BaseLLM" in bases:
        return Kind("llm", "llm_inference", method) if method in _LLM else _around_model(owner, method)
    if "BaseTool" in bases and method in {"__call__", "call", "acall"}:
        return Kind("tool", "tool_use", method)
    if "BaseRetriever" in bases and method in {"retrieve", "aretrieve"}:
        return Kind("retrieval", "retrieval", method)
    if bases & {"BaseEmbedding", "BaseSparseEmbedding", "MultiModalEmbedding"}:
        return Kind("embedding", "embedding", method, has_content=False) if method in _EMBEDDING else _plumbing(method)
    if "BaseNodePostprocessor" in bases and method in _RERANK:
        return Kind("rerank", "rerank", method)
    if bases & {"BaseQueryEngine", "BaseChatEngine"}:
        return Kind("engine", "chain", method) if method in _ENGINE else _other(owner, method)
    if bases & {"StreamingAgentChatResponse"} and method in _WRITER:
        return Kind("writer", "chain", method, is_step=False)
    if "Workflow" in bases and method == "run":
        return Kind("flow", "agent" if bases & {"BaseWorkflowAgent", "AgentWorkflow"} else "chain", method)
    if "IngestionPipeline" in bases and method in {"run", "arun"}:
        return Kind("ingestion", "chain", method)
    if "BaseSynthesizer" in bases and method in {"synthesize", "asynthesize"}:
        return Kind("synthesis", "chain", method, is_step=False)
    return _other(owner, method)


def _around_model(owner: type, method: str) -> Kind:
    defines = next((base for base in owner.__mro__ if method in base.__dict__), owner)
    if method in _STRUCTURED and not defines.__module__.startswith("llama_index.core."):
        return Kind("structured", "llm_inference", method)
    if method.startswith("_"):
        return _plumbing(method)
    return Kind("program", "chain", method, is_step=False) if _is_framework(owner, method) else _own(method)


def _other(owner: type, method: str) -> Kind:
    """Distinguish the framework's plumbing from a span that the user added to a class."""
    return _plumbing(method) if _is_framework(owner, method) else _own(method)


def _own(method: str) -> Kind:
    return Kind("function", "custom", method)


def _is_framework(owner: type, method: str) -> bool:
    bases = names(owner)
    defines = [base for base in owner.__mro__ if method in base.__dict__ and base.__name__ in bases]
    return bool(defines)
