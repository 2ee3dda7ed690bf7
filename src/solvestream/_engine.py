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
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

import anyio
import anyio.to_thread
import sniffio
from anyio.abc import TaskGroup
from attrs import define, field

from solvestream._core.actions import Look, Submit
from solvestream._core.job import Abandoned, Ended, Job, Unfit
from solvestream._core.planner import Planner
from solvestream._core.scheduler import Scheduler
from solvestream._endings import result_of
from solvestream._outcomes import LookOutcome, Mismatch, SubmitOutcome, Unknown
from solvestream._wire import Broken, Sent, Transport, Trouble
from solvestream.errors import ClientClosed, ProtocolError, SolvestreamError, TransportError
from solvestream.providers._protocol import Call, Provider
from solvestream.results import Result, Ticket
from solvestream.solutions import Solution
from solvestream.tasks import ImageToText

T = TypeVar("T")

GRACE = 0.7
"""Seconds that closing waits for submits on the wire, whose replies hold paid ids."""
PULSE = 1.0
"""Seconds the keeper sleeps at most while there are jobs."""
MAX_IMAGE = 16 << 20
"""Bytes of an image file read at most; what a service takes is far less."""

_NEVER_SENT = Broken(Trouble.CLOSED, Sent.NOTHING, "the client was closed before it was sent")
_GONE = Broken(Trouble.CLOSED, Sent.UNKNOWN, "the client was closed while it was on the wire")


class Sink(Protocol):
    """Who is told that a job was paid, and how it ended."""

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
    _exchanges: int = 0
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
            self.failure = f"solvestream failed inside ({_name(error)}); please report it"
        finally:
            self.closing = True
            self._group = None
            with anyio.CancelScope(shield=True):
                await self.transport.aclose()
            self.scheduler.close(self.failure)
            self._deliver()
            self._done.set()

    async def _wind_down(self) -> None:
        """Wait for the submits on the wire, then end all exchanges and wait for their workers."""
        await self._until_none(lambda: self._submits)
        await self.transport.aclose()
        await self._until_none(lambda: self._exchanges)

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
            value = await self._send(call)
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
            await self._exchange(*work)
            work = self._next()
            if work is None and not self.closing:
                desk = _Desk(anyio.Event())
                self._idle.append(desk)
                await desk.woken.wait()
                work = desk.work

    async def _exchange(self, planner: Planner, action: Submit | Look) -> None:
        self._exchanges += 1
        account = self.accounts[planner.name]
        try:
            if isinstance(action, Submit):
                self._submits += 1
                try:
                    await self._submit(account, planner, action)
                finally:
                    self._submits -= 1
            else:
                await self._look(account, planner, action)
        finally:
            self._exchanges -= 1

    async def _submit(self, account: Provider, planner: Planner, action: Submit) -> None:
        outcome: Broken | SubmitOutcome | Unfit = _NEVER_SENT
        try:
            call = await _prepare(account, action.job)
            if isinstance(call, Unfit):
                outcome = call
            else:
                outcome = _GONE
                reply = await self._send(call)
                outcome = Unknown(str(reply)) if isinstance(reply, SolvestreamError) else reply
        finally:
            if isinstance(outcome, Unfit):
                planner.unsent(action, outcome)
            else:
                planner.submitted(action, outcome, self.now())
                if action.job.account:
                    action.job.sink.accepted(action.job)

    async def _look(self, account: Provider, planner: Planner, action: Look) -> None:
        outcomes: Broken | Mismatch | list[LookOutcome] = _GONE
        try:
            reply = await self._ask(account, action)
            outcomes = (
                [Unknown(str(reply)) for _ in action.jobs]
                if isinstance(reply, SolvestreamError)
                else reply
            )
        finally:
            planner.looked(action, outcomes, self.now())

    async def _ask(
        self, account: Provider, action: Look
    ) -> Broken | Mismatch | list[LookOutcome] | SolvestreamError:
        try:
            call = account.look(action.jobs)
        except Exception as error:  # noqa: BLE001 - a plug-in's bug must not end other tasks
            return ProtocolError(f"the protocol module failed at an id ({_name(error)})")
        return await self._send(call)

    async def _send(self, call: Call[T]) -> T | Broken | SolvestreamError:
        """Carry out an exchange and read its reply; a plug-in's own bug becomes an error."""
        response = await self.transport.send(call.request)
        if isinstance(response, Broken):
            return response
        try:
            return call.read(response)
        except SolvestreamError as error:
            return _bare(error)
        except Exception as error:  # noqa: BLE001 - a plug-in's bug must not end other tasks
            return ProtocolError(f"the protocol module failed at a reply ({_name(error)})")

    def _deliver(self) -> None:
        ended = self.scheduler.ended
        while ended:
            end = ended.popleft()
            result = self._result(end)
            if isinstance(end.end, Abandoned) and result.ticket is not None:
                self.left.append(result.ticket)
            end.job.sink.deliver(end.job, result)

    def _result(self, end: Ended) -> Result[Solution]:
        account = self.accounts[end.account] if end.account else None
        ttl = account.capabilities.answer_ttl.get(end.job.kind) if account else None
        return result_of(end, now=self.now(), wall=self.wall, ttl=ttl)


async def _prepare(account: Provider, job: Job) -> Call[SubmitOutcome] | Unfit:
    """Build a submit's request, reading the image's file in a thread."""
    task = job.task
    image: bytes | None = None
    try:
        if isinstance(task, ImageToText):
            if isinstance(task.image, Path):
                image = await anyio.to_thread.run_sync(task.load, MAX_IMAGE)
            else:
                image = task.load(MAX_IMAGE)
        return account.submit(task, image)
    except SolvestreamError as error:
        return Unfit(_bare(error))
    except Exception as error:  # noqa: BLE001 - a plug-in's bug must not end other tasks
        return Unfit(ProtocolError(f"the protocol module failed at the task ({_name(error)})"))


def _bare(error: SolvestreamError) -> SolvestreamError:
    """Return an error without its traceback, whose frames hold requests and images."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _name(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return type(error).__name__
