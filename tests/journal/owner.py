"""A stand-in for the event loop that owns a journal: callbacks run in the writer's thread."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager

from solvestream import Text
from solvestream._journal.journal import Journal

ANSWER = Text("x")
WAIT = 20.0  # a guard against hangs, no measure


class Owner:
    """Writes jobs, and waits for commits."""

    def __init__(self, path, **options):
        self.journal = Journal.open(path, **{"pace": 0.0, "retry": 0.01, **options})
        self.journal.start(lambda call: call())

    def wait(self, write):
        """Call `write(done)`, wait for `done`, and return what it was told."""
        there, told = threading.Event(), []

        def done(error):
            told.append(error)
            there.set()

        write(done)
        assert there.wait(WAIT), "the journal never answered"
        return told[0]

    def intent(self, key, *, account="a", kind="image", **options):
        """Note an intent, wait, and return its row and the error."""
        rows = []

        def write(done):
            row = self.journal.intent(
                job_key=key,
                account=account,
                kind=kind,
                queued_at=1.0,
                submitted_at=2.0,
                done=done,
                **options,
            )
            rows.append(row)

        error = self.wait(write)
        return rows[0], error

    def bought(self, key, **options):
        """Note a job up to its id, and return its row."""
        row, error = self.intent(key, **options)
        assert error is None
        assert self.wait(lambda done: self.accept(row, done)) is None
        return row

    def accept(self, row, done=None):
        self.journal.accepted(row, at=3.0, task_id=f"id-{row}", done=done)

    def solve(self, row, done=None, solution=ANSWER):
        self.journal.ended(row, at=4.0, solution=solution, looks=2, done=done)

    def solved(self, key, **options):
        """Note a job up to its answer, and return its row."""
        row = self.bought(key)
        assert self.wait(lambda done: self.solve(row, done, **options)) is None
        return row

    def ack(self, row, done=None):
        self.journal.acked(row, at=5.0, done=done)

    def flush(self):
        """Wait until everything is written; returns why it is not."""
        row = self.journal.adopted(
            job_key="flush-", account="a", kind="image", task_id="0", accepted_at=0.0
        )
        return self.wait(lambda done: self.journal.acked(row, at=0.0, done=done))

    def close(self):
        self.journal.close()


@contextmanager
def owner(path, **options):
    """An open journal, closed in the end."""
    one = Owner(path, **options)
    try:
        yield one
    finally:
        one.close()


@contextmanager
def unprivileged(folder):
    """Without the rights of root, which no file mode stops."""
    if os.geteuid() != 0:
        yield
        return
    for place in (folder, *folder.iterdir()):
        os.chown(place, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
