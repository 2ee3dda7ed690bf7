"""Callers whose calls are cut at random moments, and what they hold; `cancel.py` has them audited."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import anyio
from attrs import define, field

from solvestream import ClientClosed, ImageToText, Pacing, Result
from solvestream.errors import JournalError
from tests.faults.service import picture
from tests.faults.world import World


@define
class Tally:
    """What came of all trials.

    Attributes:
        cut: calls that were cut, by name.
        ways: the same, by the way of cutting.
        ended: calls that had ended before.
        paid: tasks that services took money for.
        orphans: paid tasks that no user holds and `tickets()` does not list, or that it lists and
            whose answer cannot be had.
        stuck: exchanges that keep their connection when nothing is under way.
        leaked: tasks of the loop that should be gone.
        lost: items that a stream did not hand over exactly once.
        wrong: anything else: a call that raised or hung, a task paid twice.
    """

    cut: Counter[str] = field(factory=Counter)
    ways: Counter[str] = field(factory=Counter)
    ended: int = 0
    paid: int = 0
    orphans: list[str] = field(factory=list)
    stuck: list[str] = field(factory=list)
    leaked: list[str] = field(factory=list)
    lost: list[str] = field(factory=list)
    wrong: list[str] = field(factory=list)

    @property
    def found(self) -> list[str]:
        """All that should not be."""
        return self.wrong + self.orphans + self.stuck + self.lost + self.leaked


# Ways to cut a call: each tells whether the call was still waiting


async def native(call, seconds: float, steps: int, times: int = 1) -> bool:
    """Cancel a task, perhaps again while it is ending."""
    task = asyncio.ensure_future(call)
    await after(seconds, steps + 1)  # it begins with the loop's next step
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    return await _was_cut(task)


async def twice(call, seconds: float, steps: int) -> bool:
    """Cancel a task two times."""
    return await native(call, seconds, steps, times=2)


async def scope(call, seconds: float, steps: int) -> bool:
    """Cancel an anyio scope from another task."""
    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as cut:

            async def cancel() -> None:
                await after(seconds, steps)
                cut.cancel()

            group.start_soon(cancel)
            await call
        group.cancel_scope.cancel()
    return cut.cancelled_caught


async def move_on(call, seconds: float, steps: int) -> bool:
    """Have anyio's time run out."""
    with anyio.move_on_after(seconds) as cut:
        await call
    return cut.cancelled_caught


async def timeout(call, seconds: float, steps: int) -> bool:
    """Have asyncio's time run out."""
    try:
        async with asyncio.timeout(seconds):
            await call
    except TimeoutError:
        return True
    return False


async def in_time(call, room: Room) -> bool:
    """Cancel a task when what it waits for is there and it has not run yet, or a step or two later."""
    cut = anyio.CancelScope()

    async def within() -> None:
        with cut:
            await call

    task = asyncio.ensure_future(within())
    cancel = room.chance.choice((task.cancel, task.cancel, cut.cancel))
    steps = room.chance.choice((0, 0, 1, 2))
    patience = room.chance.choice((0, 0, 0, 1, 2))  # things to come before the one
    while not task.done() and patience >= 0:
        await room.reply(task)
        for _ in range(15):
            await asyncio.sleep(0)
            if task.done() or (task._fut_waiter is not None and task._fut_waiter.done()):
                patience -= 1
                break
    await after(0, steps)
    cancel()
    return await _was_cut(task) or cut.cancelled_caught


async def _was_cut(task) -> bool:
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return task.cancelled()


async def after(seconds: float, steps: int) -> None:
    if seconds:
        await asyncio.sleep(seconds)
    for _ in range(steps):
        await asyncio.sleep(0)


WAYS = (native, twice, scope, move_on, timeout)


# Calls


@define(eq=False)
class Room:
    """A service, a client of it, and what its users hold.

    Attributes:
        service: name of the kind of service.
        scale: seconds of the loop for each second of a call's life.
        folder: where journals are; `None` for none.
        held: ids of results and tickets in users' hands.
        dropped: when callers who alone wanted a task were cut, by its label.
        replied: set when the service is about to reply next.
        before: tasks of the loop that are there while nothing is under way.
    """

    world: World
    chance: random.Random
    tally: Tally
    service: str = "captchaai"
    scale: float = 1.0
    folder: Path | None = None
    client: Any = None
    held: set[str] = field(factory=set[str])
    dropped: dict[int, float] = field(factory=dict[int, float])
    before: set[Any] = field(factory=set[Any])
    replied: asyncio.Event = field(factory=asyncio.Event)
    _labels: Iterator[int] = field(factory=itertools.count)

    @property
    def account(self) -> Any:
        """Return an account at the service."""
        scale = self.scale
        pacing = Pacing(first_look=scale, interval=scale / 2, deadline=500, max_looks=10_000)
        return self.world.account(self.service, pacing=pacing)

    def tasks(self) -> set[Any]:
        """Return the tasks of the loop that are not the service's nor the one that asks."""
        return asyncio.all_tasks() - self.world.service.open - {asyncio.current_task()}

    def task(self, **options: Any) -> ImageToText:
        """Return a task of its own, of a size that takes more than one step to send or does not."""
        label = next(self._labels)
        size = self.chance.choice((0, 0, 0, 90_000))
        return ImageToText(picture(label, size), tag=label, **options)

    async def cut(self, call) -> bool:
        """Cut a call at a random moment; tells whether it was still waiting."""
        name, chance = call.__name__, self.chance
        way = chance.choice((*WAYS, *[in_time] * 3))
        if way is in_time:
            was_cut = await in_time(call, self)
        else:
            seconds = chance.choice((0, 0, chance.uniform(0, 0.4), chance.uniform(0, 3)))
            was_cut = await way(call, seconds * self.scale, chance.randrange(25))
        if was_cut:
            self.tally.cut[name] += 1
            self.tally.ways[way.__name__] += 1
        self.tally.ended += not was_cut
        return was_cut

    async def reply(self, task) -> None:
        """Wait until the service is about to reply to anybody, or a task ends."""
        waits = asyncio.ensure_future(self.replied.wait())
        await asyncio.wait([waits, task], return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()

    def drop(self, *labels: int) -> None:
        """Note that nobody wants these tasks any more."""
        self.dropped |= dict.fromkeys(labels, asyncio.get_running_loop().time())

    def hold(self, result: Result[Any]) -> None:
        """Take a result into the user's hands."""
        self.held.add(result.ticket.task_id)
        label = self.world.service.tasks[result.ticket.task_id].label
        if result.unwrap().text != self.world.service.words(label):
            self.tally.wrong.append(f"task {label} got {result.unwrap().text!r}")

    async def solve(self, task) -> None:
        """Have one task solved."""
        self.hold(await self.client.solve(task))

    async def submit(self, task) -> None:
        """Buy one task."""
        self.held.add((await self.client.submit(task)).task_id)

    async def wait(self, ticket) -> None:
        """Wait on a ticket."""
        self.hold(await self.client.wait(ticket))

    async def read(self, stream, seen: list[int]) -> None:
        """Read one result of a stream."""
        if (result := await anext(stream, None)) is not None:
            seen.append(result.tag)
            self.hold(result)

    async def iterate(self, stream, block) -> None:
        """Read a stream to its end, in its block or in none."""
        async with block:
            async for result in stream:
                self.hold(result)

    async def balance(self) -> None:
        """Ask for the balance."""
        await self.client.balance()

    async def threads(self) -> None:
        """Ask for the slots."""
        await self.client.threads()

    async def report(self, ticket) -> None:
        """Tell the service that an answer was right."""
        await self.client.report(ticket, correct=True)

    async def start(self, client) -> None:
        """Open a client."""
        await client.start()

    async def aclose(self, client) -> None:
        """Close a client."""
        await client.aclose()

    def stream(self) -> tuple[Any, list[int]]:
        """Return a stream of some tasks, of any kind, and the labels of the tasks."""
        tasks = [self.task() for _ in range(self.chance.randrange(1, 7))]
        source: Any = self._dripped(tasks) if self.chance.random() < 0.3 else tasks
        window, ordered = self.chance.choice((1, 3, 9)), self.chance.random() < 0.5
        stream = self.client.stream(source, in_flight=window, ordered=ordered)
        return stream, [task.tag for task in tasks]

    async def _dripped(self, tasks):
        for task in tasks:
            await asyncio.sleep(self.chance.uniform(0, 0.5) * self.scale)
            yield task

    def new_client(self, name: str) -> Any:
        """Return a client, with a journal if the room's has one."""
        options = {} if self.folder is None else {"journal": self.folder / name}
        return self.world.client(self.account, connections=self.chance.choice((3, 64)), **options)


# Trials: what a user does around a call that is cut


async def solve(room: Room) -> None:
    """Cut `solve`."""
    task = room.task()
    if await room.cut(room.solve(task)):
        room.drop(task.tag)


async def share(room: Room) -> None:
    """Cut one of two callers who share a `job_key`."""
    task = room.task(job_key=f"key-{room.chance.random()}")
    await asyncio.gather(room.cut(room.solve(task)), room.solve(task))


async def submit(room: Room) -> None:
    """Cut `submit`."""
    task = room.task()
    if await room.cut(room.submit(task)):
        room.drop(task.tag)


async def wait(room: Room) -> None:
    """Cut `wait`, perhaps again, and wait once more."""
    ticket = await room.client.submit(room.task())
    for _ in range(room.chance.randrange(1, 4)):
        if not await room.cut(room.wait(ticket)):
            return
    await room.wait(ticket)


async def iterate(room: Room) -> None:
    """Cut a loop over a stream, which is then closed, or just dropped."""
    stream, labels = room.stream()
    if hasattr(stream, "__aexit__") and room.chance.random() < 0.5:
        if await room.cut(room.iterate(stream, stream)):
            room.drop(*labels)
    else:
        await room.cut(room.iterate(stream, nullcontext()))


async def read(room: Room) -> None:
    """Cut a reader between results, a few times, and read the rest: each item comes once."""
    stream, labels = room.stream()
    seen: list[int] = []
    for _ in range(room.chance.randrange(1, 5)):
        await room.cut(room.read(stream, seen))
    async for result in stream:
        seen.append(result.tag)
        room.hold(result)
    for label in {*labels, *seen}:
        if (times := seen.count(label)) != 1:
            room.tally.lost.append(f"item {label} came {times} times")


async def ask(room: Room) -> None:
    """Cut `balance`, `threads` or `report`."""
    kind = room.chance.choice(("balance", "threads", "report"))
    if kind == "report" and room.account.capabilities.reports:
        result = await room.client.solve(room.task())
        room.hold(result)
        await room.cut(room.report(result))
    elif kind == "threads" and room.account.capabilities.threads:
        await room.cut(room.threads())
    else:
        await room.cut(room.balance())


async def opened(room: Room, name: str) -> Any:
    """Open a client, again if the first opening was cut."""
    client = room.new_client(name)
    if not await room.cut(room.start(client)):
        return client
    while True:
        client = room.new_client(name)
        try:
            return await client.start()
        except JournalError:  # a thread was still opening it for the caller that was cut
            await asyncio.sleep(room.scale)


async def live(room: Room) -> None:
    """Cut the opening of a client and its closing with callers; what is left is had elsewhere."""
    name = f"{room.chance.random()}.db"
    client = await opened(room, name)
    callers = [asyncio.ensure_future(client.solve(room.task())) for _ in range(3)]
    await asyncio.sleep(room.chance.uniform(0, 2) * room.scale)
    await room.cut(room.aclose(client))
    left = await client.aclose()
    for one in await asyncio.gather(*callers, return_exceptions=True):
        if isinstance(one, Result):
            room.hold(one)
        elif not isinstance(one, ClientClosed):
            raise one
    if room.folder is None:
        for ticket in left:
            await room.wait(ticket)
    else:
        await resume(room, name)


async def resume(room: Room, name: str) -> None:
    """Cut a reader of what a closed client left in its journal, and read the rest."""
    async with room.new_client(name) as client:
        stream = client.resume()
        await room.cut(room.read(stream, []))
        await room.iterate(stream, nullcontext())


TRIALS = (solve, share, submit, wait, iterate, read, ask, live)
NAIVE_TRIALS = (solve, submit, wait, iterate, read)
