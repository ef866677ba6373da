"""Evaluators: LlamaIndex has no span for them, so that what one asks first has its name and what it judges."""

from collections.abc import Mapping
from typing import Any

from infinium_integrations.llama_index import frames
from infinium_integrations.llama_index.classes import is_a
from infinium_integrations.llama_index.classify import Kind

__all__ = ["Evaluation", "evaluation"]

_JUDGED = ("query", "response", "contexts", "reference", "second_response")

Evaluation = tuple[str, Mapping[str, Any]]
"""The evaluator's name, and what it judges."""


def evaluation(what: Kind) -> Evaluation | None:
    """Return the evaluation for which a query or a prediction is asked; None where it is for anything else."""
    if what.role not in {"engine", "program"}:
        return None
    frame = frames.caller()
    if frame is None or "self" not in frame.f_code.co_varnames:
        return None
    held = frame.f_locals
    owner = held.get("self")
    if not is_a(owner, "BaseEvaluator"):
        return None
    return type(owner).__name__, {name: held[name] for name in _JUDGED if held.get(name) is not None}
