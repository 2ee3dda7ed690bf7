"""The one thread that writes: takes what has gathered, commits it, tells its owner once.

Commits are paced: the first record after a pause is written at once, and under load what
comes within `PACE` goes together, so that the price of a commit is shared by many.

When a write fails, what was about to be bought is refused, as it would be bought unnoted.
Records of what is paid are kept in memory and written first when writing works again, which
is tried every `retry` seconds.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from weakref import WeakSet

from attrs import define, field

from solvestream._journal.store import INTENT, SAMPLE, STEPS, Step, Store, Value, explain
from solvestream.errors import JournalError

PACE = 0.02
"""Seconds from one commit to the next at least."""

Done = Callable[[JournalError | None], None]
Post = Callable[[Callable[[], None]], None]
Record = tuple[Step, tuple[Value, ...], Done | None]
Rows = list[tuple[Value, ...]]


def _no_rows() -> dict[Step, Rows]:
    return {step: [] for step in STEPS}


@define(eq=False)
class Writer:
    """Writes records to a store in a thread of its own.

    Attributes:
        store: used by the thread alone, once started.
        retry: seconds between attempts while writing fails.
        pace: seconds between commits.
        failure: why writing fails now; `None` in good times.
        owed: rows of what is paid, not yet written.
    """

    store: Store
    retry: float
    pace: float = PACE
    failure: JournalError | None = None
    owed: dict[Step, Rows] = field(factory=_no_rows)
    queue: deque[Record] = field(factory=deque[Record])
    _wake: threading.Event = field(factory=threading.Event)
    _closing: bool = False
    _retry_at: float = 0.0
    _post: Post | None = None
    _thread: threading.Thread | None = None

    def start(self, post: Post) -> None:
        """Start the thread; it does not keep the process alive."""
        self._post = post
        self._thread = threading.Thread(target=self._run, name="solvestream-journal", daemon=True)
        self._thread.start()
        _RUNNING.add(self)

    def put(self, step: Step, row: tuple[Value, ...], done: Done | None) -> None:
        """Have a row written, and `done` told of it in the owner's thread."""
        self.queue.append((step, row, done))
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Write what is left, and close the store. Blocks."""
        self.end()
        if self._thread is not None:
            self._thread.join()

    def end(self) -> None:
        """Have what is left written and the store closed, without waiting for it."""
        self._closing = True
        self._wake.set()
        if self._thread is None:
            self.store.close()

    def _run(self) -> None:
        try:
            self._write_until_closed()
        finally:
            self.store.close()

    def _write_until_closed(self) -> None:
        while not self._closing or self.queue:
            self._wake.wait(None if self.failure is None else self._retry_at - time.monotonic())
            self._wake.clear()
            self._round()
            if not self._closing:
                time.sleep(self.pace)
        if any(self.owed.values()):
            self.failure = self._commit([], probe=False)

    def _round(self) -> None:
        """Write what has gathered, and tell its owner in one call."""
        before = self.failure
        intents, wanted, noted = self._gather()
        if before is None:
            self.failure = self._commit(intents, probe=False)
        elif time.monotonic() >= self._retry_at:
            self.failure = self._commit([], probe=True)
        refused = before or self.failure
        told = [(done, refused) for done in wanted] + [(done, self.failure) for done in noted]
        if told and self._post is not None:
            try:
                self._post(partial(_tell, told))
            except RuntimeError:
                self._post = None  # its loop is closed: nobody is left to be told

    def _gather(self) -> tuple[Rows, list[Done], list[Done]]:
        """Take all from the queue: intents, who waits for them, and who for the rest."""
        intents: Rows = []
        wanted: list[Done] = []
        noted: list[Done] = []
        for _ in range(len(self.queue)):
            step, row, done = self.queue.popleft()
            if step is INTENT:
                intents.append(row)
            else:
                self.owed[step].append(row)
            if done is not None:
                (wanted if step is INTENT else noted).append(done)
        return intents, wanted, noted

    def _commit(self, intents: Rows, *, probe: bool) -> JournalError | None:
        """Write intents and all that is owed; return why that failed."""
        try:
            self.store.write({**self.owed, INTENT: intents}, probe=probe)
        except Exception as error:  # noqa: BLE001 - told to everyone who waits, and tried again
            self._retry_at = time.monotonic() + self.retry
            self.owed[SAMPLE].clear()  # nothing is paid with them, and they would gather
            return explain(self.store.path, error)
        for rows in self.owed.values():
            rows.clear()
        return None


_RUNNING: WeakSet[Writer] = WeakSet()


@atexit.register
def _close_all() -> None:
    """Write what is left where nobody closed the client before the interpreter ends."""
    for writer in list(_RUNNING):
        if writer.store.lock.held:  # and not in a forked child, which has no thread
            writer.close()


def _tell(told: list[tuple[Done, JournalError | None]]) -> None:
    for done, error in told:
        done(error)
