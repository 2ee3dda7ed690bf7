"""Callers cancelled at every step, natively and through anyio: nothing paid is lost."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from solvestream import CaptchaAI, Client, ImageToText
from tests.virtual import ASYNCIO, FakeService

pytestmark = pytest.mark.anyio

IMAGE = ImageToText(b"\x89PNG\r\n\x1a\n")


@pytest.fixture
def anyio_backend():
    """Native cancellation is asyncio's."""
    return ASYNCIO


async def steps(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def native(call, step: int) -> bool:
    """Cancel a call natively after some loop steps; tells whether it was cut."""
    task = asyncio.ensure_future(call)
    await steps(step)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


async def scoped(call, step: int) -> bool:
    """Cancel a call through an anyio scope after some loop steps."""
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def cancel() -> None:
                await steps(step)
                scope.cancel()

            group.start_soon(cancel)
            await call
    return scope.cancelled_caught


def client_of(monkeypatch, service: FakeService) -> Client:
    monkeypatch.setattr("solvestream.client.open_transport", lambda http, connections: service)
    return Client(CaptchaAI("key"))


@pytest.mark.parametrize("cancel", [native, scoped])
@pytest.mark.parametrize("latency", [0.0, 0.5])
@pytest.mark.parametrize("method", ["solve", "submit"])
async def test_a_call_cut_at_any_step_orphans_nothing(monkeypatch, cancel, latency, method):
    """After the cut, all the service accepted is among the tickets, and each gives its answer."""
    for step in range(40):
        service = FakeService(latency=latency)
        async with client_of(monkeypatch, service) as client:
            cut = await cancel(getattr(client, method)(IMAGE), step)
            await asyncio.sleep(2)
            tickets = client.tickets()
            handed_over = 0 if cut else int(method == "solve")
            assert len(tickets) + handed_over == len(service.ready_at)
            for ticket in tickets:
                assert (await client.wait(ticket)).ok
            statistics = client.statistics()
        assert service.submits <= 1
        assert (statistics.queued, statistics.in_flight, statistics.kept) == (0, 0, 0)


@pytest.mark.parametrize("cancel", [native, scoped])
async def test_a_wait_cut_at_any_step_keeps_the_ticket(monkeypatch, cancel):
    """Whoever waits again on the ticket gets the answer."""
    for step in range(30):
        service = FakeService(solve=lambda: 0.0)
        async with client_of(monkeypatch, service) as client:
            ticket = await client.submit(IMAGE)
            await asyncio.sleep(9.99)
            if await cancel(client.wait(ticket), step):
                assert (await client.wait(ticket)).ok
            assert client.tickets() == ()


@pytest.mark.parametrize("cancel", [native, scoped])
async def test_a_reader_cut_at_any_step_loses_no_result(monkeypatch, cancel):
    """`anext` cut after k steps, for every k, and then read to the end: each result comes once."""
    for step in range(30):
        service = FakeService(solve=lambda: 0.0)
        async with client_of(monkeypatch, service) as client:
            stream = client.stream([ImageToText(IMAGE.image, tag=n) for n in range(5)])
            seen = []

            async def read(stream=stream, seen=seen) -> None:
                seen.append((await anext(stream)).tag)

            await cancel(read(), step)
            seen += [result.tag async for result in stream]
            assert sorted(seen) == list(range(5))


@pytest.mark.parametrize("cancel", [native, scoped])
async def test_closing_cut_at_any_step_closes_all_the_same(monkeypatch, cancel):
    """A cancelled `aclose` leaves no task behind, and a second one gives the tickets."""
    for step in range(20):
        before = len(asyncio.all_tasks())
        service = FakeService(solve=lambda: 60.0)
        client = await client_of(monkeypatch, service).start()
        await client.submit(IMAGE)
        await cancel(client.aclose(), step)
        assert len(await client.aclose()) == 1
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == before
