from datetime import UTC, datetime, timedelta

import pytest
from memory_source import MemorySource, new_row

from infinium_integrations.viewer.html import charts
from infinium_integrations.viewer.statistics import overview, percentile

START = datetime(2026, 11, 20, tzinfo=UTC)


def row(number, *, minutes=0, **more):
    ended = START - timedelta(minutes=minutes)
    return new_row(str(number), "Run", ended, duration=more.pop("ms", 100.0) / 1e3, **more)


def of(rows):
    return overview(MemorySource(rows=rows), {})


def test_percentiles_are_values_that_happened():
    assert percentile([], 50) is None
    assert percentile([3, 1, 2], 50) == 2
    assert percentile(list(range(1, 101)), 95) == 95
    assert percentile([7], 95) == 7


def test_runs_are_summed_over_stretches_of_time_without_gaps():
    rows = [row(1, tokens=10, cost=0.5), row(2, minutes=200, status="error", tokens=5), row(3, minutes=200, ms=900.0)]
    found = of(rows)
    assert (found.total.runs, found.total.errors, found.total.tokens, found.total.cost) == (3, 1, 15, 0.5)
    assert sum(bucket.runs for bucket in found.buckets) == 3
    gaps = {b.start - a.start for a, b in zip(found.buckets, found.buckets[1:], strict=False)}
    assert gaps == {found.size}
    assert (found.buckets[0].p50, found.buckets[0].p95) == (0.1, 0.9)


@pytest.mark.parametrize("days", [0, 1, 20, 400, 36_500])
def test_however_long_the_time_a_chart_has_few_bars(days):
    found = of([row(1), row(2, minutes=days * 1_440)])
    assert len(found.buckets) <= 102


def test_no_runs_have_no_charts():
    assert of([]).total.runs == 0
    assert charts.of_overview(of([])) == []


@pytest.mark.parametrize("seconds", [14, 45, 100, 700, 2_500, 5_000, 60_000, 10**6, 7 * 10**6, 24 * 10**6, 3 * 10**8])
def test_where_there_is_time_for_them_a_chart_has_a_dozen_stretches(seconds):
    found = of([row(1), row(2, minutes=seconds / 60)])
    assert 12 <= len(found.buckets) <= 41


def test_charts_say_in_words_what_they_draw():
    rows = [
        row(n, minutes=n * 60, status="error" if n % 3 == 0 else "ok", tokens=1_500, cost=0.01, ms=1e3 * n)
        for n in range(30)
    ]
    runs, durations, tokens, cost = charts.of_overview(of(rows))
    assert runs.summary == "30 runs, 10 of them with errors"
    assert len(runs.table) == len(durations.table)
    assert [label for _, label in durations.scale] == ["0", "20 s", "40 s"]
    assert tokens.summary == "45k in all"
    assert cost.summary == "$0.3000 in all"
    assert all(bar.x >= -1e-9 and bar.y >= 0 and bar.x + bar.width <= charts.WIDTH + 1e-9 for bar in runs.bars)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\N{EN DASH}"),
        (0, "0"),
        (0.5, "0.5"),
        (999, "999"),
        (9_999, "9,999"),
        (25_000, "25k"),
        (3_200_000, "3.2M"),
        (4e9, "4G"),
    ],
)
def test_large_numbers_are_short_beside_a_scale(value, text):
    assert charts._whole(value) == text


@pytest.mark.parametrize(("most", "top"), [(0, 1), (0.013, 0.02), (1, 1), (7, 8), (11, 20), (950, 1_000)])
def test_scales_end_at_round_numbers(most, top):
    assert charts._top([most]) == pytest.approx(top)


def test_there_is_no_half_a_run():
    assert [label for _, label in charts.of_overview(of([row(1)]))[0].scale] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("cost", "labels"),
    [(0.95, ["$0.00", "$0.50", "$1.00"]), (0.55, ["$0.00", "$0.30", "$0.60"]), (0.01, ["$0.00", "$0.0050", "$0.01"])],
)
def test_amounts_beside_a_scale_have_the_cents_they_need(cost, labels):
    assert [label for _, label in charts.of_overview(of([row(1, cost=cost)]))[3].scale] == labels


def test_what_no_run_says_has_no_scale():
    tokens, cost = charts.of_overview(of([row(1, tokens=0)]))[2:]
    assert tokens.scale
    assert (cost.scale, cost.summary) == ([], "known of no run")
