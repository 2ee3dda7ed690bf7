"""One timer for many deadlines."""

from __future__ import annotations

import pytest

from solvestream._http.alarm import NEVER, Alarm

KINDS = "asyncio"


class FakeLoop:
    """A clock the test turns, and the timers set on it."""

    def __init__(self):
        self.now = 0.0
        self.timers = []

    def time(self):
        return self.now

    def call_at(self, when, call):
        timer = FakeTimer(when, call)
        self.timers.append(timer)
        return timer


class FakeTimer:
    """A timer that knows whether it was cancelled."""

    def __init__(self, when, call):
        self.when, self.call = when, call
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


@pytest.fixture
def loop():
    """Give a clock."""
    return FakeLoop()


def test_nearest_deadline_wins(loop):
    """A nearer deadline replaces the timer, a farther one changes nothing."""
    alarm = Alarm(loop, lambda late: None)
    for deadline in (9.0, 5.0, 7.0):
        alarm.set(deadline)
    assert alarm.due == 5.0
    assert [(one.when, one.cancelled) for one in loop.timers] == [(9.0, True), (5.0, False)]


def test_ring_says_how_late_it_is(loop):
    """The one who is called learns by how much, and may set the alarm anew."""
    heard = []

    def ring(late):
        heard.append(late)
        alarm.set(20.0)

    alarm = Alarm(loop, ring)
    alarm.set(5.0)
    loop.now = 5.5
    loop.timers[0].call()
    assert heard == [0.5]
    assert alarm.due == 20.0


def test_stopped_alarm_is_silent(loop):
    """`stop` takes the timer away."""
    alarm = Alarm(loop, lambda late: None)
    alarm.set(5.0)
    alarm.stop()
    assert loop.timers[0].cancelled
    assert alarm.due == NEVER
