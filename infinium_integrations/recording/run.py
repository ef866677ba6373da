"""What is known of a run while it goes on: plain records of bounded texts, numbers and ids, never a user's object."""

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from pydantic import BaseModel

    from infinium_integrations.models import ExpectedOutcome, TaskData

__all__ = [
    "ACTIONS",
    "STATUSES",
    "ElidedSteps",
    "Failure",
    "ModelCall",
    "Options",
    "Run",
    "Status",
    "ToolUse",
    "Trace",
    "TraceClient",
]

Status = Literal["ok", "error", "cancelled", "abandoned", "interrupted", "handoff", "incomplete"]

STATUSES: frozenset[str] = frozenset(Status.__args__)  # type: ignore[attr-defined]

ACTIONS = frozenset(
    {
        "llm_inference",
        "tool_use",
        "retrieval",
        "embedding",
        "rerank",
        "chain",
        "agent",
        "workflow_step",
        "custom",
    },
)

AWAITED = frozenset({"llm_inference", "tool_use", "retrieval", "embedding", "rerank"})
"""Actions worth waiting for after the root has ended: their tokens and results matter."""

KEPT_FIRST = 5_000
KEPT_LAST = 5_000
"""A trace of more steps keeps its first and last and folds the middle into totals (DESIGN: 10,000)."""

EVENTS_KEPT = 100
"""Notes kept on one step; later ones are counted."""


class TraceClient(Protocol):
    """What a handler can be given to send its traces with; ``send_task_data`` may be a coroutine function."""

    def send_task_data(self, task: "TaskData", /) -> object:
        """Send one trace."""


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
    preview_chars: int = 500


class ModelCall:
    """One call of a model. Tokens are None where unknown; ``as_given``: by the user, nothing is filled in."""

    __slots__ = (
        "as_given",
        "cached",
        "completion_tokens",
        "details",
        "latency_ms",
        "model",
        "partial",
        "prompt_tokens",
        "provider",
        "purpose",
        "requested",
        "temperature",
        "total_tokens",
        "ttft_ms",
    )

    def __init__(
        self,
        model: str | None = None,
        provider: str | None = None,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
    ) -> None:
        self.model = model
        self.provider = provider
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens
        self.total_tokens: int | None = None
        self.requested: str | None = None
        self.temperature: float | None = None
        self.latency_ms: int | None = None
        self.purpose: str | None = None
        self.ttft_ms: int | None = None
        self.details: dict[str, int] | None = None
        self.cached = False
        self.partial = False
        self.as_given = False


class ToolUse:
    """One call of a tool. Its texts and duration are the step's own, except ``as_given`` by the user."""

    __slots__ = ("as_given", "call_id", "duration_ms", "http_status", "input", "name", "output")

    def __init__(self, name: str, call_id: str | None = None) -> None:
        self.name = name
        self.call_id = call_id
        self.input: str | None = None
        self.output: str | None = None
        self.duration_ms: int | None = None
        self.http_status: int | None = None
        self.as_given = False


class Failure:
    """One exception, described when it was seen; the exception itself is not kept.

    ``key`` tells it from others while it travels up through the runs; ``causes`` are the keys of the exceptions
    that it was raised from.
    """

    __slots__ = (
        "attempts",
        "causes",
        "code",
        "fatal",
        "frames",
        "key",
        "message",
        "private",
        "run",
        "type",
        "wrapped_by",
    )

    def __init__(self, type_: str, message: str, key: Hashable = None) -> None:
        self.type = type_
        self.message = message
        self.key = key if key is not None else object()
        self.causes: tuple[Hashable, ...] = ()
        self.frames: tuple[tuple[str, int, str], ...] = ()
        self.code: str | None = None
        self.attempts = 0
        self.fatal = False
        self.private = False
        self.run: Run | None = None
        self.wrapped_by: Failure | None = None

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


class Run:
    """One run: a step of a trace, its root, or plumbing that is folded away (``is_step`` is False)."""

    __slots__ = (
        "action",
        "adapter_state",
        "builder",
        "child_errors",
        "description",
        "duration_ms",
        "ended",
        "error",
        "events",
        "id",
        "input",
        "interrupted",
        "is_step",
        "llm",
        "metadata",
        "name",
        "nearest_step",
        "number",
        "output",
        "parent",
        "private",
        "reporters",
        "reports_seen",
        "same_id_runs",
        "started",
        "status",
        "streaming",
        "task_runs",
        "tool",
        "trace",
    )

    def __init__(self, run_id: Hashable, trace: "Trace", parent: "Run | None", action: str, name: str) -> None:
        self.id = run_id
        self.trace = trace
        self.parent = parent
        self.action = action
        self.name = name
        self.is_step = True
        self.number = 0
        self.nearest_step: Run | None = None
        """The nearest kept step: this run, or the one it is folded into."""
        self.started = 0.0
        self.ended: float | None = None
        self.status: str | None = None
        self.description: str | None = None
        self.duration_ms: int | None = None
        self.input: str | None = None
        self.output: str | None = None
        self.error: Failure | None = None
        self.llm: ModelCall | None = None
        self.tool: ToolUse | None = None
        self.metadata: dict[str, Any] | None = None
        self.events: list[dict[str, Any]] | None = None
        self.child_errors: list[Failure] | None = None
        self.interrupted = False
        self.private = False
        self.builder: Any = None
        self.adapter_state: Any = None
        """The adapter's own, for the time that the run is open."""
        self.streaming = False
        """A stream was handed out that is not read to its end yet."""
        self.reporters = 1
        """How many registrations of handlers report this run; each of them tells every event of it."""
        self.reports_seen = 0
        self.same_id_runs: dict[int, Run] | None = None
        self.task_runs: set[Run] | None = None
        """The open runs of the same asyncio task."""

    def repeated(self) -> bool:
        """Tell, at an event that may come many times, whether another registration has told it already."""
        if self.reporters == 1:
            return False
        self.reports_seen += 1
        return self.reports_seen % self.reporters != 1

    def put(self, **facts: Any) -> None:
        """Add facts to the step's metadata; None says nothing."""
        if self.metadata is None:
            self.metadata = {}
        for name, value in facts.items():
            if value is not None:
                self.metadata[name] = value

    def __repr__(self) -> str:
        return f"<Run {self.action} {self.name!r} {self.status or 'open'}>"


class ElidedSteps:
    """Counts and totals of the steps in the middle of a very long trace."""

    __slots__ = ("actions", "calls", "errors", "steps")

    def __init__(self) -> None:
        self.steps = 0
        self.errors = 0
        self.actions: dict[str, int] = {}
        self.calls: list[ModelCall] = []

    def add(self, run: Run) -> None:
        """Take a finished run in."""
        self.steps += 1
        self.errors += run.status == "error"
        self.actions[run.action] = self.actions.get(run.action, 0) + 1
        if run.llm is not None:
            self.calls.append(run.llm)


class Trace:
    """One top-level run and all that belongs to it."""

    __slots__ = (
        "count",
        "ended",
        "expected_outcome",
        "failures",
        "folded",
        "framework",
        "has_content",
        "head",
        "id",
        "last_event",
        "left_open",
        "name",
        "open",
        "options",
        "overrides",
        "root",
        "root_is_step",
        "sealed",
        "silent",
        "started",
        "started_wall",
        "status",
        "tags",
        "tail",
        "token",
    )

    def __init__(self, trace_id: str, options: Options, started: float, started_wall: float) -> None:
        self.id = trace_id
        self.options = options
        self.started = started
        self.started_wall = started_wall
        self.last_event = started
        self.root: Run
        self.name: str | None = None
        self.framework: str | None = None
        self.status: str | None = None
        self.tags: dict[str, str] = {}
        self.expected_outcome: Any = None
        self.overrides: dict[str, Any] = {}
        """What the user set on the builder: summaries, sections, environment, usage, errors, prompts."""
        self.head: list[Run] = []
        self.tail: deque[Run] = deque()
        self.folded: ElidedSteps | None = None
        self.count = 0
        self.open: dict[Hashable, Run] = {}
        self.ended: deque[Hashable] = deque()
        """The ids of ended runs that may still get children."""
        self.failures: list[Failure] = []
        self.left_open = 0
        self.root_is_step = False
        """The root is itself the one step: a bare model, tool or retriever call."""
        self.sealed = False
        self.silent = False
        self.has_content = True
        """Whether there is anything in it that is sent; an adapter may clear it at the start and set it later."""
        self.token = 0

    @property
    def steps(self) -> list[Run]:
        """The kept steps in order of start."""
        return [*self.head, *self.tail]

    def keep(self, run: Run) -> None:
        """Number a run and keep it as a step."""
        self.count += 1
        run.number = self.count
        run.nearest_step = run
        if len(self.head) < KEPT_FIRST:
            self.head.append(run)
            return
        self.tail.append(run)
        if len(self.tail) > KEPT_LAST and self.tail[0].ended is not None:
            if self.folded is None:
                self.folded = ElidedSteps()
            self.folded.add(self.tail.popleft())

    def replace(self, old: Run, new: Run) -> None:
        """Put ``new`` in the place of ``old``, an open step above it, and fold ``old`` away."""
        above = old.parent.nearest_step if old.parent is not None else None
        between: Run | None = new.parent
        while between is not None and between is not old:
            between.nearest_step = above if between.nearest_step is old else between.nearest_step
            between = between.parent
        if old.number <= len(self.head):
            self.head[old.number - 1] = new
        else:
            self.tail[self.tail.index(old)] = new
        new.number, old.number = old.number, 0
        new.is_step, old.is_step = True, False
        new.nearest_step, old.nearest_step = new, above
