"""Runs compared, step by step: two, or several; and groups of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from infinium_integrations import runtime
from infinium_integrations.errors import ValidationError
from infinium_integrations.models import TaskData
from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.experiments import Experiment
from infinium_integrations.viewer.notebook.plain_text import Shown
from infinium_integrations.viewer.notebook.trace_list import TraceList, pandas
from infinium_integrations.viewer.outcomes import Group, GroupComparison, Outcome, letter, text_table
from infinium_integrations.viewer.pairing import paired
from infinium_integrations.viewer.said import as_text, previews, whole_texts
from infinium_integrations.viewer.summary import TraceSummary
from infinium_integrations.viewer.timeline import Node, Tree

__all__ = ["Change", "Comparison", "Pair", "RunsComparison", "compare"]

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
            for left, right in paired(self.trees[0].roots, self.trees[1].roots)
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
        rows = []
        for pair in self.pairs:
            row: dict[str, object] = {"name": pair.either.title, "action": pair.either.step.action}
            row["differs"] = pair.differs
            for what, measure in _MEASURED.items():
                row |= {f"{what}_a": pair.left and measure(pair.left), f"{what}_b": pair.right and measure(pair.right)}
            rows.append(row)
        return pandas().DataFrame(rows)

    def __repr__(self) -> str:
        return formatting.printable("\n".join(self.lines()))

    def lines(self, other: str = "B") -> list[str]:
        """Return what differs as lines of text, in which the second run is called ``other``."""
        steps = formatting.counted(len(self.pairs), "step")
        lines = [f"{len(self.different)} of {steps} of {self.a.name!r} and {self.b.name!r} differ"]
        for pair in self.different[:40]:
            told = pair.differs if pair.left else f"only in {other}"
            lines.append(f"  {formatting.clipped_line(pair.either.title, 60)}: {told}")
        return lines

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
    kept = [side.task.captured for side in (a, b)]
    for label in ("input", "output"):
        said = [getattr(one, label) if one is not None else None for one in kept]
        if None in said:
            said = [getattr(side.task, f"{label}_summary") or "" for side in (a, b)]
        yield Change(label.capitalize(), as_text(said[0]), as_text(said[1]), prose=True)


def _errors(facts: TraceSummary) -> str:
    return ", ".join(error.error_type for error in facts.task.errors or [])


def _step_changes(left: Node | None, right: Node | None) -> Iterator[Change]:
    if left is None or right is None:
        return
    yield Change("Status", left.status, right.status)
    yield Change("Error", _fault(left), _fault(right), prose=True)
    yield Change("Model", _model(left), _model(right))
    yield Change("Name", left.title, right.title)
    mine, theirs = whole_texts(left), whole_texts(right)
    if mine is None or theirs is None:  # whole where both runs kept it, else as far as the previews go
        mine, theirs = previews(left), previews(right)
    for label in dict.fromkeys([*mine, *theirs]):
        yield Change(label, mine.get(label, ""), theirs.get(label, ""), prose=True)
    yield Change("Tokens", formatting.count(left.tokens), formatting.count(right.tokens))
    gap, longest = abs(left.length - right.length), max(left.length, right.length)
    if gap >= NOTABLE_MS and gap >= NOTABLE_SHARE * longest:
        yield Change("Time", formatting.duration(left.length), formatting.duration(right.length))


def _model(node: Node) -> str:
    return node.step.llm_call.model if node.step.llm_call else ""


def _fault(node: Node) -> str:
    error = node.step.error
    return f"{error.error_type}: {error.message}" if error else ""


class RunsComparison(Shown):
    """Several runs beside each other, each compared with the first; it renders itself in a notebook.

    Attributes:
        comparisons: The first run with each of the others.

    Example:
        >>> from infinium_integrations import TaskData, compare
        >>> runs = [TaskData(name="Triage", description="Triage", duration=seconds) for seconds in (1, 2, 3)]
        >>> compare(*runs).facts["Duration"]
        ['1.00 s', '2.00 s', '3.00 s']
    """

    _template = "runs.html"

    def __init__(self, runs: Sequence[TaskData]) -> None:
        self.runs = list(runs)
        self.names = [letter(place) for place in range(len(runs))]
        self.summaries = [TraceSummary(run) for run in runs]
        self.comparisons = [Comparison(runs[0], other) for other in runs[1:]]

    @property
    def facts(self) -> dict[str, list[str]]:
        """What the runs say of themselves as a whole: by label, a text of each run, also where all say the same."""
        columns = [{one.label: one.right for one in _run_changes(self.summaries[0], b)} for b in self.summaries]
        labels = dict.fromkeys(label for column in columns for label in column)
        return {label: [column.get(label, "") for column in columns] for label in labels}

    @property
    def steps(self) -> list[list[Pair]]:
        """For each step of the first run, what each other run has in its place; then what the first has not.

        Of these, steps that several of the others have at the same place in the tree, under the same name, are one row.
        """
        rows: list[list[Pair]] = [[] for _ in self.comparisons[0].trees[0].nodes]
        alone: dict[object, list[Pair]] = {}
        for place, compared in enumerate(self.comparisons):
            numbers = {id(node): number for number, node in enumerate(compared.trees[0].nodes)}
            seen: Counter[object] = Counter()
            for pair in compared.pairs:
                if pair.left is not None:
                    rows[numbers[id(pair.left)]].append(pair)
                    continue
                path = _path(pair.either)
                row = alone.setdefault((path, seen[path]), [_NOTHING] * len(self.comparisons))
                row[place] = pair
                seen[path] += 1
        return rows + list(alone.values())

    def to_dataframe(self) -> object:
        """Return a pandas DataFrame with a row for each run, with the columns of ``traces().to_dataframe()``.

        Raises:
            ImportError: pandas is not installed.

        Example:
            >>> from infinium_integrations import TaskData, compare
            >>> runs = [TaskData(name="Triage", description="Triage", duration=seconds) for seconds in (1, 2, 3)]
            >>> compare(*runs).to_dataframe()["duration"].tolist()
            [1.0, 2.0, 3.0]
        """
        return TraceList(self.runs).to_dataframe()

    def __repr__(self) -> str:
        cells = [[label, *(formatting.one_line(text, 40) for text in texts)] for label, texts in self.facts.items()]
        lines = text_table(["", *self.names], cells)
        for name, compared in zip(self.names[1:], self.comparisons, strict=True):
            first, *rest = compared.lines(name)
            lines += ["", f"A and {name}: {first}", *rest]
        return formatting.printable("\n".join(lines))

    def _context(self) -> dict[str, object]:
        return {"compared": self, "heading": "h3"}


_NOTHING = Pair(None, None, [])


def _path(node: Node) -> tuple[tuple[str, str], ...]:
    """Return the kinds and names of a step and of what is around it, the step first."""
    around = [node]
    while around[-1].parent is not None:
        around.append(around[-1].parent)
    return tuple((one.step.action, one.title) for one in around)


Run = TaskData | str
"""A trace, or the id of one in the store, or the beginning of its id."""
Runs = Iterable[TaskData] | Experiment


@overload
def compare(a: Run, b: Run) -> Comparison: ...


@overload
def compare(a: Run, b: Run, *more: Run) -> RunsComparison: ...


@overload
def compare(a: Runs, b: Runs, *more: Runs) -> GroupComparison: ...


def compare(a: Run | Runs, b: Run | Runs, *more: Run | Runs) -> Comparison | RunsComparison | GroupComparison:
    """Compare runs, step by step, or groups of runs; may be called from any thread.

    Steps are paired by their place in the tree and their name, calls side by side by their arguments. Prompts,
    answers, arguments and results are compared word by word, whole where both runs kept them.

    Args:
        a: The run to compare with: a trace, such as ``traces(limit=1)[0]``, or the id of one in the store (its
            beginning will do). Or a group of runs: a list such as ``traces(session="s-1")`` or ``traces(tag="beta")``,
            or an ``Experiment``.
        b: The other run, or group.
        *more: More of them.

    Returns:
        Of two runs a ``Comparison``: ``.different`` has the pairs of steps that differ, ``.changes`` what differs in
        the runs as a whole, ``.to_dataframe()`` a row for each pair of steps. Of more runs a ``RunsComparison``, of
        groups a ``GroupComparison``: their totals, and the examples of experiments beside each other. Each renders
        itself in a notebook.

    Raises:
        ValidationError: No trace has this id, or several begin so.
        TypeError: Runs and groups are mixed.

    Example:
        >>> from infinium_integrations import compare
        >>> from infinium_integrations import TaskData
        >>> run = {"name": "Triage", "description": "Triage", "current_datetime": "2026-01-02T03:04:05Z"}
        >>> compared = compare(TaskData(**run, duration=1), TaskData(**run, duration=2.5))
        >>> [(change.label, change.left, change.right) for change in compared.changes]
        [('Duration', '1.00 s', '2.50 s')]
    """
    given = [a, b, *more]
    runs = [_stored(one) if isinstance(one, str) else one for one in given if isinstance(one, str | TaskData)]
    if len(runs) == len(given):
        return Comparison(runs[0], runs[1]) if len(runs) == 2 else RunsComparison(runs)  # noqa: PLR2004
    if runs or not all(isinstance(one, Iterable) for one in given):
        found = ", ".join(type(one).__name__ for one in given)
        msg = f"compare() takes traces or their ids, or lists of traces and experiments; this is {found}"
        raise TypeError(msg)
    return GroupComparison([_group(one, place) for place, one in enumerate(given)])


def _stored(trace_id: str) -> TaskData:
    task = runtime.current().delivery.reader.get(trace_id)
    if task is None:
        msg = f"there is no trace {trace_id[:80]!r} here: infinium-traces list shows which there are"
        raise ValidationError(msg, field="trace_id")
    return task


def _group(given: object, place: int) -> Group:
    if isinstance(given, Experiment):
        return given.group
    tasks: list[TaskData] = list(given)  # type: ignore[call-overload]  # iterable, as was looked up
    wrong = next((one for one in tasks if not isinstance(one, TaskData)), None)
    if wrong is not None:
        msg = f"compare() takes lists of traces; in this one there is a {type(wrong).__name__}"
        raise TypeError(msg)
    sessions = {TraceSummary(task).session for task in tasks}
    name = sessions.pop() if len(sessions) == 1 else None
    return Group(name or letter(place), [Outcome.of(task, number) for number, task in enumerate(tasks)])
