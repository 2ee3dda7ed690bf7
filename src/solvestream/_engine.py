"""The engine: carries out what the scheduler decides. The only task group.

An exchange is no task: the engine begins it and is called with its reply, takes the outcome
in, and begins the next in the same step of the loop. One keeper watches the clock and begins
what falls due. All of it belongs to the engine: no caller's cancellation, native or anyio's,
reaches an exchange, and nothing that was paid is lost with a caller.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import anyio
import anyio.to_thread
import sniffio
from anyio.abc import TaskGroup
from attrs import define, field

from solvestream import _exchange as exchange
from solvestream._core.actions import Look, Submit
from solvestream._core.job import Abandoned, Ended, Expired, Job, Unfit
from solvestream._core.planner import Planner
from solvestream._core.scheduler import Scheduler
from solvestream._endings import result_of
from solvestream._exchange import Looked, name_of
from solvestream._outcomes import Accepted, SubmitOutcome
from solvestream._recorder import Recorder
from solvestream._wire import (
    Broken,
    DirectTransport,
    Limits,
    Request,
    Response,
    Sent,
    Transport,
    Trouble,
)
from solvestream.errors import ClientClosed, JournalError, SolvestreamError, TransportError
from solvestream.providers._protocol import Call, Provider
from solvestream.results import Result, Ticket
from solvestream.solutions import Solution

if TYPE_CHECKING:
    from solvestream._observer import Observer

T = TypeVar("T")
Take = Callable[[Response | Broken], None]
_Noted = tuple[Planner, Submit, Call[SubmitOutcome]]

GRACE = 0.7
"""Seconds that closing waits for submits on the wire, whose replies hold paid ids."""
STALL = 0.5
"""Seconds the keeper may wake late before the process counts as having stood still."""
PROBE = Limits(connect=2.0, read=4.0, total=5.0)
"""Bounds of a look that asks whether a service is well again: a few at once and no other."""
PULSE = 1.0
"""Seconds the keeper sleeps at most while there are jobs."""
NOTING = 512
"""Submits at most that wait for their intents to be written; so many a killed process may leave
in doubt beside those on the wire."""

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
        limit: exchanges on the wire at most.
        keeper: takes the place of a sink that waits no longer.
        failure: what ended the engine against its will, if anything did.
        closing: no more work is begun.
        wall: seconds from the monotonic clock to the epoch, taken once: it never jumps.
        now: returns the moment, in monotonic seconds of the running loop.
        left: tickets of what was paid and not done when it closed.
        recorder: writes the journal, where there is one.
        observer: tells the user's callbacks, where there are any.
        post: calls a function soon in the loop, from any thread.
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
    recorder: Recorder | None = None
    observer: Observer | None = None
    post: Callable[[Callable[[], None]], None] = field(init=False)
    _group: TaskGroup | None = None
    _kicked: anyio.Event = field(factory=anyio.Event)
    _begin: Callable[[Request, Take], None] = field(init=False)
    _to_spawn: deque[tuple[Any, ...]] = field(factory=deque[tuple[Any, ...]])
    _awake: bool = False
    _beginning: bool = False
    _submits: int = 0
    _noting: int = 0
    _noted: deque[_Noted] = field(factory=deque["_Noted"])
    _wire: set[Submit | Look] = field(factory=set[Submit | Look])
    _until: float = math.inf
    _stop: anyio.Event = field(factory=anyio.Event)
    _less: anyio.Event = field(factory=anyio.Event)
    _done: anyio.Event = field(factory=anyio.Event)
    _owner: object = None

    # Life

    async def start(self) -> None:
        """Start the task that owns all workers, outside of the caller's own scopes."""
        started = anyio.Event()
        self._begin = self._begin_in_task
        if isinstance(self.transport, DirectTransport):
            self._begin = self.transport.begin
        if sniffio.current_async_library() == "trio":
            import trio  # noqa: PLC0415 - only where it is running already

            self.now = trio.lowlevel.current_clock().current_time
            self.post = trio.lowlevel.current_trio_token().run_sync_soon
            self._owner = trio.lowlevel.spawn_system_task(self._own, started)
        else:
            loop = asyncio.get_running_loop()
            self.now = loop.time
            self.post = partial(_post, loop)
            self._owner = loop.create_task(self._own(started))
        self.wall = time.time() - self.now()
        if self.observer is not None:
            self.observer.wall = self.wall
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
            self._break_down(error)
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
        """Wait for the submits on the wire, then end all exchanges."""
        while self._noted:
            planner, action, _ = self._noted.popleft()
            self._rejoin(planner)
            self._end_submit(planner, action, _NEVER_SENT)
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

    def _spawn_soon(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Let the keeper start a task: anyio can start none from a bare callback of asyncio."""
        self._to_spawn.append((function, *args))
        self.kick()

    def _guard(self, function: Callable[..., None], *args: object) -> None:
        """Call a function; a bug of ours in it must not vanish in a callback."""
        try:
            function(*args)
        except Exception as error:  # noqa: BLE001 - told to every waiter
            self._break_down(error)

    def kick(self) -> None:
        """Tell the keeper that something has changed; many kicks are one wake-up."""
        if not self._awake:
            self._awake = True
            self._kicked.set()

    def job_of(self, ticket: Ticket) -> Job | None:
        """Return the job of a ticket: under way, or ended and about to be handed over."""
        place = (ticket.account, ticket.task_id)
        if self.recorder is not None and (ending := self.recorder.ending.get(place)) is not None:
            return ending
        return self.scheduler.planners[ticket.account].jobs.get(ticket.task_id)

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
            value = exchange.read(call, await self.transport.send(call.request))
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

    # Rounds

    async def _keep_time(self) -> None:
        while not self.closing:
            self._kicked = anyio.Event()
            self._awake = False
            while self._to_spawn:
                self.spawn(*self._to_spawn.popleft())
            now = self._on_time()
            self._until = self._round(now)
            with anyio.move_on_after(self._until - now):
                await self._kicked.wait()

    def _on_time(self) -> float:
        """Return the moment, after putting deadlines off by what the process stood still.

        Who blocks the loop blocks the keeper too. Replies may lie in the sockets meanwhile,
        and no task shall end for what kept us from reading them (`faults.json` X13).
        """
        now = self.now()
        if now > self._until + STALL:
            self.scheduler.postpone(now - self._until)
            self._until = now
        return now

    def _round(self, now: float) -> float:
        """Do what is due; return when to look at the clock again."""
        scheduler = self.scheduler
        until = min(scheduler.tick(now), self._begin_due(now))
        if self.recorder is not None:
            self.recorder.sample(scheduler, now)
        self._deliver()
        busy = scheduler.in_flight or len(scheduler.backlog)
        return min(until, now + PULSE) if busy else until

    def _begin_due(self, now: float) -> float:
        """Begin exchanges while any is due and there is room; return when the next falls due.

        A reply that is there at once comes back here before the loop is through; the loop
        goes on by itself then.
        """
        if self._beginning or self.closing:
            return math.inf
        self._beginning = True
        try:
            while len(self._wire) - self._noting < self.limit:
                if self._noted:
                    noted = self._noted.popleft()
                    self._rejoin(noted[0])
                    self._send_noted(*noted)
                    continue
                planner, action = self.scheduler.next_action(now, submit=self._noting < NOTING)
                if isinstance(action, Look):
                    assert planner is not None
                    self._look(planner, action)
                elif isinstance(action, Submit):
                    assert planner is not None
                    self._submit(planner, action)
                else:
                    return action.until
        finally:
            self._beginning = False
        return math.inf

    def _go_on(self, action: Submit | Look, now: float) -> None:
        """Tell callers what has ended with an exchange, and begin the next."""
        self._wire.discard(action)
        until = self._begin_due(now)
        if self.scheduler.ended or self.scheduler.overdue:
            self._deliver()
        if self.closing:
            self._less.set()
        elif min(until, self.scheduler.next_tick()) < self._until:
            self.kick()

    def _break_down(self, error: Exception) -> None:
        """End all work, as there is a bug of ours; every waiter is told in one line."""
        self.failure = f"solvestream failed inside ({name_of(error)}); please report it"
        self.closing = True
        self._stop.set()
        self._less.set()
        self.kick()

    # Exchanges

    def _begin_in_task(self, request: Request, take: Take) -> None:
        self._spawn_soon(self._send, request, take)

    async def _send(self, request: Request, take: Take) -> None:
        response: Response | Broken = _GONE
        try:
            response = await self.transport.send(request)
        finally:
            take(response)

    def _look(self, planner: Planner, action: Look) -> None:
        self._wire.add(action)
        call = exchange.ask_look(self.accounts[planner.name], action.jobs)
        if isinstance(call, Call):
            if action.probe:
                call.request.limits = PROBE
            if self.observer is not None:
                self.observer.began(planner, action, self.now())
            self._begin(call.request, partial(self._take_look, planner, action, call))
        else:
            planner.looked(action, call, self.now())
            self._wire.discard(action)

    def _take_look(
        self, planner: Planner, action: Look, call: Call[Looked], response: Response | Broken
    ) -> None:
        try:
            now = self._on_time()
            outcome = exchange.read_look(call, action.jobs, response)
            planner.looked(action, outcome, now)
            if self.recorder is not None:
                self.recorder.looked(action.jobs, now)
            if self.observer is not None:
                self.observer.ended_look(planner, action, outcome, now)
            self._go_on(action, now)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not hang in a callback
            self._break_down(error)

    def _submit(self, planner: Planner, action: Submit) -> None:
        self._submits += 1
        self._wire.add(action)
        if exchange.is_slow(action.job.task):
            self._spawn_soon(self._submit_in_thread, planner, action)
        else:
            call = exchange.ask_submit(self.accounts[planner.name], action.job)
            self._send_submit(planner, action, call)

    async def _submit_in_thread(self, planner: Planner, action: Submit) -> None:
        call = None
        try:
            account = self.accounts[planner.name]
            call = await anyio.to_thread.run_sync(exchange.ask_submit, account, action.job)
        finally:
            self._send_submit(planner, action, call)

    def _send_submit(
        self, planner: Planner, action: Submit, call: Call[SubmitOutcome] | Unfit | None
    ) -> None:
        if isinstance(call, Call) and action.job.wanted and not self.closing:
            call.request.wanted = partial(getattr, action.job, "wanted")
            if self.recorder is None:
                self._send_noted(planner, action, call)
            else:
                self._noting += 1
                planner.on_wire -= 1
                noted = partial(self._guard, self._take_noted, planner, action, call)
                self.recorder.intent(action.job, planner.name, noted)
        else:
            self._end_submit(planner, action, call if isinstance(call, Unfit) else _NEVER_SENT)

    def _take_noted(
        self,
        planner: Planner,
        action: Submit,
        call: Call[SubmitOutcome],
        error: JournalError | None,
    ) -> None:
        """Have a submit sent whose intent is written; else it is not bought."""
        if error is not None or self.closing:
            self._rejoin(planner)
            self._end_submit(planner, action, Unfit(error) if error else _NEVER_SENT)
        else:
            self._noted.append((planner, action, call))
            self._begin_due(self.now())

    def _rejoin(self, planner: Planner) -> None:
        """Count a submit as on the wire again, as it waits for the journal no longer."""
        self._noting -= 1
        planner.on_wire += 1

    def _send_noted(self, planner: Planner, action: Submit, call: Call[SubmitOutcome]) -> None:
        """Send a submit whose intent is written, if any is to be."""
        if self.observer is not None:
            self.observer.began_submit(planner, action, self.now())
        self._begin(call.request, partial(self._take_submit, planner, action, call))

    def _take_submit(
        self,
        planner: Planner,
        action: Submit,
        call: Call[SubmitOutcome],
        response: Response | Broken,
    ) -> None:
        self._end_submit(planner, action, exchange.read_submit(call, response))

    def _end_submit(
        self, planner: Planner, action: Submit, outcome: Broken | SubmitOutcome | Unfit
    ) -> None:
        self._submits -= 1
        job = action.job
        try:
            now = self._on_time()
            if isinstance(outcome, Unfit):
                planner.unsent(action, outcome)
            else:
                planner.submitted(action, outcome, now)
                if self.recorder is not None:
                    self.recorder.submitted(job)
                if self.observer is not None:
                    self.observer.ended_submit(planner, action, outcome, now)
                if job.account:
                    job.sink.accepted(job)
                if planner.must_ask(now):
                    self._spawn_soon(self._ask_threads, planner)
            self._go_on(action, now)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not hang in a callback
            if isinstance(outcome, Accepted) and not job.state.final:
                job.account, job.task_id = planner.name, outcome.task_id
            self._break_down(error)

    async def _ask_threads(self, planner: Planner) -> None:
        """Ask an account for its threads: a refusal may mean that it is broke (`faults.json` S26)."""
        said: object
        try:
            said = await self.call(self.accounts[planner.name].threads())
        except Exception as error:  # noqa: BLE001 - a plug-in's bug must not end other tasks
            said = error.with_traceback(None)
        planner.told_threads(said, self.now())
        if self.observer is not None:
            self.observer.changes(planner, self.now())
        self.kick()

    # Ends

    def _deliver(self) -> None:
        ended = self.scheduler.ended
        while ended:
            end = ended.popleft()
            job, result = end.job, self._result(end)
            if self.observer is not None:
                self.observer.ended(job, result, self.now())
            abandoned = isinstance(end.end, Abandoned)
            if abandoned and result.ticket is not None:
                self.left.append(result.ticket)
            if self.recorder is not None and not abandoned:
                hand_over = partial(self._guard, self._hand_over, job, result)
                if self.recorder.ended(job, result, hand_over):
                    continue
            self._hand_over(job, result)
        while self.scheduler.overdue:
            self._let_go(self.scheduler.overdue.popleft())

    def _hand_over(self, job: Job, result: Result[Solution]) -> None:
        job.sink.deliver(job, result)
        job.task = job.sink = None  # calendars may hold on to the job for long

    def _let_go(self, job: Job) -> None:
        """Tell a caller that the deadline has passed, while the exchange goes on."""
        doubt = Expired(self.scheduler.lateness(job), resumable=True)
        sink, job.sink, job.wanted = job.sink, self.keeper, False
        sink.deliver(job, self._result(Ended(job, doubt, job.account or None)))

    def _result(self, end: Ended) -> Result[Solution]:
        account = self.accounts[end.account] if end.account else None
        ttl = account.capabilities.answer_ttl.get(end.job.kind) if account else None
        return result_of(end, now=self.now(), wall=self.wall, ttl=ttl)


def _post(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(function)
