"""What an experiment came to: a row for each run of an example, in this process or read back from the store."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, overload

from infinium_integrations import runtime, settings
from infinium_integrations.errors import ConfigurationError, InfiniumError
from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.notebook.plain_text import Shown
from infinium_integrations.viewer.notebook.trace_list import pandas
from infinium_integrations.viewer.outcomes import SUMS, Group, GroupComparison, GroupSums, Outcome, text_table
from infinium_integrations.viewer.summary import MARKS, TraceSummary, split_tags
from infinium_integrations.viewer.terminal.columns import width

if TYPE_CHECKING:
    from pandas import DataFrame  # type: ignore[import-untyped]

    from infinium_integrations.client import InfiniumClient
    from infinium_integrations.storage.index.query import Row
    from infinium_integrations.storage.reader import TraceReader

__all__ = ["TAG", "Experiment", "ExperimentList", "earlier", "experiments", "need_account", "one"]

TAG = "experiment"
"""The tag of every trace of an experiment; the run's own id is the next."""
ROWS_SHOWN = 200
AT_ONCE = 8
"""Results of Maestro that are asked for at the same time."""
FLUSH = 10.0
INPUT, OUTPUT, LEAST_ROOM = 36, 48, 24


class Experiment(Shown, Sequence[Outcome]):
    """What came of an experiment: its rows in the order of the data. It shows itself as a table.

    Attributes:
        name: What it is called.
        id: Its own id: a tag of each of its traces, and their ``experiment_run``.
        interrupted: Whether Ctrl-C ended it.

    Example:
        >>> from infinium_integrations import experiment
        >>> result = experiment(str.upper, ["hi", "ho"], name="Shout")
        >>> len(result), [row.output for row in result]
        (2, ['HI', 'HO'])
        >>> result.sums.errors
        0
    """

    _template = "experiment.html"

    def __init__(
        self,
        name: str,
        run_id: str,
        rows: list[Outcome] | None = None,
        *,
        reader: "TraceReader | None" = None,
    ) -> None:
        self.name, self.id, self.interrupted = name, run_id, False
        self._rows, self._reader = rows, reader

    @property
    def rows(self) -> list[Outcome]:
        """The rows in the order of the data, then by repetition; those of an earlier experiment are read when asked."""
        if self._rows is None:
            found = self.reader.each(tag=self.id, limit=None)
            rows = [Outcome.of(task) for task in found if _run_of(TraceSummary(task).tags) == self.id]
            self._rows = sorted(rows, key=lambda row: (row.index, row.repetition))
        return self._rows

    @overload
    def __getitem__(self, place: int) -> Outcome: ...

    @overload
    def __getitem__(self, place: slice) -> list[Outcome]: ...

    def __getitem__(self, place: int | slice) -> Outcome | list[Outcome]:
        return self.rows[place]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.rows)

    @property
    def reader(self) -> "TraceReader":
        """Where its traces are read."""
        return self._reader or runtime.current().delivery.reader

    @property
    def sums(self) -> GroupSums:
        """Its totals: runs, errors, durations, tokens and cost; of an earlier experiment, without reading its rows."""
        if self._rows is not None:
            return GroupSums.of(self.group)
        found = next(iter(self.reader.sums(None, tag=self.id)), None)
        if found is None:
            return GroupSums(self.name, 0, 0, None, None, None, None)
        return GroupSums(self.name, found.runs, found.errors, found.p50, found.p95, found.tokens, found.cost)

    @property
    def repeated(self) -> bool:
        """Whether an example ran several times."""
        return any(row.repetition > 1 for row in self.rows)

    @property
    def judged(self) -> int:
        """How many rows have Maestro's result."""
        return sum(row.interpretation is not None for row in self.rows)

    @property
    def group(self) -> Group:
        """It as a group of runs, to be compared with others."""
        return Group(self.name, self.rows, paired=True)

    def to_dataframe(self) -> "DataFrame":
        """Return a pandas DataFrame: one row a run of an example, in the order of the data.

        Returns:
            ``index`` is the example's place from 0, ``output`` what the task returned (the text of a LangChain message
            or LlamaIndex response), ``error`` what it failed with, ``duration`` in seconds, ``cost`` in US dollars,
            ``interpretation`` Maestro's result. ``attrs`` has the experiment's ``name`` and ``id``.

        Raises:
            ImportError: pandas is not installed.

        Example:
            >>> from infinium_integrations import experiment
            >>> experiment(str.upper, ["hi", "ho"], name="Shout").to_dataframe()["output"].tolist()
            ['HI', 'HO']
        """
        columns = list(Outcome(0).row())
        frame: DataFrame = pandas().DataFrame([row.row() for row in self.rows], columns=columns)
        frame.attrs.update(name=self.name, id=self.id)
        return frame

    def compare(self, *others: "Experiment") -> GroupComparison:
        """Compare with other experiments: their totals, and each example's answers beside each other.

        Args:
            *others: Experiments with the same examples, from this process or ``experiments()``. Examples are paired by
                their ``id`` (else by their input), or by place where no id is shared, as where the prompt is part of
                the input.

        Returns:
            The comparison, which shows itself as a table. Of repeated examples, numbers are means.

        Example:
            >>> from infinium_integrations import experiment
            >>> before, after = (experiment(task, ["Hi"], name="Echo") for task in (str.upper, str.lower))
            >>> [example.differs for example in before.compare(after).examples]
            [True]
        """
        return GroupComparison([self.group, *(other.group for other in others)])

    def wait(self, timeout: float = 120.0, client: "InfiniumClient | None" = None) -> "Experiment":
        """Wait for Maestro's results, at most eight asked for at a time; what comes in time is kept.

        Args:
            timeout: Seconds in all.
            client: What asks; the account of the settings where left out.

        Returns:
            The experiment, whose rows have their ``interpretation`` now; ``unsent`` says why one has none.

        Raises:
            ConfigurationError: There is no account.

        Example:
            >>> from infinium_integrations import experiment
            >>> from infinium_integrations.errors import ConfigurationError
            >>> try:
            ...     experiment(str.upper, ["hi"], name="Shout").wait()
            ... except ConfigurationError:
            ...     print("set an account first")
            set an account first
        """
        if client is None:
            need_account()
        deadline = time.monotonic() + timeout
        runtime.flush(min(timeout, FLUSH))
        waiting = [row for row in self.rows if row.interpretation is None and row.trace_id]
        from infinium_integrations.client import InfiniumClient  # noqa: PLC0415  (httpx, only for this)

        with InfiniumClient() if client is None else nullcontext(client) as asked:
            _each(lambda row: _interpret(row, deadline, asked), waiting)
        return self

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, columns: int | None = None) -> list[str]:
        """Return it as lines of text: its totals, and a row for each run of an example.

        Args:
            columns: What a line may take; inputs and outputs are cut to fit. Left out, both have their usual room.
        """
        found = self.sums
        said = [formatting.counted(len(self), "run"), f"{found.errors:,} failed"]
        said += ["interrupted"] if self.interrupted else []
        said += [f"{formatting.count(found.tokens)} tokens"] if found.tokens is not None else []
        said += [formatting.cost(found.cost)] if found.cost is not None else []
        lines = [f"Experiment {formatting.clipped_line(self.name, 80)!r}: {', '.join(said)}"]
        rows, room = self.rows[:ROWS_SHOWN], INPUT + OUTPUT
        table = _table(rows, room)
        while columns is not None and room > LEAST_ROOM and (over := max(map(width, table)) - columns) > 0:
            room = max(room - over, LEAST_ROOM)
            table = _table(rows, room)
        lines += table
        if len(self) > ROWS_SHOWN:
            lines.append(f"… {len(self) - ROWS_SHOWN:,} more")
        return formatting.printable("\n".join(lines)).split("\n")

    def _context(self) -> dict[str, object]:
        return {"found": self, "heading": "h3", "trace_link": None, "shown_rows": ROWS_SHOWN}


class ExperimentList(Shown, list[Experiment]):
    """Experiments, the latest first: a list that shows itself as a table."""

    _template = "experiments.html"

    def __repr__(self) -> str:
        lines = [formatting.counted(len(self), "experiment")]
        rows = [[*one.sums.cells(), one.id] for one in self[:ROWS_SHOWN]]
        heads = ("Name", *SUMS[1:], "Id")
        return formatting.printable("\n".join([*lines, *(text_table(heads, rows) if rows else [])]))

    def _context(self) -> dict[str, object]:
        return {"found": self[:ROWS_SHOWN], "total": len(self), "heading": "h3", "experiment_link": None}


def experiments(name: str | None = None) -> ExperimentList:
    """Find earlier experiments by the tags of their traces, those of other processes too, the latest first.

    Args:
        name: The name that they were given; all where left out.

    Returns:
        The experiments; each reads its rows when they are asked for, with texts of inputs and outputs as long as a
        trace keeps them.

    Raises:
        ConfigurationError: A setting cannot work.

    Example:
        >>> from infinium_integrations import experiment, experiments
        >>> _ = experiment(str.upper, ["hi"], name="Shout")
        >>> [found.name for found in experiments("Shout")]
        ['Shout']
    """
    return earlier(runtime.current().delivery.reader, name)


def earlier(reader: "TraceReader", name: str | None = None) -> ExperimentList:
    """Find the experiments of a store, the latest first."""
    last: dict[str, Row] = {}
    for row in reader.listing(tag=TAG, limit=None):
        run = _run_of(split_tags(row.tags))
        if run is not None:
            last.setdefault(run, row)
    found = ExperimentList()
    for run, row in last.items():
        task = reader.get(row.trace_id, exact=True)
        called = TraceSummary(task).custom.get("experiment") if task is not None else None
        if called is not None and name in {None, called}:
            found.append(Experiment(called, run, reader=reader))
    return found


def one(reader: "TraceReader", run_id: str) -> Experiment | None:
    """Return the experiment of this id; None where there is none."""
    task = next(iter(reader.traces(tag=run_id, limit=1)), None) if run_id else None
    summary = TraceSummary(task) if task is not None else None
    if summary is None or _run_of(summary.tags) != run_id or "experiment" not in summary.custom:
        return None
    return Experiment(summary.custom["experiment"], run_id, reader=reader)


def _run_of(tags: Sequence[str]) -> str | None:
    """Return the id of the experiment's run, which follows the common tag."""
    return tags[1] if len(tags) > 1 and tags[0] == TAG else None


def need_account() -> None:
    """Raise ConfigurationError where there is no account to ask Maestro with."""
    if not settings.current().to_infinium:
        msg = (
            "wait needs an account, since Maestro's results come from Infinium: "
            "set INFINIUM_AGENT_ID and INFINIUM_AGENT_SECRET"
        )
        raise ConfigurationError(msg)


def _interpret(row: Outcome, deadline: float, client: "InfiniumClient") -> None:
    task, left = row.trace, deadline - time.monotonic()
    if task is None or left <= 0:
        row.unsent = "the trace is no longer here" if task is None else "there was no time left"
        return
    try:
        row.interpretation, row.unsent = task.wait_for_interpretation(timeout=left, client=client), None
    except InfiniumError as error:
        row.unsent = str(error)


def _each(work: Callable[[Outcome], None], rows: Iterable[Outcome]) -> None:
    """Do the work for each row, some at a time; Ctrl-C ends the wait, and what came is kept."""
    left = iter(list(rows))
    lock = threading.Lock()
    stopped = threading.Event()

    def take() -> None:
        while not stopped.is_set():
            with lock:
                row = next(left, None)
            if row is None:
                return
            work(row)

    threads = [threading.Thread(target=take, daemon=True) for _ in range(AT_ONCE)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stopped.set()


def _table(rows: Sequence[Outcome], room: int) -> list[str]:
    """Return the lines of an experiment's table; ``room`` is what input and output take together."""
    given = min(INPUT, room * INPUT // (INPUT + OUTPUT))
    repeated, judged = any(row.repetition > 1 for row in rows), any(row.interpretation for row in rows)
    cells = [
        [
            f"{row.index}.{row.repetition}" if repeated else str(row.index),
            MARKS.get(row.status, "?"),
            formatting.one_line(row.input_text, given),
            formatting.one_line(row.error or row.output_text, room - given),
            formatting.seconds(row.duration),
            formatting.count(row.tokens),
            formatting.cost(row.cost),
            *([formatting.clipped_line(row.interpretation_text or formatting.UNKNOWN, OUTPUT)] if judged else []),
        ]
        for row in rows
    ]
    return text_table(["", "", "Input", "Output", "Time", "Tokens", "Cost", *(["Maestro"] if judged else [])], cells)
