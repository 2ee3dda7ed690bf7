"""`Journal`: what its owner, an event loop, calls. Nothing here waits but `open` and `close`."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Self

from attrs import astuple, define, field

from solvestream._journal import values
from solvestream._journal.lock import ProcessLock
from solvestream._journal.store import (
    ACCEPTED,
    ACKED,
    ADOPTED,
    ENDED,
    INTENT,
    REFUSED,
    SAMPLE,
    Step,
    Store,
    Synchronous,
    Value,
)
from solvestream._journal.values import Entry, Sample
from solvestream._journal.writer import PACE, Done, Post, Writer
from solvestream.errors import JournalError, SolvestreamError, UsageError
from solvestream.solutions import Solution

BOUND = 100_000
"""Records waiting to be written, above which nothing more is bought."""


@define(eq=False)
class Journal:
    """One process's hold on a journal file.

    `open` it in a thread, `start` it in the loop, `close` it in a thread. All other methods
    belong to the loop's own thread, return at once, and write in the order of a job's life:
    `intent` (or `adopted`), `accepted`, `ended`, `acked`. `done`, where given, is called in the
    loop after the commit with `None`, or with the `JournalError` that kept it from being
    written; it must not raise. After such an error of an `intent` nothing may be sent. All
    other records are kept in memory then, and written when writing works again.

    A job that is submitted again, as it found no slot, has its attempt `refused` and gets a
    new `intent`. Times are seconds since the epoch. A row that is not open is a `UsageError`,
    as is a `job_key` that is.
    """

    path: Path
    _lock: ProcessLock
    _writer: Writer
    _left: tuple[Entry, ...]
    _next: int
    _post: Post | None = None
    _rows: dict[str, int] = field(factory=dict[str, int])
    _keys: dict[int, str] = field(factory=dict[int, str])

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        keep: int = 100_000,
        synchronous: Synchronous = "normal",
        retry: float = 1.0,
        pace: float = PACE,
    ) -> Self:
        """Open a journal, or create it for its owner's eyes alone (mode 0600). Blocks.

        Args:
            path: on a local disk.
            keep: acknowledged jobs kept for reports, without their answers, to within 1,000.
            synchronous: `normal` survives the end of the process, `full` also of the power.
            retry: seconds between attempts to write while that fails.
            pace: seconds between commits at least, while there is much to write.

        Raises `JournalError` when another process has it, when it cannot be written, and for
        a file that is broken, none of ours, or of another version; such a file is not changed.
        """
        place = Path(path).resolve()
        if place.is_dir():
            raise JournalError(f"journal {place}: it is a directory; give the path of a file")
        store = Store.open(place, keep=keep, synchronous=synchronous)
        writer = Writer(store, retry, pace)
        journal = cls(place, store.lock, writer, store.left, store.last + 1)
        weakref.finalize(journal, writer.end).atexit = False  # the writer sees to that itself
        for entry in store.left:
            journal._open(entry.row, entry.job_key)
        return journal

    def start(self, post: Post) -> None:
        """Start the writer; `post` calls a function soon in the loop, from any thread."""
        self._post = post
        self._writer.start(post)

    def close(self) -> None:
        """Write what is waiting, and let go of the file. Blocks. Idempotent.

        Raises `JournalError` when records of what is paid could not be written.
        """
        if not self.held:
            return
        self._writer.close()
        if owed := sum(map(len, self._writer.owed.values())):
            raise JournalError(f"{self._writer.failure}; {owed} records of paid tasks are lost")

    def left(self) -> tuple[Entry, ...]:
        """Return what earlier processes left unacknowledged, oldest first.

        A row of state `intent` may have been bought, and is never sent again. Rows stay open,
        and are `ended` and `acked` by their numbers.
        """
        return self._left

    def row_of(self, job_key: str) -> int | None:
        """Return the open row of a job, this process's or an earlier one's."""
        return self._rows.get(job_key)

    @property
    def held(self) -> bool:
        """Whether this process may write: not after `close`, and not in a forked child."""
        return self._lock.held

    @property
    def failure(self) -> JournalError | None:
        """Why nothing can be written now, and so nothing may be bought; `None` in good times."""
        return self._writer.failure

    @property
    def waiting(self) -> int:
        """Records that wait to be written; above 100,000 every `intent` is refused."""
        return len(self._writer.queue)

    # Steps of a job

    def intent(
        self,
        *,
        job_key: str,
        account: str,
        kind: str,
        queued_at: float,
        submitted_at: float,
        done: Done,
        tag: object = None,
    ) -> int:
        """Note what is about to be bought, and return its row. Send nothing before `done`."""
        row = self._new(job_key)
        if self.waiting >= BOUND:
            why = f"journal {self.path}: {BOUND} records wait for the disk; submit more slowly"
            assert self._post is not None
            self._post(partial(self._noted, row, done, JournalError(why)))
        else:
            intent = _intent(row, job_key, account, kind, tag, queued_at, submitted_at)
            self._put(INTENT, intent, partial(self._noted, row, done))
        return row

    def adopted(
        self,
        *,
        job_key: str,
        account: str,
        kind: str,
        task_id: str,
        accepted_at: float,
        tag: object = None,
        done: Done | None = None,
    ) -> int:
        """Note a ticket that is taken up, whose answer shall not be lost; return its row."""
        row = self._new(job_key)
        intent = _intent(row, job_key, account, kind, tag, accepted_at, accepted_at)
        self._put(ADOPTED, (*intent, accepted_at, values.encode_text(task_id)), done)
        return row

    def refused(self, row: int) -> None:
        """Take an intent back: it is certain that nothing was bought."""
        self._close_row(row)
        self._put(REFUSED, (row,), None)

    def accepted(
        self, row: int, *, at: float, task_id: str | None = None, done: Done | None = None
    ) -> None:
        """Note that it was bought; without an id when its answer came at once."""
        self._check(row)
        known = None if task_id is None else values.encode_text(task_id)
        self._put(ACCEPTED, (row, at, known), done)

    def ended(
        self,
        row: int,
        *,
        at: float,
        solution: Solution | None = None,
        error: SolvestreamError | None = None,
        looks: int = 0,
        looked: Sequence[float] = (),
        cost: float | None = None,
        expires_at: float | None = None,
        done: Done | None = None,
    ) -> None:
        """Note the answer, or the error that is the end; hand it over after `done`.

        A task that goes on elsewhere, as when the client is closed, has not ended. Of two ends
        the first stands, but an answer takes the place of an error.
        """
        self._check(row)
        why = None if error is None else values.encode_error(error)
        answer = None if solution is None else values.encode_solution(solution)
        seen = (looks, values.encode_looked(looked))
        self._put(ENDED, (row, at, *seen, _real(cost), _real(expires_at), why, answer), done)

    def acked(self, row: int, *, at: float, done: Done | None = None) -> None:
        """Note that the user has it. The answer is no longer stored, and the row is closed."""
        self._close_row(row)
        self._put(ACKED, (row, at, None), done)

    def sampled(self, sample: Sample) -> None:
        """Note how an account stands; nothing waits for it, and it is lost when writing fails."""
        at, account, *rest = astuple(sample)
        self._put(SAMPLE, (at, values.encode_text(account), *rest), None)

    # Inside

    def _put(self, step: Step, row: tuple[Value, ...], done: Done | None) -> None:
        if not self.held:
            raise JournalError(f"journal {self.path}: it is closed, or open in a parent process")
        self._writer.put(step, row, done)

    def _new(self, job_key: str) -> int:
        if job_key in self._rows:
            raise UsageError(f"journal: the job {job_key!r} is open in it already")
        row, self._next = self._next, self._next + 1
        self._open(row, job_key)
        return row

    def _open(self, row: int, job_key: str) -> None:
        self._rows[job_key] = row
        self._keys[row] = job_key

    def _check(self, row: int) -> str:
        key = self._keys.get(row)
        if key is None:
            raise UsageError(f"journal: row {row} is not open")
        return key

    def _close_row(self, row: int) -> None:
        del self._rows[self._check(row)], self._keys[row]

    def _noted(self, row: int, done: Done, error: JournalError | None) -> None:
        """Pass on what became of an intent; one that was not written is no longer open.

        The error is shared by all that could not be written, and each job gets its own.
        """
        if error is not None and row in self._keys:
            self._close_row(row)
        done(None if error is None else JournalError(*error.args))


def _real(number: float | None) -> float | None:
    """A service's number as SQLite takes it, however many digits it has."""
    try:
        return None if number is None else float(number)
    except OverflowError:
        return math.inf


def _intent(
    row: int,
    job_key: str,
    account: str,
    kind: str,
    tag: object,
    queued_at: float,
    submitted_at: float,
) -> tuple[Value, ...]:
    text = values.encode_text
    stored = values.encode_tag(tag)
    return (row, text(job_key), text(account), text(kind), stored, queued_at, submitted_at)
