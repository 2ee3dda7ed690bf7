"""`Jobs`: tasks taken in at once, and results kept for whoever asks later. For web frameworks."""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self

import anyio
from attrs import define, evolve, field

from solvestream._checks import at_least_one
from solvestream.client import Client
from solvestream.errors import Busy, ClientClosed
from solvestream.results import Result
from solvestream.stream import ResultStream
from solvestream.tasks import Task


@define(eq=False)
class _Job:
    result: Result[Any] | None = None
    order: int = 0
    feeds: list[Feed] = field(factory=list["Feed"])


class Jobs:
    """A book of jobs by id, over one stream of a client; bounded, and in memory.

    Args:
        client: an open client.
        limit: jobs under way at most, 1 or more; default 10,000.
        keep: ended jobs remembered at most; the oldest goes first; default 10,000.
        resume: take what an earlier process left in the client's journal as jobs, too, under their
            ids: those that had not ended, and the last `keep` that had, so that an id given again
            after a restart is the job it was. The journal must be for jobs alone.

    Raises `UsageError` for a bound below 1, and when it is to resume without a journal.
    """

    def __init__(
        self, client: Client, *, limit: int = 10_000, keep: int = 10_000, resume: bool = False
    ) -> None:
        at_least_one("limit", limit)
        at_least_one("keep", keep)
        self._client = client
        self._limit = limit
        self._keep = keep
        self._pending: dict[str, _Job] = {}
        self._ended: OrderedDict[str, _Job] = OrderedDict()
        self._queue: deque[Task[Any]] = deque()
        self._more = anyio.Event()
        self._count = 0
        self._resuming = resume
        self._durable = resume
        self._left = client.resume(auto_ack=False) if resume else None
        self._failure: ClientClosed | None = None

    def __repr__(self) -> str:
        return f"<Jobs {len(self._pending)} under way, {len(self._ended)} ended>"

    async def run(self) -> None:
        """Carry the jobs out, until cancelled or the client is closed; start it in a task."""
        try:
            async with anyio.create_task_group() as group:
                if self._left is not None:
                    group.start_soon(self._read, self._left)
                tasks = self._tasks()
                stream = self._client.stream(
                    tasks, in_flight=self._limit, auto_ack=not self._durable
                )
                await self._read(stream)
                group.cancel_scope.cancel()
        finally:
            self._failure = self._failure or ClientClosed("the jobs were stopped")
            for name in list(self._pending):
                self._end(name, Result(tag=name, ok=False, error=self._failure))

    async def _read(self, results: ResultStream[Any]) -> None:
        try:
            async with results:
                async for result in results:
                    self._end(str(result.tag), result)
            self._resuming = False  # the other stream never ends by itself
        except ClientClosed as error:
            self._failure = error

    def add(self, task: Task[Any], name: str | None = None) -> str:
        """Take a task in; returns its id: `name`, or one that cannot be guessed.

        A `name` that is known already is the job it was, and nothing is bought a second time.

        Raises `InvalidTask` for a task that cannot be sent, `Busy` when `limit` jobs are under
        way or it is not known yet whether the name is, and `ClientClosed` once `run` has ended.
        """
        if name is not None and self._known(name):
            return name
        task.check()
        if self._failure is not None:
            raise self._failure
        if len(self._pending) >= self._limit:
            raise Busy(f"{self._limit} jobs are under way; try again later")
        name = name or secrets.token_urlsafe(16)
        self._pending[name] = _Job()
        self._queue.append(evolve(task, tag=name))
        self._more.set()
        return name

    def result(self, name: str) -> Result[Any] | None:
        """Return a job's result, with its id as `tag`; `None` while it is under way.

        Raises `KeyError` for an id that is not known, or not any more, and `Busy` while it is not
        known yet, as earlier jobs are being resumed.
        """
        return self._job(name).result

    def feed(self, names: Iterable[str], after: str | None = None) -> Feed:
        """Return the results of jobs as an async iterator, in the order in which they ended.

        Those that ended before the job `after` did, and itself, are left out; an id that is not
        known leaves out none. Raises as `result` does.
        """
        last = self._ended.get(after or "")
        jobs = [self._job(name) for name in dict.fromkeys(names)]
        return Feed(jobs, 0 if last is None else last.order)

    def _job(self, name: str) -> _Job:
        if not self._known(name):
            raise KeyError(name)
        return self._pending.get(name) or self._ended[name]

    def _known(self, name: str) -> bool:
        known = name in self._pending or name in self._ended
        if not known and self._resuming:
            raise Busy("jobs of an earlier process are being looked up; ask again later")
        return known

    async def _tasks(self) -> AsyncIterator[Task[Any]]:
        while True:
            while self._queue:
                yield self._queue.popleft()
            self._more = anyio.Event()
            await self._more.wait()

    def _end(self, name: str, result: Result[Any]) -> None:
        self._count += 1
        job = self._ended[name] = self._pending.pop(name, _Job())
        job.order = self._count
        job.result = evolve(result, task=None)  # which may hold an image
        for feed in job.feeds:
            feed.take(job)
        job.feeds.clear()
        if len(self._ended) > self._keep:
            _, gone = self._ended.popitem(last=False)
            if self._durable and gone.result is not None and self._failure is None:
                self._client.ack(gone.result)


class Feed:
    """Results of some jobs; made by `Jobs.feed`. An async iterator and context manager."""

    def __init__(self, jobs: Iterable[_Job], after: int) -> None:
        self._waiting: set[_Job] = set()
        ended: list[_Job] = []
        for job in jobs:
            if job.result is None:
                self._waiting.add(job)
                job.feeds.append(self)
            elif job.order > after:
                ended.append(job)
        self._ready = deque(sorted(ended, key=lambda job: job.order))
        self._there = anyio.Event()

    def take(self, job: _Job) -> None:
        """Note that a job has ended."""
        self._waiting.discard(job)
        self._ready.append(job)
        self._there.set()

    @property
    def finished(self) -> bool:
        """Nothing more will come."""
        return not self._ready and not self._waiting

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Result[Any]:
        """Return the next result; a cancelled reader loses none."""
        while not self._ready:
            if not self._waiting:
                raise StopAsyncIteration
            self._there = anyio.Event()
            await self._there.wait()
        result = self._ready.popleft().result
        assert result is not None
        return result

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for job in self._waiting:
            job.feeds.remove(self)
        self._waiting.clear()
