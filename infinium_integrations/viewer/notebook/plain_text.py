"""What a notebook shows of a thing: a few lines of plain text, and HTML where jinja2 is installed."""

from collections.abc import Callable
from typing import Any

from infinium_integrations.models import TaskData
from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.summary import MARKS, TraceSummary, kind
from infinium_integrations.viewer.timeline import Node, Tree

__all__ = ["bundle", "outline", "trace_bundle"]

LINES = 60


def outline(task: TaskData) -> str:
    """Give a trace's name, status and totals, and a line for each of its first steps."""
    facts, tree = TraceSummary(task), Tree(task)
    totals = [formatting.duration(facts.duration_ms), f"{formatting.count(len(tree.nodes))} steps"]
    totals += [f"{formatting.count(facts.tokens)} tokens"] if facts.tokens is not None else []
    totals += [formatting.cost(facts.cost)] if facts.cost is not None else []
    name = formatting.clipped_line(task.name, 80)
    head = f"{MARKS.get(facts.status, '?')} {facts.status}  {name}  ({', '.join(totals)})"
    lines = [head, *(_line(node) for node in tree.nodes[:LINES])]
    if len(tree.nodes) > LINES:
        lines.append(f"  … {len(tree.nodes) - LINES:,} more steps")
    return formatting.clean("\n".join(lines))


def _line(node: Node) -> str:
    said = [
        kind(node.step.action)[1],
        formatting.clipped_line(node.title, 60),
        formatting.duration(node.step.duration_ms),
    ]
    said += [f"{formatting.count(node.tokens)} tokens"] if node.tokens is not None else []
    said += [f"✕ {node.step.error.error_type if node.step.error else 'error'}"] if node.failed else []
    return "  " * (node.level + 1) + "  ".join(said)


def trace_bundle(task: TaskData) -> dict[str, str]:
    """Give what a notebook shows of a trace: ``text/plain``, and ``text/html`` where jinja2 is installed."""

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
