"""Evaluators: what they grade, and the score that they give, on their step, or on the trace where they are the root."""

from infinium_integrations.capture.preview import hides, preview
from infinium_integrations.langchain import graphs
from infinium_integrations.recording.adapters import bounded_name
from infinium_integrations.recording.run import Run

__all__ = ["ended", "started"]

VALUE_CHARS = 200
_CHAINS = ("EvalChain", "Evaluator")
"""What the names of LangChain's evaluation chains end with."""
_BESIDE_A_SCORE = ("key", "reasoning", "comment")
"""What stands beside the score in the result of an evaluator, which may be any function."""


def started(run: Run) -> None:
    """Name what an evaluation chain grades."""
    if run.name.endswith(_CHAINS):
        _say(run, evaluator=bounded_name(graphs.reported().get("criterion_name")) or run.name)


def ended(run: Run, outputs: object) -> None:
    """Keep the score, where what a run gives is the result of an evaluator."""
    if not isinstance(outputs, dict):
        return
    inner = outputs.get("results")
    result = inner if isinstance(inner, dict) else outputs
    score = result.get("score")
    known = run.name.endswith(_CHAINS)
    if type(score) in {int, float, bool} and (known or any(type(result.get(name)) is str for name in _BESIDE_A_SCORE)):
        name = None if known else bounded_name(result.get("key")) or run.name
        value = None if run.private or hides(result, "value", result.get("value")) else result.get("value")
        _say(run, evaluator=name, score=score, verdict=value if isinstance(value, str) else None)
    elif known and isinstance(inner, str) and not run.private:
        _say(run, verdict=inner)


def _say(run: Run, **facts: object) -> None:
    said = {name: preview(fact, VALUE_CHARS) if isinstance(fact, str) else fact for name, fact in facts.items()}
    if run.parent is not None:
        run.put(**said)
    else:
        run.trace.tags.update({name: preview(fact, VALUE_CHARS) for name, fact in said.items() if fact is not None})
