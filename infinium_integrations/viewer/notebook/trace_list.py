"""Runs in a table: what ``traces()`` gives."""

from importlib import import_module
from typing import Any

from infinium_integrations import runtime
from infinium_integrations.models import TaskData
from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.notebook.plain_text import bundle
from infinium_integrations.viewer.summary import MARKS, TraceSummary

__all__ = ["TraceList", "pandas", "traces"]

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
        frame = pandas().DataFrame([_row(TraceSummary(task)) for task in self], columns=self._columns())
        frame["ended"] = pandas().to_datetime(frame["ended"], utc=True, format="ISO8601")
        return frame

    def _columns(self) -> list[str]:
        labels = dict.fromkeys(f"tag.{name}" for task in self for name in TraceSummary(task).labels)
        return [*_row(TraceSummary(_EMPTY)), *labels]

    def __repr__(self) -> str:
        lines = [
            f"{len(self):,} trace{'' if len(self) == 1 else 's'}",
            *(_line(TraceSummary(task)) for task in self[:SHOWN]),
        ]
        return formatting.clean("\n".join(lines))

    def _repr_mimebundle_(self, **_asked: object) -> dict[str, str]:
        return bundle(self.__repr__, "table.html", self._context)

    def _context(self) -> dict[str, Any]:
        rows = [TraceSummary(task) for task in self[:SHOWN]]
        return {"rows": rows, "total": len(self), "longest": max((row.duration_ms for row in rows), default=0) or 1.0}


def traces(**query: Any) -> TraceList:
    """Read finished traces back from the store, the run that ended last first.

    Args:
        **query: ``limit`` (100), ``offset``, ``status`` (of the run or of the delivery), ``name`` (a part of it, upper
            and lower case alike), ``since`` and ``until`` (exclusive; a datetime, an ISO 8601 string, or a timedelta
            before now), ``trace_id`` (or its beginning), ``session``, ``tag``, and ``text`` (anywhere in it).

    Returns:
        Each with its ``delivery`` state; the list shows itself as a table in a notebook.
    """
    return TraceList(runtime.current().delivery.reader.traces(**query))


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


def _row(facts: TraceSummary) -> dict[str, Any]:
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


def _line(facts: TraceSummary) -> str:
    told = [
        f"{MARKS.get(facts.status, '?')} {facts.status}",
        formatting.clipped_line(facts.task.name, 50),
        formatting.duration(facts.duration_ms),
        f"{formatting.count(facts.tokens)} tokens",
        formatting.moment(facts.task.current_datetime),
    ]
    return "  ".join(told)
