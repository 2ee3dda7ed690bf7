"""Virtual time on asyncio and trio."""

from __future__ import annotations

import asyncio
import time

import anyio
import anyio.to_thread
import pytest

from solvestream import ImageToText, UsageError
from solvestream.testing import FakeService, VirtualLoop, virtual_time


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_waiting_takes_no_time_and_comes_in_order(backend):
    """Sleepers of hours wake in the order of their times, at exactly these."""
    woken = []

    async def sleep(seconds: float) -> None:
        await anyio.sleep(seconds)
        woken.append((seconds, anyio.current_time()))

    async def main() -> None:
        start = anyio.current_time()
        async with anyio.create_task_group() as group:
            for seconds in (7_200.0, 3_600.0, 0.5):
                group.start_soon(sleep, seconds)
        assert [at - start for _, at in woken] == pytest.approx([0.5, 3_600.0, 7_200.0])

    name, options = virtual_time(backend)
    anyio.run(main, backend=name, backend_options=options)
    assert [seconds for seconds, _ in woken] == [0.5, 3_600.0, 7_200.0]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_threads_get_the_grace_they_are_given(backend, tmp_path):
    """With a grace, an image is read from its file before the clock goes on."""
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\npicture")
    service = FakeService(latency=2.0)

    async def main() -> float:
        def slowly() -> None:
            time.sleep(0.005)

        start = anyio.current_time()
        with anyio.move_on_after(100):
            await anyio.to_thread.run_sync(slowly)
        async with service.client() as client:
            await client.solve(ImageToText(path))
        return anyio.current_time() - start

    name, options = virtual_time(backend, grace=0.1)
    assert anyio.run(main, backend=name, backend_options=options) < 5.0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_journal_is_written_in_virtual_time(backend, tmp_path):
    """What one process has paid for and not read, the next has, at no second charge."""
    service = FakeService(latency=30.0)

    async def buy() -> None:
        async with service.client(journal=tmp_path / "run.db") as client:
            await client.submit(ImageToText(b"\x89PNG\r\n\x1a\npicture"))

    async def resume() -> list[bool]:
        async with service.client(journal=tmp_path / "run.db") as client:
            return [result.ok async for result in client.resume()]

    async def main() -> list[bool]:
        await buy()
        return await resume()

    name, options = virtual_time(backend, grace=0.02)
    assert anyio.run(main, backend=name, backend_options=options) == [True]
    assert (service.ledger.accepted, service.ledger.not_taken) == (1, ())


def test_sockets_work_in_the_virtual_loop():
    """A connection over loopback is as good as ever; only its waiting is not real."""

    async def main() -> bytes:
        async def greet(_, writer):
            writer.write(b"hello")
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            said = await reader.read()
            writer.close()
            await writer.wait_closed()
        return said

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == b"hello"
        assert runner.get_loop().time() == 0.0


def test_another_backend_is_refused():
    """There are two."""
    with pytest.raises(UsageError, match="asyncio or trio"):
        virtual_time("curio")
