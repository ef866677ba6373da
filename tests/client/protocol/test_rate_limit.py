"""The client's own rate limit, with a clock that stands still unless moved."""

import os
import threading

from infinium_integrations.client.protocol.rate_limit import TokenBucket


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


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
