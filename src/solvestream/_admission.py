"""Admission: where tasks and tickets come in, and where results are kept that nobody waits for."""

from __future__ import annotations

import itertools
import math
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from weakref import WeakSet

from attrs import define, evolve, field

from solvestream._checks import same
from solvestream._core.job import Ended, Job, Unfit
from solvestream._core.lifecycle import State
from solvestream._core.scheduler import Scheduler
from solvestream._endings import result_of
from solvestream._engine import Engine, Sink
from solvestream._journal.values import Entry
from solvestream._recorder import doubtful
from solvestream._waiting import Keeper, Shared
from solvestream.errors import ClientClosed, InvalidTask, SolvestreamError, UsageError
from solvestream.providers._protocol import Provider
from solvestream.results import Result, Ticket
from solvestream.solutions import Solution
from solvestream.stream import Outbox
from solvestream.tasks import Task

KEPT = 10_000
"""Results kept at most for tickets nobody has waited on yet."""


@define(eq=False)
class Admission:
    """Turns tasks, tickets and what the journal left into jobs of a client.

    Attributes:
        accounts: by name.
        scheduler: where jobs are queued.
        engine: runs them; set when the client is opened.
        kept: results nobody waits for, by account and id.
        dropped: results that were kept and had to go, as there were too many.
    """

    accounts: dict[str, Provider]
    scheduler: Scheduler
    engine: Engine = field(init=False)
    kept: OrderedDict[tuple[str, str], Result[Solution]] = field(
        factory=OrderedDict[tuple[str, str], "Result[Solution]"]
    )
    dropped: int = 0
    _seq: Iterator[int] = field(factory=itertools.count)
    _prefix: str = field(factory=lambda: secrets.token_hex(4))
    _keys: dict[str, Shared] = field(factory=dict[str, Shared])
    _outboxes: WeakSet[Outbox] = field(factory=WeakSet[Outbox])

    # Coming in

    def admit(self, task: object, sink: Sink) -> Job:
        """Take a task, or an entry of the journal; a bad one is answered at once."""
        engine = self.engine
        if engine.closing:
            raise ClientClosed(engine.failure or "the client is closed; build a new one")
        now = engine.now()
        job = Job(kind="", seq=next(self._seq), born=now, prefix=self._prefix, sink=sink)
        sink.admitted(job)
        error = self._take_in(job, task, now)
        if error is not None:
            error.job_key = job.key
            ended = Ended(job, Unfit(error), None)
            self._answer(job, result_of(ended, now=now, wall=engine.wall, ttl=None))
        engine.kick()
        return job

    def adopt(self, ticket: Ticket, sink: Sink, deadline: float | None = None) -> Job:
        """Take up a ticket; `deadline` in seconds from now, by default the account's own."""
        job = Job(kind="", seq=next(self._seq), born=self.now(), sink=sink)
        recorder = self.engine.recorder
        if recorder is not None:
            entry = recorder.left.get(ticket.job_key)
            if entry is not None and entry.state not in {"accepted", "expired"}:
                self._take_entry(job, entry)
                return job
            recorder.adopted(ticket)
        self._take_up(job, ticket, deadline)
        self.engine.kick()
        return job

    def _take_in(self, job: Job, task: object, now: float) -> SolvestreamError | None:
        """Queue a job for a task, or return what is wrong with the task."""
        try:
            if isinstance(task, Entry):
                self._take_entry(job, task)
                return None
            self._fill(job, task, now)
            if job.given_key is None:
                self._add(job, now)
            elif (entry := self._left(job)) is not None and entry.state != "accepted":
                self._take_entry(job, entry)
            else:
                self._share(job, entry)
        except InvalidTask as error:
            return error.with_traceback(None)
        except Exception as error:  # noqa: BLE001 - a field of a type that no check thought of
            name = type(error).__name__
        else:
            return None
        return InvalidTask(field="task", value=task, fix=f"a field has a wrong type ({name})")

    def _fill(self, job: Job, task: object, now: float) -> None:
        if not isinstance(task, Task):
            fix = "give one of solvestream's tasks, as ImageToText(...)"
            raise InvalidTask(field="task", value=type(task).__name__, fix=fix)
        job.task = task
        job.task.check()
        if not self.scheduler.route(task.kind):
            fix = f"none of the accounts ({', '.join(self.accounts)}) takes it; add one that does"
            raise InvalidTask(field="task", value=task.kind, fix=fix)
        job.kind = task.kind
        job.priority = task.priority
        job.given_key = task.job_key
        if task.deadline is not None:
            job.deadline = now + task.deadline

    def _left(self, job: Job) -> Entry | None:
        """Return what an earlier process left of a job's key, unless it is taken up already."""
        recorder = self.engine.recorder
        if recorder is None or job.key in self._keys:
            return None
        if (entry := recorder.left.get(job.key)) is None and recorder.is_open(job.key):
            fix = "the result of an earlier task of this key was not read yet; read it first"
            raise InvalidTask(field="job_key", value=job.key, fix=fix)
        return entry

    def _share(self, job: Job, entry: Entry | None) -> None:
        """Let a job share what is bought, or was left, for all of its key."""
        shared = self._keys.get(job.key)
        first = shared is None
        if shared is None:
            shared = self._keys[job.key] = Shared(self, evolve(job, deadline=-math.inf))
            shared.bought.sink = shared
        elif not same(shared.bought.task, job.task):
            fix = "another task under way has this key; give each its own"
            raise InvalidTask(field="job_key", value=job.key, fix=fix)
        self.scheduler.join(job, shared.bought)
        shared.join(job)
        if first and entry is None:
            self._add(shared.bought, self.now())
        elif entry is not None:
            self._take_entry(shared.bought, entry)

    def _add(self, job: Job, now: float) -> None:
        self.scheduler.add(job, now)
        if (observer := self.engine.observer) is not None:
            observer.queued(job, now)

    def _answer(self, job: Job, result: Result[Solution]) -> None:
        """End a job that never came to the scheduler."""
        if (observer := self.engine.observer) is not None:
            observer.ended(job, result, self.now())
        job.sink.deliver(job, result)

    def _take_entry(self, job: Job, entry: Entry) -> None:
        """Take up what an earlier process left: its answer, its id, or the doubt about it."""
        recorder = self.engine.recorder
        assert recorder is not None
        recorder.left.pop(entry.job_key, None)
        job.given_key = entry.job_key
        if job.task is None:
            job.task = entry
        if entry.ticket is not None and entry.state == "accepted":
            if entry.account in self.accounts:
                self._take_up(job, entry.ticket, None)
                job.sink.accepted(job)
                return
            names = ", ".join(self.accounts)
            why = UsageError(f"resume: its account is {entry.account!r}, this client has {names}")
            result = doubtful(entry, why)
        elif entry.state == "intent":
            result = recorder.doubted(entry)
        else:
            result = entry.result()
        task: Task[Solution] | Entry = job.task
        if isinstance(task, Task):
            result = evolve(result, task=task, tag=task.tag)
        if (ticket := entry.ticket) is not None:
            job.account, job.task_id = ticket.account, ticket.task_id
            job.accepted_at = ticket.submitted_at - self.engine.wall
        self._answer(job, result)

    def _take_up(self, job: Job, ticket: Ticket, deadline: float | None) -> None:
        now = self.now()
        pace = self.accounts[ticket.account].capabilities.pace(ticket.kind)
        job.kind = ticket.kind
        job.given_key = ticket.job_key
        if job.deadline == math.inf:
            job.deadline = now + (pace.deadline if deadline is None else deadline)
        age = max(0.0, self.wall_now() - ticket.submitted_at)
        self.scheduler.adopt(job, ticket.account, ticket.task_id, now - age, now)
        if (observer := self.engine.observer) is not None:
            observer.adopted(ticket, now)

    # Going out

    def release(self, job: Job) -> None:
        """Drop a job nobody waits for: not sent if it was not, kept if it was paid."""
        sink = job.sink
        if isinstance(sink, Shared):
            sink.leave(job)
        elif not self.withdraw(job):
            job.sink = Keeper(self)

    def stop(self, job: Job) -> Job | None:
        """Send a job no more; returns the one bought for it, or `None` where it was dropped."""
        shared = job.sink if isinstance(job.sink, Shared) else None
        bought = job if shared is None else shared.bought
        if bought.state is State.QUEUED:
            self.release(job)
            return None
        if shared is None or len(shared.waiting) == 1:
            self.withdraw(bought)
        return bought

    def withdraw(self, job: Job) -> bool:
        """Drop a job that was not sent; `False` when it was."""
        withdrawn = self.scheduler.withdraw(job)
        if withdrawn and (observer := self.engine.observer) is not None:
            observer.withdrawn(job, self.now())
        return withdrawn

    def keep(self, result: Result[Solution]) -> None:
        """Keep a result nobody waits for, for its ticket."""
        if result.ticket is None:
            return
        self.kept[result.ticket.account, result.ticket.task_id] = result
        if len(self.kept) > KEPT:
            self.kept.popitem(last=False)
            self.dropped += 1

    def part(self, job: Job) -> None:
        """Watch no longer over the deadline of a job that shares another's result."""
        self.scheduler.part(job)

    def forget(self, key: str) -> None:
        """Let go of a `job_key` that has ended."""
        self._keys.pop(key, None)

    def hand_over(self, result: Result[Solution]) -> None:
        """Note that a reader gets a result."""
        if self.engine.recorder is not None:
            self.engine.recorder.hand_over(result)

    def acknowledge(self, result: Result[Solution]) -> None:
        """Note that the user has a result; the journal need not hold it any longer."""
        if self.engine.recorder is not None:
            self.engine.recorder.acknowledge(result)
        if self.engine.observer is not None:
            self.engine.observer.taken(result, self.now())

    # Around streams

    def feed(self, outbox: Outbox) -> None:
        """Start the task that feeds a stream."""
        self._outboxes.add(outbox)
        self.engine.spawn(outbox.feed)

    def unread(self) -> tuple[int, int]:
        """Count results that have come and wait to be read, and of these the stale ones."""
        results = list(self.kept.values())
        for outbox in tuple(self._outboxes):
            results += outbox.unread
        now = self.wall_now() if results else math.inf
        return len(results), sum(
            one.expires_at is not None and one.expires_at <= now for one in results
        )

    def now(self) -> float:
        """Return the moment, in monotonic seconds."""
        return self.engine.now()

    def wall_now(self) -> float:
        """Return seconds since the epoch, by a clock that never jumps."""
        return self.engine.now() + self.engine.wall

    def why_cut(self) -> Exception:
        """Return what to tell the reader of a stream whose source was cut."""
        if self.engine.closing:
            return ClientClosed("the client was closed before the source of the tasks ended")
        return UsageError("tasks: the source was cancelled before it ended")
