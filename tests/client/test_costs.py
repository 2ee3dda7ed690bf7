"""What a task costs, in counts that do not depend on the machine: they must not creep up.

Times are for `benchmarks/`; here are calls of Python functions, requests, decisions, objects and
tasks of the loop, on a transport that answers at once.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import Counter

import pytest
from attrs import define, field

from solvestream import CaptchaAI, Client, ImageToText, Pacing
from solvestream._core.planner import Planner
from solvestream._wire import Response
from tests.virtual import ASYNCIO

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n"
PENDING = b"CAPCHA_NOT_READY"


@pytest.fixture(params=[pytest.param(ASYNCIO, id="asyncio")])
def anyio_backend(request):
    return request.param


@define(eq=False)
class Instant:
    """A transport that calls back in the loop's next step; a task is ready at its n-th look."""

    looks_a_task: int
    max_exchanges: int = 64
    requests: int = 0
    ids: int = 0
    seen: Counter[bytes] = field(factory=Counter)

    def begin(self, request, take):
        self.requests += 1
        asyncio.get_running_loop().call_soon(self._answer, request, take)

    def _answer(self, request, take):
        take(Response(200, body=self._reply(request)))

    def _reply(self, request):
        if request.method == "POST":
            self.ids += 1
            return b"OK|%d" % (7_000_000 + self.ids)
        ids = request.target.rpartition("=")[2].encode().split(b",")
        answers = [self._look(one) for one in ids]
        if "ids=" in request.target:
            return b"|".join(answers)
        return answers[0] if answers == [PENDING] else b"OK|" + answers[0]

    def _look(self, one):
        self.seen[one] += 1
        return b"abc" if self.seen[one] >= self.looks_a_task else PENDING

    async def send(self, request):
        raise AssertionError("the hot path goes through begin")

    async def aclose(self):
        pass


async def run(monkeypatch, count, looks, *, watch=None, **options):
    """Solve `count` tasks, each ready at its `looks`-th look."""
    transport = Instant(looks)
    monkeypatch.setattr("solvestream.client.open_transport", lambda http, connections: transport)
    account = CaptchaAI("key", pacing=Pacing(first_look=1.0, interval=1.0), **options)
    async with Client(account) as client:
        tasks = (ImageToText(PNG) for _ in range(count))
        async for result in client.stream(tasks, in_flight=count):
            assert result.ok
            if watch is not None:
                watch()
    return transport


async def profiled(monkeypatch, count, looks, **options):
    calls = 0

    def profile(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    await run(monkeypatch, 10, looks, **options)  # what is made once
    sys.setprofile(profile)
    try:
        await run(monkeypatch, count, looks, **options)
    finally:
        sys.setprofile(None)
    return calls / count


async def test_calls_per_look_and_per_task(monkeypatch):
    """A look that finds nothing costs at most 60 calls of Python functions, a task at most 270."""
    one = await profiled(monkeypatch, 500, 1)
    five = await profiled(monkeypatch, 500, 5)
    print(f"{one:.1f} calls a task of one look, {(five - one) / 4:.1f} for each look more")
    assert (five - one) / 4 <= 60
    assert one <= 270


async def test_calls_per_id_of_a_batch(monkeypatch):
    """In batches of 100, an id that is not ready costs at most 15 calls."""
    one = await profiled(monkeypatch, 1_000, 1, multi_id=True)
    five = await profiled(monkeypatch, 1_000, 5, multi_id=True)
    print(f"{(five - one) / 4:.1f} calls for each id looked at")
    assert (five - one) / 4 <= 15


async def test_requests_per_task(monkeypatch):
    """One id a poll: a submit and its looks, no more; 100 ids a poll: hardly more than submits."""
    single = await run(monkeypatch, 2_000, 4)
    assert single.requests == 2_000 * 5
    batch = await run(monkeypatch, 2_000, 4, multi_id=True)
    assert batch.requests <= 2_000 * 1.1


async def test_decisions_per_exchange(monkeypatch):
    """The planner is asked hardly more often than there are exchanges."""
    asked = 0
    next_action = Planner.next_action

    def count(self, now, *, room=True):
        nonlocal asked
        asked += 1
        return next_action(self, now, room=room)

    monkeypatch.setattr(Planner, "next_action", count)
    transport = await run(monkeypatch, 2_000, 4)
    assert asked <= 1.2 * transport.requests


async def test_no_task_and_no_timer_per_task(monkeypatch):
    """Thousands in flight need the same few tasks and timers of the loop as ten do."""
    loop = asyncio.get_running_loop()
    tasks, timers = [], []

    def watch():
        if len(tasks) < 50:
            tasks.append(len(asyncio.all_tasks()))
            timers.append(len(loop._scheduled))

    await run(monkeypatch, 5_000, 3, watch=watch)
    assert max(tasks) <= 5
    assert max(timers) <= 20


async def test_looks_leave_nothing_behind(monkeypatch):
    """Looking again and again at the same tasks allocates nothing that stays."""
    sizes = []
    transport = Instant(100)
    monkeypatch.setattr("solvestream.client.open_transport", lambda http, connections: transport)
    account = CaptchaAI(
        "key", pacing=Pacing(first_look=1.0, interval=1.0, max_looks=1000, deadline=1000.0)
    )
    async with Client(account) as client:
        tickets = [await client.submit(ImageToText(PNG)) for _ in range(200)]
        for _ in range(3):
            await asyncio.sleep(20.5)
            gc.collect()
            sizes.append(sys.getallocatedblocks())
    assert len(tickets) == 200
    assert transport.requests > 200 * 50
    assert sizes[2] - sizes[1] < 200 * 20 * 0.05
