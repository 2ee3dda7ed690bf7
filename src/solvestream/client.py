"""`Client`: the facade, and the only place that joins accounts, core, engine and transport."""

from __future__ import annotations

import logging
import math
import os
import random
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast

import anyio
import anyio.lowlevel
import anyio.to_thread
from attrs import asdict

from solvestream._admission import Admission
from solvestream._checks import (
    at_least_one,
    check_accounts,
    check_callbacks,
    check_spend,
    check_wait,
)
from solvestream._core.budget import Budget
from solvestream._core.job import Job
from solvestream._core.scheduler import Scheduler
from solvestream._endings import ticket_of
from solvestream._engine import Engine
from solvestream._http import open_transport
from solvestream._recorder import Recorder
from solvestream._waiting import Buyer, Keeper, Shared, Waiter
from solvestream._wire import Transport
from solvestream.errors import (
    AccountError,
    ClientClosed,
    DeadlineExceeded,
    SolvestreamError,
    TransportError,
    UsageError,
    WrongLoop,
)
from solvestream.providers._protocol import Call, Provider
from solvestream.results import (
    AccountStatistics,
    Balance,
    Result,
    Statistics,
    Threads,
    Ticket,
)
from solvestream.solutions import Solution
from solvestream.stream import FEEDING, Outbox, ResultStream, Stale
from solvestream.tasks import Task

if TYPE_CHECKING:
    from solvestream._journal.journal import Journal
    from solvestream._observer import Observer
    from solvestream.events import Event

S = TypeVar("S", bound=Solution)
T = TypeVar("T")

logger = logging.getLogger("solvestream")
logger.addHandler(logging.NullHandler())  # silent until the application configures logging


class Client:
    """Keeps tasks in flight at one or more accounts and streams their results.

    Use it as `async with Client(CaptchaAI("KEY")) as client`, or call `start()` and
    `aclose()`. It belongs to the event loop it was started in. Nothing happens in the
    constructor.

    Args:
        accounts: one or more; each task goes to whichever supports it and has room.
        max_in_flight: submits on the wire and tasks at services at most, 1 or more; default: no
            bound but the accounts' slots.
        connections: to all services together at most, 1 or more; default 64.
        http: an `httpx.AsyncClient` or `httpx.AsyncBaseTransport` of your own to send through,
            as for a proxy; default: a connection pool of ours on asyncio, httpx on trio.
        journal: file in which every step is noted before it is taken, so that nothing paid is
            lost with the process; see `resume`. One process at a time. Default: none.
        journal_synchronous: `normal` (default) survives the end of the process, `full` also that of
            the power, at the price of a disk flush for every commit.
        on_event: called with each of `solvestream.events` as it happens, in the client's loop: it
            must not wait. One callable or several; one that raises is logged once for each type of
            error, and harms no task. Default: none, which costs nothing.
        max_spend: USD the client may spend at most, 0 or more: no task is sent that could exceed it beside
            those under way, counted at their accounts' `price=` until the service tells what it
            took. Tasks taken up by ticket or from the journal count too. Default: no bound.
        resubmit_unknown: submit again where a submit may or may not have been paid, at the risk
            of paying twice; default: never, such a task ends as `SubmitUnknown`.

    Raises `UsageError` for no account, two of one name, or a bound below 1.
    """

    def __init__(
        self,
        *accounts: Provider,
        max_in_flight: int | None = None,
        connections: int = 64,
        http: object = None,
        journal: str | os.PathLike[str] | None = None,
        journal_synchronous: Literal["normal", "full"] = "normal",
        on_event: Callable[[Event], None] | Sequence[Callable[[Event], None]] | None = None,
        max_spend: float | None = None,
        resubmit_unknown: bool = False,
    ) -> None:
        check_accounts(accounts)
        check_spend(max_spend, accounts)
        if journal_synchronous not in {"normal", "full"}:
            raise UsageError("journal_synchronous: give 'normal' or 'full'")
        at_least_one("max_in_flight", max_in_flight)
        at_least_one("connections", connections)
        callbacks = check_callbacks(on_event)
        self._observer = _observer(callbacks) if callbacks else None
        self._accounts = {account.name: account for account in accounts}
        self._connections = connections
        self._http = http
        self._path = journal
        self._synchronous: Literal["normal", "full"] = journal_synchronous
        self._scheduler = Scheduler(
            random=random.Random().random,  # noqa: S311 - jitter, no secret
            max_in_flight=math.inf if max_in_flight is None else max_in_flight,
            resubmit_unknown=resubmit_unknown,
            budget=Budget(math.inf if max_spend is None else max_spend),
        )
        self._scheduler.open({name: one.capabilities for name, one in self._accounts.items()})
        self._admission = Admission(self._accounts, self._scheduler)
        self._engine: Engine | None = None
        self._token: object = None

    def __repr__(self) -> str:
        state = "new" if self._engine is None else "closed" if self._engine.closing else "open"
        return f"<Client {state} {', '.join(self._accounts)} {self._scheduler.in_flight} in flight>"

    # Life

    async def start(self) -> Self:
        """Open the client in the running loop; `async with` does it for you.

        Raises `UsageError` when it was opened before, as a client lives once, and `JournalError`
        when its journal cannot be opened.
        """
        if self._engine is not None:
            raise UsageError("client: it was opened before; build a new Client")
        self._token = anyio.lowlevel.current_token()
        transport = _open(self._http, self._connections)
        journal = None if self._path is None else await self._open_journal(self._path)
        limit = min(self._connections, transport.max_exchanges)
        self._scheduler.share(limit)
        self._engine = Engine(
            accounts=self._accounts,
            transport=transport,
            scheduler=self._scheduler,
            limit=limit,
            keeper=Keeper(self._admission),
            observer=self._observer,
        )
        self._admission.engine = self._engine
        try:
            await self._engine.start()
        except BaseException:  # cancelled: nobody has the client, so nobody would close it
            if journal is not None:
                journal.close()
            await self._engine.aclose()
            raise
        if journal is not None:
            journal.start(self._engine.post)
            self._engine.recorder = Recorder(journal, self._engine.wall, self._engine.now)
        return self

    async def aclose(self) -> tuple[Ticket, ...]:
        """Close within about a second; returns tickets of all that was paid and not handed over.

        Submits on the wire are waited for, as their replies hold paid ids. Whoever waits for
        a task gets `ClientClosed`, with the ticket on the result. Idempotent. Raises
        `UsageError` when called from a source of one of the client's own streams.
        """
        if FEEDING.get() is self._admission:
            raise UsageError("client: it cannot be closed from the source of its own stream")
        if self._engine is not None and not self._engine.closing:
            self._check_open()
        if self._engine is not None:
            await self._engine.aclose()
            if self._engine.recorder is not None:
                await self._engine.recorder.aclose()
        return self.tickets()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if left := await self.aclose():
            logger.warning(
                "closed with %d paid tasks not handed over; client.tickets() lists them", len(left)
            )

    # Tasks

    async def solve(self, task: Task[S]) -> Result[S]:
        """Have one task solved, and return its result.

        Cancelling the call drops the task if it was not sent; if it was paid, it goes on, and
        its result is kept for `wait` (see `tickets`).

        Raises what went wrong: any `SolvestreamError`.
        """
        self._check_open()
        waiter = Waiter()
        return cast("Result[S]", await self._outcome(self._admission.admit(task, waiter), waiter))

    def stream(
        self,
        tasks: Iterable[Task[S]] | AsyncIterable[Task[S]],
        *,
        in_flight: int = 1_000,
        ordered: bool = False,
        stale: Stale = "keep",
        auto_ack: bool = True,
    ) -> ResultStream[S]:
        """Have many tasks solved, and stream their results; tasks may be endless.

        Args:
            tasks: any iterable or async iterable; read only as far as there is room.
            in_flight: tasks taken and not yet read as results at most, 1 or more. A slow
                reader so stops new submits, while paid tasks are still looked up.
            ordered: results in the order of the tasks; default: as they come.
            stale: what to do with an answer that is no longer good when it is read: `keep` it
                with `expired=True` (default), `drop` it, or `resubmit` the task, which costs again.
            auto_ack: a result is acknowledged when its reader comes back for the next (default).
                With `False` the journal holds each until it is given to `ack`.

        Raises `UsageError` for a bad option; a bad task is a result with its `InvalidTask`.
        """
        self._check_open()
        at_least_one("in_flight", in_flight)
        if isinstance(tasks, str | bytes) or not isinstance(tasks, Iterable | AsyncIterable):  # pyright: ignore[reportUnnecessaryIsInstance] - public edge
            raise UsageError("tasks: expected an iterable or async iterable of tasks")
        if stale not in {"keep", "drop", "resubmit"}:
            raise UsageError(f"stale: expected keep, drop or resubmit, got {stale!r}")
        outbox = Outbox(
            self._admission, tasks, in_flight, ordered=ordered, stale=stale, auto_ack=auto_ack
        )
        return ResultStream[S](outbox)

    def resume(self, *, in_flight: int = 1_000, auto_ack: bool = True) -> ResultStream[Solution]:
        """Stream what earlier processes left in the journal, oldest first.

        * Answers and errors that nobody acknowledged, marked `redelivered`: a stream's result is
          acknowledged when its reader comes back for the next.
        * Tasks with an id: they are looked up again at once, and end as any other.
        * Submits of which no more is known than that they were about to be sent: they end as
          `SubmitUnknown` and are never sent again.

        Results have the task's `tag`, where JSON gives it back as it was, but no `task`. A task of
        a `job_key` that was left is not bought again either, when it is handed over before.

        Args:
            in_flight: tasks looked up and not yet read as results at most, 1 or more.
            auto_ack: as for `stream`.

        Raises `UsageError` for a client without a journal.
        """
        engine = self._check_open()
        at_least_one("in_flight", in_flight)
        if engine.recorder is None:
            raise UsageError("resume: the client has no journal; build it with journal=PATH")
        left = engine.recorder.unclaimed()
        outbox = Outbox(
            self._admission, left, in_flight, ordered=False, stale="keep", auto_ack=auto_ack
        )
        return ResultStream[Solution](outbox)

    async def submit(self, task: Task[Any]) -> Ticket:
        """Have a task accepted, and return its ticket; `wait` on it here or elsewhere.

        The client goes on looking for the answer and keeps it for `wait`. A task answered at
        once by a service that gives no id has a ticket that is good in this client only.

        Raises what went wrong: any `SolvestreamError`.
        """
        engine = self._check_open()
        buyer = Buyer(client=self._admission)
        job = self._admission.admit(task, buyer)
        try:
            await buyer.there.wait()
        except BaseException:
            self._admission.release(job)
            raise
        ticket = ticket_of(job, engine.wall)
        if ticket is None or (buyer.result is not None and not buyer.result.ok):
            assert buyer.result is not None
            self._admission.acknowledge(buyer.result)
            raise buyer.result.error or SolvestreamError("the submit ended without an id")
        if buyer.result is not None:  # an earlier process bought it, and had the answer
            self._admission.keep(buyer.result)
        return ticket

    async def wait(self, ticket: Ticket, *, deadline: float | None = None) -> Result[Solution]:
        """Wait for the answer to a ticket, of this client or of another process.

        Args:
            ticket: from `submit`, a result, `tickets` or `aclose`.
            deadline: seconds to wait at most, greater than 0; default: the account's own.

        Raises what went wrong: any `SolvestreamError`; `UsageError` when no account of this
        client has the ticket's account name.
        """
        engine = self._check_open()
        check_wait(ticket, deadline)
        if ticket.account not in self._accounts:
            names = ", ".join(self._accounts)
            raise UsageError(f"ticket: its account is {ticket.account!r}, this client has {names}")
        kept = self._admission.kept.pop((ticket.account, ticket.task_id), None)
        if kept is not None and not isinstance(kept.error, DeadlineExceeded):
            return self._taken(kept)
        waiter = Waiter()
        job = engine.job_of(ticket)
        if job is None:
            job = self._admission.adopt(ticket, waiter, deadline)
        elif isinstance(job.sink, Keeper):
            job.sink = waiter
        elif isinstance(job.sink, Shared) and not job.sink.waiting:
            job.sink.waiting[job] = waiter
        else:
            raise UsageError("ticket: somebody is waiting for this task already")
        with anyio.move_on_after(deadline):
            return await self._outcome(job, waiter)
        message = "it was not ready by the deadline; wait on its ticket again"
        raise DeadlineExceeded(
            message,
            account=ticket.account,
            job_key=ticket.job_key,
            task_id=ticket.task_id,
            verdict="accepted",
            charged="yes",
            resumable=True,
            ticket=ticket,
        )

    def ack(self, result: Result[Any]) -> None:
        """Acknowledge a result of a stream with `auto_ack=False`: the journal lets go of it.

        What was not acknowledged when the process ends is given again by `resume`, as
        `redelivered`. Idempotent; without a journal only `on_event` is told.
        """
        self._check_open()
        self._admission.acknowledge(result)

    def tickets(self) -> tuple[Ticket, ...]:
        """Return tickets of all that was paid and not handed over, in flight or kept."""
        found: dict[tuple[str, str], Ticket] = {}
        if self._engine is not None:
            left = list(self._engine.left)
            if not self._engine.closing:
                wall = self._engine.wall
                left += [
                    ticket
                    for planner in self._scheduler.planners.values()
                    for job in planner.jobs.values()
                    if (ticket := ticket_of(job, wall)) is not None
                ]
                if (recorder := self._engine.recorder) is not None:
                    ending = (ticket_of(job, wall) for job in recorder.ending.values())
                    left += [ticket for ticket in ending if ticket is not None]
            kept = self._admission.kept.values()
            left += [one.ticket for one in kept if one.ticket is not None]
            found = {(ticket.account, ticket.task_id): ticket for ticket in left}
        return tuple(found.values())

    # Accounts

    async def report(self, result: Result[Any] | Ticket, *, correct: bool) -> None:
        """Tell the service whether an answer was right. Sent once, never repeated.

        Args:
            result: of a task this client's accounts have solved, or its ticket.
            correct: whether the answer was right.

        Raises `UsageError` where there is no ticket or the service takes no reports,
        `TransportError` (with `verdict`) when it is not known to have arrived, and what the
        service says.
        """
        ticket = result if isinstance(result, Ticket) else getattr(result, "ticket", None)
        if ticket is None or ticket.account not in self._accounts:
            raise UsageError("report: the result has no ticket of an account of this client")
        account = self._accounts[ticket.account]
        if not account.capabilities.reports:
            raise UsageError(f"report: {account.name} takes no reports")
        await self._call(account.name, account.report(ticket.task_id, correct=correct), tries=1)

    async def balance(self, *names: str) -> dict[str, Balance]:
        """Ask accounts what is left. One out of funds is used again if it has some.

        Args:
            names: of the accounts to ask; default: all.

        Returns a balance for each name. Raises `AccountError`, `ProtocolError` or
        `TransportError` of the first that fails, and `UsageError` for an unknown name.
        """
        balances: dict[str, Balance] = {}
        for name in names or self._accounts:
            if name not in self._accounts:
                raise UsageError(f"balance: this client has {', '.join(self._accounts)}")
            account = self._accounts[name]
            balances[name] = await self._call(name, account.balance(), tries=2)
            self._scheduler.planners[name].told(balances[name].amount, balances[name].unit)
            self._observe(name)
            self._check_open().kick()
        return balances

    async def threads(self) -> dict[str, Threads]:
        """Ask the accounts that can tell how many tasks they may have under way.

        Raises `AccountError`, `ProtocolError` or `TransportError` of the first that fails.
        """
        return {
            name: await self._call(name, account.threads(), tries=2)
            for name, account in self._accounts.items()
            if account.capabilities.threads
        }

    def hint(self, task_id: str, *, account: str | None = None) -> bool:
        """Look at a task now, as a service's call-back says that it is done.

        A call-back proves nothing: only the look that follows, with the account's key, brings
        an answer. Forged, early, repeated or lost ones change nothing else. One that comes before
        the reply to its own submit is remembered for 10 s.

        Args:
            task_id: the service's id of the task, as the call-back gives it.
            account: name of the account, if more than one has a `pingback=`; default: any.

        Returns whether a task of that id is under way.
        """
        engine = self._check_open()
        if account is not None and account not in self._accounts:
            raise UsageError(f"hint: this client has {', '.join(self._accounts)}")
        names = self._accounts if account is None else (account,)
        now = engine.now()
        found = [self._scheduler.planners[name].hint(task_id, now) for name in names]
        engine.kick()
        return any(found)

    def statistics(self) -> Statistics:
        """Return a frozen snapshot of what is under way and what has happened."""
        scheduler = self._scheduler
        now = self._engine.now() if self._engine and not self._engine.closing else -math.inf
        accounts = {
            name: AccountStatistics(
                in_flight=planner.gate.under_way,
                limit=planner.gate.limit,
                gate="closed" if planner.gate.closed else "open",
                breaker=planner.health.breaker.state(now).value,
                down=None if planner.health.down is None else planner.health.down.code,
                **asdict(planner.counts),
            )
            for name, planner in scheduler.planners.items()
        }
        unread, stale = self._admission.unread()
        return Statistics(
            queued=len(scheduler.backlog),
            in_flight=scheduler.in_flight,
            unread=unread,
            stale=stale,
            kept=len(self._admission.kept),
            dropped=self._admission.dropped,
            accounts=accounts,
        )

    # Inside

    async def _outcome(self, job: Job, waiter: Waiter) -> Result[Solution]:
        try:
            await waiter.there.wait()
        except BaseException:
            if waiter.result is None:
                self._admission.release(job)
            else:
                self._admission.keep(waiter.result)
            raise
        assert waiter.result is not None
        return self._taken(waiter.result)

    def _taken(self, result: Result[Solution]) -> Result[Solution]:
        """Hand a result to a caller, which is its acknowledgement too; raise what went wrong."""
        self._admission.acknowledge(result)
        if result.error is not None:
            raise result.error
        return result

    async def _call(self, name: str, call: Call[T], *, tries: int) -> T:
        engine = self._check_open()
        for left in reversed(range(tries)):
            try:
                return await engine.call(call)
            except SolvestreamError as error:
                error.account = name
                if isinstance(error, AccountError):
                    self._scheduler.planners[name].warned(error, engine.now())
                    self._observe(name)
                if not left or not isinstance(error, TransportError):
                    raise
        raise AssertionError  # the last try returned or raised

    def _observe(self, name: str) -> None:
        """Tell what has changed at an account outside of its tasks."""
        if self._observer is not None and self._engine is not None:
            self._observer.changes(self._scheduler.planners[name], self._engine.now())

    async def _open_journal(self, path: str | os.PathLike[str]) -> Journal:
        from solvestream._journal.journal import Journal  # noqa: PLC0415 - loads SQLite

        opening = partial(Journal.open, path, synchronous=self._synchronous)
        return await anyio.to_thread.run_sync(opening)

    def _check_open(self) -> Engine:
        engine = self._engine
        if engine is None:
            raise ClientClosed("the client is not open; use `async with Client(...)` or `start()`")
        try:
            here = anyio.lowlevel.current_token()
        except RuntimeError:
            here = None
        if here != self._token:
            raise WrongLoop(
                "the client was opened in another event loop or thread; open one client per loop"
            )
        if engine.closing:
            raise ClientClosed(engine.failure or "the client is closed; build a new one")
        return engine


def _observer(callbacks: tuple[Callable[[Event], None], ...]) -> Observer:
    from solvestream._observer import Observer  # noqa: PLC0415 - only where somebody looks on

    return Observer(callbacks)


def _open(http: object, connections: int) -> Transport:
    try:
        return open_transport(http, connections=connections)
    except TypeError as error:
        reason = str(error)
    raise UsageError(f"http: {reason}")
