"""What the adapter remembers of an open run: ids, numbers and bounded texts. It hangs on ``Run.adapter_state``."""

from dataclasses import dataclass, field
from typing import Any

from infinium_integrations.capture.content import Message
from infinium_integrations.llama_index.classify import Kind
from infinium_integrations.recording.run import ATTEMPTS_REMEMBERED, Failure, Run

__all__ = ["BETWEEN", "Flow", "State", "Work", "above", "model_around", "state_of"]

FRAMES_WALKED = 200
"""How far up the stack a call is looked for that has no run of its own."""


BETWEEN = {"plumbing", "program", "structured"}
"""The roles of what may lie between one model's call and another that it hands on."""

Work = tuple[str, int]
"""A step's name and the event that it works on."""


@dataclass(slots=True, eq=False)
class Flow:
    """A workflow's run: the agent that is at work, whether a step has stopped it, and what may be run again."""

    instance: int
    run: Run
    """That run itself."""
    made: set[int] = field(default_factory=set)
    """The identities of the events that its steps returned or sent."""
    agent: str | None = None
    turns: int = 0
    """How often an agent has asked its model."""
    results: list[Message] = field(default_factory=list)
    """What tools gave since the last turn."""
    stopped: bool = False
    resumed: bool = False
    """It goes on with a context that was saved, and the answer that it waited for is not seen yet."""
    spent: float = 0.0
    """Seconds that it had gone on when its context was saved, as the framework counts them."""
    working: int = 0
    """Its steps that are open."""
    question: object = None
    """What was last asked, as it was taken."""
    askers: list[Run] = field(default_factory=list)
    """The steps that asked, and whose question is not answered."""
    asked: bool = False
    """A step ended with a question to a human."""
    idle: bool = False
    """No step is open and none gave anything to go on with: whatever comes next comes from outside."""
    waits: set[Work] = field(default_factory=set)
    """Its steps that wait for an event."""
    failed: dict[Work, Run] = field(default_factory=dict)
    again: dict[Work, Run] = field(default_factory=dict)
    """Its steps that gave nothing, and may be run again once something has come."""

    def remember(self, where: dict[Work, Run], work: Work, run: Run) -> None:
        """Keep a step that may be run again."""
        if len(where) < ATTEMPTS_REMEMBERED:
            where[work] = run

    def made_by_steps(self, event: object) -> None:
        """Remember an event that one of its steps returned or sent."""
        if len(self.made) < ATTEMPTS_REMEMBERED:
            self.made.add(id(event))

    @property
    def interrupted(self) -> bool:
        """Whether it waits for what comes from outside."""
        return not self.stopped and (self.asked or self.idle or bool(self.waits))


@dataclass(slots=True, eq=False)
class State:
    """One open run's own facts, and those of the model calls below it."""

    kind: Kind
    call: Any = None
    """What is kept of a model's call while it goes on: ``llm_calls.Call``."""
    leaf: Run | None = None
    """The model's call inside this one, which stands for it."""
    calls: int = 0
    """How many model calls below have ended."""
    broken: str | None = None
    """How the last of them ended, where it did not end well."""
    failure: Failure | None = None
    last: float = 0.0
    """When the last of them ended."""
    stream: Any = None
    """The stream that this run handed out: ``streams.Stream``."""
    written: bool = False
    """The chat engine's writer has read the stream to its end."""
    cancelled: bool = False
    elsewhere: list[tuple[str, str]] = field(default_factory=list)
    """The transformations that a pipeline leaves to processes of its own: action and name."""
    flow: Flow | None = None
    work: Work | None = None
    call_id: str | None = None
    handed: tuple[int, ...] | None = None
    """What a tool's function was called with, by identity."""
    said: object = None
    """What the last model's call below has answered."""
    ran: bool = False
    """A tool ran below this step."""


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


def model_around(run: Run | None) -> Run | None:
    """Return the model's call that a model's call lies directly in: one that hands it on."""
    while run is not None:
        state = state_of(run)
        if state is None:
            return None
        if state.kind.role == "llm":
            return run
        if state.kind.role not in BETWEEN:
            return None
        run = run.parent
    return None
