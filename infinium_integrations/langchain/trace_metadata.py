"""The user's facts: of a top-level LangChain run its name, session, tags and rubric, of a part its own metadata."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType
from typing import Any
from uuid import UUID

from infinium_integrations import diagnostics
from infinium_integrations.errors import ValidationError
from infinium_integrations.recording import options as opts
from infinium_integrations.recording.adapters import identify_trace, keep_facts, own_facts
from infinium_integrations.recording.run import Options, Run

__all__ = ["begin", "keep_own", "started", "status_of_stream"]

CONFIG_FRAMES = 12

_INTERNAL = ("langgraph_", "ls_", "lc_", "checkpoint", "__", "infinium_", "langsmith")
"""What the frameworks' own keys begin with."""
_COMMON = frozenset(
    {
        *(f"langgraph_{name}" for name in ("step", "node", "triggers", "path", "checkpoint_ns")),
        *(f"ls_{name}" for name in ("provider", "model_name", "model_type", "temperature", "integration")),
        *("checkpoint_ns", "lc_agent_name", "lc_versions"),
    }
)


def begin(
    run: Run,
    options: Options,
    name: str,
    parent_id: UUID | None,
    tags: Iterable[str],
    metadata: Mapping[str, Any],
) -> None:
    """Set what is known of the trace when its root starts."""
    trace = run.trace
    trace.name = options.name or name
    if options.name is not None and _was_named(sys._getframe(), name):  # noqa: SLF001
        trace.name = name
    trace.tags["run_id"] = str(run.id)
    if parent_id is not None:
        trace.tags["parent_run_id"] = str(parent_id)
    own = (tag for tag in tags if not tag.startswith(("seq:step:", "graph:step:", "map:key:")))
    identify_trace(run, options, own, metadata, internal=_INTERNAL, limit=opts.FACT_CHARS)
    if "langgraph_api_version" in metadata and "user_id" not in trace.tags:
        user = _user_of_the_server(sys._getframe())  # noqa: SLF001
        trace.tags.update(opts.identify({"user_id": user}))
    if "infinium_expected_outcome" in metadata:
        try:
            trace.expected_outcome = opts.outcome(metadata["infinium_expected_outcome"])
        except ValidationError as error:
            diagnostics.warn_once(
                "expected_outcome", "config['metadata']['infinium_expected_outcome'] is left out: %s", error
            )


def _was_named(frame: FrameType | None, name: str) -> bool:
    """Return whether the user gave this ``run_name``.

    The callback receives one name and not whose it is; LangChain's frame that called it holds the config.
    """
    return any(
        known.get("run_name") == name
        or (isinstance(config := known.get("config"), dict) and config.get("run_name") == name)
        for known in _calling(frame)
    )


def _user_of_the_server(frame: FrameType | None) -> object:
    """Return whom LangGraph's server has authenticated: that stands in the config, and in no metadata."""
    for known in _calling(frame):
        config = known.get("config")
        configurable = config.get("configurable") if isinstance(config, dict) else None
        if isinstance(configurable, dict) and "langgraph_auth_user_id" in configurable:
            return configurable["langgraph_auth_user_id"]
    return None


def _calling(frame: FrameType | None) -> Iterator[dict[str, object]]:
    """Yield the variables of the frameworks' frames that called, the nearest first."""
    for _ in range(CONFIG_FRAMES):
        frame = frame.f_back if frame is not None else None
        if frame is None:
            return
        if "langchain_core" in frame.f_code.co_filename or "langgraph" in frame.f_code.co_filename:
            yield frame.f_locals


def keep_own(run: Run, metadata: Mapping[str, object]) -> None:
    """Keep the metadata of one part, as of ``with_config(metadata=…)``, on its step; a root's is the trace's."""
    own = own_facts(run, metadata, internal=_INTERNAL, common=_COMMON)
    if own and run.parent is not None:
        keep_facts(run, own, opts.FACT_CHARS)


def started(run: Run, inputs: object) -> None:
    """Read what the input of a root shows: that it comes later."""
    if run.parent is None:
        run.streaming = type(inputs) is dict and inputs == _STREAMED


_STREAMED = {"input": ""}


def status_of_stream(run: Run) -> str:
    """Distinguish a stream read to its end from one that the consumer left: then something below is still open."""
    if run.parent is None and len(run.trace.open) > 1:
        return "abandoned"
    return "ok"
