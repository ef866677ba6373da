"""The overview's charts, drawn on the server, without a script.

Across, places are shares of the width, from 0 to 100; down, they are pixels. So a chart is as wide as there is room,
and its labels have the text's size.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from infinium_integrations.storage.index.query import Sums
from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.statistics import DAY, MINUTE, Overview
from infinium_integrations.viewer.timeline import round_times

__all__ = ["Bar", "Chart", "Line", "of_overview"]

WIDTH, HEIGHT = 100.0, 170.0
TOP, BOTTOM = 10.0, 26.0
PLOT = HEIGHT - TOP - BOTTOM
GAP = 0.18
WIDEST = 10.0
"""Of a bar."""
EDGE = 12.0
"""Labels nearer to an edge end there."""


@dataclass(frozen=True)
class Bar:
    """A bar: its place, and in ``caption`` what it shows."""

    x: float
    y: float
    width: float
    height: float
    style: str
    caption: str


@dataclass(frozen=True)
class Line:
    """A line through ``dots``, which are where it has values: places and what is there."""

    dots: list[tuple[float, float, str]]
    style: str


@dataclass(frozen=True)
class Chart:
    """One chart: ``table`` says in words what it draws, for those who read it instead."""

    title: str
    summary: str
    scale: list[tuple[float, str]]
    dates: list[tuple[float, str, str]]
    """Places, SVG's ``text-anchor``, labels."""
    heads: list[str]
    table: list[list[str]]
    legend: list[tuple[str, str]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


Write = Callable[[float | None], str]
"""Writes a value beside the scale and in the table."""


def of_overview(summed: Overview) -> list[Chart]:
    """Return the charts of an overview; none without runs."""
    if not summed.buckets:
        return []
    write, total = formatting.seconds, summed.total
    longest = 1000.0 * max(bucket.p95 or 0.0 for bucket in summed.buckets)
    top = next(2.0 * size for size in round_times() if 2.0 * size >= longest)
    return [
        _runs(summed),
        Chart(
            title="Duration",
            summary=f"p50 {write(total.p50)}, p95 {write(total.p95)}",
            legend=[("p50", "● p50: half of the runs are quicker"), ("p95", "◆ p95: 95 of 100 are quicker")],
            lines=[
                _line(summed, [bucket.p95 for bucket in summed.buckets], top, "p95"),
                _line(summed, [bucket.p50 for bucket in summed.buckets], top, "p50"),
            ],
            scale=_scale(top, lambda value: formatting.tick(value or 0.0)),
            dates=_dates(summed),
            heads=["p50", "p95"],
            table=[[_when(summed, bucket), write(bucket.p50), write(bucket.p95)] for bucket in summed.buckets],
        ),
        _totals("Tokens", summed, [bucket.tokens for bucket in summed.buckets], _whole, "model"),
        _totals("Cost", summed, [bucket.cost for bucket in summed.buckets], formatting.cost, "find"),
    ]


def _runs(summed: Overview) -> Chart:
    top = _top([2.0, *(float(bucket.runs) for bucket in summed.buckets)])  # there is no half a run
    bars = []
    for n, bucket in enumerate(summed.buckets):
        runs, errors = formatting.counted(bucket.runs, "run"), formatting.counted(bucket.errors, "error")
        caption = f"{_when(summed, bucket)}: {runs}, {errors}"
        failed = bucket.errors * PLOT / top
        bars += _bar(n, summed, bucket.runs * PLOT / top - failed, "ok", caption, above=failed)
        bars += _bar(n, summed, failed, "bad", caption)
    return Chart(
        title="Runs",
        summary=f"{formatting.counted(summed.total.runs, 'run')}, {summed.total.errors:,} of them with errors",
        legend=[("ok", "without errors"), ("bad", "✕ with errors")],
        bars=bars,
        scale=_scale(top, _whole),
        dates=_dates(summed),
        heads=["Runs", "Errors"],
        table=[[_when(summed, bucket), f"{bucket.runs:,}", f"{bucket.errors:,}"] for bucket in summed.buckets],
    )


def _totals(title: str, summed: Overview, values: Sequence[float | None], write: Write, style: str) -> Chart:
    known = [value for value in values if value is not None]
    top = _top(known)
    table = [[_when(summed, bucket), write(value)] for bucket, value in zip(summed.buckets, values, strict=True)]
    bars = []
    for n, (value, cells) in enumerate(zip(values, table, strict=True)):
        bars += _bar(n, summed, (value or 0.0) * PLOT / top, style, ": ".join(cells))
    return Chart(
        title=title,
        summary=f"{write(sum(known))} in all" if known else "known of no run",
        bars=bars,
        scale=_scale(top, _dollars if write is formatting.cost else write) if known else [],
        dates=_dates(summed),
        heads=[title],
        table=table,
    )


def _bar(n: int, summed: Overview, height: float, style: str, caption: str, above: float = 0.0) -> list[Bar]:
    if height <= 0:
        return []
    width = min((1 - GAP) * WIDTH / len(summed.buckets), WIDEST)
    x = _middle(n, summed) - width / 2
    return [Bar(x, TOP + PLOT - above - max(height, 1.0), width, max(height, 1.0), style, caption)]


def _line(summed: Overview, values: list[float | None], top: float, style: str) -> Line:
    dots = []
    for n, (bucket, value) in enumerate(zip(summed.buckets, values, strict=True)):
        if value is not None:
            caption = f"{_when(summed, bucket)}: {style} {formatting.seconds(value)}"
            dots.append((_middle(n, summed), TOP + PLOT * (1 - 1000.0 * value / top), caption))
    return Line(dots, style)


def _middle(n: int, summed: Overview) -> float:
    return (n + 0.5) * WIDTH / len(summed.buckets)


def _scale(top: float, write: Write) -> list[tuple[float, str]]:
    return [(TOP + PLOT * (1 - part), write(top * part)) for part in (0.0, 0.5, 1.0)]


def _dates(summed: Overview) -> list[tuple[float, str, str]]:
    every = max(1, -(-len(summed.buckets) // 4))
    shown = [(_middle(n, summed), _when(summed, bucket)) for n, bucket in enumerate(summed.buckets) if n % every == 0]
    anchor = {True: "start", False: "middle"}
    return [(x, "end" if x > WIDTH - EDGE else anchor[x < EDGE], label) for x, label in shown]


def _top(values: list[float]) -> float:
    """Return a round number that no value exceeds, and that halves well."""
    most = max(values, default=0.0)
    if most <= 0:
        return 1.0
    size = 10.0 ** math.ceil(math.log10(most))
    return next(size * part for part in (0.2, 0.4, 0.6, 0.8, 1.0, 2.0) if size * part >= most)


def _dollars(value: float | None) -> str:
    """Write a round amount, whose cents are enough where it has no more."""
    return f"${value:,.2f}" if value is not None and math.isclose(round(value, 2), value) else formatting.cost(value)


def _whole(value: float | None) -> str:
    if value is None:
        return formatting.UNKNOWN
    if value < 1:
        return f"{value:g}"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / min(size, 1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{value:,.0f}"


def _when(summed: Overview, bucket: Sums) -> str:
    style = "%d %b" if summed.size >= DAY else "%d %b %H:%M" if summed.size >= MINUTE else "%H:%M:%S"
    return f"{formatting.utc(bucket.start):{style}}"
