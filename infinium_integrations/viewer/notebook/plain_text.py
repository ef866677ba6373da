"""What a notebook shows of a thing: a few lines of plain text, and HTML where jinja2 is installed."""

from collections.abc import Callable

from infinium_integrations.models import TaskData
from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.summary import MARKS, TraceSummary, kind
from infinium_integrations.viewer.timeline import Tree

__all__ = ["Shown", "bundle", "outline", "status_mark", "totals", "trace_bundle"]

LINES = 60
"""Steps that the outline shows."""


class Shown:
    """A thing that shows itself in a notebook: its text, and a template's HTML where jinja2 is installed."""

    _template: str

    def _context(self) -> dict[str, object]:
        raise NotImplementedError

    def _repr_mimebundle_(self, **_asked: object) -> dict[str, str]:
        return bundle(self.__repr__, self._template, self._context)

    def _repr_html_(self) -> str | None:
        return self._repr_mimebundle_().get("text/html")


def status_mark(summary: TraceSummary) -> str:
    """Return the sign of a trace's status."""
    return MARKS.get(summary.status, "?")


def totals(summary: TraceSummary, *others: str) -> list[str]:
    """Return a trace's duration, other totals, its tokens and its cost; the last two only where they are known."""
    known = [formatting.duration(summary.duration_ms), *others]
    known += [formatting.counted(summary.tokens, "token")] if summary.tokens is not None else []
    return known + ([formatting.cost(summary.cost)] if summary.cost is not None else [])


def outline(task: TaskData) -> str:
    """Return a trace's name, status and totals, and a line for each of its first steps."""
    summary, nodes = TraceSummary(task), Tree(task).nodes
    numbers = ", ".join(totals(summary, formatting.counted(len(nodes), "step")))
    lines = [f"{status_mark(summary)} {summary.status}  {formatting.clipped_line(task.name, 80)}  ({numbers})"]
    for node in nodes[:LINES]:
        step = node.step
        parts = [kind(step.action)[1], formatting.clipped_line(node.title, 60), formatting.duration(step.duration_ms)]
        parts += [formatting.counted(node.tokens, "token")] if node.tokens is not None else []
        parts += [f"✕ {step.error.error_type if step.error else 'error'}"] if node.failed else []
        lines.append("  " * (node.level + 1) + "  ".join(parts))
    if len(nodes) > LINES:
        lines.append(f"  … {formatting.counted(len(nodes) - LINES, 'more step')}")
    return formatting.printable("\n".join(lines))


def trace_bundle(task: TaskData) -> dict[str, str]:
    """Return what a notebook shows of a trace: ``text/plain``, and ``text/html`` where jinja2 is installed."""

    def context() -> dict[str, object]:
        from infinium_integrations.viewer.html.render import notebook_context  # noqa: PLC0415

        return notebook_context(task)

    return bundle(lambda: outline(task), "trace.html", context)


def bundle(text: Callable[[], str], template: str, context: Callable[[], dict[str, object]]) -> dict[str, str]:
    """Return what a notebook shows of a thing: its text, and a template's HTML where jinja2 is installed."""
    shown = {"text/plain": text()}
    try:
        from infinium_integrations.viewer.html.render import fragment  # noqa: PLC0415
    except ImportError:
        return shown
    return {**shown, "text/html": fragment(template, context())}
