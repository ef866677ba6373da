"""The overview's charts, drawn on the server: sizes and places for the template, no pixels and no script."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.server.source import Sum
from infinium_integrations.viewer.statistics import Overview
from infinium_integrations.viewer.timeline import round_times

__all__ = ["Bar", "Chart", "Line", "of_overview"]

WIDTH, HEIGHT = 440.0, 160.0
LEFT, TOP, BOTTOM = 62.0, 10.0, 24.0
PLOT = HEIGHT - TOP - BOTTOM
GAP = 0.18
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Bar:
    """A bar: its place, and in words what it shows."""

    x: float
    y: float
    width: float
    height: float
    style: str
    told: str


@dataclass(frozen=True)
class Line:
    """A line through points, given as SVG's ``points``; ``dots`` are where it has values."""

    points: str
    dots: list[tuple[float, float, str]]
    style: str


@dataclass(frozen=True)
class Chart:
    """One chart: ``table`` says in words what it draws, for those who read it instead."""

    title: str
    summary: str
    legend: list[tuple[str, str]]
    bars: list[Bar]
    lines: list[Line]
    scale: list[tuple[float, str]]
    dates: list[tuple[float, str]]
    heads: list[str]
    table: list[list[str]]


Measure = Callable[[Sum], float | None]
Told = Callable[[float | None], str]


def of_overview(summed: Overview) -> list[Chart]:
    """Give the charts of an overview; none without runs."""
    if not summed.buckets:
        return []
    return [
        _runs(summed),
        _durations(summed),
        _sums("Tokens", summed, lambda bucket: float(bucket.tokens), _whole, "model"),
        _sums("Cost", summed, lambda bucket: bucket.cost, formatting.cost, "find"),
    ]


def _runs(summed: Overview) -> Chart:
    top = _top([float(bucket.runs) for bucket in summed.buckets])
    bars = []
    for n, bucket in enumerate(summed.buckets):
        told = f"{_when(bucket.start, summed.size)}: {bucket.runs:,} runs, {bucket.errors:,} errors"
        failed = bucket.errors * PLOT / top
        bars += _bar(n, summed, bucket.runs * PLOT / top - failed, "ok", told, above=failed)
        bars += _bar(n, summed, failed, "bad", told)
    summary = f"{summed.total.runs:,} runs, {summed.total.errors:,} of them with errors"
    table = [[_when(b.start, summed.size), f"{b.runs:,}", f"{b.errors:,}"] for b in summed.buckets]
    legend = [("ok", "without errors"), ("bad", "✕ with errors")]
    return _chart(
        "Runs", summary, summed, legend=legend, bars=bars, top=top, told=_whole, heads=["Runs", "Errors"], table=table
    )


def _durations(summed: Overview) -> Chart:
    longest = max(bucket.p95 or 0.0 for bucket in summed.buckets)
    top = next(2.0 * size for size in round_times() if 2.0 * size >= longest)
    lines = [_line(summed, lambda b: b.p95, top, "p95"), _line(summed, lambda b: b.p50, top, "p50")]
    summary = f"p50 {formatting.duration(summed.total.p50)}, p95 {formatting.duration(summed.total.p95)}"
    table = [
        [_when(b.start, summed.size), formatting.duration(b.p50), formatting.duration(b.p95)] for b in summed.buckets
    ]
    legend = [("p50", "● p50: half of the runs are quicker"), ("p95", "◆ p95: 95 of 100 are quicker")]
    return _chart(
        "Duration",
        summary,
        summed,
        legend=legend,
        lines=lines,
        top=top,
        told=lambda value: formatting.tick(value or 0.0),
        heads=["p50", "p95"],
        table=table,
    )


def _sums(title: str, summed: Overview, measure: Callable[[Sum], float], told: Told, style: str) -> Chart:
    values = [measure(bucket) for bucket in summed.buckets]
    top = _top(values)
    bars = []
    for n, (bucket, value) in enumerate(zip(summed.buckets, values, strict=True)):
        bars += _bar(n, summed, value * PLOT / top, style, f"{_when(bucket.start, summed.size)}: {told(value)}")
    table = [[_when(b.start, summed.size), told(v)] for b, v in zip(summed.buckets, values, strict=True)]
    summary = f"{told(sum(values))} in all"
    return _chart(title, summary, summed, bars=bars, top=top, told=told, heads=[title], table=table)


def _chart(
    title: str,
    summary: str,
    summed: Overview,
    *,
    top: float,
    told: Told,
    heads: list[str],
    table: list[list[str]],
    legend: list[tuple[str, str]] | None = None,
    bars: list[Bar] | None = None,
    lines: list[Line] | None = None,
) -> Chart:
    return Chart(
        title=title,
        summary=summary,
        legend=legend or [],
        bars=bars or [],
        lines=lines or [],
        scale=[(TOP + PLOT * (1 - part), told(top * part)) for part in (0.0, 0.5, 1.0)],
        dates=_dates(summed),
        heads=heads,
        table=table,
    )


def _slot(summed: Overview) -> float:
    return (WIDTH - LEFT) / len(summed.buckets)


def _bar(n: int, summed: Overview, height: float, style: str, told: str, above: float = 0.0) -> list[Bar]:
    if height <= 0:
        return []
    slot = _slot(summed)
    width = min(slot * (1 - GAP), 48.0)
    x = LEFT + n * slot + (slot - width) / 2
    return [Bar(x, TOP + PLOT - above - max(height, 1.0), width, max(height, 1.0), style, told)]


def _line(summed: Overview, measure: Measure, top: float, style: str) -> Line:
    dots = []
    for n, bucket in enumerate(summed.buckets):
        value = measure(bucket)
        if value is not None:
            told = f"{_when(bucket.start, summed.size)}: {style} {formatting.duration(value)}"
            dots.append((LEFT + (n + 0.5) * _slot(summed), TOP + PLOT * (1 - value / top), told))
    return Line(" ".join(f"{x:.1f},{y:.1f}" for x, y, _ in dots), dots, style)


def _dates(summed: Overview) -> list[tuple[float, str]]:
    every = max(1, -(-len(summed.buckets) // 4))
    return [
        (LEFT + (n + 0.5) * _slot(summed), _when(bucket.start, summed.size))
        for n, bucket in enumerate(summed.buckets)
        if n % every == 0
    ]


def _top(values: list[float]) -> float:
    """Give a round number that no value exceeds, and that halves well."""
    most = max([*values, 0.0])
    if most <= 0:
        return 1.0
    size = 1.0
    while size < most:
        size *= 10
    while size / 10 >= most:
        size /= 10
    return next(size * part for part in (0.2, 0.4, 0.6, 0.8, 1.0) if size * part >= most)


def _whole(value: float | None) -> str:
    if value is None or value < 1:
        return "0" if not value else f"{value:g}"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / min(size, 1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{value:,.0f}"


def _when(start: datetime, size: timedelta) -> str:
    return f"{start:%d %b}" if size >= DAY else f"{start:%d %b %H:%M}"
