"""The steps of two runs, each with its counterpart: by place in the tree and name, then by what they got."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from infinium_integrations.capture.serializer import encode
from infinium_integrations.viewer.timeline import Node

__all__ = ["Both", "paired"]

Both = tuple[Node | None, Node | None]
"""A step of the one run and its counterpart in the other, where it has one."""


def paired(left: Sequence[Node], right: Sequence[Node]) -> Iterator[Both]:
    """Pair steps that stand side by side, and those below each, in the order in which they are read.

    Steps of the same kind and name are counterparts; of several, those that got the same, then one after the other. So
    calls made at the same time find each other whichever came first. Of what has no counterpart by name, what has steps
    below it is paired by its kind: an agent that was renamed is the same agent.
    """
    mates = _Mates()
    rest_left, rest_right = mates.match(left, right, _name)
    mates.match([n for n in rest_left if n.children], [n for n in rest_right if n.children], lambda n: n.step.action)
    places = {id(node): place for place, node in enumerate(right)}
    alone = [node for node in right if id(node) not in mates.taken]
    at = 0
    for node in left:
        mate = mates.of.get(id(node))
        while mate is not None and at < len(alone) and places[id(alone[at])] < places[id(mate)]:
            yield from _only_right(alone[at])
            at += 1
        yield node, mate
        yield from paired(node.children, mate.children if mate is not None else ())
    for node in alone[at:]:
        yield from _only_right(node)


def _only_right(node: Node) -> Iterator[Both]:
    yield None, node
    yield from paired((), node.children)


class _Mates:
    """The counterparts found so far, by the identity of the left step; ``taken`` has the right ones' identities."""

    def __init__(self) -> None:
        self.of: dict[int, Node] = {}
        self.taken: set[int] = set()

    def match(
        self, left: Iterable[Node], right: Iterable[Node], key: Callable[[Node], Hashable]
    ) -> tuple[list[Node], list[Node]]:
        """Find counterparts of the same key; return what has none."""
        mine, theirs = _by(key, left), _by(key, right)
        for name in mine:
            nodes, others = mine[name], theirs.get(name, [])
            if len(nodes) > 1 or len(others) > 1:
                nodes, others = self._alike(nodes, others)
            for node, other in zip(nodes, others, strict=False):
                self._pair(node, other)
        return (
            [node for nodes in mine.values() for node in nodes if id(node) not in self.of],
            [node for nodes in theirs.values() for node in nodes if id(node) not in self.taken],
        )

    def _alike(self, nodes: list[Node], others: list[Node]) -> tuple[list[Node], list[Node]]:
        """Pair those that got the same; return the rest."""
        given = _by(_given, reversed(others))
        for node in nodes:
            same = given.get(_given(node))
            if same:
                self._pair(node, same.pop())
        return (
            [node for node in nodes if id(node) not in self.of],
            [other for other in others if id(other) not in self.taken],
        )

    def _pair(self, node: Node, other: Node) -> None:
        self.of[id(node)] = other
        self.taken.add(id(other))


def _by(key: Callable[[Node], Hashable], nodes: Iterable[Node]) -> dict[Hashable, list[Node]]:
    found: dict[Hashable, list[Node]] = defaultdict(list)
    for node in nodes:
        found[key(node)].append(node)
    return found


def _name(node: Node) -> tuple[str, str]:
    return node.step.action, node.title


def _given(node: Node) -> Hashable:
    """Return what tells calls apart: the arguments, as far as they were kept."""
    captured, call = node.step.captured, node.step.tool_call
    if captured is not None:
        for value in (captured.arguments, captured.input_messages, captured.input):
            if value is not None:
                return value if isinstance(value, str) else encode(value)
    return (call.input_summary if call else None) or node.step.input_preview
