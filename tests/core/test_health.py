"""The health of an account: pauses, trouble, and an account that is down."""

from __future__ import annotations

from solvestream._core.breaker import Breaking
from solvestream._core.counts import Counts
from solvestream._core.health import Health
from solvestream._outcomes import AccountDown, Pending, Throttled, Unknown
from solvestream._wire import Broken, Sent, Trouble


def health() -> Health:
    return Health(lambda: 0.5, Counts())


def waits(one: Health, reply, times: int, now: float = 0.0) -> list[float]:
    """Give the same reply to each probe; returns how long each makes the account pause."""
    seen = []
    for _ in range(times):
        one.take(one.breaker.start(0.0), reply, now)
        seen.append(one.breaker.until - now)
        now = one.breaker.until
    return seen


def test_a_service_that_says_at_once_again_and_again_is_not_believed():
    """With Retry-After 0 the pauses still grow from one second to ten."""
    assert waits(health(), Throttled("429", 0.0), 6) == [1, 2, 4, 8, 10, 10]


def test_a_longer_period_than_ours_is_kept():
    """What the service names wins where it is longer; without a name it is three seconds."""
    assert waits(health(), Throttled("429", 60.0), 2) == [60, 60]
    assert waits(health(), Throttled("429"), 4) == [3, 3, 4, 8]
    assert waits(health(), AccountDown("IP_BANNED", "ban"), 1) == [300]


def test_a_good_reply_ends_the_growth():
    """After a success the next pause is short again."""
    one = health()
    waits(one, Throttled("429", 0.0), 4)
    one.take(one.breaker.start(0.0), Pending(), 100.0)
    assert one.breaker.state(100.0) is Breaking.CLOSED
    assert waits(one, Throttled("429", 0.0), 1, now=100.0) == [1]


def test_a_burst_of_throttled_replies_is_one_pause():
    """Replies of exchanges that were on the wire together do not add up."""
    one = health()
    epochs = [one.breaker.start(0.0) for _ in range(10)]
    for epoch in epochs:
        one.take(epoch, Throttled("429", 0.0), 0.0)
    assert one.breaker.until == 1.0


def test_trouble_is_remembered_for_people_until_it_ends():
    """The last trouble stands in errors while it lasts, and not after."""
    one = health()
    one.take(0, Broken(Trouble.RESET, Sent.ALL, "host:1: reset"), 0.0)
    assert one.trouble_now() == " while the service was in trouble (host:1: reset)"
    one.take(0, Pending(), 1.0)
    assert one.trouble_now() == ""


def test_our_own_closing_is_no_trouble():
    """An exchange ended by us neither counts nor opens the breaker."""
    one = health()
    for _ in range(20):
        one.take(one.breaker.start(0.0), Broken(Trouble.CLOSED, Sent.ALL, "closed"), 0.0)
    assert one.breaker.state(0.0) is Breaking.CLOSED
    assert one.counts.troubles == 0


def test_of_a_batch_the_outcome_that_says_most_counts():
    """An account down or a throttle speaks for the reply; else any answer clears it."""
    one = health()
    one.take_all(0, [Pending(), Unknown("?"), Throttled("429", 7.0)], 0.0)
    assert one.breaker.until == 7
    two = health()
    for _ in range(10):
        two.take_all(0, [Unknown("?"), Pending()], 0.0)
    assert two.counts.troubles == 0
