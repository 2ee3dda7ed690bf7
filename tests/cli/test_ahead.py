from __future__ import annotations

import threading

import anyio
import pytest

from solvestream.cli.ahead import AHEAD, Ahead

pytestmark = pytest.mark.anyio


async def test_all_items_come_in_order():
    """Many more than may lie ready."""
    assert [item async for item in Ahead(range(10_000))] == list(range(10_000))


async def test_it_runs_only_so_far_ahead():
    """Memory is bounded by what nobody has taken yet."""
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield taken[-1]

    ahead = Ahead(endless())
    for number in range(5):
        assert await anext(ahead) == number
    for _ in range(50):
        await anyio.sleep(0.001)
    assert len(taken) <= 5 + AHEAD + 1
    ahead.stop()


async def test_what_it_raises_comes_after_its_items():
    """Nothing that was read before is lost."""

    def broken():
        yield 1
        yield 2
        raise RuntimeError("broken")

    ahead = Ahead(broken())
    assert [await anext(ahead), await anext(ahead)] == [1, 2]
    with pytest.raises(RuntimeError, match="broken"):
        await anext(ahead)
    with pytest.raises(StopAsyncIteration):
        await anext(ahead)


async def test_an_item_is_there_before_the_next_is():
    """One that blocks holds up none that came before it."""
    gate = threading.Event()

    def slow():
        yield 1
        gate.wait(10)
        yield 2

    ahead = Ahead(slow())
    with anyio.fail_after(5):
        assert await anext(ahead) == 1
        gate.set()
        assert await anext(ahead) == 2


async def test_one_that_blocks_can_be_stopped():
    """Whoever waits for the next item is told that there is none."""
    gate = threading.Event()

    def blocked():
        gate.wait(10)
        yield 1

    ahead = Ahead(blocked())
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_soon, ahead)
            with pytest.raises(StopAsyncIteration):
                await anext(ahead)
    gate.set()


async def _stop_soon(ahead):
    await anyio.sleep(0.01)
    ahead.stop()


async def test_after_the_loop_has_gone_the_thread_ends():
    """It finds nobody to wake, and raises nothing in its thread."""
    gate = threading.Event()
    ahead = Ahead(iter([1]))
    assert await anext(ahead) == 1
    ahead._waiting, ahead._wake = True, _closed
    ahead._tell()
    assert ahead._stopped
    gate.set()


def _closed():
    raise RuntimeError("Event loop is closed")
