"""The picture behind a trace: its steps as a tree on a line of time. Page, notebook and terminal draw from it.

A trace is hostile input: whatever stands in a step's metadata, a tree comes of it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count

from infinium_integrations.models import RUNNING, ExecutionStep, TaskData
from infinium_integrations.viewer.formatting import number

__all__ = ["Group", "Item", "Node", "Tree", "round_times"]

MAX_LEVEL = 32
"""Steps nested deeper are shown at this level: browsers stop nesting at 512 elements."""
GROUP = 50
"""So many steps side by side stand in one group, and so many groups in the next."""
SHOWN_AT_FIRST = 120
"""Rows that are unfolded when a trace is opened."""
STANDOUTS = 3
FAIR_SHARE = 1.5
MIN_SHARE = 0.2
SLOW_MS = 1_000.0
"""What is quicker is never called slow."""
TOUCHING_MS = 1.0
LATEST_MS = 1e10
"""Times beyond are not believed (116 days)."""


@dataclass(slots=True, eq=False)
class Node:
    """One step in the tree. Times are in milliseconds after the trace's start."""

    step: ExecutionStep
    start: float
    length: float
    level: int
    parent: "Node | None" = None
    endless: bool = False
    """It never ended: its bar goes on to the trace's end."""
    children: list["Node"] = field(default_factory=list)
    items: list["Item"] = field(default_factory=list)
    """The children as they are shown: many of them in groups."""
    inner: "Node | None" = None
    """Its only child, a single call: the two are shown as one."""
    unfolded: bool = False
    critical: bool = False
    slow: bool = False
    hungry: bool = False
    steps_inside: int = 0
    errors_inside: int = 0
    tokens_inside: int = 0

    @property
    def end(self) -> float:
        """When it ended."""
        return self.start + self.length

    @property
    def meta(self) -> dict[str, object]:
        """The step's metadata, never None."""
        return self.step.metadata or {}

    @property
    def title(self) -> str:
        """What the step is called: the framework's name of it, else what it says it does."""
        name = self.meta.get("name")
        called = name if isinstance(name, str) and name.strip() else self.step.description
        return called if called.strip() else self.step.action

    @property
    def failed(self) -> bool:
        """Whether it ended in an error."""
        return self.step.error is not None or self.meta.get("status") == "error"

    @property
    def status(self) -> str:
        """How it ended."""
        status = self.meta.get("status")
        return "error" if self.failed else status if isinstance(status, str) and status else "ok"

    @property
    def running(self) -> bool:
        """Whether it goes on while one looks."""
        return self.step.duration_ms is None and self.meta.get("status") == RUNNING

    @property
    def known_length(self) -> float | None:
        """How long it took, or has taken by now; None where that is unknown."""
        return None if self.step.duration_ms is None and not self.running else self.length

    @property
    def tokens(self) -> int | None:
        """Prompt and completion tokens of its own model call; None where unknown."""
        call = self.step.llm_call
        known = [] if call is None else [n for n in (call.prompt_tokens, call.completion_tokens) if n is not None]
        return sum(known) if known else None

    @property
    def own_time(self) -> float:
        """The time in which it was busy and none of its children was."""
        covered, reach = 0.0, self.start
        for child in sorted(self.children, key=lambda node: node.start):
            begin, stop = max(child.start, reach), min(child.end, self.end)
            if stop > begin:
                covered += stop - begin
                reach = stop
        return max(0.0, self.length - covered)


@dataclass(slots=True, eq=False)
class Group:
    """Some of many steps side by side, folded into one row."""

    items: list["Item"]
    unfolded: bool = False

    @property
    def nodes(self) -> list[Node]:
        """The steps in it, those of its groups included."""
        return [node for item in self.items for node in (item.nodes if isinstance(item, Group) else [item])]

    @property
    def start(self) -> float:
        """When its first step started."""
        return min(item.start for item in self.items)

    @property
    def end(self) -> float:
        """When its last step ended."""
        return max(item.end for item in self.items)

    @property
    def length(self) -> float:
        """From its first start to its last end."""
        return self.end - self.start

    @property
    def level(self) -> int:
        """How deep its steps stand."""
        return self.items[0].level

    @property
    def numbers(self) -> tuple[int, int]:
        """The first and the last step number in it, those within its steps included."""
        nodes = self.nodes
        last = nodes[-1]
        while last.children:
            last = last.children[-1]
        return nodes[0].step.step_number, last.step.step_number

    @property
    def steps_inside(self) -> int:
        """All steps in it, those within its steps included."""
        return sum(1 + node.steps_inside for node in self.nodes)

    @property
    def errors_inside(self) -> int:
        """How many of them failed."""
        return sum(node.failed + node.errors_inside for node in self.nodes)

    @property
    def tokens(self) -> int:
        """All tokens of the steps in it."""
        return sum(node.tokens_inside + (node.tokens or 0) for node in self.nodes)


Item = Node | Group


class Tree:
    """All steps of a trace on its line of time."""

    def __init__(self, task: TaskData) -> None:
        self.nodes = _place(sorted(task.steps or [], key=lambda step: step.step_number))
        self.roots = [node for node in self.nodes if node.parent is None]
        ends = [task.duration * 1000.0, *(node.end for node in self.nodes)]
        self.length = max([1.0, *ends])
        """The length of the line in milliseconds, at least 1."""
        for node in self.nodes:
            if node.endless:
                node.length = max(0.0, self.length - node.start)
        _mark_critical(self.roots)
        for node in reversed(self.nodes):
            if node.parent:
                node.parent.steps_inside += 1 + node.steps_inside
                node.parent.errors_inside += node.failed + node.errors_inside
                node.parent.tokens_inside += (node.tokens or 0) + node.tokens_inside
            node.items = _fold(list(node.children))
            node.inner = _only_call(node)
        self._mark_standouts()
        self.items = _fold(list(self.roots))
        # unfold as much as is shown at first, the outermost first
        left = SHOWN_AT_FIRST - len(self.items)
        waiting: list[Item] = list(self.items)
        for item in waiting:
            if item.items and len(item.items) <= left:
                item.unfolded = True
                left -= len(item.items)
                waiting.extend(item.items)

    @cached_property
    def forked(self) -> bool:
        """Whether anything ran beside the critical path."""
        return any(not node.critical for node in self.nodes)

    @cached_property
    def waited_for(self) -> list[Node]:
        """Of a trace that goes on, the open steps in which nothing else is open, the latest first."""
        around = {node.parent for node in self.nodes if node.running}
        return [node for node in reversed(self.nodes) if node.running and node not in around]

    @cached_property
    def failures(self) -> list[Node]:
        """The steps that failed, a step that only passes on its child's failure left out."""
        return [node for node in self.nodes if node.failed and (node.step.error or not node.errors_inside)]

    @cached_property
    def faults(self) -> list[tuple[Node, int]]:
        """The steps that failed, of those with the same error the first, and how many there are."""
        alike: dict[object, list[Node]] = {}
        for node in self.failures:
            error = node.step.error
            alike.setdefault((error.error_type, error.message) if error else id(node), []).append(node)
        return [(nodes[0], len(nodes)) for nodes in alike.values()]

    @cached_property
    def slow(self) -> list[Node]:
        """The steps that took most of the time themselves, slowest first."""
        return sorted((node for node in self.nodes if node.slow), key=lambda node: -node.own_time)

    @cached_property
    def hungry(self) -> list[Node]:
        """The steps that took most of the tokens, hungriest first."""
        return sorted((node for node in self.nodes if node.hungry), key=lambda node: -(node.tokens or 0))

    def share(self, milliseconds: float) -> float:
        """Return the share of the line's length, from 0 to 100."""
        return min(100.0, max(0.0, 100.0 * milliseconds / self.length))

    def ticks(self, at_most: int = 6) -> list[float]:
        """Return round times along the line, the first 0, in milliseconds."""
        step = next(size for size in round_times() if size * at_most >= self.length)
        return [step * n for n in range(int(self.length / step) + 1)]

    def _mark_standouts(self) -> None:
        times = [(node.own_time, node) for node in self.nodes if not node.endless]
        for node in _standouts(times, self.length):
            node.slow = node.own_time >= SLOW_MS
        eaters = [(float(n.tokens), n) for n in self.nodes if n.tokens]
        for node in _standouts(eaters, sum(tokens for tokens, _ in eaters)):
            node.hungry = True


def round_times() -> Iterator[float]:
    """Return round sizes in milliseconds: 1, 2, 5, 10, …, 20 s, then round minutes, hours and days."""
    yield from (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
    minute = 60_000.0
    yield from (minute * n for n in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720))
    yield from (minute * 1_440 * n for n in count(1))


def _place(steps: Sequence[ExecutionStep]) -> list[Node]:
    """Make the nodes; as parents only earlier steps are known, so that no circle can come of it."""
    nodes: list[Node] = []
    known: dict[int, Node] = {}
    cursors: dict[int, float] = {}
    for step in steps:
        meta = step.metadata or {}
        above = meta.get("parent_step")
        parent = known.get(above) if isinstance(above, int) and not isinstance(above, bool) else None
        while parent and parent.level >= MAX_LEVEL:
            parent = parent.parent
        line = parent.step.step_number if parent else 0
        start = number(meta.get("started_ms"))
        if start is None or not 0 <= start <= LATEST_MS:
            # a hand-made step says only how long it took: it follows the one before it
            start = cursors.get(line, parent.start if parent else 0.0)
        length = min(float(step.duration_ms or 0), LATEST_MS)
        cursors[line] = start + length
        status = meta.get("status")
        endless = step.duration_ms is None and isinstance(status, str) and status in {"incomplete", RUNNING}
        node = Node(step, start, length, parent.level + 1 if parent else 0, parent, endless=endless)
        if parent:
            parent.children.append(node)
        nodes.append(node)
        known.setdefault(step.step_number, node)
    return nodes


def _mark_critical(roots: list[Node]) -> None:
    """Mark what the end had to wait for: the last to end, before it the last that ended when it began, and so on."""
    waiting = [roots]
    while waiting:
        reach = math.inf
        for node in sorted(waiting.pop(), key=lambda node: -node.end):
            if node.end <= reach + TOUCHING_MS:
                node.critical, reach = True, node.start
                waiting.append(node.children)


def _standouts(weighed: list[tuple[float, Node]], whole: float) -> list[Node]:
    """Return the few that weigh much more than the rest: a fifth of the whole, and half as much again as the mean."""
    if len(weighed) < 2:  # noqa: PLR2004
        return []
    least = max(MIN_SHARE * whole, FAIR_SHARE * sum(weight for weight, _ in weighed) / len(weighed))
    heavy = [pair for pair in weighed if pair[0] >= least > 0]
    return [node for _, node in sorted(heavy, key=lambda pair: -pair[0])[:STANDOUTS]]


_AROUND = frozenset({"workflow_step", "chain", "agent"})
_CALLS = frozenset({"llm_inference", "tool_use", "retrieval", "embedding", "rerank"})


def _only_call(node: Node) -> Node | None:
    """Return the single call that is all a node does; none where the node has an error of its own."""
    if len(node.children) != 1 or node.step.action not in _AROUND:
        return None
    inner, error = node.children[0], node.step.error
    single = inner.step.action in _CALLS and not inner.children
    own = error is not None and (inner.step.error is None or inner.step.error.message != error.message)
    return inner if single and not own else None


def _fold(items: list[Item]) -> list[Item]:
    while len(items) > GROUP:
        items = [Group(items[at : at + GROUP]) for at in range(0, len(items), GROUP)]
    return items
