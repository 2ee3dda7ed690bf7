"""Chance against callers: every public call cut at a random moment, and a count of what is missing.

    python -m tests.client.cancel --trials 10000 [--seed 2026] [--naive]

A trial is a call that was cut while it waited: by `task.cancel()`, once or twice, by an anyio scope,
`move_on_after` or `asyncio.timeout`. Many callers share one client, over real connections to a service
that takes its time, in virtual time (with a journal: in real time). When all is quiet, its ledger is
joined with what users hold and what `tickets()` lists. The naive client owns nothing: it sends and
looks in its callers' own tasks, as most programs do. It must be found out.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import math
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from solvestream import ImageToText, Result, SolvestreamError, Text, Ticket
from tests.client.callers import NAIVE_TRIALS, TRIALS, Room, Tally, after
from tests.faults.canary import Canary
from tests.faults.clock import VirtualLoop
from tests.faults.service import http
from tests.faults.world import SERVICES, TRANSPORTS, World, until

CALLERS = 50
"""At once in one room."""
ROOMS = [(wire, service) for service in SERVICES for wire in TRANSPORTS]
JOURNALED = 11
"""Every so many rooms, one has a journal, whose time is real."""
SENT = 0.5
"""Virtual seconds within which a submit that is on its way is accepted."""


# The audit


async def settle(room: Room) -> None:
    """Wait until nothing is under way, and see what is left of the calls."""

    def quiet() -> bool:
        now = room.client.statistics()
        return not now.queued and not now.in_flight

    with anyio.move_on_after(1_000 * room.scale) as hung:
        await until(quiet, room.scale)
        await asyncio.sleep(10 * room.scale)
    if hung.cancelled_caught:
        room.tally.wrong.append(f"never quiet: {room.client!r}")
    room.tally.stuck += busy(room.world)
    room.tally.leaked += map(repr, room.tasks() - room.before)


async def audit(room: Room) -> None:
    """Join the service's ledger with what can be had, and call once more on every connection."""
    service, tally = room.world.service, room.tally
    for ticket in room.client.tickets():
        try:
            with anyio.move_on_after(1_000 * room.scale):
                await room.wait(ticket)
        except SolvestreamError as error:
            tally.wrong.append(f"{ticket}: {error!r}")
    tally.paid += len(service.tasks)
    missing = service.tasks.keys() - room.held
    tally.orphans += [f"id {one} of task {service.tasks[one].label}" for one in sorted(missing)]
    tally.wrong += [f"task {one} was paid twice" for one, n in service.charges.items() if n > 1]
    for deal in service.tasks.values():
        late = deal.at - room.dropped.get(deal.label, math.inf)
        if late > SENT and room.scale == 1:
            tally.wrong.append(
                f"task {deal.label} was bought {late:.1f} s after its caller had gone"
            )
    with anyio.move_on_after(1_000 * room.scale) as hung:
        await asyncio.gather(*(room.solve(room.task()) for _ in range(8)))
    if hung.cancelled_caught:
        tally.wrong.append("the next call hung")


def busy(world: World) -> list[str]:
    """Return the exchanges that hold a connection, or wait for one, by transport."""
    found = [f"{pool!r}" for pool in world.pools if not _idle(pool.statistics())]
    for http_client in world._https:
        pool = http_client._transport._pool
        found += [repr(one) for one in pool.connections if not (one.is_idle() or one.is_closed())]
        found += [repr(one) for one in pool._requests]
    return found


def _idle(now) -> bool:
    return now.open == now.idle and not now.connecting and not now.waiting


# Rooms


def slow(room: Room):
    """Answer well, and late: before the service has decided, after it, or both."""

    def some() -> float:
        return room.chance.choice((0, room.chance.uniform(0, 0.25))) * room.scale

    def choose(number: int):
        first, then = some(), some()

        async def act(visit, asked) -> bool:
            await visit.whole(asked)
            await asyncio.sleep(first)
            status, body = visit.service.answer(asked)
            await asyncio.sleep(then)
            room.replied.set()
            room.replied = asyncio.Event()
            await after(0, 3)  # those who wait for a reply to come are awake now
            await visit.send(http(body, status))
            return True

        return act

    return choose


class Naive:
    """A client that owns nothing: it sends and looks in its caller's task, which holds the id."""

    def __init__(self, url: str, http_client: Any) -> None:
        self.url, self.http = url, http_client

    async def submit(self, task: ImageToText) -> Ticket:
        body = base64.b64encode(task.image).decode()
        fields = {"key": "made-up", "method": "base64", "body": body}
        number = (await self.http.post(f"{self.url}/in.php", data=fields)).text.partition("|")[2]
        return Ticket(account="naive", task_id=number, job_key="", kind="", submitted_at=0)

    async def wait(self, ticket: Ticket, tag: object = None) -> Result[Text]:
        question = {"key": "made-up", "action": "get", "id": ticket.task_id}
        while True:
            await asyncio.sleep(1)
            reply = await self.http.get(f"{self.url}/res.php", params=question)
            if reply.text.startswith("OK|"):
                text = Text(reply.text.partition("|")[2])
                return Result(ok=True, solution=text, ticket=ticket, tag=tag)

    async def solve(self, task: ImageToText) -> Result[Text]:
        return await self.wait(await self.submit(task), task.tag)

    async def stream(self, tasks, **_: object):
        if isinstance(tasks, AsyncIterable):
            tasks = [task async for task in tasks]
        for first in asyncio.as_completed([self.solve(task) for task in tasks]):
            yield await first

    def tickets(self) -> tuple[Ticket, ...]:
        return ()

    def statistics(self) -> Any:
        return SimpleNamespace(queued=0, in_flight=0)

    async def aclose(self) -> None:
        pass


async def attempt(room: Room, trial) -> None:
    """Make a trial; what it raises is against the promises."""
    try:
        await trial(room)
    except Exception as error:  # noqa: BLE001 - counted
        room.tally.wrong.append(f"{trial.__name__}: {error!r}")


async def stay(room: Room, *, naive: bool) -> None:
    """Have many callers at one client, and audit what they leave."""
    world, chance = room.world, room.chance
    await world.open()
    world.service.solve = chance.choice((0.3, 1.5)) * room.scale
    late = slow(room)
    world.service.on = dict.fromkeys(("submit", "look", "balance", "threads", "report"), late)
    empty = room.tasks()
    if naive:
        room.client = Naive(f"http://127.0.0.1:{world.port}", world.http())
    else:
        room.client = await room.new_client("run.db").start()
    room.before = room.tasks()
    trials = NAIVE_TRIALS if naive else TRIALS
    with anyio.move_on_after(5_000 * room.scale) as hung:
        await asyncio.gather(*(attempt(room, chance.choice(trials)) for _ in range(CALLERS)))
    if hung.cancelled_caught:
        room.tally.wrong.append("a call hung")
    await settle(room)
    await audit(room)
    await room.client.aclose()
    for http_client in world._https:
        await http_client.aclose()
    await asyncio.sleep(room.scale)
    room.tally.leaked += map(repr, room.tasks() - empty)
    room.tally.stuck += busy(world)
    await world.service.stop()


def run(trials: int, seed: int = 2026, *, naive: bool = False) -> Tally:
    """Run rooms until so many calls were cut: both transports, all services."""
    tally = Tally()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        clock = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
        patch.setattr("httpcore._async.http11.time", clock)
        for number in itertools.count():
            if tally.cut.total() >= trials:
                return tally
            chance = random.Random(f"{seed}-{number}")
            jitter = SimpleNamespace(Random=lambda one=chance: random.Random(one.random()))
            patch.setattr("solvestream.client.random", jitter)
            wire, service = ("httpx", "captchaai") if naive else ROOMS[number % len(ROOMS)]
            room = Room(World(wire, Canary(), patch), chance, tally, service)
            with asyncio.Runner(loop_factory=VirtualLoop) as runner:
                if not naive and number % JOURNALED == JOURNALED - 1:
                    room.scale, room.folder = 0.02, Path(folder) / str(number)
                    room.folder.mkdir()
                    runner.get_loop().threads = True
                runner.run(stay(room, naive=naive))
    raise AssertionError


def main() -> int:
    """Run the command; the exit code is 1 when anything is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--naive", action="store_true", help="the positive control")
    options = parser.parse_args()
    started = time.perf_counter()
    tally = run(options.trials, options.seed, naive=options.naive)
    counts = (", ".join(f"{n} {k}" for k, n in c.most_common()) for c in (tally.cut, tally.ways))
    print("\n".join(tally.found[:20]))
    print(
        f"seed {options.seed}: {tally.cut.total():,} calls cut while they waited, and "
        f"{tally.ended:,} too late, in {time.perf_counter() - started:.0f} s"
    )
    print(*counts, sep="\n")
    print(
        f"{tally.paid:,} tasks paid: {len(tally.orphans)} orphans, {len(tally.stuck)} stuck "
        f"connections, {len(tally.leaked)} leaked tasks, {len(tally.lost)} items lost from "
        f"streams, {len(tally.wrong)} other faults"
    )
    return int(bool(tally.found))


if __name__ == "__main__":
    sys.exit(main())
