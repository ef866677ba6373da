"""The clients' rate limit and the sender's, with a clock that stands still unless moved."""

import os
import threading

import pytest

from infinium_integrations.client.protocol.rate_limit import AdaptiveRateLimiter, TokenBucket


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_burst_starts_at_once_and_the_rest_at_the_rate():
    bucket = TokenBucket(10.0, 20, clock=Clock())
    waits = [bucket.take() for _ in range(24)]
    assert waits[:20] == [0.0] * 20
    assert [round(wait, 9) for wait in waits[20:]] == [0.1, 0.2, 0.3, 0.4]


def test_it_fills_with_time_up_to_the_burst():
    clock = Clock()
    bucket = TokenBucket(10.0, 2, clock=clock)
    for _ in range(3):
        bucket.take()
    clock.now += 3600
    assert [bucket.take() for _ in range(3)] == [0.0, 0.0, 0.1]


def test_it_holds_across_threads():
    bucket = TokenBucket(10.0, 20, clock=Clock())
    waits = []
    threads = [threading.Thread(target=lambda: waits.extend(bucket.take() for _ in range(50))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [round(wait, 6) for wait in sorted(waits)] == [0.0] * 20 + [round(n / 10, 6) for n in range(1, 381)]


def test_a_fork_while_the_lock_is_held_does_not_stop_the_child(monkeypatch):
    bucket = TokenBucket(10.0, 20)
    bucket._lock.acquire()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert bucket.take() == 0.0


def test_the_first_20_go_at_once_and_the_next_at_10_a_second(clock):
    pace = AdaptiveRateLimiter(200, clock=clock)
    waits = [pace.take() for _ in range(25)]
    assert waits[:20] == [0.0] * 20
    assert waits[20:] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_the_pace_rises_to_the_ceiling_while_all_goes_well(clock):
    pace = AdaptiveRateLimiter(200, clock=clock)
    for _ in range(500):
        pace.faster()
    assert pace.rate == 200


def test_the_pace_halves_on_429_and_never_stands_still(clock):
    pace = AdaptiveRateLimiter(200, clock=clock)
    pace.slower()
    assert pace.rate == 5.0
    for _ in range(50):
        pace.slower()
    assert pace.rate > 0


def test_a_ceiling_below_the_documented_pace_holds_from_the_start(clock):
    pace = AdaptiveRateLimiter(1, clock=clock)
    assert [pace.take() for _ in range(4)] == pytest.approx([0.0, 0.0, 1.0, 2.0])
    pace = AdaptiveRateLimiter(0.1, clock=clock)
    assert pace.take() == pytest.approx(0.0)
    assert pace.take() == pytest.approx(10.0)


def test_a_lower_ceiling_set_later_holds(clock):
    pace = AdaptiveRateLimiter(200, clock=clock)
    pace.limit(2)
    assert pace.rate == 2
