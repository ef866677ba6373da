"""What is tried again, and when: the clients' and the sender's pauses, with a clock of the test's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infinium_integrations.client.protocol import retry


class TestRetryAfter:
    NOW = 1_800_000_000.0  # Fri, 15 Jan 2027 08:00:00 GMT

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("0", 0.0),
            ("1", 1.0),
            (" 2.5 ", 2.5),
            ("300", 300.0),
            ("301", 300.0),
            ("1e9", 300.0),
            ("9" * 5000, 300.0),
            ("-5", 0.0),
            ("Fri, 15 Jan 2027 08:00:09 GMT", 9.0),
            ("Fri, 15 Jan 2027 08:00:09 -0000", 9.0),
            ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
            ("Fri, 15 Jan 2027 09:00:00 GMT", 300.0),
            ("soon", None),
            ("", None),
            ("nan", None),
            ("Infinity", None),
            ("1, 2", None),
            ("٣", None),
            ("Fri, 99 Jan 99999 99:99:99 GMT", None),
        ],
    )
    def test_seconds_and_dates_are_read_and_garbage_is_nothing(self, text, seconds):
        assert retry.retry_after({"RETRY-after": text}, clock=lambda: self.NOW) == seconds

    def test_no_header_is_nothing(self):
        assert retry.retry_after({}) is None

    @given(st.text())
    def test_any_text_gives_0_to_300_or_nothing(self, text):
        seconds = retry.retry_after({"retry-after": text})
        assert seconds is None or 0 <= seconds <= 300


class TestBackoff:
    def test_it_grows_to_a_ceiling(self):
        waits = [retry.backoff(tries, chance=lambda: 1.0) for tries in range(1, 9)]
        assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]

    def test_it_has_full_jitter(self):
        assert retry.backoff(3, chance=lambda: 0.0) == 0.0
        assert retry.backoff(3, chance=lambda: 0.5) == 2.0

    def test_it_is_never_less_than_the_server_asked(self):
        assert retry.backoff(1, 20.0, chance=lambda: 1.0) == 20.0
        assert retry.backoff(1, 0.0, chance=lambda: 1.0) == 1.0

    def test_any_number_of_tries_is_fine(self):
        assert retry.backoff(1_000_000, chance=lambda: 1.0) == 30.0

    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
    def test_what_may_pass_is_transient(self, status):
        assert retry.is_transient(status)

    @pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 409, 413, 422])
    def test_what_will_not_pass_is_not(self, status):
        assert not retry.is_transient(status)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def pause(clock, chance=0.5):
    return retry.RetrySchedule(clock=clock, chance=lambda: chance)


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
    rest.end_wait()
    assert (rest.left, rest.failing) == (0.0, True)
    rest.failed(60)
    rest.end_wait()
    assert rest.left >= 60


def test_probes_of_what_must_be_put_right_grow_to_five_minutes(clock):
    rest, waits = pause(clock), []
    for _ in range(10):
        rest.block()
        waits.append(rest.left)
        clock.now = rest.until
    assert waits == sorted(waits)
    assert waits[0] >= 10
    assert waits[-1] <= retry.PROBE_LIMIT
