"""The circuit breaker, as arithmetic over moments."""

from __future__ import annotations

import math

from solvestream._core.breaker import Breaker, Breaking


def breaker() -> Breaker:
    return Breaker(random=lambda: 1.0)


def test_failures_in_a_row_open_it_and_a_probe_closes_it():
    """After five failures nothing starts for a second; then a probe decides."""
    one = breaker()
    for _ in range(5):
        one.failed(one.start(0.0), 0.0)
    assert one.state(0.5) is Breaking.OPEN
    assert one.ready_at() == 1.0
    epoch = one.start(1.0)
    assert one.state(1.0) is Breaking.HALF_OPEN
    one.succeeded(epoch)
    assert one.state(1.0) is Breaking.CLOSED
    assert one.failing_since is None


def test_failed_probes_open_it_for_longer_up_to_the_cap():
    """The wait doubles with each failed probe and stops at five seconds."""
    one = breaker()
    now, waits = 0.0, []
    for _ in range(5):
        one.failed(one.start(0.0), now)
    for _ in range(5):
        waits.append(one.until - now)
        now = one.until
        one.failed(one.start(now), now)
    assert waits == [1, 2, 4, 5, 5]
    assert one.failing_since == 0.0


def test_what_started_before_it_opened_says_nothing():
    """Replies of an older epoch neither close it nor count as failed probes."""
    one = breaker()
    old = one.start(0.0)
    one.trip(one.start(0.0), 0.0, 300)
    one.succeeded(old)
    one.failed(old, 1.0)
    assert one.state(10) is Breaking.OPEN
    assert one.until == 300


def test_a_longer_opening_stays():
    """A shorter period told later does not cut a ban short."""
    one = breaker()
    one.trip(one.epoch, 0.0, 300)
    one.trip(one.epoch, 1.0, 3)
    assert one.until == 300


def test_successes_between_failures_keep_it_closed():
    """Only failures in a row count."""
    one = breaker()
    for _ in range(100):
        for _ in range(4):
            one.failed(one.start(0.0), 0.0)
        one.succeeded(one.start(0.0))
    assert one.state(0.0) is Breaking.CLOSED


def test_a_dropped_probe_lets_another_start():
    """A probe that ended without news does not block the breaker for good."""
    one = breaker()
    one.trip(one.epoch, 0.0, 1)
    for _ in range(100):
        one.dropped(one.start(1.0))
    assert one.ready_at() == 2.0


def test_a_probe_does_not_wait_for_one_that_hangs():
    """Three are on the wire at once, each a backoff after the last; the first answer counts."""
    one = breaker()
    for _ in range(5):
        one.failed(one.start(0.0), 0.0)
    epochs, moments = [], []
    for _ in range(3):
        moments.append(one.ready_at())
        epochs.append(one.start(moments[-1]))
    assert moments == [1.0, 3.0, 5.0]
    assert one.ready_at() == math.inf
    one.failed(epochs[0], 6.0)
    assert one.ready_at() == 7.0
    one.succeeded(epochs[1])
    assert one.state(6.0) is Breaking.CLOSED
    one.failed(epochs[2], 10.0)
    assert one.failing_since is None


def test_a_ban_told_by_a_late_reply_is_not_forgotten():
    """A reply of an older epoch that opens it is not undone by a success from before."""
    one = breaker()
    old = one.start(0.0)
    one.trip(old, 0.0, 1)
    one.succeeded(one.start(0.0))
    current = one.start(0.0)
    one.trip(old, 5.0, 300)
    one.succeeded(current)
    assert one.state(6.0) is Breaking.OPEN
