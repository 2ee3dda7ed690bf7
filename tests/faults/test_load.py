"""Load (`faults.json`, phase "load"). Times are for benchmarks; counts and bytes are checked here."""

from __future__ import annotations

import asyncio
import gc
import random
import time
import tracemalloc
from collections import deque

import pytest

from solvestream import CaptchaAI, Pacing
from solvestream._core.actions import Look
from solvestream._core.job import Job
from solvestream._core.scheduler import Scheduler
from solvestream._outcomes import Pending
from tests.faults.canary import KEY
from tests.faults.test_poll import read
from tests.faults.world import task

pytestmark = pytest.mark.anyio


async def test_l01_thousands_of_looks(world):
    """5,000 tasks (1,000 through httpx) are looked at at once: no pool runs dry, all are read."""
    count = 5_000 if world.transport == "pool" else 1_000
    world.service.solve = 30.0
    world.service.room = 1 << 20
    pacing = Pacing(first_look=31.0, interval=5.0)
    async with world.client(world.account(pacing=pacing)) as client:
        results = await read(client.stream([task(n) for n in range(count)], in_flight=count))
        assert client.statistics().accounts["captchaai"].troubles == 0
    assert all(one.ok for one in results)
    assert world.service.peak <= 64
    assert world.service.looks.total() == count


async def test_l02_few_connections(world):
    """1,000 looks go over a few connections that are kept; what one costs is printed."""
    world.service.solve = 5.0
    pacing = Pacing(first_look=6.0, interval=1.0)
    started = time.process_time()
    async with world.client(world.account(pacing=pacing)) as client:
        results = await read(client.stream([task(n) for n in range(500)], in_flight=500))
    spent = (time.process_time() - started) / 1_000
    print(f"{world.transport}: {spent * 1e3:.2f} ms CPU an exchange, service included")
    assert all(one.ok for one in results)
    assert world.service.peak <= (64 if world.transport == "pool" else 32)  # some are closing
    assert world.service.connections <= 200


def test_l03_fifty_thousand_ids():
    """50,000 ids in flight cost at most 1 KB each, and are looked at in turn, none twice as late."""
    scheduler = Scheduler(random=random.Random(1).random)
    account = CaptchaAI(KEY, base_url="http://127.0.0.1:1")
    scheduler.open({"captchaai": account.capabilities})
    scheduler.share(64)
    gc.collect()
    tracemalloc.start()
    for number in range(50_000):
        job = Job(kind="image", seq=number, born=0.0)
        scheduler.adopt(job, "captchaai", str(10_000_000 + number), 0.0, 0.0)
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert memory / 50_000 <= 1024
    gaps = run(scheduler, rounds=2)
    median = sorted(gaps)[len(gaps) // 2]
    assert max(gaps) <= 2 * median


def run(scheduler: Scheduler, rounds: int) -> list[float]:
    """Look at everything at 5,000 looks a second; returns the seconds between looks at each id."""
    planner = scheduler.planners["captchaai"]
    now, last, gaps = 10.0, {}, []
    wire: deque[Look] = deque()
    while len(gaps) < 50_000 * (rounds - 1):
        scheduler.tick(now)
        _, action = scheduler.next_action(now)
        if isinstance(action, Look):
            wire.append(action)
            for job in action.jobs:
                if job in last:
                    gaps.append(now - last[job])
                last[job] = now
        if len(wire) >= 32 or not isinstance(action, Look):
            while wire:
                look = wire.popleft()
                planner.looked(look, [Pending() for _ in look.jobs], now)
            now += 32 / 5_000
    return gaps


async def test_l06_one_service_dead(world):
    """With one of two services in a black hole, the other reads as fast as alone."""

    async def hang(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    dead = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    alone = await pace_of(world, world.account())
    both = await pace_of(world, world.account(), world.account("solvora", base_url=dead))
    server.close()
    assert both >= 0.95 * alone


async def pace_of(world, *accounts) -> float:
    """Return how many images a second the service has read."""
    world.service.tasks.clear()
    world.service.charges.clear()
    started = asyncio.get_running_loop().time()
    async with world.client(*accounts) as client:
        results = await read(client.stream([task(n) for n in range(150)]))
    done = [one for one in results if one.ok]
    assert {one.account for one in done} == {"captchaai"}
    assert len(done) >= 75
    return len(done) / (max(deal.ready for deal in world.service.tasks.values()) - started)
