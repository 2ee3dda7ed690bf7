"""The engine: owned workers that carry out what the scheduler decides. The only task group.

One keeper watches the clock and hands out what falls due; a fixed number of workers carry
out exchanges and, after each, ask the scheduler themselves for the next, so that a busy
engine needs no wake-up but the socket's. All of them live in one task that the engine owns:
no caller's cancellation, native or anyio's, reaches an exchange, and nothing that was paid
is lost with a caller.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import anyio
import sniffio
from anyio.abc import TaskGroup
from attrs import define, field

from solvestream import _exchange as exchange
from solvestream._core.actions import Look, Submit
from solvestream._core.job import Abandoned, Ended, Expired, Job, Unfit
from solvestream._core.planner import DEADLINE_PASSED, Planner
from solvestream._core.scheduler import Scheduler
from solvestream._endings import result_of
from solvestream._exchange import name_of
from solvestream._outcomes import LookOutcome, Mismatch, SubmitOutcome
from solvestream._wire import Broken, Sent, Transport, Trouble
from solvestream.errors import ClientClosed, SolvestreamError, TransportError
from solvestream.providers._protocol import Call, Provider
from solvestream.results import Result, Ticket
from solvestream.solutions import Solution

T = TypeVar("T")

GRACE = 0.7
"""Seconds that closing waits for submits on the wire, whose replies hold paid ids."""
PULSE = 1.0
"""Seconds the keeper sleeps at most while there are jobs."""

_NEVER_SENT = Broken(Trouble.CLOSED, Sent.NOTHING, "the client was closed before it was sent")
_GONE = Broken(Trouble.CLOSED, Sent.UNKNOWN, "the client was closed while it was on the wire")


class Sink(Protocol):
    """Who is told that a job was taken in, that it was paid, and how it ended."""

    def admitted(self, job: Job) -> None:
        """Take note of a job of yours; must neither wait nor raise."""
        ...

    def accepted(self, job: Job) -> None:
        """Take note that the job has an id now; must neither wait nor raise."""
        ...

    def deliver(self, job: Job, result: Result[Solution]) -> None:
        """Take the result; must neither wait nor raise."""
        ...


@define(eq=False)
class _Desk:
    """Where an idle worker waits for its next exchange."""

    woken: anyio.Event
    work: tuple[Planner, Submit | Look] | None = None


@define(eq=False)
class _Answer(Generic[T]):
    """Where a caller waits for an exchange that the engine owns."""

    there: anyio.Event = field(factory=anyio.Event)
    value: T | None = None
    error: SolvestreamError | None = None


@define(eq=False)
class Engine:
    """Runs jobs at accounts over a transport.

    Attributes:
        accounts: the accounts by name.
        transport: carries out exchanges.
        scheduler: decides; shared with the client, which adds jobs and then calls `kick`.
        limit: workers, and so exchanges on the wire, at most.
        keeper: takes the place of a sink that waits no longer.
        failure: what ended the engine against its will, if anything did.
        closing: no more work is begun.
        wall: seconds from the monotonic clock to the epoch, taken once: it never jumps.
        now: returns the moment, in monotonic seconds of the running loop.
        left: tickets of what was paid and not done when it closed.
    """

    accounts: dict[str, Provider]
    transport: Transport
    scheduler: Scheduler
    limit: int
    keeper: Sink
    failure: str | None = None
    closing: bool = False
    left: list[Ticket] = field(factory=list[Ticket])
    wall: float = 0.0
    now: Callable[[], float] = anyio.current_time
    _group: TaskGroup | None = None
    _kicked: anyio.Event = field(factory=anyio.Event)
    _idle: list[_Desk] = field(factory=list[_Desk])
    _workers: int = 0
    _submits: int = 0
    _wire: set[Submit | Look] = field(factory=set[Submit | Look])
    _until: float = -math.inf
    _stop: anyio.Event = field(factory=anyio.Event)
    _less: anyio.Event = field(factory=anyio.Event)
    _done: anyio.Event = field(factory=anyio.Event)
    _owner: object = None

    # Life

    async def start(self) -> None:
        """Start the task that owns all workers, outside of the caller's own scopes."""
        started = anyio.Event()
        if sniffio.current_async_library() == "trio":
            import trio  # noqa: PLC0415 - only where it is running already

            self.now = trio.current_time
            self._owner = trio.lowlevel.spawn_system_task(self._own, started)
        else:
            loop = asyncio.get_running_loop()
            self.now = loop.time
            self._owner = loop.create_task(self._own(started))
        self.wall = time.time() - self.now()
        await started.wait()

    async def aclose(self) -> None:
        """End all work within about a second; jobs that are left end as abandoned. Idempotent."""
        self.closing = True
        self.kick()
        self._stop.set()
        with anyio.CancelScope(shield=True):
            await self._done.wait()

    async def _own(self, started: anyio.Event) -> None:
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                group.start_soon(self._keep_time)
                started.set()
                await self._stop.wait()
                await self._wind_down()
                group.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 - told to every waiter below, in one line
            self.failure = f"solvestream failed inside ({name_of(error)}); please report it"
        finally:
            self.closing = True
            self._group = None
            try:
                with anyio.CancelScope(shield=True):
                    await self.transport.aclose()
                self._end_all()
            finally:
                self._done.set()

    def _end_all(self) -> None:
        """End every job that is left; a bug may have cut some off from their planner."""
        self.scheduler.close(self.failure)
        self._deliver()
        for action in self._wire:
            for job in [action.job] if isinstance(action, Submit) else action.jobs:
                if not job.state.final:
                    end = Ended(job, Abandoned(self.failure), job.account or None)
                    self.scheduler.ended.append(end)
        self._deliver()

    async def _wind_down(self) -> None:
        """Wait for the submits on the wire, then end all exchanges and wait for their workers."""
        await self._until_none(lambda: self._submits)
        await self.transport.aclose()
        await self._until_none(lambda: len(self._wire))

    async def _until_none(self, count: Callable[[], int]) -> None:
        with anyio.move_on_after(GRACE):
            while count():
                self._less = anyio.Event()
                await self._less.wait()

    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        """Start a task that the engine owns; it ends with the engine at the latest."""
        assert self._group is not None
        self._group.start_soon(function, *args)

    def kick(self) -> None:
        """Tell the keeper that something has changed; many kicks are one wake-up."""
        self._kicked.set()

    # Single exchanges, as for a balance

    async def call(self, call: Call[T]) -> T:
        """Carry out one exchange; a caller that is cancelled does not cut it.

        Raises `TransportError` when there was no whole reply, and what reading raises.
        """
        answer = _Answer[T]()
        self.spawn(self._call, call, answer)
        await answer.there.wait()
        if answer.error is not None:
            raise answer.error
        return answer.value  # type: ignore[return-value]  # read() gave it

    async def _call(self, call: Call[T], answer: _Answer[T]) -> None:
        answer.error = ClientClosed("the client was closed")
        try:
            value = await exchange.send(self.transport, call)
        finally:
            answer.there.set()
        answer.error = None
        if isinstance(value, Broken):
            maybe = value.sent is not Sent.NOTHING
            verdict = "unknown" if maybe else "not_sent"
            answer.error = TransportError(value.detail, verdict=verdict)
        elif isinstance(value, SolvestreamError):
            answer.error = value
        else:
            answer.value = value

    # Work

    async def _keep_time(self) -> None:
        while not self.closing:
            self._kicked = anyio.Event()
            now = self.now()
            self._until = self._hand_out(now)
            with anyio.move_on_after(self._until - now):
                await self._kicked.wait()

    def _hand_out(self, now: float) -> float:
        """Give every free worker what is due; return when to look at the clock again."""
        scheduler = self.scheduler
        until = scheduler.tick(now)
        while self._has_free_worker():
            planner, action = scheduler.next_action(now)
            if not isinstance(action, Submit | Look):
                until = min(until, action.until)
                break
            assert planner is not None
            self._assign(planner, action)
        self._deliver()
        busy = scheduler.in_flight or len(scheduler.backlog)
        return min(until, now + PULSE) if busy else until

    def _has_free_worker(self) -> bool:
        return bool(self._idle) or self._workers < self.limit

    def _assign(self, planner: Planner, action: Submit | Look) -> None:
        if self._idle:
            desk = self._idle.pop()
            desk.work = (planner, action)
            desk.woken.set()
        else:
            self._workers += 1
            self.spawn(self._work, planner, action)

    def _next(self) -> tuple[Planner, Submit | Look] | None:
        """Return what a worker that is free shall do, and wake the keeper where it is needed."""
        self._deliver()
        if self.closing:
            self._less.set()
            return None
        now = self.now()
        planner, action = self.scheduler.next_action(now)
        if isinstance(action, Submit | Look):
            assert planner is not None
            if self._has_free_worker() and self.scheduler.more(now):
                self.kick()
            return planner, action
        if min(action.until, self.scheduler.next_tick()) < self._until:
            self.kick()
        return None

    async def _work(self, planner: Planner, action: Submit | Look) -> None:
        work: tuple[Planner, Submit | Look] | None = (planner, action)
        while work is not None:
            await self._carry_out(*work)
            work = self._next()
            if work is None and not self.closing:
                desk = _Desk(anyio.Event())
                self._idle.append(desk)
                await desk.woken.wait()
                work = desk.work

    async def _carry_out(self, planner: Planner, action: Submit | Look) -> None:
        self._wire.add(action)
        account = self.accounts[planner.name]
        if isinstance(action, Submit):
            await self._submit(account, planner, action)
        else:
            await self._look(account, planner, action)
        self._wire.discard(action)

    async def _submit(self, account: Provider, planner: Planner, action: Submit) -> None:
        self._submits += 1
        outcome: Broken | SubmitOutcome | Unfit = _NEVER_SENT
        try:
            call = await exchange.prepare(account, action.job)
            if isinstance(call, Unfit):
                outcome = call
            elif action.job.wanted:
                call.request.wanted = partial(getattr, action.job, "wanted")
                outcome = _GONE
                outcome = await exchange.submit(self.transport, call)
        finally:
            self._submits -= 1
            if isinstance(outcome, Unfit):
                planner.unsent(action, outcome)
            else:
                planner.submitted(action, outcome, self.now())
                if action.job.account:
                    action.job.sink.accepted(action.job)

    async def _look(self, account: Provider, planner: Planner, action: Look) -> None:
        outcomes: Broken | Mismatch | list[LookOutcome] = _GONE
        try:
            outcomes = await exchange.look(account, action.jobs, self.transport)
        finally:
            planner.looked(action, outcomes, self.now())

    def _deliver(self) -> None:
        ended = self.scheduler.ended
        while ended:
            end = ended.popleft()
            result = self._result(end)
            if isinstance(end.end, Abandoned) and result.ticket is not None:
                self.left.append(result.ticket)
            end.job.sink.deliver(end.job, result)
            end.job.task = end.job.sink = None  # calendars may hold on to the job for long
        while self.scheduler.overdue:
            self._let_go(self.scheduler.overdue.popleft())

    def _let_go(self, job: Job) -> None:
        """Tell a caller that the deadline has passed, while the exchange goes on."""
        doubt = Expired(DEADLINE_PASSED, resumable=True)
        sink, job.sink, job.wanted = job.sink, self.keeper, False
        sink.deliver(job, self._result(Ended(job, doubt, job.account or None)))

    def _result(self, end: Ended) -> Result[Solution]:
        account = self.accounts[end.account] if end.account else None
        ttl = account.capabilities.answer_ttl.get(end.job.kind) if account else None
        return result_of(end, now=self.now(), wall=self.wall, ttl=ttl)
