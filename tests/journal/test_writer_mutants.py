"""The writer's rounds one by one, with a store and a clock of our own: what mutation testing asked."""

from __future__ import annotations

import pytest

from solvestream._journal import writer as module
from solvestream._journal.store import ACKED, INTENT
from solvestream._journal.writer import Writer
from solvestream.errors import JournalError
from tests.journal.owner import owner

FULL = JournalError("full")


class FakeStore:
    """Notes what is written, and fails when told to."""

    path = "run.db"

    def __init__(self):
        self.written = []
        self.error = None

    def write(self, steps, *, probe):
        if self.error is not None:
            raise self.error
        self.written.append(({step: list(rows) for step, rows in steps.items() if rows}, probe))


class FakeWake:
    """Notes how long is waited for work; at the last wait the writer is closed."""

    def __init__(self, writer, waits):
        self.writer, self.left, self.seen = writer, waits, []

    def wait(self, seconds):
        self.seen.append(seconds)
        self.left -= 1
        self.writer._closing = not self.left

    def clear(self):
        pass

    def set(self):
        pass

    def is_set(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Time that stands still, and what was slept."""

    class Clock:
        now = 100.0
        slept = ()

        def monotonic(self):
            return self.now

        def sleep(self, seconds):
            self.slept = (*self.slept, seconds)

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def writer(clock):
    one = Writer(FakeStore(), 5.0, 0.25)
    one._post = lambda call: call()
    return one


def test_a_round_writes_all_at_once_and_tells_it(writer):
    """Intents and the rest in one write, without a probe; each `done` is told."""
    told = []
    writer.put(INTENT, (1,), told.append)
    writer.put(ACKED, (2,), told.append)
    writer._round()
    assert writer.store.written == [({INTENT: [(1,)], ACKED: [(2,)]}, False)]
    assert told == [None, None]
    assert writer.failure is None


def test_a_failing_store_is_tried_again_at_its_moment_with_a_probe(writer, clock):
    """Until then nothing is tried; intents are refused, the rest is owed and written first."""
    told = []
    writer.store.error = FULL
    writer.put(INTENT, (1,), told.append)
    writer.put(ACKED, (2,), told.append)
    writer._round()
    assert (writer.failure, told) == (FULL, [FULL, FULL])
    writer.store.error = None
    clock.now = 104.9
    writer._round()
    assert (writer.failure, writer.store.written) == (FULL, [])
    clock.now = 105.0
    writer.put(INTENT, (3,), told.append)
    writer.put(ACKED, (5,), told.append)
    writer._round()
    assert writer.store.written == [({ACKED: [(2,), (5,)]}, True)]
    assert (writer.failure, told[2:]) == (None, [FULL, None])
    writer.put(INTENT, (4,), told.append)
    writer._round()
    assert (writer.store.written[1], told[4:]) == (({INTENT: [(4,)]}, False), [None])


def test_nobody_is_called_for_nothing(writer):
    """A round that nobody waits for tells nobody; nor does one after the loop has gone."""
    posts = []
    writer._post = posts.append
    writer.put(ACKED, (1,), None)
    writer._round()
    assert posts == []
    writer._post = None
    writer.put(ACKED, (1,), posts.append)
    writer._round()
    assert posts == []
    assert len(writer.store.written) == 2


def test_it_waits_for_work_and_paces_itself(writer, clock):
    """In good times as long as it takes, with a pause after each round but the last."""
    writer._wake = wake = FakeWake(writer, 2)
    writer._write_until_closed()
    assert (wake.seen, clock.slept) == ([None, None], (0.25,))


def test_it_wakes_for_the_next_attempt(writer, clock):
    """In bad times it waits until that; what is owed at the end is tried once more."""
    writer.store.error = FULL
    writer.put(ACKED, (2,), None)
    writer._round()
    clock.now = 101.0
    writer._wake = wake = FakeWake(writer, 1)
    writer.store.error = None
    writer._write_until_closed()
    assert (wake.seen, clock.slept) == ([4.0], ())
    assert writer.store.written == [({ACKED: [(2,)]}, False)]
    assert writer.failure is None


def test_the_thread_has_a_name_and_holds_no_process(tmp_path):
    """It is seen for what it is in a dump of threads."""
    with owner(tmp_path / "run.db") as one:
        thread = one.journal._writer._thread
        assert (thread.name, thread.daemon) == ("solvestream-journal", True)
