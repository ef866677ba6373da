"""Traces read back from the store, as a list that shows itself as a table: what ``traces()`` returns."""

from types import ModuleType
from typing import TYPE_CHECKING, Unpack

from infinium_integrations import runtime
from infinium_integrations.models import TaskData
from infinium_integrations.storage.reader import TraceQuery
from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.notebook.plain_text import Shown, status_mark, totals
from infinium_integrations.viewer.summary import TraceSummary

if TYPE_CHECKING:
    from pandas import DataFrame  # type: ignore[import-untyped]

__all__ = ["TraceList", "pandas", "traces"]

_EMPTY = TaskData(name="none", description="none", duration=0.0)
ROWS_SHOWN = 200
"""Rows that a notebook shows; the list and the data frame have all."""


class TraceList(Shown, list[TaskData]):
    """Traces, the latest first: a list that a notebook shows as a table.

    Example:
        >>> from infinium_integrations import traces
        >>> found = traces(name="no run has this name")
        >>> found
        0 traces
    """

    _template = "table.html"

    def to_dataframe(self) -> "DataFrame":
        """Return a pandas DataFrame: one row a trace, with a column for each of the user's own tags (``tag.prompt``).

        Returns:
            ``ended`` is a time in UTC, ``duration`` is in seconds, ``cost_usd`` in US dollars. A list without traces
            makes a frame without rows, with all columns but those of tags.

        Raises:
            ImportError: pandas is not installed.

        Example:
            >>> from infinium_integrations import traces
            >>> len(traces(name="no run has this name").to_dataframe())
            0
        """
        package = pandas()
        summaries = [TraceSummary(task) for task in self]
        labels = dict.fromkeys(f"tag.{name}" for summary in summaries for name in summary.labels)
        columns = [*_row(TraceSummary(_EMPTY)), *labels]
        frame: DataFrame = package.DataFrame([_row(summary) for summary in summaries], columns=columns)
        frame["ended"] = package.to_datetime(frame["ended"], utc=True, format="ISO8601")
        return frame

    def __repr__(self) -> str:
        lines = [formatting.counted(len(self), "trace")]
        for task in self[:ROWS_SHOWN]:
            summary = TraceSummary(task)
            status, name = f"{status_mark(summary)} {summary.status}", formatting.clipped_line(task.name, 50)
            lines.append("  ".join([status, name, *totals(summary), formatting.moment(task.current_datetime)]))
        return formatting.printable("\n".join(lines))

    def _context(self) -> dict[str, object]:
        rows = [TraceSummary(task) for task in self[:ROWS_SHOWN]]
        longest = max((row.duration_ms for row in rows), default=0) or 1.0
        return {"rows": rows, "total": len(self), "longest": longest}


def traces(query: str = "", **filters: Unpack[TraceQuery]) -> TraceList:
    """Read finished traces back from the store, the run that ended last first.

    Any thread may call it; a run shows up once it has ended and was written, which ``flush()`` waits for. The first
    query for steps, tags or words reads every trace once.

    Args:
        query: Words and fields, all of which must hold, as in the page and in ``infinium-traces list``:
            ``tool:refund_order status:error model:gpt-4o error:Timeout agent:… step:… node:…`` (fields of steps:
            of one and the same step, a ``status`` beside them too), ``user:… session:… tag:prompt=v2 name:… id:…``,
            ``tokens>5000 duration>10s cost>0.01 steps>=3 errors>1 since:2d before:2026-11-01``. Words are looked for
            in names, errors, previews and content, at the beginnings of words; ``"in quotes"`` they stand as they
            are, and a hyphen before anything negates it.
        **filters: ``limit`` (100; None for all), ``offset``, ``sort`` (a column such as ``duration`` or ``-cost``, the
            greatest first), ``status`` (of the run or of the delivery), ``name`` (a part of it, upper and lower case
            alike), ``since`` and ``until`` (exclusive; when the run ended: a datetime, an ISO 8601 string, or a
            timedelta before now), ``trace_id`` (or its beginning), ``session``, ``user``, ``tag``, and ``text`` (words
            that must all occur).

    Returns:
        The traces, each with its ``delivery`` state; the list shows itself as a table in a notebook.

    Raises:
        ConfigurationError: The query can't be read, or a setting cannot work.

    Example:
        >>> from datetime import timedelta
        >>> from infinium_integrations import flush, trace, traces
        >>> with trace("Weekly report", "Sum up the week") as report:
        ...     with report.step("tool_use", "read the ledger"):
        ...         pass
        >>> flush()
        True
        >>> [task.name for task in traces("weekly step:ledger since:1h", limit=1)]
        ['Weekly report']
        >>> [task.name for task in traces(name="weekly", since=timedelta(minutes=1), limit=1)]
        ['Weekly report']
    """
    return TraceList(runtime.current().delivery.reader.traces(query=query, **filters))


def pandas() -> ModuleType:
    """Return pandas, a package of the user's and never one of ours.

    Raises:
        ImportError: It is not installed; the text says what to do.
    """
    try:
        import pandas as found  # noqa: ICN001, PLC0415  (heavy, and not ours to require)
    except ImportError as error:
        msg = "to_dataframe() needs pandas: pip install pandas"
        raise ImportError(msg) from error
    package: ModuleType = found
    return package


def _row(summary: TraceSummary) -> dict[str, object]:
    task, usage = summary.task, summary.task.llm_usage
    return {
        "trace_id": task.trace_id,
        "name": task.name,
        "status": summary.status,
        "ended": task.current_datetime,
        "duration": task.duration,
        "input": task.input_summary,
        "output": task.output_summary,
        "model": summary.models,
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "completion_tokens": usage.completion_tokens if usage else None,
        "total_tokens": summary.tokens,
        "cost_usd": summary.cost,
        "steps": len(task.steps or []),
        "errors": len(task.errors or []),
        "session_id": summary.session,
        "user_id": summary.custom.get("user_id"),
        "tags": summary.tags,
        "delivery": task.delivery.status if task.delivery else None,
        **{f"tag.{name}": value for name, value in summary.labels.items()},
    }
