"""A trace in a terminal: its head, and its steps as a tree with bars on a line of time.

Everything here is a pure function from traces to lines. Lines carry ANSI styles, which ``click.echo`` leaves out where
they are not wanted. Foreign texts pass through ``columns.flat``, so that none of them can steer the terminal.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import click

from infinium_integrations.capture.serializer import encode
from infinium_integrations.models import RUNNING, ErrorDetail, TaskData
from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.notebook.plain_text import status_mark, totals
from infinium_integrations.viewer.summary import MARKS, TraceSummary, asking, kind, questions
from infinium_integrations.viewer.terminal.columns import cut, flat, flowed, left, right, width, wrapped
from infinium_integrations.viewer.timeline import Group, Item, Node, Tree

__all__ = ["NARROWEST", "folded", "picture", "short", "table"]

NARROWEST = 60
"""Columns; in a narrower terminal lines are wrapped by it."""
WIDEST = 160
TEXT_LINES = 3
KIND_WIDTH = 6
COLOURS = {"model": "magenta", "tool": "cyan", "search": "blue", "embed": "blue", "rerank": "blue", "agent": "yellow"}
STATUS_COLOURS = {"ok": "green", "error": "red", RUNNING: "blue"}
STEPS_SHOWN = 80
"""Rows that are unfolded."""
WIDE = 90
"""Columns from which on the list has dates with years and statuses in words."""
OPEN_SHOWN = 3
"""Open steps that the list names of a run that goes on."""
DEEPEST = 8
"""Levels that are drawn; deeper steps stand at this one."""


def picture(task: TaskData, columns: int = 80, *, everything: bool = False) -> list[str]:
    """Draw a trace.

    Args:
        task: The trace.
        columns: The terminal's width; at least 60 and at most 160 are used.
        everything: Draw every step, instead of folding many steps side by side into groups.
    """
    columns = min(max(columns, NARROWEST), WIDEST)
    tree = Tree(task)
    summary = TraceSummary(task)
    lines = _head(summary, columns)
    if summary.status == "interrupted":
        lines += [
            line for node in tree.nodes for asked in questions(node.step) for line in _question(node, asked, columns)
        ]
    if tree.nodes:
        lines += ["", *_Drawing(tree, columns, everything=everything).lines()]
    shown = {(node.step.error.error_type, node.step.error.message) for node in tree.nodes if node.step.error}
    rest = [error for error in task.errors or [] if (error.error_type, error.message) not in shown]
    return lines + [""] * bool(rest) + [line for error in rest for line in _error(error, 0, columns)]


def folded(task: TaskData) -> bool:
    """Whether ``picture`` leaves steps out unless it is asked for everything."""
    return len(picture(task)) < len(picture(task, everything=True))


# --- the head ---------------------------------------------------------------------------------------------------------


def _head(summary: TraceSummary, columns: int) -> list[str]:
    task = summary.task
    status = f"{status_mark(summary)} {cut(flat(summary.status), 12)}"
    numbers = "  ".join(totals(summary))
    room = columns - width(status) - width(numbers) - 4
    title = left(flat(task.name), room)
    colour = STATUS_COLOURS.get(summary.status, "yellow")
    lines = [f"{click.style(status, fg=colour, bold=True)}  {click.style(title, bold=True)}  {numbers}"]
    lines += [click.style(line, dim=True) for line in flowed(list(_small_print(summary)), " · ", columns, TEXT_LINES)]
    for label, text in (("in ", task.input_summary), ("out", task.output_summary)):
        for place, line in enumerate(wrapped(flat(text or "", 4 * columns), columns - 5, TEXT_LINES)):
            lines.append(f"     {line}" if place else f"{click.style(label, dim=True)}  {line}")
    return lines


def _small_print(summary: TraceSummary) -> Iterator[str]:
    task, environment = summary.task, summary.task.environment
    if task.trace_id:
        yield flat(task.trace_id)
    yield formatting.moment(flat(task.current_datetime))
    if environment and environment.framework:
        yield flat(" ".join(filter(None, (environment.framework, environment.framework_version))), 80)
    session = summary.session and f"session {summary.session}"
    for text in (summary.models, session, *(f"#{tag}" for tag in summary.tags)):
        if text:
            yield flat(text, 80)
    if summary.delivery:
        yield flat(summary.delivery)


def _question(node: Node, asked: object, columns: int) -> list[str]:
    question, rest = asking(asked)
    told = [question or ""] + ([encode(rest)] if rest else [])
    text = flat(f"‖ {node.title} asks: {' '.join(told).strip()}", TEXT_LINES * columns)
    return [click.style(line, fg="yellow") for line in wrapped(text, columns, TEXT_LINES)]


def _error(error: ErrorDetail, indent: int, columns: int, times: int = 1) -> list[str]:
    mark = "↺" if error.recoverable else "✕"
    text = f"{mark} {flat(error.error_type)}: {flat(error.message)}" + (" (recovered)" if error.recoverable else "")
    text += f" × {formatting.count(times)}" if times > 1 else ""  # noqa: RUF001
    return [" " * indent + click.style(line, fg="red") for line in wrapped(text, columns - indent, TEXT_LINES)]


# --- the tree ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    item: Item
    guides: str
    inner: str
    """The guides of what stands below it."""
    unfolded: bool = False
    call: Node | None = None
    """Of a step whose single call stands in the same row, the call."""

    @property
    def told(self) -> Item:
        """What its kind, tokens and error are of."""
        return self.call or self.item

    @property
    def error(self) -> ErrorDetail | None:
        """The error that it shows."""
        if isinstance(self.item, Group):
            return None
        return (self.call and self.call.step.error) or self.item.step.error


class _Drawing:
    """The columns: number, kind, tree, bar, time, tokens."""

    def __init__(self, tree: Tree, columns: int, *, everything: bool) -> None:
        self.tree = tree
        self.columns = columns
        budget = sys.maxsize if everything else STEPS_SHOWN
        # unfolded, by ``id``, are the outermost first, and before all others what has failures inside
        picked: set[int] = set()
        left = budget - len(tree.items)
        for failures_only in (True, False):
            waiting = list(tree.items)
            for item in waiting:
                inside = 0 if _single_call(item, everything=everything) else len(item.items)
                if id(item) not in picked and 0 < inside <= left and (item.errors_inside or not failures_only):
                    picked.add(id(item))
                    left -= inside
                if id(item) in picked:
                    waiting.extend(item.items)
        self.unfolded = picked
        self.rows = list(_rows(tree, self.unfolded, groups=not everything))
        self.numbers = len(str(max(node.step.step_number for node in tree.nodes)))
        self.times = max(6, *(width(_time(row.item)) for row in self.rows))
        tokens = max(width(_tokens(row.told)) for row in self.rows)
        self.tokens = max(6, tokens) if tokens else 0
        fixed = self.numbers + KIND_WIDTH + self.times + 5 + (self.tokens + 1 if self.tokens else 0)
        longest = max(width(row.guides) + width(_title(row)) for row in self.rows)
        self.titles = min(longest, (columns - fixed) * 3 // 5)
        self.bars = columns - fixed - self.titles

    def lines(self) -> Iterator[str]:
        scale = ""
        for tick in self.tree.ticks(max(3, self.bars // 9)):
            place, text = int(self.bars * tick / self.tree.length), formatting.tick(tick)
            if place >= len(scale) and place + len(text) <= self.bars:
                scale = f"{scale:<{place}}{text} "
        lead = self.numbers + KIND_WIDTH + self.titles + 3
        tail = f"{'time':>{self.times}}" + (f" {'tokens':>{self.tokens}}" if self.tokens else "")
        yield click.style(f"{'':{lead}}{scale[: self.bars]:<{self.bars}} {tail}", dim=True)
        times = Counter(_alike(row.error) for row in self.rows if row.error)
        for row in self.rows:
            yield self._line(row).rstrip()
            if row.error and (equal := times.pop(_alike(row.error), 0)):
                indent = self.numbers + KIND_WIDTH + 2 + width(row.inner)
                yield from _error(row.error, indent, self.columns, equal)

    def _line(self, row: _Row) -> str:
        item, told = row.item, row.told
        style, word = kind(told.step.action) if isinstance(told, Node) else ("", "")
        number = str(item.step.step_number) if isinstance(item, Node) else ""
        title = left(_title(row), self.titles - width(row.guides))
        styled = click.style(title, dim=True) if isinstance(item, Group) else _standout(title, _failed(item), "red")
        parts = [
            click.style(right(number, self.numbers), dim=True),
            click.style(left(flat(word), KIND_WIDTH), fg=COLOURS.get(style)),
            click.style(row.guides, dim=True) + styled,
            self._bar(item, COLOURS.get(style, "white")),
            _standout(right(_time(item), self.times), any(isinstance(one, Node) and one.slow for one in (item, told))),
        ]
        tokens = _standout(right(_tokens(told), self.tokens), isinstance(told, Node) and told.hungry)
        return " ".join([*parts, tokens] if self.tokens else parts)

    def _bar(self, item: Item, colour: str) -> str:
        first = min(int(self.bars * item.start / self.tree.length), self.bars - 1)
        last = min(max(round(self.bars * item.end / self.tree.length), first + 1), self.bars)
        failed = _failed(item) if isinstance(item, Node) else item.errors_inside > 0
        body = ("╌" if isinstance(item, Group) else "━") * (last - first)
        if isinstance(item, Node) and item.endless:
            body = body[:-1] + "…"
        if isinstance(item, Node) and item.length * self.bars < self.tree.length:
            body = "╸"
        return " " * first + click.style(body, fg="red" if failed else colour) + " " * (self.bars - last)


def _rows(tree: Tree, unfolded: set[int], *, groups: bool) -> Iterator[_Row]:
    """Walk the tree in the order of its rows, without recursion: a trace can be nested as deep as it likes."""
    waiting = [_Row(item, "", "", unfolded=id(item) in unfolded) for item in reversed(tree.items)]
    while waiting:
        row = waiting.pop()
        if groups or isinstance(row.item, Node):
            yield replace(row, call=_single_call(row.item, everything=not groups))
        if row.unfolded:
            waiting += reversed([replace(one, unfolded=id(one.item) in unfolded) for one in _below(row, groups=groups)])


def _below(row: _Row, *, groups: bool) -> list[_Row]:
    inner, items = row.inner, row.item.items
    if isinstance(row.item, Group) and not groups:
        return [_Row(one, row.guides, inner) for one in items]
    if width(inner) >= 2 * DEEPEST:
        return [_Row(one, inner, inner) for one in items]
    last = len(items) - 1
    return [
        _Row(one, inner + ("└ " if place == last else "├ "), inner + ("  " if place == last else "│ "))
        for place, one in enumerate(items)
    ]


def _title(row: _Row) -> str:
    item = row.item
    if isinstance(item, Group):
        errors = f", {item.errors_inside} failed" if item.errors_inside else ""
        first, last = item.numbers
        return f"{formatting.counted(item.steps_inside, 'step')}, {first}…{last}{errors}"
    call = row.call or item
    status = call.status if item.status == "ok" else item.status
    mark = "" if status == "ok" else f"{MARKS.get(status, '?')} "
    attempt = item.meta.get("attempt") or call.meta.get("attempt")
    again = f" (attempt {attempt})" if isinstance(attempt, int) and attempt > 1 else ""
    inside = f" (+{formatting.counted(item.steps_inside, 'step')})" if item.items and not row.unfolded else ""
    if row.call:
        inside = f" ({flat(call.title, 200)})" if call.title != item.title else ""
    return f"{mark}{flat(item.title, 200)}{inside}{again}"


def _single_call(item: Item, *, everything: bool) -> Node | None:
    """Return the call that stands in a step's own row; with every step drawn there is none."""
    return item.inner if isinstance(item, Node) and not everything else None


def _failed(node: Node) -> bool:
    return node.failed or (node.inner is not None and node.inner.failed)


def _alike(error: ErrorDetail) -> tuple[object, ...]:
    return error.error_type, error.message, error.recoverable


def _standout(text: str, does: bool, colour: str = "yellow") -> str:  # noqa: FBT001
    return click.style(text, fg=colour) if does else text


def _time(item: Item) -> str:
    return formatting.duration(item.known_length if isinstance(item, Node) else item.length)


def _tokens(item: Item) -> str:
    known = item.tokens
    return formatting.count(known) if known else ""


# --- the list ---------------------------------------------------------------------------------------------------------


def table(tasks: Sequence[TaskData], columns: int = 80, *, heading: bool = True) -> list[str]:
    """Return one line a trace: id, when it ended, name, status, duration, tokens, delivery, or the open step."""
    columns = min(max(columns, NARROWEST), WIDEST)
    wide = columns >= WIDE
    ended_width, status_width = (16, 13) if wide else (11, 1)

    def line(key: str, ended: str, name: str, status: str, duration: str, tokens: str, delivery: str) -> str:
        parts = [left(key, 8), left(ended, ended_width), left(name, columns - ended_width - status_width - 39), status]
        return " ".join([*parts, right(duration, 10), right(tokens, 7), delivery]).rstrip()

    lines = []
    if heading:
        titles = line("id", "ended (UTC)", "name", " " * status_width, "duration", "tokens", "delivery")
        lines.append(click.style(titles, dim=True))
    for task in tasks:
        summary = TraceSummary(task)
        mark, moment = status_mark(summary), formatting.moment(flat(task.current_datetime))
        status = left(f"{mark} {flat(summary.status)}", status_width) if wide else mark
        cells = (
            short(task.trace_id),
            "running" if summary.status == RUNNING else moment.removesuffix(" UTC")[0 if wide else 5 : 16],
            flat(task.name),
            click.style(status, fg=STATUS_COLOURS.get(summary.status, "yellow")),
            formatting.duration(summary.duration_ms),
            formatting.count(summary.tokens) if summary.tokens is not None else "",
            task.delivery.status if task.delivery else "",
        )
        lines.append(line(*cells))
        for node in Tree(task).waited_for[:OPEN_SHOWN] if summary.status == RUNNING else ():
            text = f"└ {kind(node.step.action)[1]} {flat(node.title, 200)} {formatting.duration(node.length)}"
            lines.append(click.style(f"{'':9}{cut(text, columns - 9)}", dim=True))
    return lines


def short(trace_id: str | None) -> str:
    """Return the beginning of an id, by which the commands find it."""
    return flat(trace_id or "")[:8] or "-"
