"""`ResultStream.stop`: nothing more is submitted, and what is paid still comes."""

from __future__ import annotations

import itertools

import anyio
import pytest

from solvestream import CaptchaAI, Client, ClientClosed, ImageToText
from tests.virtual import FakeService

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def anyio_backend(virtual_backend):
    """Virtual time: a task takes 12 s of it, and none of ours."""
    return virtual_backend


@pytest.fixture
def fake(monkeypatch):
    """A service in memory with four slots."""
    fake = FakeService(slots=4)
    monkeypatch.setattr("solvestream.client.open_transport", lambda http, connections: fake)
    return fake


def endless(**options):
    """Yield tasks for ever."""
    for number in itertools.count():
        yield ImageToText(PNG + b"%d" % number, tag=number, **options)


async def stopped_after(seconds, results):
    """Read results, and stop a while after the start; return them and what was left then."""
    left = []

    async def stop():
        await anyio.sleep(seconds)
        left.append(results.stop())

    async with anyio.create_task_group() as group:
        group.start_soon(stop)
        with anyio.fail_after(1_000):
            found = [result async for result in results]
    return found, left[0]


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("seconds", [1.0, 30.0, 100.0])
async def test_what_is_paid_still_comes_and_nothing_else(fake, ordered, seconds):
    """The stream ends by itself; every paid task is answered, and no other is bought."""
    async with Client(CaptchaAI("key")) as client:
        results = client.stream(endless(), in_flight=50, ordered=ordered)
        found, left = await stopped_after(seconds, results)
        paid = len(fake.ready_at)
        assert sum(result.ok for result in found) == paid > 0
        assert all(isinstance(one.error, ClientClosed) for one in found if not one.ok)
        if ordered:
            tags = [result.tag for result in found]
            assert tags == sorted(tags)
        await anyio.sleep(200)
        assert len(fake.ready_at) == paid
        assert client.tickets() == ()
    assert 0 < left.tasks <= 5
    assert 0 < left.seconds < 1_000


async def test_a_refused_submit_is_not_sent_again(fake):
    """One that was on the wire when it was stopped, and finds no slot, is dropped."""
    fake.latency = 1.0
    fake.slots = 0
    async with Client(CaptchaAI("key")) as client:
        found, _ = await stopped_after(0.5, client.stream(endless(), in_flight=3))
        assert all(isinstance(result.error, ClientClosed) for result in found)
        submits = fake.submits
        await anyio.sleep(100)
        assert fake.submits == submits
        assert len(fake.ready_at) == 0


@pytest.mark.parametrize("ordered", [False, True])
async def test_tasks_of_one_key_go_and_come_together(fake, ordered):
    """All who share a paid task get its answer; those who share one that was not sent go."""
    keys = ["a", "b", "c", "d", "e", "f"]
    tasks = [ImageToText(PNG + key.encode(), job_key=key) for key in keys for _ in range(2)]
    async with Client(CaptchaAI("key")) as client:
        results = client.stream(tasks, in_flight=50, ordered=ordered)
        found, left = await stopped_after(5.0, results)
        assert len(fake.ready_at) == 4
        assert sum(result.ok for result in found) == 8
        assert left.tasks == 8
        assert client.statistics().queued == 0


async def test_a_source_that_waits_is_let_go(fake):
    """One that has nothing to give holds nothing up."""
    closed = []

    async def silent():
        try:
            yield ImageToText(PNG)
            await anyio.sleep_forever()
        finally:
            closed.append(1)

    async with Client(CaptchaAI("key")) as client:
        found, left = await stopped_after(1.0, client.stream(silent()))
    assert [result.ok for result in found] == [True]
    assert (left.tasks, closed) == (1, [1])


async def test_with_nothing_under_way_it_ends_at_once(fake):
    """There is nothing to wait for."""

    async def nothing():
        await anyio.sleep_forever()
        yield

    async with Client(CaptchaAI("key")) as client:
        found, left = await stopped_after(1.0, client.stream(nothing()))
        assert (found, left.tasks, left.seconds) == ([], 0, 0.0)
