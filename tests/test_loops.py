"""A client belongs to one event loop, and leaves nothing behind in it."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from solvestream import CaptchaAI, Client, ClientClosed, ImageToText, WrongLoop
from tests.virtual import FakeService

IMAGE = ImageToText(b"\x89PNG\r\n\x1a\n")


@pytest.fixture
def service(monkeypatch):
    """A service in memory that is quick in real time."""
    fake = FakeService(latency=0.0)
    monkeypatch.setattr("solvestream.client.open_transport", lambda http, connections: fake)
    return fake


def test_use_from_another_loop_says_so(service):
    """Even when the first loop is gone, the error names the remedy and is not asyncio's own."""
    client = Client(CaptchaAI("key"))
    asyncio.run(client.start())
    with pytest.raises(WrongLoop, match="one client per loop"):
        asyncio.run(client.solve(IMAGE))


def test_use_from_another_thread_says_so(service):
    """Two loops at once in two threads: the second is refused."""
    errors = []

    async def first():
        async with Client(CaptchaAI("key")) as client:

            def second():
                try:
                    asyncio.run(client.solve(IMAGE))
                except WrongLoop as error:
                    errors.append(error)

            thread = threading.Thread(target=second)
            thread.start()
            await asyncio.to_thread(thread.join)

    asyncio.run(first())
    assert len(errors) == 1


def test_use_without_a_loop_says_so(service):
    """`stream` is no coroutine, so it may be called anywhere; outside a loop it is refused."""
    client = Client(CaptchaAI("key"))
    with pytest.raises(ClientClosed):
        client.stream([IMAGE])
    asyncio.run(client.start())
    with pytest.raises(WrongLoop):
        client.stream([IMAGE])


def test_a_loop_that_ends_with_an_open_client_is_left_clean(service):
    """Forgetting to close leaves no warning and no pending task; the engine ends with the loop."""

    async def forgetful():
        client = await Client(CaptchaAI("key")).start()
        await client.submit(IMAGE)
        async for _ in client.stream([IMAGE, IMAGE]):
            pytest.fail("ten seconds cannot have passed")

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(forgetful(), 0.1)

    asyncio.run(main())
    gc.collect()
    assert service.closed
    assert service.submits == 3
