"""What the adapter remembers of an open run: ids, numbers and bounded texts. It hangs on ``Run.state``."""

from typing import Any

from infinium_integrations.llama_index.classify import Kind
from infinium_integrations.recording.run import Failure, Run

__all__ = ["Flow", "State", "above", "state_of"]

ATTEMPTS_REMEMBERED = 1_000


class State:
    """One open run's own facts, and those of the model calls below it."""

    __slots__ = (
        "broken",
        "call",
        "call_id",
        "calls",
        "cancelled",
        "failure",
        "flow",
        "handed",
        "kind",
        "last",
        "leaf",
        "ran",
        "stream",
        "work",
        "written",
    )

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.call: Any = None
        """What is kept of a model's call while it goes on: ``models.Call``."""
        self.leaf: Run | None = None
        """The model's call inside this one, which stands for it."""
        self.calls = 0
        """How many model calls below have ended."""
        self.broken: str | None = None
        """How the last of them ended, where it did not end well."""
        self.failure: Failure | None = None
        self.last = 0.0
        """When the last of them ended."""
        self.stream: Any = None
        """The stream that this run handed out: ``streams.Stream``."""
        self.written = False
        """The chat engine's writer has read the stream to its end."""
        self.cancelled = False
        self.flow: Flow | None = None
        self.work: tuple[str, int] | None = None
        """A step's name and the event that it works on."""
        self.call_id: str | None = None
        self.handed: tuple[int, ...] | None = None
        """What a tool's function was called with, by identity."""
        self.ran = False
        """A tool ran below this step."""


class Flow:
    """A workflow's run: the agent that is at work, whether a step has stopped it, and what may be run again."""

    __slots__ = ("agent", "failed", "instance", "made", "stopped", "waiting")

    def __init__(self, instance: int) -> None:
        self.instance = instance
        self.made: set[int] = set()
        """The identities of the events that its steps gave."""
        self.agent: str | None = None
        self.stopped = False
        self.failed: dict[tuple[str, int], Run] = {}
        self.waiting: dict[tuple[str, int], Run] = {}

    def remember(self, where: dict[tuple[str, int], Run], work: tuple[str, int], run: Run) -> None:
        """Keep a step that may be run again."""
        if len(where) < ATTEMPTS_REMEMBERED:
            where[work] = run


def state_of(run: Run | None) -> State | None:
    """Return the adapter's state of an open run; None where the run is another framework's."""
    state = run.adapter_state if run is not None else None
    return state if type(state) is State else None


def above(run: Run | None, role: str) -> State | None:
    """Return the state of the nearest open run around, itself included, that has this role."""
    while run is not None:
        state = state_of(run)
        if state is not None and state.kind.role == role:
            return state
        run = run.parent
    return None
