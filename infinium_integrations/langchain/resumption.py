"""Which interrupted run a graph goes on with: the one of the same graph, or of the same checkpoint.

Several graphs may share a thread, and the same graph may be built anew for each call. So an interrupted trace is known
by its thread and graph, by the checkpoint that it stopped at, and by the tasks that asked.
"""

from collections.abc import Hashable
from typing import Any

from infinium_integrations import runtime
from infinium_integrations.langchain import classify, tool_calls
from infinium_integrations.langchain.content import is_command
from infinium_integrations.langchain.graphs import Graph
from infinium_integrations.recording.lifecycle import Interrupted
from infinium_integrations.recording.run import Run

__all__ = ["asks", "goes_on_from", "started", "stopped_at"]

KEYS_KEPT = 50
"""Of a trace: a fan-out may ask many times at once."""


def started(run: Run, inputs: Any, graph: Graph | None) -> None:
    """Find the run that a graph goes on with, where its input says that it does; what comes later may know better."""
    if type(run.adapter_state) is str:
        goes_on_from(run, ("task", run.adapter_state))
        return
    if graph is None and inputs is not None and not is_command(inputs):
        return
    thread_id = run.trace.tags.get("thread_id")
    if run.parent is None and graph is not None and graph.key is not None and thread_id:
        run.trace.resume_keys.append(("graph", thread_id, graph.key))
    answer = inputs.resume if is_command(inputs) else None
    if answer is not None:
        tool_calls.answered_by_human(run, answer)
    on_top = run.parent is None or (graph is not None and graph.key is not None)
    if answer is not None or (inputs is None and on_top):
        runtime.recorder().resume(run)
        classify.memory(run)["resuming"] = True
        for key in run.trace.resume_keys[:1] if run.parent is None else ():
            goes_on_from(run, key)


def goes_on_from(run: Run, key: Hashable) -> None:
    """Link a trace whose input was an answer to the interrupted one that has this key, if there is one."""
    recorder, memory = runtime.recorder(), classify.memory(run)
    if not memory.get("resuming"):
        return
    found = recorder.take_interrupted([key])
    if found is None or found.trace_id == run.trace.id:
        return
    guessed: Interrupted | None = memory.get("resumed")
    if guessed is not None:
        recorder.give_back(guessed)
    memory["resumed"] = found
    run.trace.tags["resumed_from"] = found.trace_id


def asks(run: Run) -> None:
    """Let a trace be found by the task that asked a human."""
    if type(run.adapter_state) is str:
        stopped_at(run, ("task", run.adapter_state))


def stopped_at(run: Run, key: Hashable) -> None:
    """Let a trace be found by where it was interrupted."""
    keys = run.trace.resume_keys
    if len(keys) < KEYS_KEPT and key not in keys:
        keys.append(key)
