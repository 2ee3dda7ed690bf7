"""The client's side of the journal: which step of a job is written when, and what waits for it.

An intent is written before a byte of the submit leaves, an answer before it is handed over,
and it stays until the user has come back for the next (TRUST.md, G3).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from attrs import define, evolve, field

from solvestream._core.job import Job
from solvestream._core.lifecycle import State
from solvestream._core.planner import Planner
from solvestream._core.scheduler import Scheduler
from solvestream._journal.values import Entry, Sample
from solvestream.errors import JournalError, SolvestreamError, SubmitUnknown
from solvestream.results import Result, Ticket
from solvestream.solutions import Solution

if TYPE_CHECKING:
    from solvestream._journal.journal import Journal

Noted = Callable[[JournalError | None], None]
IN_DOUBT = (
    "the process ended between sending the task and noting its id; it may have been paid, and "
    "is not sent again"
)


SAMPLED = 1.0
"""Seconds between samples of an account at least."""
LOOKED = 256
"""Moments of looks that are noted for one job: the first ones, and the last."""

_MAY_HAVE_COST = {State.UNKNOWN, State.FAILED}
"""Ends of a submit that say nothing of its price, or say it themselves."""


@define(eq=False)
class Recorder:
    """Writes what happens to jobs into a journal.

    A row is acknowledged with the very end that was noted in it, and with nothing else that
    was told of its job: a deadline that passed during an exchange, or that the client closed.

    Attributes:
        journal: open and started.
        wall: seconds from the monotonic clock to the epoch.
        left: what earlier processes left and nobody has taken up yet, by `job_key`.
        ending: ended jobs whose end is being written, by account and id.
    """

    journal: Journal
    wall: float
    now: Callable[[], float]
    left: dict[str, Entry] = field(init=False)
    ending: dict[tuple[str, str], Job] = field(factory=dict[tuple[str, str], Job])
    _ends: dict[str, object] = field(factory=dict[str, object])
    _handed: set[str] = field(factory=set[str])
    _looked: dict[Job, array[float]] = field(factory=dict[Job, "array[float]"])
    _sampled: dict[str, Sample] = field(factory=dict[str, Sample])
    _sample_at: float = -math.inf
    _scheduler: Scheduler | None = None

    def __attrs_post_init__(self) -> None:
        self.left = {entry.job_key: entry for entry in self.journal.left()}
        for key, entry in self.left.items():
            if entry.ended_at is not None:
                self._ends[key] = _end_of(entry.result())

    def unclaimed(self) -> Iterator[Entry]:
        """Yield what was left, without what is taken up meanwhile."""
        for key in list(self.left):
            if (entry := self.left.get(key)) is not None:
                yield entry

    def is_open(self, key: str) -> bool:
        """Whether a job of this key has a result that nobody has taken yet."""
        if key in self._handed:
            self._close(key)
        return self.journal.row_of(key) is not None

    async def aclose(self) -> None:
        """Write what is left and let go of the file; raises `JournalError` when that fails."""
        if self._scheduler is not None:
            self._sample_all(self._scheduler, self.now())
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.journal.close)

    # A job's way

    def intent(self, job: Job, account: str, noted: Noted) -> None:
        """Note what is about to be bought; it may be sent once `noted` is called with `None`."""
        if self.journal.row_of(job.key) is not None:
            noted(None)  # an earlier attempt may have been paid, and is not yet closed
            return
        now = self.now()
        self.journal.intent(
            job_key=job.key,
            account=account,
            kind=job.kind,
            queued_at=job.born + self.wall,
            submitted_at=now + self.wall,
            tag=job.task.tag,
            done=noted,
        )

    def submitted(self, job: Job) -> None:
        """Note what came of a submit: an id, or the certainty that nothing was bought.

        What was certainly not bought is no matter of the journal, however it ended.
        """
        row = self.journal.row_of(job.key)
        if row is None:
            return
        if job.account:
            at = job.accepted_at + self.wall
            self.journal.accepted(row, at=at, task_id=job.task_id or None)
        elif not job.doubts and job.state not in _MAY_HAVE_COST:
            self.journal.refused(row)

    def adopted(self, ticket: Ticket) -> None:
        """Note a ticket that is taken up from outside, so that its answer is not lost."""
        self.left.pop(ticket.job_key, None)
        if self.journal.row_of(ticket.job_key) is None:
            self.journal.adopted(
                job_key=ticket.job_key,
                account=ticket.account,
                kind=ticket.kind,
                task_id=ticket.task_id,
                accepted_at=ticket.submitted_at,
            )

    def looked(self, jobs: Sequence[Job], now: float) -> None:
        """Remember when jobs were looked at, until they end."""
        for job in jobs:
            moments = self._looked.get(job)
            if moments is None:
                self._looked[job] = moments = array("f")
            elif len(moments) == LOOKED:
                moments.pop()
            moments.append(now - job.accepted_at)

    def ended(self, job: Job, result: Result[Solution], noted: Callable[[], None]) -> bool:
        """Note how a job ended and call `noted` then; `False` for one the journal does not hold.

        An end that cannot be written now is told all the same: it is written when writing works.
        """
        looked = self._looked.pop(job, ())
        row = self.journal.row_of(job.key)
        if row is None:
            return False
        place = (job.account, job.task_id or job.key)  # as on its ticket
        self.ending[place] = job
        self._ends[job.key] = _end_of(result)
        self._handed.discard(job.key)  # what was handed over was an earlier end

        def done(_: JournalError | None) -> None:
            self.ending.pop(place, None)
            noted()

        self.journal.ended(
            row,
            at=self.now() + self.wall,
            solution=result.solution if result.ok else None,
            error=result.error,
            looks=result.polls,
            looked=looked,
            cost=result.cost,
            expires_at=result.expires_at,
            done=done,
        )
        return True

    # Those who have it

    def hand_over(self, result: Result[Solution]) -> None:
        """Remember a result as handed over, and not yet acknowledged."""
        if (key := self._ended_with(result)) is not None:
            self._handed.add(key)

    def acknowledge(self, result: Result[Solution]) -> None:
        """Note that the user has a result; too late once the journal is closed."""
        if (key := self._ended_with(result)) is not None:
            self._close(key)

    def _ended_with(self, result: Result[Solution]) -> str | None:
        """Return the key of the job whose row ended with just this result."""
        source = result.ticket or result.error
        if source is None or source.job_key is None:
            return None
        return source.job_key if self._ends.get(source.job_key) is _end_of(result) else None

    def _close(self, key: str) -> None:
        row = self.journal.row_of(key)
        if row is not None and self.journal.held:
            self._handed.discard(key)
            del self._ends[key]
            self.journal.acked(row, at=self.now() + self.wall)

    # Accounts

    def sample(self, scheduler: Scheduler, now: float) -> None:
        """Note how the accounts stand, at most once a second and where that has changed."""
        if now >= self._sample_at:
            self._sample_at = now + SAMPLED
            self._scheduler = scheduler
            self._sample_all(scheduler, now)

    def _sample_all(self, scheduler: Scheduler, now: float) -> None:
        queued = len(scheduler.backlog)
        for name, planner in scheduler.planners.items():
            sample = _sample(planner, queued, now, now + self.wall)
            if self._sampled.get(name) != evolve(sample, at=0.0) and self.journal.held:
                self._sampled[name] = evolve(sample, at=0.0)
                self.journal.sampled(sample)

    # What was left

    def doubted(self, entry: Entry) -> Result[Solution]:
        """End an intent whose process ended: it may have been bought, and is never sent again."""
        error = SubmitUnknown(
            IN_DOUBT,
            account=entry.account,
            job_key=entry.job_key,
            verdict="unknown",
            charged="maybe",
        )
        self.journal.ended(entry.row, at=self.now() + self.wall, error=error)
        self._ends[entry.job_key] = error
        return doubtful(entry, error)


def doubtful(entry: Entry, error: SolvestreamError) -> Result[Solution]:
    """Return the result of an entry that has no answer."""
    return evolve(entry.result(), ok=False, error=error, redelivered=False)


def _end_of(result: Result[Solution]) -> object:
    return result.solution if result.error is None else result.error


def _sample(planner: Planner, queued: int, now: float, at: float) -> Sample:
    counts = planner.counts
    return Sample(
        at=at,
        account=planner.name,
        queued=queued,
        in_flight=planner.gate.under_way,
        limit=planner.gate.limit,
        gate="closed" if planner.gate.closed else "open",
        breaker=planner.health.breaker.state(now).value,
        submits=counts.submits,
        refused=counts.refused,
        throttled=counts.throttled,
        looks=counts.looks,
        troubles=counts.troubles,
        spent=counts.spent,
    )
