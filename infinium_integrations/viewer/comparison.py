"""Two runs compared, step by step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from infinium_integrations.models import TaskData
from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.notebook.plain_text import Shown
from infinium_integrations.viewer.summary import TraceSummary, texts
from infinium_integrations.viewer.timeline import Node, Tree

__all__ = ["Change", "Comparison", "Pair", "compare"]

ALIGNED = 2_000
"""Steps up to which the best alignment is sought; beyond, steps of the same place are compared."""
NOTABLE_MS, NOTABLE_SHARE = 100.0, 0.2
"""A step's times differ when they do by both."""


@dataclass(frozen=True)
class Change:
    """One thing that differs. A text that one side lacks is empty."""

    label: str
    left: str
    right: str
    prose: bool = False
    """Whether it is worth showing word by word."""


@dataclass(frozen=True)
class Pair:
    """The step of one run and its counterpart in the other; one of them may be missing."""

    left: Node | None
    right: Node | None
    changes: list[Change]

    @property
    def either(self) -> Node:
        """The left step, else the right one."""
        found = self.left or self.right
        assert found is not None  # noqa: S101  (a pair is made of at least one)
        return found

    @property
    def differs(self) -> str:
        """What differs, in a few words; empty where nothing does."""
        if self.left and self.right:
            return ", ".join(change.label.lower() for change in self.changes)
        return "only in A" if self.left else "only in B"


class Comparison(Shown):
    """Two runs compared; it renders itself in a notebook.

    Attributes:
        a: The first trace.
        b: The second trace.
        changes: What differs in the runs as a whole: a ``Change`` has a ``label``, and what ``left`` and ``right`` say.
        pairs: All steps, each with its counterpart in the other run.

    Example:
        >>> from infinium_integrations import TaskData, compare
        >>> runs = [TaskData(name="Triage", description="Triage", duration=seconds) for seconds in (1.5, 3.0)]
        >>> [change.label for change in compare(*runs).changes]
        ['Duration']
    """

    _template = "comparison.html"

    def __init__(self, a: TaskData, b: TaskData) -> None:
        self.a, self.b = a, b
        self.facts = (TraceSummary(a), TraceSummary(b))
        self.changes = [change for change in _run_changes(*self.facts) if change.left != change.right]
        self.trees = (Tree(a), Tree(b))
        self.pairs = [
            Pair(left, right, [change for change in _step_changes(left, right) if change.left != change.right])
            for left, right in _aligned(*self.trees)
        ]

    @property
    def different(self) -> list[Pair]:
        """The pairs of steps that differ.

        Example:
            >>> from infinium_integrations import compare
            >>> from infinium_integrations import ExecutionStep, TaskData
            >>> step = ExecutionStep(step_number=1, action="tool_use", description="search")
            >>> run = {"name": "Triage", "description": "Triage", "current_datetime": "2026-01-02T03:04:05Z"}
            >>> compared = compare(TaskData(**run, duration=1, steps=[step]), TaskData(**run, duration=2))
            >>> [pair.differs for pair in compared.different]
            ['only in A']
        """
        return [pair for pair in self.pairs if pair.differs]

    def to_dataframe(self) -> object:
        """Return a pandas DataFrame with a row for each pair of steps.

        Its columns are ``name``, ``action``, ``differs``, and for either run (``_a``, ``_b``) ``step``,
        ``duration_ms``, ``tokens``, ``status`` and ``output``.

        Raises:
            ImportError: pandas is not installed.

        Example:
            >>> from infinium_integrations import compare
            >>> from infinium_integrations import TaskData
            >>> run = {"name": "Triage", "description": "Triage", "current_datetime": "2026-01-02T03:04:05Z"}
            >>> len(compare(TaskData(**run, duration=1), TaskData(**run, duration=2)).to_dataframe())
            0
        """
        from infinium_integrations.viewer.notebook.trace_list import pandas  # noqa: PLC0415  (needed only here)

        rows = []
        for pair in self.pairs:
            row: dict[str, object] = {"name": pair.either.title, "action": pair.either.step.action}
            row["differs"] = pair.differs
            for what, measure in _MEASURED.items():
                row |= {f"{what}_a": pair.left and measure(pair.left), f"{what}_b": pair.right and measure(pair.right)}
            rows.append(row)
        return pandas().DataFrame(rows)

    def __repr__(self) -> str:
        lines = [f"{len(self.different)} of {len(self.pairs)} steps of {self.a.name!r} and {self.b.name!r} differ"]
        lines += [f"  {formatting.clipped_line(pair.either.title, 60)}: {pair.differs}" for pair in self.different[:40]]
        return formatting.printable("\n".join(lines))

    def _context(self) -> dict[str, object]:
        return {"compared": self, "heading": "h3"}


_MEASURED: dict[str, Callable[[Node], object]] = {
    "step": lambda node: node.step.step_number,
    "duration_ms": lambda node: node.step.duration_ms,
    "tokens": lambda node: node.tokens,
    "status": lambda node: node.status,
    "output": lambda node: node.step.output_preview,
}


def _run_changes(a: TraceSummary, b: TraceSummary) -> Iterator[Change]:
    yield Change("Status", a.status, b.status)
    yield Change("Duration", formatting.duration(a.duration_ms), formatting.duration(b.duration_ms))
    yield Change("Steps", str(len(a.task.steps or [])), str(len(b.task.steps or [])))
    yield Change("Tokens", formatting.count(a.tokens), formatting.count(b.tokens))
    yield Change("Cost", formatting.cost(a.cost), formatting.cost(b.cost))
    yield Change("Model", a.models or "", b.models or "")
    yield Change("Errors", _errors(a), _errors(b))
    yield Change("Tags", ", ".join(a.tags), ", ".join(b.tags))
    for name in dict.fromkeys([*a.labels, *b.labels]):
        yield Change(name, a.labels.get(name, ""), b.labels.get(name, ""))
    yield Change("Input", a.task.input_summary or "", b.task.input_summary or "", prose=True)
    yield Change("Output", a.task.output_summary or "", b.task.output_summary or "", prose=True)


def _errors(facts: TraceSummary) -> str:
    return ", ".join(error.error_type for error in facts.task.errors or [])


def _step_changes(left: Node | None, right: Node | None) -> Iterator[Change]:
    if left is None or right is None:
        return
    yield Change("Status", left.status, right.status)
    yield Change("Error", _fault(left), _fault(right), prose=True)
    yield Change("Model", _model(left), _model(right))
    yield Change("Tokens", formatting.count(left.tokens), formatting.count(right.tokens))
    gap, longest = abs(left.length - right.length), max(left.length, right.length)
    if gap >= NOTABLE_MS and gap >= NOTABLE_SHARE * longest:
        yield Change("Time", formatting.duration(left.length), formatting.duration(right.length))
    mine, theirs = dict(texts(left)), dict(texts(right))
    for label in dict.fromkeys([*mine, *theirs]):
        yield Change(label, mine.get(label, ""), theirs.get(label, ""), prose=True)


def _model(node: Node) -> str:
    return node.step.llm_call.model if node.step.llm_call else ""


def _fault(node: Node) -> str:
    error = node.step.error
    return f"{error.error_type}: {error.message}" if error else ""


def _aligned(a: Tree, b: Tree) -> Iterator[tuple[Node | None, Node | None]]:
    left, right = [_shape(node) for node in a.nodes], [_shape(node) for node in b.nodes]
    if len(left) + len(right) > ALIGNED:
        yield from zip_longest(a.nodes, b.nodes)
        return
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from zip(a.nodes[i1:i2], b.nodes[j1:j2], strict=True)
        else:
            yield from ((node, None) for node in a.nodes[i1:i2])
            yield from ((None, node) for node in b.nodes[j1:j2])


def _shape(node: Node) -> tuple[int, str, str]:
    return node.level, node.step.action, node.title


def compare(a: TaskData, b: TaskData) -> Comparison:
    """Compare two runs, step by step; may be called from any thread.

    Args:
        a: The run to compare with, such as ``traces(limit=1)[0]``.
        b: The other run.

    Returns:
        The comparison, which renders itself in a notebook. ``.different`` has the pairs of steps that differ,
        ``.changes`` what differs in the runs as a whole; ``.to_dataframe()`` returns a row for each pair of steps.

    Example:
        >>> from infinium_integrations import compare
        >>> from infinium_integrations import TaskData
        >>> run = {"name": "Triage", "description": "Triage", "current_datetime": "2026-01-02T03:04:05Z"}
        >>> compared = compare(TaskData(**run, duration=1), TaskData(**run, duration=2.5))
        >>> [(change.label, change.left, change.right) for change in compared.changes]
        [('Duration', '1.00 s', '2.50 s')]
    """
    return Comparison(a, b)
