"""What is known of a run while it goes on: plain records of bounded texts, numbers and ids, never a user's object."""

import itertools
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from infinium_integrations.capture.content import Content
from infinium_integrations.diagnostics import contained
from infinium_integrations.models import OUTPUT_SUMMARY_LIMIT, PREVIEW_LIMIT
from infinium_integrations.recording.trace_context import Surrounding

if TYPE_CHECKING:
    from pydantic import BaseModel

    from infinium_integrations.models import ExpectedOutcome, TaskData

__all__ = [
    "ATTEMPTS_REMEMBERED",
    "KEPT_HERE",
    "ElidedSteps",
    "Failure",
    "ModelCall",
    "Options",
    "Run",
    "ToolUse",
    "Trace",
    "TraceClient",
    "key_of",
]

AWAITED = frozenset({"llm_inference", "tool_use", "retrieval", "embedding", "rerank"})
"""Actions worth waiting for after the root has ended: their tokens and results matter."""

KEPT_FIRST = 5_000
KEPT_LAST = 5_000
HELD = 1_000
"""Of the last ones, open steps that are kept though they began long ago."""
"""A trace of more steps keeps its first and last and folds the middle into totals."""

EVENTS_KEPT = 100
"""Notes kept on one step; later ones are counted."""

ATTEMPTS_REMEMBERED = 1_000
"""Of a workflow's or graph's steps, those that an adapter remembers to recognise a second try."""
FAILURES_KEPT = 1_000
"""Exceptions kept of one trace."""


class TraceClient(Protocol):
    """What a handler can be given to send its traces with; ``send_task_data`` may be a coroutine function."""

    def send_task_data(self, task: "TaskData", /) -> object:
        """Send one trace."""


class _KeptHere:
    """Stands in place of a client for traces that stay on this machine."""

    def send_task_data(self, task: "TaskData", /) -> None:
        """Send nothing."""


KEPT_HERE = _KeptHere()


@dataclass(slots=True, frozen=True)
class Options:
    """What a handler or ``trace()`` was given; it holds for the whole trace that it opens."""

    name: str | None = None
    description: str | None = None
    expected_outcome: "ExpectedOutcome | None" = None
    sections: "Mapping[str, BaseModel]" = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    capture_content: bool = True
    full: bool = False
    redact: Callable[[str], str] | None = None
    client: TraceClient | None = None
    preview_chars: int = PREVIEW_LIMIT


class Unread(Protocol):
    """What was said of a model's call, to be read on the writer's thread."""

    def read(self) -> Mapping[str, object]:
        """Read it into the call; return facts for its step."""


@dataclass(slots=True, eq=False, repr=False)
class ModelCall:
    """One call of a model. Tokens are None where unknown."""

    model: str | None = None
    provider: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    requested: str | None = None
    temperature: float | None = None
    latency_ms: int | None = None
    purpose: str | None = None
    ttft_ms: int | None = None
    details: dict[str, int] | None = None
    cached: bool = False
    partial: bool = False
    as_given: bool = False
    """Set by the user: nothing is filled in."""
    unread: "Unread | None" = None
    """What was said of the call, where it is not read yet."""

    def hands_on(self, inner: "list[ModelCall]") -> bool:
        """Return whether it reports no tokens but those of the calls below it."""
        told = (self.prompt_tokens, self.completion_tokens)
        below = [[call.prompt_tokens or 0 for call in inner], [call.completion_tokens or 0 for call in inner]]
        return not self.as_given and told in {(None, None), (sum(below[0]), sum(below[1]))}


@dataclass(slots=True, eq=False, repr=False)
class ToolUse:
    """One call of a tool. Its texts and duration are the step's own, except ``as_given`` by the user."""

    name: str
    call_id: str | None = None
    input: str | None = None
    output: str | None = None
    duration_ms: int | None = None
    http_status: int | None = None
    as_given: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Failure:
    """One exception, described when it was seen; the exception itself is not kept."""

    type: str
    message: str
    key: Hashable = field(default_factory=object)
    """Distinguishes it from others while it travels up through the runs."""
    causes: tuple[Hashable, ...] = ()
    """The keys of the exceptions that it was raised from."""
    frames: tuple[tuple[str, int, str], ...] = ()
    code: str | None = None
    attempts: int = 0
    fatal: bool = False
    private: bool = False
    run: "Run | None" = None
    wrapped_by: "Failure | None" = None

    @property
    def recoverable(self) -> bool:
        """Whether the run went on past it."""
        failure: Failure | None = self
        seen = 0
        while failure is not None and seen < EVENTS_KEPT:
            if failure.fatal:
                return False
            failure, seen = failure.wrapped_by, seen + 1
        return True


def key_of(run_id: Hashable) -> Hashable:
    """Return what a run is looked up by: a UUID's number, since the hash of a UUID is computed in Python each time."""
    return run_id.int if type(run_id) is UUID else run_id


@dataclass(slots=True, eq=False, repr=False)
class Run:
    """One run: a step of a trace, its root, or plumbing that is folded away (``is_step`` is False)."""

    id: Hashable
    trace: "Trace"
    parent: "Run | None"
    action: str
    name: str
    key: Hashable = None
    """What it is looked up by while its trace is open: see ``key_of``."""
    is_step: bool = True
    number: int = 0
    elided: bool = False
    """It was folded away, for want of room, while it was open."""
    nearest_step: "Run | None" = None
    """The nearest kept step: this run, or the one it is folded into."""
    started: float = 0.0
    ended: float | None = None
    status: str | None = None
    description: str | None = None
    duration_ms: int | None = None
    input: object = None
    """What it was given, as ``capture.content`` has it: a text, or references to be rendered."""
    output: object = None
    request: Mapping[str, Any] | None = None
    """Of a model's call, what else was asked for: tools, temperature and the like."""
    error: Failure | None = None
    llm: ModelCall | None = None
    tool: ToolUse | None = None
    metadata: dict[str, Any] | None = None
    users_metadata: dict[str, object] | None = None
    """The user's own facts of this step, bounded; they replace none of ours."""
    metadata_seen: Mapping[str, object] | None = None
    """What an adapter needs to tell the user's facts of this run from those of the runs below it."""
    events: list[dict[str, object]] | None = None
    child_errors: list[Failure] | None = None
    interrupted: bool = False
    private: bool = False
    builder: object = None
    """The ``TraceBuilder`` that stands over it."""
    adapter_state: Any = None
    """The adapter's own, for the time that the run is open."""
    streaming: bool = False
    """A stream was handed out that is not read to its end yet."""
    reporters: int = 1
    """How many registrations of handlers report this run; each of them reports every event of it."""
    reports_seen: int = 0
    same_id_runs: "dict[int, Run] | None" = None
    """By token of their traces, the open runs that were given the same id, this one included."""
    inner_calls: list[ModelCall] | None = None
    """Of a model's call, the calls below it that have ended: it may only have handed them on."""
    span_id: str | None = None
    """By which a service that was called from it knows it, where it was told: see ``trace_context``."""
    task_runs: "set[Run] | None" = None
    """The open runs of the same asyncio task."""

    def repeated(self) -> bool:
        """Return whether another registration has reported this event already, where a run may have many like it."""
        if self.reporters == 1:
            return False
        self.reports_seen += 1
        return self.reports_seen % self.reporters != 1

    @property
    def limit(self) -> int:
        """Characters that are kept of its texts where its trace has no room for the whole."""
        return OUTPUT_SUMMARY_LIMIT if self.parent is None else self.trace.options.preview_chars

    @property
    def above(self) -> "Run | None":
        """The kept step around it."""
        step = self.parent.nearest_step if self.parent is not None else None
        while step is not None and not step.is_step:  # folded away after what lies below it was
            step = step.nearest_step
        return step if step is not self else None

    def read(self) -> None:
        """Read what was said of the model's call, where that is not done yet; of an open one, what is said by now."""
        call = self.llm
        if call is not None and call.unread is not None:
            with contained:
                self.put(**call.unread.read())
            if self.ended is not None:
                call.unread = None

    def put(self, **facts: object) -> None:
        """Add facts to the step's metadata; None is ignored."""
        if self.metadata is None:
            self.metadata = {}
        for name, value in facts.items():
            if value is not None:
                self.metadata[name] = value

    def follow(self, before: "Run") -> None:
        """Number the run as the attempt after a failed one, and that one where it was the first."""
        attempt = (before.metadata or {}).get("attempt") or 1
        before.put(attempt=attempt)
        self.put(attempt=attempt + 1)

    def pass_call(self) -> None:
        """Note a model's call at the one around it, of whatever framework; who only hands calls on makes none."""
        if self.llm is None:
            return
        above = self.parent
        while above is not None and above.llm is None:
            above = above.parent
        if above is not None or self.inner_calls:
            self.read()  # their tokens are compared
        calls = [self.llm]
        if self.inner_calls and self.llm.hands_on(self.inner_calls):
            calls, self.llm, self.action = self.inner_calls, None, "chain"
        if above is not None:
            above.inner_calls = [*(above.inner_calls or ()), *calls][:EVENTS_KEPT]

    def __repr__(self) -> str:
        return f"<Run {self.action} {self.name!r} {self.status or 'open'}>"


@dataclass(slots=True, eq=False, repr=False)
class ElidedSteps:
    """Counts and totals of the steps in the middle of a very long trace."""

    steps: int = 0
    errors: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    calls: list[ModelCall] = field(default_factory=list)

    def add(self, run: Run) -> None:
        """Take a finished run in."""
        run.read()
        self.steps += 1
        self.errors += run.status == "error"
        self.actions[run.action] = self.actions.get(run.action, 0) + 1
        if run.llm is not None:
            self.calls.append(run.llm)


@dataclass(slots=True, eq=False, repr=False)
class Trace:
    """One top-level run and all that belongs to it."""

    id: str
    options: Options
    started: float
    started_wall: float
    root: Run = field(init=False)
    last_event: float = field(init=False)
    name: str | None = None
    framework: str | None = None
    status: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    expected_outcome: "ExpectedOutcome | None" = None
    overrides: dict[str, Any] = field(default_factory=dict)
    """What the user set on the builder: summaries, sections, environment, usage, errors, prompts."""
    head: list[Run] = field(default_factory=list)
    tail: deque[Run] = field(default_factory=deque)
    held: deque[Run] = field(default_factory=deque)
    """Of the steps between ``head`` and ``tail``, those that are open: others may still lie below them."""
    elided: ElidedSteps | None = None
    count: int = 0
    open: dict[Hashable, Run] = field(default_factory=dict)
    ended: deque[Hashable] = field(default_factory=deque)
    """The ids of ended runs that may still get children."""
    failures: list[Failure] = field(default_factory=list)
    left_open: int = 0
    root_is_step: bool = False
    """The root is itself the one step: a bare model, tool or retriever call."""
    sealed: bool = False
    silent: bool = False
    has_content: bool = True
    """Whether there is anything in it that is sent; an adapter may clear it at the start and set it later."""
    token: int = 0
    surrounding: Surrounding | None = None
    """OpenTelemetry's span that it stands in."""
    resume_keys: list[Hashable] = field(default_factory=list)
    """By what a later trace may find this one, should it end interrupted, as the one that it goes on with."""
    content: Content = field(default_factory=Content)

    def __post_init__(self) -> None:
        self.last_event = self.started

    @property
    def steps(self) -> list[Run]:
        """The kept steps in order of start."""
        return [*self.head, *self.held, *self.tail]

    def weight(self) -> int:
        """Return about how many bytes it holds."""
        return 2_000 + 1_000 * len(self.steps) + self.content.bytes

    def keep(self, run: Run) -> None:
        """Number a run and keep it as a step."""
        self.count += 1
        run.number = self.count
        run.nearest_step = run
        if run.number == len(self.head) + 1 <= KEPT_FIRST:
            self.head.append(run)
            return
        self.tail.append(run)
        if len(self.tail) + len(self.held) > KEPT_LAST:
            self._make_room()

    def _make_room(self) -> None:
        """Fold the oldest step behind the first ones away that has ended; where many are open, the oldest of those."""
        while self.tail[0].ended is None and len(self.held) < HELD and len(self.tail) > 1:
            self.held.append(self.tail.popleft())
        oldest = self.tail.popleft() if self.tail[0].ended is not None else self.held.popleft()
        if oldest.ended is None:
            oldest.elided = True  # it is counted when it ends
        else:
            self.elide(oldest)

    def close(self, run: Run) -> None:
        """Take an ended run out of the open ones."""
        self.open.pop(run.key, None)
        if run.elided:
            self.elide(run)

    def elide(self, run: Run) -> None:
        """Count a finished step that is not kept."""
        if self.elided is None:
            self.elided = ElidedSteps()
        self.elided.add(run)

    def add_failure(self, run: Run, failure: Failure) -> None:
        """Keep an exception that came up in ``run``; those below that it was raised from are wrapped by it."""
        failure.run = run
        failure.private = run.private
        for other in run.child_errors or ():
            if other.key in failure.causes:
                other.wrapped_by = failure
        if len(self.failures) < FAILURES_KEPT:
            self.failures.append(failure)
        step = run.nearest_step
        if step is not None and step.error is None:
            step.error = failure

    def later(self, run: Run) -> Iterator[Run]:
        """Yield the kept steps that started after ``run``, the latest first."""
        backwards = itertools.chain(reversed(self.tail), reversed(self.held), reversed(self.head))
        return itertools.takewhile(lambda step: step.number > run.number, backwards)

    def fold(self, run: Run) -> None:
        """Take a step out again; what lies below it goes to the step above, those after it are numbered anew."""
        for step in self.later(run):
            step.number -= 1
        if run.number <= len(self.head):
            del self.head[run.number - 1]
        else:
            (self.held if run in self.held else self.tail).remove(run)
        self.count -= 1
        run.number = 0
        run.is_step = False
        run.nearest_step = run.parent.nearest_step if run.parent is not None else None

    def release(self) -> None:
        """Break the cycles, so that a trace is freed at once and not by the garbage collector."""
        for run in self.steps:
            run.parent = run.nearest_step = None
        self.head.clear()
        self.held.clear()
        self.tail.clear()
        self.failures.clear()

    def replace(self, old: Run, new: Run) -> None:
        """Put ``new`` in the place of ``old``, an open step above it, and fold ``old`` away."""
        above = old.parent.nearest_step if old.parent is not None else None
        between: Run | None = new.parent
        while between is not None and between is not old:
            between.nearest_step = above if between.nearest_step is old else between.nearest_step
            between = between.parent
        if old.elided:
            new.elided = True
        elif old.number <= len(self.head):
            self.head[old.number - 1] = new
        else:
            among = self.held if old in self.held else self.tail
            among[among.index(old)] = new
        new.number, old.number = old.number, 0
        new.span_id = new.span_id or old.span_id
        new.is_step, old.is_step = True, False
        new.nearest_step, old.nearest_step = new, above
