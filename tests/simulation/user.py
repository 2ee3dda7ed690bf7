"""Seeded users of a client: what they hand over, where they lose patience, what they are told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import anyio
from attrs import define, field

from solvestream import (
    DeadlineExceeded,
    Result,
    SolvestreamError,
    SubmitUnknown,
    Ticket,
    TransportError,
    UsageError,
)
from tests.simulation.loop import VirtualLoop
from tests.simulation.story import How, Story, Told

Key = tuple[str, str]


class SourceBroke(Exception):
    """What a source of tasks raises."""


@define(eq=False)
class Visit:
    """What users share while one client lives.

    Attributes:
        client: a `Client`, or something that looks like one.
        make: builds a task: label, whether it is a token, options.
        pawned: tickets that users hold.
        waiting: tickets that they are waiting on.
        keyed: options of tasks that were handed over with a `job_key`.
    """

    client: Any
    make: Callable[..., Any]
    chance: random.Random
    story: Story
    loop: VirtualLoop
    life: int
    labels: Iterator[int]
    tokens: bool
    pawned: dict[Key, Ticket] = field(factory=dict)
    waiting: dict[Key, Ticket] = field(factory=dict)
    keyed: dict[int, dict[str, Any]] = field(factory=dict)

    def now(self) -> float:
        """Return the moment."""
        return self.loop.moment

    def deadline(self) -> float | None:
        """Draw a task's deadline: mostly none."""
        draw = self.chance.random()
        if draw < 0.7:
            return None
        return self.chance.choice((0.05, 1.0, 10.0, 15.0, 60.0, 200.0))

    def keep(self, ticket: Ticket | None) -> None:
        """Hold a ticket for later."""
        if ticket is not None:
            self.pawned[ticket.account, ticket.task_id] = ticket

    # Telling

    async def ask(
        self,
        way: str,
        label: int | None,
        call: Awaitable[Any],
        *,
        deadline: float | None = None,
        patience: float | None = None,
        ticket: Ticket | None = None,
    ) -> Told:
        """Make one call, perhaps only for a while, and write down what came of it."""
        began = self.now()
        told = Told(label, way, self.life, began, began, "cut", deadline=deadline, ticket=ticket)
        try:
            got = await self._patiently(call, patience)
        except SolvestreamError as error:
            told.how, told.error = "error", error
            self._hold(error)
        else:
            if isinstance(got, Ticket):
                told.how, told.ticket = "ticket", got
            elif got is not None:
                told.how, told.result = "result", got
                self._settle(got)
        told.at = self.now()
        self.story.tell(told)
        return told

    async def _patiently(self, call: Awaitable[Any], patience: float | None) -> Any:
        """Wait for a call; `None` when the user went away before its end."""
        if patience is None:
            return await call
        if self.chance.random() < 0.5:
            with anyio.move_on_after(patience):
                return await call
            return None
        task = asyncio.ensure_future(call)
        await asyncio.wait([task], timeout=patience)
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return None

    def _settle(self, result: Result[Any]) -> None:
        """Let go of the ticket of what has come."""
        if result.ticket is not None:
            self.pawned.pop((result.ticket.account, result.ticket.task_id), None)

    def _hold(self, error: SolvestreamError) -> None:
        if error.ticket is not None and (error.resumable or isinstance(error, DeadlineExceeded)):
            self.keep(error.ticket)

    def patience(self) -> float | None:
        """Draw when a user goes away: mostly never."""
        if self.chance.random() < 0.7:
            return None
        return self.chance.choice((0.0, 0.001, 0.05, 1.0, 5.0, 10.0)) * self.chance.random() * 2

    # Users

    async def solver(self, count: int) -> None:
        """Ask for single tasks, side by side, some of them twice under one key."""
        calls: list[Awaitable[Any]] = []
        for _ in range(count):
            label = next(self.labels)
            options: dict[str, Any] = {"priority": self.chance.randrange(3)}
            twice = self.chance.random() < 0.1
            if twice or self.chance.random() < 0.1:
                options["job_key"] = f"key-{label}"
                self.keyed[label] = options
            for _ in range(1 + twice * self.chance.randrange(3)):
                deadline = None if twice else self.deadline()
                calls.append(self._solve(label, self.chance.random() * 20, deadline, options))
        await asyncio.gather(*calls)

    async def _solve(
        self, label: int, wait: float, deadline: float | None, options: dict[str, Any]
    ) -> None:
        patience = self.patience()
        task = self.make(label, token=False, deadline=deadline, **options)
        await asyncio.sleep(wait)
        told = await self.ask(
            "solve", label, self.client.solve(task), deadline=deadline, patience=patience
        )
        if told.result is not None and self.chance.random() < 0.2:
            await self._report(told.result)

    async def again(self, label: int, options: dict[str, Any]) -> None:
        """Hand a task over again under its key, as a crash has left open what became of it."""
        await self._solve(label, self.chance.random(), None, options)

    async def resumer(self) -> None:
        """Read what earlier lives have left; perhaps not to the end."""
        await asyncio.sleep(self.chance.choice((0.0, 0.0, 5.0)))
        stop = self.chance.choice((None, None, 0, 1, 10))
        try:
            await self.resume(stop)
        except UsageError:
            self.story.notes["resume: closed"] += 1

    async def resume(self, stop: int | None = None) -> None:
        """Read what earlier lives have left."""
        began, count = self.now(), 0
        async for result in self.client.resume(in_flight=self.chance.choice((1, 10, 1000))):
            how: How = "result" if result.ok else "error"
            at = began if result.redelivered else self.now()
            told = Told(result.tag, "resume", self.life, began, at, how)
            told.result, told.error = (result, None) if result.ok else (None, result.error)
            self._settle(result)
            if result.error is not None:
                self._hold(result.error)
            self.story.tell(told)
            count += 1
            if stop is not None and count >= stop:
                return

    async def _report(self, result: Result[Any]) -> None:
        try:
            await self.client.report(result, correct=self.chance.random() < 0.8)
        except SolvestreamError as error:
            self.story.notes[f"report: {type(error).__name__}"] += 1

    async def ticketer(self, count: int) -> None:
        """Buy now, and ask later; go away in between, and come back."""
        await asyncio.gather(*(self._buy(next(self.labels)) for _ in range(count)))

    async def _buy(self, label: int) -> None:
        await asyncio.sleep(self.chance.random() * 30)
        deadline = self.deadline()
        token = self.tokens and self.chance.random() < 0.5
        task = self.make(label, token=token, deadline=deadline)
        told = await self.ask(
            "submit", label, self.client.submit(task), deadline=deadline, patience=self.patience()
        )
        if told.ticket is None or told.how != "ticket":
            return
        ticket = Ticket.from_json(told.ticket.to_json())
        self.keep(ticket)
        if self.chance.random() < 0.2:
            return
        await asyncio.sleep(self.chance.choice((0, 5, 30, 100)) * self.chance.random())
        for _ in range(self.chance.randrange(1, 4)):
            if await self.redeem(ticket, patience=self.patience()):
                return

    async def redeem(self, ticket: Ticket, patience: float | None = None) -> bool:
        """Wait on a ticket; true when that has settled it."""
        deadline = self.chance.choice((None, None, 0.01, 20.0, 100.0)) if patience else None
        self.pawned.pop((ticket.account, ticket.task_id), None)
        self.waiting[ticket.account, ticket.task_id] = ticket
        call = self.client.wait(ticket, deadline=deadline)
        told = await self.ask(
            "wait", None, call, deadline=deadline, patience=patience, ticket=ticket
        )
        self.waiting.pop((ticket.account, ticket.task_id), None)
        if told.how == "cut" or isinstance(told.error, UsageError):
            self.keep(ticket)
            return False
        return not isinstance(told.error, DeadlineExceeded)

    async def teller(self) -> None:
        """Look after the accounts: top up what has run dry, and look at the figures."""
        while True:
            await asyncio.sleep(10 + 20 * self.chance.random())
            statistics = self.client.statistics()
            repr(self.client), repr(statistics)
            for name, account in statistics.accounts.items():
                if account.down is not None:
                    try:
                        await self.client.balance(name)
                    except (TransportError, SolvestreamError, SubmitUnknown) as error:
                        self.story.notes[f"balance: {type(error).__name__}"] += 1

    async def reader(self, count: int) -> None:
        """Read a stream: to its end, or not; at once, or slowly; patiently, or not."""
        reading = Reading(self, count)
        await reading.run()


@define(eq=False)
class Reading:
    """One stream and its reader."""

    visit: Visit
    count: int
    began: dict[int, float] = field(factory=dict)
    deadlines: dict[int, float | None] = field(factory=dict)
    read: set[int] = field(factory=set)
    order: list[int] = field(factory=list)
    window: int = 1
    ordered: bool = False
    excuse: str = ""
    unread_again: int = 0

    async def run(self) -> None:
        """Open the stream, and read."""
        visit, chance = self.visit, self.visit.chance
        self.window = chance.choice((1, 3, 10, 50, 1000))
        self.ordered = chance.random() < 0.3
        stale = chance.choice(("keep", "keep", "drop", "resubmit"))
        self.excuse = "" if stale == "keep" else stale
        token = visit.tokens and chance.random() < 0.4
        ends = chance.choice(("ends", "ends", "ends", "raises", "goes on"))
        source: Any = self._tasks(token, ends)
        if chance.random() < 0.4:
            source = self._slowly(source)
        try:
            stream = visit.client.stream(
                source, in_flight=self.window, ordered=self.ordered, stale=stale
            )
            await self._read(stream, ends)
        except SourceBroke:
            self._expect(ends == "raises", "a source's own exception out of nothing")
        except UsageError:
            visit.story.notes["stream: closed"] += 1
        except SolvestreamError as error:
            self._expect(False, f"G4: a reader got {type(error).__name__}: {error}")
        finally:
            del source
        self._tell_cut()

    def _tasks(self, token: bool, ends: str) -> Iterator[Any]:
        visit = self.visit
        for _ in range(self.count):
            label = next(visit.labels)
            self.began[label] = visit.now()
            self.order.append(label)
            self.deadlines[label] = deadline = visit.deadline()
            under_way = len(self.began) - len(self.read) - 1  # one may be in the reader's hand
            self._expect(
                under_way <= self.window or bool(self.excuse),
                f"G5: {under_way} tasks taken and not read, window {self.window}",
            )
            yield visit.make(label, token=token, deadline=deadline)
        if ends == "raises":
            raise SourceBroke

    async def _slowly(self, tasks: Iterator[Any]) -> AsyncIterator[Any]:
        chance = self.visit.chance
        pause = chance.choice((0.0, 0.1, 2.0))
        while True:
            if chance.random() < 0.3:
                await asyncio.sleep(pause * chance.random())
            try:
                task = next(tasks)
            except StopIteration:
                return
            yield task

    async def _read(self, stream: Any, ends: str) -> None:
        chance = self.visit.chance
        stop = chance.randrange(1, self.count + 1) if ends == "goes on" else None
        slow = chance.choice((0.0, 0.0, 0.0, 0.2, 3.0))
        style = chance.choice(("for", "with", "cuts"))
        if style == "cuts":
            await self._read_with_cuts(stream, stop)
            return
        if style == "with":
            async with stream as results:
                await self._read_for(results, stop, slow)
            return
        await self._read_for(stream, stop, slow)

    async def _read_for(self, stream: Any, stop: int | None, slow: float) -> None:
        async for result in stream:
            self._take(result)
            if stop is not None and len(self.read) >= stop:
                break
            if slow and self.visit.chance.random() < 0.3:
                await asyncio.sleep(slow * self.visit.chance.random())

    async def _read_with_cuts(self, stream: Any, stop: int | None) -> None:
        visit = self.visit
        while stop is None or len(self.read) < stop:
            patience = visit.chance.choice((None, None, 0.0, 0.5, 5.0))
            try:
                result = await visit._patiently(anext(stream), patience)
            except StopAsyncIteration:
                return
            if result is not None:
                self._take(result)

    def _take(self, result: Result[Any]) -> None:
        """Write down a result."""
        visit, label = self.visit, result.tag
        self._expect(label not in self.read, f"G3: {label} was handed over twice by a stream")
        self._expect(label in self.began, f"G4: {label} was never handed over to this stream")
        if self.ordered and not self.excuse:
            at = len(self.read)
            self._expect(self.order[at] == label, f"ordered: {label} came at {at}")
        self.read.add(label)
        how = "result" if result.ok else "error"
        # A slow reader is late by its own choice: the end was when the result says.
        ended = self.began[label] + result.elapsed
        told = Told(label, "stream", visit.life, self.began[label], ended, how)  # type: ignore[arg-type]
        told.deadline, told.excuse = self.deadlines[label], self.excuse
        told.result, told.error = (result, None) if result.ok else (None, result.error)
        if result.error is not None:
            visit._hold(result.error)
        visit.story.tell(told)

    def _tell_cut(self) -> None:
        """Write down the tasks of which nothing came, as the reader went away."""
        visit = self.visit
        for label, began in self.began.items():
            if label not in self.read:
                told = Told(label, "stream", visit.life, began, visit.now(), "cut")
                told.excuse = self.excuse
                visit.story.tell(told)

    def _expect(self, fine: bool, words: str) -> None:
        if not fine:
            self.visit.story.breaches.append(words)
