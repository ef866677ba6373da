"""The sender's own pace and its pauses, with a clock of the test's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infinium_integrations.export.pace import PROBE_LIMIT, AdaptiveRateLimiter, RetrySchedule


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def pause(clock, chance=0.5):
    return RetrySchedule(clock=clock, chance=lambda: chance)


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


def test_back_off_grows_with_each_failure_to_half_a_minute(clock):
    rest, waits = pause(clock), []
    for _ in range(12):
        rest.failed()
        waits.append(rest.left)
        clock.now = rest.until
    assert waits == sorted(waits)
    assert waits[0] < 1.0
    assert waits[-1] <= 30.0
    rest.succeeded()
    assert not rest.failing


def test_requests_that_fail_together_count_as_one_failure(clock):
    rest = pause(clock)
    for _ in range(8):
        rest.failed()
    assert rest.tries == 1


@given(st.floats(allow_nan=False, min_value=0, max_value=300), st.floats(min_value=0, max_value=1))
def test_a_server_that_asks_to_wait_gets_at_least_that_and_at_most_300_s(asked, chance):
    rest = pause(Clock(), chance)
    rest.failed(asked)
    assert min(asked, 300) - 1e-6 <= rest.left <= 300 + 1e-6 or asked < 1


def test_a_longer_wait_that_is_asked_for_while_one_lasts_wins(clock):
    rest = pause(clock, 0)
    rest.failed(10)
    rest.failed(60)
    rest.failed(5)
    assert rest.left == pytest.approx(60)


def test_a_flush_cuts_our_own_wait_and_not_one_that_was_asked_for(clock):
    rest = pause(clock)
    rest.failed()
    rest.cut()
    assert (rest.left, rest.failing) == (0.0, True)
    rest.failed(60)
    rest.cut()
    assert rest.left >= 60


def test_probes_of_what_must_be_put_right_grow_to_five_minutes(clock):
    rest, waits = pause(clock), []
    for _ in range(10):
        rest.block()
        waits.append(rest.left)
        clock.now = rest.until
    assert waits == sorted(waits)
    assert waits[0] >= 10
    assert waits[-1] <= PROBE_LIMIT
