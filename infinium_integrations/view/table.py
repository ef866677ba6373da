"""Runs in a table: what ``traces()`` gives."""

from importlib import import_module
from typing import Any

from infinium_integrations.models import TaskData
from infinium_integrations.view import words
from infinium_integrations.view.facts import MARKS, Facts

__all__ = ["TraceList", "pandas"]

_EMPTY = TaskData(name="none", description="none", duration=0.0)
SHOWN = 200
"""Rows that a notebook shows; the list and the data frame have all."""


class TraceList(list[TaskData]):
    """Traces, the latest first. It shows itself as a table in a notebook; ``to_dataframe()`` gives one row a trace."""

    def to_dataframe(self) -> Any:
        """Give a pandas DataFrame: one row a trace, with a column for each of the user's own tags (``tag.experiment``).

        Raises:
            ImportError: pandas is not installed.
        """
        frame = pandas().DataFrame([_row(Facts(task)) for task in self], columns=self._columns())
        frame["ended"] = pandas().to_datetime(frame["ended"], utc=True, format="ISO8601")
        return frame

    def _columns(self) -> list[str]:
        labels = dict.fromkeys(f"tag.{name}" for task in self for name in Facts(task).labels)
        return [*_row(Facts(_EMPTY)), *labels]

    def __repr__(self) -> str:
        lines = [f"{len(self):,} trace{'' if len(self) == 1 else 's'}", *(_line(Facts(task)) for task in self[:SHOWN])]
        return words.clean("\n".join(lines))

    def _repr_mimebundle_(self, **_asked: object) -> dict[str, str]:
        from infinium_integrations.view import bundle  # noqa: PLC0415  (which knows whether jinja2 is there)

        return bundle(self.__repr__, "table.html", self._context)

    def _context(self) -> dict[str, Any]:
        rows = [Facts(task) for task in self[:SHOWN]]
        return {"rows": rows, "total": len(self), "longest": max((row.duration_ms for row in rows), default=0) or 1.0}


def pandas() -> Any:
    """Give pandas, a package of the user's and never one of ours.

    Raises:
        ImportError: It is not installed; the text says what to do.
    """
    try:
        return import_module("pandas")
    except ImportError as error:
        msg = "to_dataframe() needs pandas: pip install pandas"
        raise ImportError(msg) from error


def _row(facts: Facts) -> dict[str, Any]:
    task, usage = facts.task, facts.task.llm_usage
    return {
        "trace_id": task.trace_id,
        "name": task.name,
        "status": facts.status,
        "ended": task.current_datetime,
        "duration": task.duration,
        "input": task.input_summary,
        "output": task.output_summary,
        "model": facts.models,
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "completion_tokens": usage.completion_tokens if usage else None,
        "total_tokens": facts.tokens,
        "cost_usd": facts.cost,
        "steps": len(task.steps or []),
        "errors": len(task.errors or []),
        "session_id": facts.session,
        "user_id": facts.custom.get("user_id"),
        "tags": facts.tags,
        "delivery": task.delivery.status if task.delivery else None,
        **{f"tag.{name}": value for name, value in facts.labels.items()},
    }


def _line(facts: Facts) -> str:
    told = [
        f"{MARKS.get(facts.status, '?')} {facts.status}",
        words.clipped_line(facts.task.name, 50),
        words.duration(facts.duration_ms),
        f"{words.count(facts.tokens)} tokens",
        words.moment(facts.task.current_datetime),
    ]
    return "  ".join(told)
