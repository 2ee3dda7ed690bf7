"""A raw HTTP server that does what a test's script says, byte by byte, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

import anyio
from attrs import define, field

from solvestream._wire import Limits, Origin, Request

if TYPE_CHECKING:
    import ssl

KEY = "CANARY0123456789abcdef"
TARGET = f"/res.php?key={KEY}&action=get&id=1"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
SHORT = Limits(connect=1.0, read=0.15, total=0.3)
SAFE = Limits(connect=8.0, read=8.0, total=10.0)
BIG = b"x" * (8 << 20)
"""More than the buffers of both sockets hold."""


def get(origin: Origin, target: str = TARGET, **fields) -> Request:
    """Build a request with a generous deadline."""
    fields.setdefault("limits", SAFE)
    return Request("GET", origin, target, **fields)


def post(origin: Origin, body: bytes = KEY.encode(), **fields) -> Request:
    """Build a POST with a generous deadline."""
    fields.setdefault("limits", SAFE)
    return Request("POST", origin, TARGET, body, "text/plain", **fields)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what happens at the server, in its thread. A hang fails after 5 s."""
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - the other side has no event of our loop
            await anyio.sleep(0.001)


async def settled(pool, **wanted):
    """Wait until the pool's statistics are as wanted."""
    await until(lambda: all(getattr(pool.statistics(), name) == wanted[name] for name in wanted))


@define(eq=False)
class Visit:
    """One connection as its script sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: Scripted
    number: int

    async def head(self) -> bytes:
        """Read a request's head; raises `IncompleteReadError` when the client has gone."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def request(self) -> tuple[bytes, bytes]:
        """Read a whole request."""
        head = await self.head()
        size = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                size = int(line.partition(b":")[2])
        body = await self.reader.readexactly(size)
        self.server.requests.append((head, body))
        return head, body

    async def send(self, data: bytes) -> None:
        """Write bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def hang(self) -> None:
        """Stay silent until the client goes or the server stops."""
        while await self.reader.read(65536):
            pass

    async def wait(self, event: threading.Event) -> None:
        """Wait for the test."""
        await asyncio.to_thread(event.wait, 5)

    def reset(self) -> None:
        """Cut the connection with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Visit], Awaitable[None]]


@define(eq=False)
class Scripted:
    """What happened at a server."""

    script: Script
    origin: Origin = field(init=False)
    accepted: int = 0
    most: int = 0
    requests: list[tuple[bytes, bytes]] = field(factory=list)
    open: set[asyncio.Task] = field(factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run the script on one connection."""
        task = asyncio.current_task()
        self.open.add(task)
        self.accepted += 1
        self.most = max(self.most, len(self.open))
        visit = Visit(reader, writer, self, self.accepted)
        try:
            await self.script(visit)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open.discard(task)
            writer.close()


class Loop:
    """An event loop in a thread, for servers of all tests."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine):
        """Run a coroutine there and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def close(self) -> None:
        """End the thread, after what is left of its connections."""

        async def drain():
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            await self.loop.shutdown_default_executor()
            await asyncio.sleep(0.05)

        self.run(drain())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    @contextlib.contextmanager
    def serving(self, script: Script, *, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
        """Serve a script on a free loopback port."""
        served = Scripted(script)

        async def start():
            return await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=tls)

        server = self.run(start())
        port = server.sockets[0].getsockname()[1]
        served.origin = Origin("https" if tls else "http", "127.0.0.1", port)
        try:
            yield served
        finally:

            async def stop():
                await asyncio.sleep(0.01)  # closing amid an accept makes asyncio lose the socket
                server.close()
                for task in tuple(served.open):
                    task.cancel()
                await asyncio.gather(*served.open, return_exceptions=True)

            self.run(stop())


def answering(reply: bytes = OK) -> Script:
    """Make a script that gives every request the same reply."""

    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.send(reply)

    return script


def closing(reply: bytes) -> Script:
    """Make a script that gives one reply and ends the connection."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(reply)

    return script
