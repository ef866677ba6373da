"""Evaluators: LlamaIndex has no span for them, so that what one asks first has its name and what it judges.

What an evaluator gives is made after that and shows in no event: it is seen only where a function of the user's that
is a span gives it on.
"""

from collections.abc import Mapping
from typing import Any

from infinium_integrations.llama_index import frames
from infinium_integrations.llama_index.classes import is_a
from infinium_integrations.llama_index.classify import Kind
from infinium_integrations.recording.run import Run

__all__ = ["Evaluation", "evaluation", "given_on"]

_JUDGED = ("query", "response", "contexts", "reference", "second_response")

_EVALUATION = "llama_index.core.evaluation"
"""Where all evaluators of the core's are defined."""

Evaluation = tuple[str, Mapping[str, Any]]
"""The evaluator's name, and what it judges."""


def evaluation(what: Kind) -> Evaluation | None:
    """Return the evaluation for which a query or a prediction is asked; None where it is for anything else."""
    if what.role not in {"engine", "program"}:
        return None
    frame = frames.caller()
    if frame is None or "self" not in frame.f_code.co_varnames:
        return None
    module = frame.f_globals.get("__name__")
    if type(module) is str and module.startswith("llama_index.core.") and not module.startswith(_EVALUATION):
        return None  # asking a frame for what it holds costs more
    held = frame.f_locals
    owner = held.get("self")
    if not is_a(owner, "BaseEvaluator"):
        return None
    return type(owner).__name__, {name: held[name] for name in _JUDGED if held.get(name) is not None}


def given_on(run: Run, result: object) -> None:
    """Keep the score of an evaluation's result, on the step; of a root, on the trace."""
    if not is_a(result, "EvaluationResult"):
        return
    held = getattr(result, "__dict__", {})
    score, passing = held.get("score"), held.get("passing")
    known: dict[str, object] = {
        "score": score if type(score) in {int, float} else None,
        "passing": passing if type(passing) is bool else None,
    }
    if run.parent is not None:
        run.put(**known)
    else:
        run.trace.tags.update({name: str(value) for name, value in known.items() if value is not None})
