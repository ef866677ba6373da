"""A trace as a few lines of plain text, for places that show nothing else. The terminal has a better picture."""

from infinium_integrations.models import TaskData
from infinium_integrations.view import words
from infinium_integrations.view.facts import MARKS, Facts, kind
from infinium_integrations.view.tree import Node, Tree

__all__ = ["outline"]

LINES = 60


def outline(task: TaskData) -> str:
    """Give a trace's name, status and totals, and a line for each of its first steps."""
    facts, tree = Facts(task), Tree(task)
    totals = [words.duration(facts.duration_ms), f"{words.count(len(tree.nodes))} steps"]
    totals += [f"{words.count(facts.tokens)} tokens"] if facts.tokens is not None else []
    totals += [words.cost(facts.cost)] if facts.cost is not None else []
    head = f"{MARKS.get(facts.status, '?')} {facts.status}  {words.clipped_line(task.name, 80)}  ({', '.join(totals)})"
    lines = [head, *(_line(node) for node in tree.nodes[:LINES])]
    if len(tree.nodes) > LINES:
        lines.append(f"  … {len(tree.nodes) - LINES:,} more steps")
    return words.clean("\n".join(lines))


def _line(node: Node) -> str:
    said = [kind(node.step.action)[1], words.clipped_line(node.title, 60), words.duration(node.step.duration_ms)]
    said += [f"{words.count(node.tokens)} tokens"] if node.tokens is not None else []
    said += [f"✕ {node.step.error.error_type if node.step.error else 'error'}"] if node.failed else []
    return "  " * (node.level + 1) + "  ".join(said)
