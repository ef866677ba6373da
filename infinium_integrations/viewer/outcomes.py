"""What came of many runs: one row a run, and groups of runs beside each other."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from string import ascii_uppercase
from typing import TYPE_CHECKING, TypeVar

from infinium_integrations import diagnostics, runtime
from infinium_integrations.capture.preview import preview
from infinium_integrations.models import TaskData
from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.notebook.interpretation import Interpretation
from infinium_integrations.viewer.notebook.plain_text import Shown
from infinium_integrations.viewer.notebook.trace_list import pandas
from infinium_integrations.viewer.statistics import percentile
from infinium_integrations.viewer.summary import TraceSummary
from infinium_integrations.viewer.terminal.columns import left, right, width

if TYPE_CHECKING:
    from pandas import DataFrame  # type: ignore[import-untyped]

__all__ = [
    "SUMS",
    "ComparedExample",
    "Group",
    "GroupComparison",
    "GroupSums",
    "Outcome",
    "letter",
    "shown",
    "text_table",
]

Number = TypeVar("Number", int, float)

TEXT_CHARS = 2_000
"""Characters of an input or output that are shown; the data frame has the value itself."""
LINES = 60
ANSWER = 40


def shown(value: object) -> object:
    """Return the text of a framework's answer, else the value.

    Of a LangGraph state that is its last message's, of a LangChain message or LlamaIndex response its own.
    """
    if isinstance(value, dict) and isinstance(value.get("messages"), list) and value["messages"]:
        value = value["messages"][-1]
    found = diagnostics.attempt(_text_of, lambda _: None, value)
    return value if found is None else found


def _text_of(value: object) -> str | None:
    for name in ("content", "response"):
        part = getattr(value, name, None)
        text = getattr(part, "content", part)  # an agent's response is a message
        if isinstance(text, str):
            return text
    return None


@dataclass(slots=True, eq=False)
class Outcome:
    """What came of one run: of one example of an experiment, once.

    Example:
        >>> from infinium_integrations import experiment
        >>> from infinium_integrations.testing import captured_traces
        >>> with captured_traces():
        ...     outcome = experiment(str.upper, ["hi"], name="Shout")[0]
        >>> outcome.input, outcome.output, outcome.status, outcome.error
        ('hi', 'HI', 'ok', None)
    """

    index: int
    """The example's place in the data, from 0."""
    repetition: int = 1
    """Which run of the example it is, from 1."""
    example_id: str | None = None
    """The example's own ``id``, else a hash of its input."""
    input: object = None
    """What the task was given; of an earlier experiment, the beginning of its text."""
    output: object = None
    """What the task returned; of an earlier experiment, the beginning of its text."""
    error: str | None = None
    """What it failed with, such as ``ValueError: no such order``."""
    exception: BaseException | None = None
    """The same as it was raised; None of an earlier experiment."""
    status: str = "ok"
    duration: float | None = None
    """Seconds."""
    tokens: int | None = None
    cost: float | None = None
    """US dollars."""
    model: str | None = None
    steps: int | None = None
    trace_id: str | None = None
    """None where nothing was traced."""
    interpretation: Interpretation | None = None
    """Maestro's result, where it is there."""
    unsent: str | None = None
    """Why Maestro has no result of it."""
    built: TaskData | None = field(default=None, repr=False)
    """The trace, where no store keeps it."""

    @property
    def trace(self) -> TaskData | None:
        """Its trace, read from the store; None where there is none (any more).

        Example:
            >>> from infinium_integrations import experiment
            >>> experiment(str.upper, ["hi"], name="Shout")[0].trace.output_summary
            'HI'
        """
        found = runtime.current().delivery.reader.get(self.trace_id, exact=True) if self.trace_id else None
        return found or self.built

    @classmethod
    def of(cls, task: TaskData, index: int = 0) -> "Outcome":
        """Return what a stored trace says of its run."""
        tags = TraceSummary(task).custom
        place, repetition = tags.get("example", ""), tags.get("repetition", "")
        outcome = cls(
            int(place) if place.isdecimal() else index,
            int(repetition) if repetition.isdecimal() else 1,
            tags.get("example_id"),
            task.input_summary,
            task.output_summary,
        )
        outcome.read(task)
        fatal = next((error for error in task.errors or [] if not error.recoverable), None)
        if outcome.status != "ok" and fatal is not None:
            outcome.error = f"{fatal.error_type}: {fatal.message}"
        return outcome

    def read(self, task: TaskData) -> None:
        """Take over the numbers of its trace."""
        summary = TraceSummary(task)
        self.trace_id, self.status, self.duration = task.trace_id, summary.status, task.duration
        self.tokens, self.cost, self.model = summary.tokens, summary.cost, summary.models
        self.steps = len(task.steps or [])

    @property
    def failed(self) -> bool:
        """Whether it ended in an error; what was cancelled did not."""
        return self.status == "error"

    @property
    def input_text(self) -> str:
        """The beginning of its input as text."""
        return preview(self.input, TEXT_CHARS)

    @property
    def output_text(self) -> str:
        """The beginning of its output as text; empty where there is none."""
        return "" if self.output is None else preview(shown(self.output), TEXT_CHARS)

    @property
    def interpretation_text(self) -> str | None:
        """Maestro's result as text."""
        return self.interpretation.text if self.interpretation else None

    def row(self) -> dict[str, object]:
        """Return its row of a data frame."""
        return {
            "index": self.index,
            "repetition": self.repetition,
            "example_id": self.example_id,
            "input": self.input,
            "output": shown(self.output),
            "error": self.error,
            "status": self.status,
            "duration": self.duration,
            "tokens": self.tokens,
            "cost": self.cost,
            "model": self.model,
            "steps": self.steps,
            "trace_id": self.trace_id,
            "interpretation": self.interpretation_text,
        }


@dataclass(frozen=True)
class Group:
    """Runs that belong together, under one name."""

    name: str
    outcomes: Sequence[Outcome]
    paired: bool = False
    """Whether its runs are examples that other groups may have, too."""


@dataclass(frozen=True)
class GroupSums:
    """A group's totals. Durations are in seconds, costs in US dollars; None is unknown.

    Example:
        >>> from infinium_integrations import TaskData, compare
        >>> fast = [TaskData(name="Triage", description="Triage", duration=seconds) for seconds in (1, 2, 3)]
        >>> compare(fast, fast[:1]).sums[0].p50
        2.0
    """

    name: str
    runs: int
    errors: int
    p50: float | None
    p95: float | None
    tokens: int | None
    """Of all runs together."""
    cost: float | None
    """Of all runs together."""

    @classmethod
    def of(cls, group: Group) -> "GroupSums":
        """Sum up a group."""
        outcomes = group.outcomes
        times = [one.duration for one in outcomes if one.duration is not None]
        return cls(
            group.name,
            len(outcomes),
            sum(one.failed for one in outcomes),
            percentile(times, 50),
            percentile(times, 95),
            total(one.tokens for one in outcomes),
            total(one.cost for one in outcomes),
        )

    @property
    def tokens_a_run(self) -> int | None:
        """The mean of the tokens."""
        return None if self.tokens is None else round(self.tokens / max(self.runs, 1))

    def cells(self) -> list[str]:
        """Return the line of a table."""
        return [
            formatting.clipped_line(self.name, ANSWER),
            formatting.count(self.runs),
            formatting.count(self.errors),
            formatting.seconds(self.p50),
            formatting.seconds(self.p95),
            formatting.count(self.tokens),
            formatting.count(self.tokens_a_run),
            formatting.cost(self.cost),
        ]


def letter(place: int) -> str:
    """Return what a run or group without a name is called: A, B and so on."""
    return chr(ord("A") + place) if place < len(ascii_uppercase) else str(place + 1)


SUMS = ("Group", "Runs", "Errors", "p50", "p95", "Tokens", "A run", "Cost")
"""What stands above the cells of ``GroupSums``."""


def total(numbers: Iterable[Number | None]) -> Number | None:
    """Sum up what is known; None where nothing is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


@dataclass(frozen=True)
class ComparedExample:
    """One example, and what came of it in each group: several outcomes where it was repeated, none where it is new."""

    index: int
    sides: list[list[Outcome]]

    @property
    def input_text(self) -> str:
        """The beginning of its input as text, of the first group that has it."""
        return next((side[0].input_text for side in self.sides if side), "")

    def mean(self, side: int, measure: Callable[[Outcome], float | None]) -> float | None:
        """Return the mean of a number over the repetitions of one group; None where it is unknown."""
        known = [number for one in self.sides[side] if (number := measure(one)) is not None]
        return fmean(known) if known else None

    @property
    def differs(self) -> bool:
        """Whether the groups' first answers, or their errors, are not the same."""
        said = {(side[0].output_text, side[0].error) if side else None for side in self.sides}
        return len(said) > 1


class GroupComparison(Shown):
    """Groups of runs in one table, and, of experiments, what came of each example in each of them.

    Attributes:
        sums: Each group's totals.

    Example:
        >>> from infinium_integrations import experiment
        >>> loud, quiet = (experiment(task, ["Hi", "ok"], name=task.__name__) for task in (str.upper, str.lower))
        >>> compared = loud.compare(quiet)
        >>> [(example.input_text, example.differs) for example in compared.examples]
        [('Hi', True), ('ok', True)]
    """

    _template = "groups.html"

    def __init__(self, groups: Sequence[Group]) -> None:
        same = len({group.name for group in groups}) < len(groups)
        self.groups = [
            Group(f"{letter(n)}: {group.name}", group.outcomes, group.paired) if same else group
            for n, group in enumerate(groups)
        ]
        self.sums = [GroupSums.of(group) for group in self.groups]

    @cached_property
    def examples(self) -> list[ComparedExample]:
        """The examples, paired by their ids where the experiments share any, else by their places in the data.

        Empty for groups that are no experiments.
        """
        if not all(group.paired for group in self.groups):
            return []
        ids = [{one.example_id for one in group.outcomes} - {None} for group in self.groups]
        by_id = any(first & other for first in ids[:1] for other in ids[1:])
        found: dict[tuple[object, int], ComparedExample] = {}
        for side, group in enumerate(self.groups):
            for key, outcomes in _by_example(group.outcomes, by_id=by_id).items():
                sides: list[list[Outcome]] = [[] for _ in self.groups]
                found.setdefault(key, ComparedExample(outcomes[0].index, sides)).sides[side].extend(outcomes)
        return list(found.values())

    def to_dataframe(self) -> "DataFrame":
        """Return a pandas DataFrame: a row for each example, or, of groups that are no experiments, for each group.

        Of examples, the columns are ``index``, ``input``, ``differs`` and, numbered by group from 1, ``output_1``,
        ``error_1``, ``duration_1``, ``tokens_1``, ``cost_1`` and ``trace_id_1`` (numbers are means over the
        repetitions, the rest is of the first).

        Raises:
            ImportError: pandas is not installed.

        Example:
            >>> from infinium_integrations import TaskData, compare
            >>> run = TaskData(name="Triage", description="Triage", duration=1.5)
            >>> compare([run], [run, run]).to_dataframe()["runs"].tolist()
            [1, 2]
        """
        rows: list[dict[str, object]] = [_row(one) for one in self.examples]
        if not self.examples:
            rows = [vars(one) for one in self.sums]
        frame: DataFrame = pandas().DataFrame(rows)
        return frame

    def __repr__(self) -> str:
        lines = text_table(SUMS, [one.cells() for one in self.sums])
        if self.examples:
            changed = sum(one.differs for one in self.examples)
            lines += ["", formatting.differing(changed, len(self.examples), "example")]
            heads = ("", "Input", *(formatting.clipped_line(group.name, ANSWER) for group in self.groups))
            lines += text_table(heads, [_cells(one) for one in self.examples[:LINES]])
        if len(self.examples) > LINES:
            lines.append(f"… {len(self.examples) - LINES:,} more examples")
        return formatting.printable("\n".join(lines))

    def _context(self) -> dict[str, object]:
        return {"compared": self, "heading": "h3", "trace_link": None, "compare_link": None}


def _by_example(outcomes: Iterable[Outcome], *, by_id: bool) -> dict[tuple[object, int], list[Outcome]]:
    """Group outcomes by example. Of examples with the same id, the first is paired with the first, and so on."""
    indexes: dict[object, dict[int, int]] = {}
    found: dict[tuple[object, int], list[Outcome]] = {}
    for one in outcomes:
        name = one.example_id if by_id else one.index
        places = indexes.setdefault(name, {})
        found.setdefault((name, places.setdefault(one.index, len(places))), []).append(one)
    return found


def _row(example: ComparedExample) -> dict[str, object]:
    row: dict[str, object] = {"index": example.index, "input": example.input_text, "differs": example.differs}
    for number, side in enumerate(example.sides):
        first = side[0] if side else None
        row |= {
            f"output_{number + 1}": shown(first.output) if first else None,
            f"error_{number + 1}": first.error if first else None,
            f"duration_{number + 1}": example.mean(number, lambda one: one.duration),
            f"tokens_{number + 1}": example.mean(number, lambda one: one.tokens),
            f"cost_{number + 1}": example.mean(number, lambda one: one.cost),
            f"trace_id_{number + 1}": first.trace_id if first else None,
        }
    return row


def _cells(example: ComparedExample) -> list[str]:
    texts = [example.input_text]
    for side in example.sides:
        said = (f"✕ {side[0].error}" if side[0].error else side[0].output_text) if side else formatting.UNKNOWN
        texts.append(said)
    return [str(example.index), *(formatting.one_line(text, ANSWER) for text in texts)]


_OF_NUMBERS = frozenset({"$", "<", formatting.UNKNOWN, ""})
"""What a number may begin with besides a digit."""


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table for a terminal; numbers stand to the right."""
    rows = [[formatting.printable(cell) for cell in row] for row in rows]
    widths = [max(map(width, (head, *(row[place] for row in rows)))) for place, head in enumerate(heads)]
    of_numbers = [
        bool(rows) and all(row[place][:1].isdigit() or row[place][:1] in _OF_NUMBERS for row in rows)
        for place in range(len(heads))
    ]

    def line(cells: Sequence[str]) -> str:
        aligned = (right(c, w) if n else left(c, w) for c, w, n in zip(cells, widths, of_numbers, strict=True))
        return "  ".join(aligned).rstrip()

    return [line(heads), *map(line, rows)]
