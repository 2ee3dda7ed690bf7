"""Faults while results are handed over (`faults.json`, phase "deliver")."""

from __future__ import annotations

import asyncio
import gc

import anyio
import pytest

from solvestream import Client, Pacing, RecaptchaV2, Turnstile
from solvestream._journal.store import read_journal
from tests.faults.acts import always, silent
from tests.faults.test_journal import Books
from tests.faults.world import STYLES, World, cancelled, task, until

pytestmark = pytest.mark.anyio
QUICK = Pacing(first_look=1.0, interval=1.0)


def quick(world: World) -> Client:
    """Return a client whose tasks take a second."""
    world.service.solve = 0.5
    return world.client(world.account(pacing=QUICK))


@pytest.mark.parametrize("at", [0, 3, 9])
async def test_d01_break(world, at):
    """After a break nothing is cut, nothing more is sent, and each paid answer can be had."""
    async with quick(world) as client:
        seen = []
        async for result in client.stream([task(n) for n in range(10)], in_flight=5):
            seen.append(result.tag)
            if len(seen) > at:
                break
        submits = world.service.begun["submit"]
        await asyncio.sleep(30)
        assert world.service.begun["submit"] - submits <= 5
        tickets = client.tickets()
        looks = world.service.looks.total()
        await asyncio.sleep(30)
        assert world.service.looks.total() == looks
        results = [await client.wait(ticket) for ticket in tickets]
        world.canary.look(*results, *tickets)
    assert len(seen) + len(results) == len(world.service.tasks)


@pytest.mark.parametrize("style", STYLES)
async def test_d02_reader_cancelled(world, style):
    """A reader cut at every step, over and over, loses no result and sees none twice."""
    async with quick(world) as client:
        stream = client.stream([task(n) for n in range(60)], in_flight=20)
        seen = []

        async def read() -> None:
            if (result := await anext(stream, None)) is not None:
                seen.append(result.tag)

        for step in range(120):
            await cancelled(read, style, 0.1 * (step % 5), step % 30)
        seen += [result.tag async for result in stream]
    assert sorted(seen) == list(range(60))
    assert set(world.service.charges.values()) == {1}


async def test_d02_wait_for(world):
    """`asyncio.wait_for(anext(...))` that times out between results loses none."""
    async with quick(world) as client:
        stream = client.stream([task(n) for n in range(30)], in_flight=5)
        seen = []
        while len(seen) < 30:
            try:
                seen.append((await asyncio.wait_for(anext(stream), 0.13)).tag)
            except TimeoutError:
                continue
    assert sorted(seen) == list(range(30))


async def test_d04_slow_reader(world):
    """One result a second from a service that is faster: looks go on, submits are bounded."""
    async with quick(world) as client:
        count = 0
        async for result in client.stream([task(n) for n in range(200)], in_flight=20):
            assert result.ok
            count += 1
            assert len(world.service.tasks) - count <= 20
            assert world.service.working <= 20
            await asyncio.sleep(1)
    assert count == 200
    assert max(world.service.looks.values()) <= 2


@pytest.mark.parametrize("transport", ["pool"], indirect=True)
@pytest.mark.parametrize("ordered", [False, True])
async def test_d04_what_waits_is_in_the_journal(world, tmp_path, ordered):
    """Every result that waits for a slow reader is in the journal as solved: a crash loses none."""
    loop = asyncio.get_running_loop()
    loop.threads = True  # the journal writes in one, in real time
    world.service.solve = 0.03
    books = Books(world, tmp_path)
    async with books.client() as client:
        tasks = (task(n, job_key=f"key-{n}") for n in range(100))
        stream = client.stream(tasks, in_flight=20, ordered=ordered)
        for taken in range(1, 6):
            await anext(stream)
            with anyio.fail_after(10):
                await until(lambda: client.statistics().unread == 20, 0.01)
            keys = {result.ticket.job_key for result in stream._outbox.unread}
            left = {
                one.job_key: one.state for one in read_journal(books.kill()) if one.job_key in keys
            }
            assert left == dict.fromkeys(keys, "solved")
            assert len(keys) == 20
            assert len(world.service.tasks) <= 20 + taken
        path = books.kill()
        await stream.aclose()
    again = await books.resume(path)
    loop.threads = False
    assert keys <= {result.ticket.job_key for result in again if result.ok and result.redelivered}


async def test_d05_nobody_reads(world):
    """Submits stop at the bound; what is paid is held, and says how old it is when it is read."""
    world.service.solve = 0.5
    async with world.client(world.account(pacing=QUICK)) as client:
        tasks = [Turnstile("key", f"https://service.example/page/{n}") for n in range(50)]
        stream = client.stream(tasks, in_flight=10)
        first = await anext(stream)
        await asyncio.sleep(200)
        statistics = client.statistics()
        assert (statistics.unread, statistics.stale) == (10, 0)
        await asyncio.sleep(800)
        statistics = client.statistics()
        assert (statistics.unread, statistics.stale) == (10, 10)
        assert len(world.service.tasks) <= 11
        looks = world.service.looks.total()
        await asyncio.sleep(100)
        assert world.service.looks.total() == looks
        second = await anext(stream)
        await stream.aclose()
        statistics = client.statistics()
        assert statistics.kept == statistics.unread == statistics.stale > 0
        world.canary.look(client.statistics(), *client.tickets())
    assert (first.expired, second.expired) == (False, True)


async def test_d07_never_iterated(world):
    """A stream that is dropped unread warns, and nothing was sent or lost."""
    async with quick(world) as client:
        stream = client.stream([task(1)])
        with pytest.warns(ResourceWarning, match="never iterated") as caught:
            del stream
        world.canary.look(*[str(one.message) for one in caught])
        await asyncio.sleep(1)
    assert not world.service.begun


async def test_d07_collected_amid_results(world):
    """A stream collected while its tasks are under way leaves them to their tickets."""
    async with quick(world) as client:
        stream = client.stream([task(n) for n in range(10)])
        first = await anext(stream)
        del stream
        gc.collect()
        await asyncio.sleep(20)
        results = [await client.wait(ticket) for ticket in client.tickets()]
    assert first.ok
    assert len(results) == 9


@pytest.mark.parametrize("style", ["none", *STYLES])
@pytest.mark.parametrize("what", ["stream", "client"])
async def test_d08_closed_from_another_task(world, style, what):
    """Closing from elsewhere, twice, cut or not, takes a second at most and raises nothing."""
    world.service.on["look"] = always(silent())
    client = await quick(world).start()
    stream = client.stream([task(n) for n in range(10)])
    reading = asyncio.ensure_future(anext(stream, None))
    await asyncio.sleep(3)
    started = asyncio.get_running_loop().time()
    close = stream.aclose if what == "stream" else client.aclose
    if style == "none":
        await asyncio.gather(close(), close())
    else:
        await cancelled(close, style, 0.0, 1)
    await client.aclose()
    await client.aclose()
    got = await reading
    assert asyncio.get_running_loop().time() - started <= 2
    world.canary.look(got)
    assert len(client.tickets()) == len(world.service.tasks) - (got is not None and got.ok)


@pytest.mark.parametrize(("kind", "seconds"), [(RecaptchaV2, 120), (Turnstile, 300)])
async def test_d09_stale_answers(world, kind, seconds):
    """An answer older than it is good for is never handed over as fresh."""
    world.service.solve = 0.5
    async with world.client(world.account(pacing=QUICK)) as client:
        tasks = [kind("site", f"https://service.example/page/{n}", tag=n) for n in range(3)]
        stream = client.stream(tasks)
        first = await anext(stream)
        await asyncio.sleep(seconds - 5)
        second = await anext(stream)
        await asyncio.sleep(10)
        third = await anext(stream)
        world.canary.look(first, second, third)
    assert [one.expired for one in (first, second, third)] == [False, False, True]
    assert third.expires_at - third.solved_at == seconds


@pytest.mark.parametrize("style", ["none", *STYLES])
async def test_d10_client_used_inside_the_loop(world, style):
    """Solving one more task for each result, at a window of one, locks nothing up."""
    async with quick(world) as client:
        count = 0
        async for result in client.stream([task(n) for n in range(5)], in_flight=1):
            if style != "none":
                await cancelled(lambda n=count: client.solve(task(100 + n)), style, 0.5, count)
            assert (await client.solve(task(200 + count))).ok
            count += result.ok
    assert count == 5
    assert set(world.service.charges.values()) == {1}
