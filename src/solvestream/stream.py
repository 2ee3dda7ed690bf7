"""`ResultStream`: tasks in from any iterable, results out through an async iterator.

The client owns the running tasks; the stream only feeds and hands over. So a `break`, a
cancelled reader or garbage collection harms nothing: tasks not yet submitted are dropped,
what was paid goes on, and its result is kept for `Client.wait(ticket)`.

Results are handed over from a deque and an event. Nothing is taken out before the reader
runs again, so a cancelled reader loses nothing (an anyio memory stream would: TRUST.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import warnings
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Generator,
    Iterable,
    Iterator,
)
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Generic, Literal, Protocol, cast

import anyio
import anyio.lowlevel
from attrs import define, evolve, field, frozen

from solvestream._core.job import Job
from solvestream.results import Result
from solvestream.solutions import S_co, Solution

Stale = Literal["keep", "drop", "resubmit"]

SOURCE_BURST = 0.002
"""Seconds for which tasks are taken from a source before other tasks of the loop may run."""
FEEDING: ContextVar[object] = ContextVar("FEEDING", default=None)
"""The client whose source is running, so that it cannot be closed from inside of it."""


class Host(Protocol):
    """What a stream needs of its client."""

    def admit(self, task: object, sink: Outbox) -> Job:
        """Take a task; a bad one is answered at once through the sink."""
        ...

    def release(self, job: Job) -> None:
        """Drop a job nobody waits for: not sent if it was not, kept if it was paid."""
        ...

    def stop(self, job: Job) -> Job | None:
        """Send a job no more; returns the one bought for it, or `None` where it was dropped."""
        ...

    def keep(self, result: Result[Solution]) -> None:
        """Keep a result nobody waits for."""
        ...

    def hand_over(self, result: Result[Solution]) -> None:
        """Note that a reader gets a result."""
        ...

    def acknowledge(self, result: Result[Solution]) -> None:
        """Note that a reader has done with a result."""
        ...

    def now(self) -> float:
        """Return the moment, in monotonic seconds."""
        ...

    def why_cut(self) -> Exception:
        """Return what to tell the reader of a stream whose source was cut."""
        ...

    def wall_now(self) -> float:
        """Return seconds since the epoch."""
        ...

    def feed(self, outbox: Outbox) -> None:
        """Start the task that feeds a stream."""
        ...


@frozen(kw_only=True)
class Draining:
    """What a stopped stream still waits for.

    Attributes:
        tasks: paid, or with their submit on the wire.
        seconds: until the last of their deadlines, as far as it is known.
    """

    tasks: int
    seconds: float


@define(eq=False)
class Outbox:
    """Between the engine and one reader: what is under way, and what is ready to be read.

    Attributes:
        window: tasks taken from the source and not yet read at most.
        auto_ack: the reader has done with a result when it comes back for the next.
    """

    host: Host
    source: Iterable[Any] | AsyncIterable[Any]
    window: int
    ordered: bool
    stale: Stale
    auto_ack: bool = True
    failure: BaseException | None = None
    exhausted: bool = False
    detached: bool = False
    under_way: set[Job] = field(factory=set[Job])
    ready: deque[tuple[Job, Result[Solution]]] = field(
        factory=deque[tuple[Job, "Result[Solution]"]]
    )
    _read: Result[Solution] | None = None
    _order: deque[Job] = field(factory=deque[Job])
    _again: set[Job] = field(factory=set[Job])
    _early: dict[Job, Result[Solution]] = field(factory=dict[Job, "Result[Solution]"])
    _there: anyio.Event = field(factory=anyio.Event)
    _room: anyio.Event = field(factory=anyio.Event)
    _scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    _token: object = field(factory=anyio.lowlevel.current_token)
    _loop: object = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._loop = running_loop()

    # The engine's side

    def admitted(self, job: Job) -> None:
        """Count the job as under way, in its order."""
        self.under_way.add(job)
        if self.ordered:
            self._order.append(job)

    def accepted(self, job: Job) -> None:
        """Nothing to do: a stream waits for results."""

    def deliver(self, job: Job, result: Result[Solution]) -> None:
        """Take a result; once detached, it is kept for its ticket."""
        self.under_way.discard(job)
        if self.detached:
            self.host.keep(result)
        elif self.ordered:
            self._early[job] = result
        else:
            self.ready.append((job, result))
        self._there.set()

    # The source's side

    async def feed(self) -> None:
        """Take tasks from the source while there is room, until it ends or nobody reads.

        The source is the user's: whatever it raises is for its reader, and ends nothing else.
        """
        FEEDING.set(self.host)
        try:
            with self._scope:
                if isinstance(self.source, AsyncIterable):
                    await self._feed_async(aiter(self.source))
                else:
                    await self._feed_sync(iter(self.source))
        except (KeyboardInterrupt, SystemExit):
            raise
        except anyio.get_cancelled_exc_class():
            self.failure = self.host.why_cut()
        except BaseException as error:  # noqa: BLE001 - handed to the reader after the results
            self.failure = error
        finally:
            self.exhausted = True
            self._there.set()
            with anyio.CancelScope(shield=True):
                await _close(self.source)
            self.source = ()

    async def _feed_async(self, source: AsyncIterator[object]) -> None:
        pause = self.host.now() + SOURCE_BURST
        while not self.detached:
            await self._wait_room()
            try:
                task = await anext(source)
            except StopAsyncIteration:
                return
            self.host.admit(task, self)
            if self.host.now() >= pause:
                await anyio.lowlevel.checkpoint()
                pause = self.host.now() + SOURCE_BURST

    async def _feed_sync(self, source: Iterator[object]) -> None:
        pause = self.host.now() + SOURCE_BURST
        while not self.detached:
            await self._wait_room()
            try:
                task = next(source)
            except StopIteration:
                return
            self.host.admit(task, self)
            if self.host.now() >= pause:
                await anyio.lowlevel.checkpoint()
                pause = self.host.now() + SOURCE_BURST

    @property
    def taken(self) -> int:
        """Tasks taken from the source whose results have not been read."""
        return len(self.under_way) + len(self.ready) + len(self._early)

    @property
    def unread(self) -> list[Result[Solution]]:
        """Results that have come and wait to be read."""
        waiting = tuple(self.ready)  # at once, as statistics may be asked for in another thread
        return [result for _, result in waiting] + list(self._early.values())

    async def _wait_room(self) -> None:
        while self.taken >= self.window:
            self._room = anyio.Event()
            await self._room.wait()

    # The reader's side

    def take(self) -> Result[Solution] | None:
        """Take the next result out, if one is ready; makes room for the source."""
        while (found := self._pop()) is not None:
            job, result = found
            if self.taken <= self.window - max(1, self.window // 16):
                self._room.set()
            if result.expires_at is not None and self.host.wall_now() >= result.expires_at:
                if self.stale == "resubmit" and job not in self._again:
                    self.host.acknowledge(result)
                    self._buy_again(result.task)
                    continue
                if self.stale == "drop":
                    self.host.acknowledge(result)
                    continue
                result = evolve(result, expired=True)
            if self.auto_ack:
                self._read = result
                self.host.hand_over(result)
            return result
        return None

    def acknowledge(self) -> None:
        """Note that the reader has done with what it took last, as it came back for more."""
        if self._read is not None:
            result, self._read = self._read, None
            self.host.acknowledge(result)

    def _pop(self) -> tuple[Job, Result[Solution]] | None:
        """Take out what is next: the first that came, or the first in the order of the tasks."""
        if not self.ordered:
            return self.ready.popleft() if self.ready else None
        if not self._order or self._order[0] not in self._early:
            return None
        job = self._order.popleft()
        return job, self._early.pop(job)

    def _buy_again(self, task: object) -> None:
        """Take a task in again, once, in the place of the one it was."""
        self._again.add(self.host.admit(task, self))
        if self.ordered and self._order:
            self._order.appendleft(self._order.pop())

    @property
    def finished(self) -> bool:
        """Nothing more will come."""
        return self.exhausted and not self.under_way and not self.ready and not self._early

    async def wait(self) -> None:
        """Wait until something may be there to take."""
        if self._there.is_set():
            self._there = anyio.Event()
        await self._there.wait()

    def stop(self) -> Draining:
        """Take and send no more; what is paid still comes."""
        self._scope.cancel()
        now = latest = self.host.now()
        for job in list(self.under_way):
            bought = self.host.stop(job)
            if bought is None:
                self.under_way.discard(job)
            elif bought.deadline < math.inf:
                latest = max(latest, bought.deadline)
        left = self.under_way | self._early.keys()
        self._order = deque(job for job in self._order if job in left)
        self._there.set()
        return Draining(tasks=len(self.under_way), seconds=latest - now)

    def detach(self) -> None:
        """Let go: stop the source, drop what was not sent, keep what was paid."""
        if self.detached:
            return
        self.detached = True
        if not self._in_its_loop():
            return
        self._scope.cancel()
        unread = self.unread
        self.ready.clear()
        self._early.clear()
        self._there.set()
        for result in unread:
            self.host.keep(result)
        for job in list(self.under_way):
            self.host.release(job)

    def _in_its_loop(self) -> bool:
        """Whether garbage is collected where the client runs, and not after it or elsewhere."""
        if self._loop is not None:
            return running_loop() is self._loop  # also within a bare callback
        try:
            return anyio.lowlevel.current_token() == self._token
        except RuntimeError:
            return False


def running_loop() -> object:
    """Return asyncio's running loop, in a bare callback too; `None` elsewhere."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _close(source: object) -> None:
    """Let a generator run its `finally`, as nobody will go on with it."""
    with contextlib.suppress(Exception):
        if isinstance(source, AsyncGenerator):
            await source.aclose()
        elif isinstance(source, Generator):
            source.close()


class ResultStream(Generic[S_co]):
    """Results as they come; made by `Client.stream`.

    It is an async iterator, and an async context manager that lets go at the end of its
    block. A bad task never ends it; an exception of the source does, after all results.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._started = False

    def __repr__(self) -> str:
        box = self._outbox
        state = "closed" if box.detached else "finished" if box.finished else "open"
        return f"<ResultStream {state} under_way={len(box.under_way)} ready={len(box.ready)}>"

    def __aiter__(self) -> ResultStream[S_co]:
        return self

    async def __anext__(self) -> Result[S_co]:
        """Return the next result. Raises the source's own exception after the last one."""
        box = self._outbox
        self._start()
        box.acknowledge()
        while (result := box.take()) is None:
            if box.detached or box.finished:
                if box.failure is not None:
                    failure, box.failure = box.failure, None
                    raise failure
                raise StopAsyncIteration
            await box.wait()
        return cast("Result[S_co]", result)

    async def __aenter__(self) -> ResultStream[S_co]:
        self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._outbox.acknowledge()
        await self.aclose()

    def stop(self) -> Draining:
        """Take no more tasks and drop those that were not sent; the stream ends after the others.

        A submit on the wire that turns out to be refused is not sent again, and ends with
        `ClientClosed`. To be called in the loop of the client, as from a signal's handler.
        """
        return self._outbox.stop()

    async def aclose(self) -> None:
        """Let go of the source and of what was not submitted. Idempotent; waits for nothing."""
        self._outbox.detach()

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._outbox.host.feed(self._outbox)

    def __del__(self) -> None:
        if self._started or self._outbox.detached:
            self._outbox.detach()
        else:
            warnings.warn(
                "a solvestream ResultStream was never iterated, so none of its tasks was sent",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
