"""Traces made visible: one rendering for the page, the notebook and the terminal."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from infinium_integrations.models import TaskData

if TYPE_CHECKING:
    from infinium_integrations.viewer.comparison import Comparison

__all__ = ["bundle", "compare", "trace_bundle"]


def compare(a: TaskData, b: TaskData) -> "Comparison":
    """Put two runs side by side, step by step, with what differs.

    It shows itself in a notebook; ``.different`` are the pairs of steps that differ, ``.changes`` what differs in the
    runs as a whole, ``.to_dataframe()`` gives one row a step.
    """
    from infinium_integrations.viewer.comparison import Comparison  # noqa: PLC0415  (light until used)

    return Comparison(a, b)


def trace_bundle(task: TaskData) -> dict[str, str]:
    """Give what a notebook shows of a trace: ``text/plain``, and ``text/html`` where jinja2 is installed."""
    from infinium_integrations.viewer.notebook.plain_text import outline  # noqa: PLC0415

    def context() -> dict[str, Any]:
        from infinium_integrations.viewer.html.render import notebook_context  # noqa: PLC0415

        return notebook_context(task)

    return bundle(lambda: outline(task), "trace.html", context)


def bundle(text: Callable[[], str], template: str, context: Callable[[], dict[str, Any]]) -> dict[str, str]:
    """Give what a notebook shows of a thing: its text, and a template's HTML where jinja2 is installed."""
    shown = {"text/plain": text()}
    try:
        from infinium_integrations.viewer.html.render import fragment  # noqa: PLC0415
    except ImportError:
        return shown
    return {**shown, "text/html": fragment(template, context())}
