"""Who waits for a job: a caller, nobody, or several at once. Streams have `stream.Outbox`."""

from __future__ import annotations

from typing import Protocol

import anyio
from attrs import define, evolve, field

from solvestream._core.job import Job
from solvestream._engine import Sink
from solvestream.results import Result
from solvestream.solutions import Solution


class Host(Protocol):
    """What those who wait need of their client."""

    def release(self, job: Job) -> None:
        """Drop a job nobody waits for: not sent if it was not, kept if it was paid."""
        ...

    def withdraw(self, job: Job) -> bool:
        """Drop a job that was not sent; `False` when it was."""
        ...

    def keep(self, result: Result[Solution]) -> None:
        """Keep a result nobody waits for, for its ticket."""
        ...

    def part(self, job: Job) -> None:
        """Watch no longer over the deadline of a job that shares another's result."""
        ...

    def forget(self, key: str) -> None:
        """Let go of a `job_key` that has ended."""
        ...


@define(eq=False)
class Waiter:
    """A caller that waits for one job to end."""

    there: anyio.Event = field(factory=anyio.Event)
    result: Result[Solution] | None = None

    def admitted(self, job: Job) -> None:
        """Nothing to do: it has one job only."""

    def accepted(self, job: Job) -> None:
        """Nothing to do: it waits for the end."""

    def deliver(self, job: Job, result: Result[Solution]) -> None:
        """Take the result and wake the caller."""
        self.result = result
        self.there.set()


@define(eq=False)
class Keeper:
    """Stands in where nobody waits: the result is kept for its ticket."""

    client: Host

    def admitted(self, job: Job) -> None:
        """Nothing to do."""

    def accepted(self, job: Job) -> None:
        """Nothing to do."""

    def deliver(self, job: Job, result: Result[Solution]) -> None:
        """Keep the result."""
        self.client.keep(result)


@define(eq=False)
class Buyer(Waiter):
    """A caller of `submit`, who waits for the id and then leaves."""

    client: Host = field(kw_only=True)

    def accepted(self, job: Job) -> None:
        """Wake the caller, who has what it came for."""
        self.there.set()
        self.client.release(job)


@define(eq=False)
class Shared:
    """All who wait for one `job_key`: one task is bought, and each gets its result."""

    client: Host
    bought: Job
    waiting: dict[Job, Sink] = field(factory=dict[Job, Sink])

    def join(self, job: Job) -> None:
        """Take in another job of the same key; each has a deadline of its own."""
        self.bought.wanted = True
        self.waiting[job] = job.sink
        job.sink = self
        if self.bought.account:
            self._tell(job, self.waiting[job])

    def admitted(self, job: Job) -> None:
        """Nothing to do: who joins has been told."""

    def leave(self, job: Job) -> None:
        """Let a job go; the bought one is dropped when it was the last and not sent."""
        self.waiting.pop(job, None)
        self.client.part(job)
        if not self.waiting and self.client.withdraw(self.bought):
            self.client.forget(self.bought.key)

    def accepted(self, job: Job) -> None:
        """Tell everyone the id."""
        for waiting, sink in list(self.waiting.items()):
            self._tell(waiting, sink)

    def _tell(self, job: Job, sink: Sink) -> None:
        bought = self.bought
        job.account, job.task_id, job.accepted_at = (
            bought.account,
            bought.task_id,
            bought.accepted_at,
        )
        sink.accepted(job)

    def deliver(self, job: Job, result: Result[Solution]) -> None:
        """Give everyone the result, each with their own task and tag.

        One who joined and can wait no longer gets a result of its own.
        """
        if job is not self.bought:
            if (sink := self.waiting.get(job)) is not None:
                self.leave(job)
                sink.deliver(job, result)
            return
        self.client.part(job)
        self.client.forget(job.key)
        if not self.waiting:
            self.client.keep(result)
        for waiting, sink in self.waiting.items():
            self.client.part(waiting)
            task = waiting.task
            tag = None if task is None else task.tag
            sink.deliver(waiting, evolve(result, task=task, tag=tag))
