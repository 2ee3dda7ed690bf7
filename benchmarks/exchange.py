"""CPU time per HTTP exchange: our pool beside aiohttp, stock httpx and the floor of Python.

Run `python benchmarks/exchange.py [--uvloop] [--json FILE]`. The server is a tiny raw asyncio
protocol in another process; only the client's CPU time counts. Three interleaved rounds, medians.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.metadata
import json
import multiprocessing
import platform
import resource
import socket
import statistics
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import httptools
import httpx

from solvestream._http.pool import Pool
from solvestream._wire import Origin, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

AT_ONCE = 64
ROUNDS = 3
PATH = "/res.php?key=0123456789abcdef0123456789abcdef&action=get&id=73548291&json=1"
REPLY = (
    b"HTTP/1.1 200 OK\r\nServer: raw\r\nDate: Sun, 22 Nov 2026 04:29:27 GMT\r\n"
    b"Content-Type: text/html; charset=utf-8\r\nContent-Length: 16\r\n\r\nCAPCHA_NOT_READY"
)


class Answer(asyncio.Protocol):
    """The server: one reply for each blank line."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(REPLY * data.count(b"\r\n\r\n"))


def serve(sock: socket.socket) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Answer, sock=sock)
        await server.serve_forever()

    asyncio.run(run())


class Floor(asyncio.Protocol):
    """The least a Python client can do: httptools, one exchange at a time, no limits."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        self.body = data

    def on_message_complete(self) -> None:
        self.answer.set_result((self.parser.get_status_code(), self.body))

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def send(self, data: bytes) -> asyncio.Future[tuple[int, bytes]]:
        self.answer = self.loop.create_future()
        self.transport.write(data)
        return self.answer


async def floor(port: int, count: int) -> float:
    loop = asyncio.get_running_loop()
    idle = deque()
    for _ in range(AT_ONCE):
        idle.append((await loop.create_connection(Floor, "127.0.0.1", port))[1])
    block = b" HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nAccept-Encoding: identity\r\n\r\n"

    async def one() -> None:
        connection = idle.pop()
        status, _ = await connection.send(b"GET " + PATH.encode() + block)
        assert status == 200
        idle.append(connection)

    took = await measure(one, count)
    for connection in idle:
        connection.transport.abort()
    return took


async def ours(port: int, count: int) -> float:
    pool = Pool(max_connections=AT_ONCE)
    origin = Origin("http", "127.0.0.1", port)

    async def one() -> None:
        reply = await pool.send(Request("GET", origin, PATH))
        assert reply.status == 200

    took = await measure(one, count)
    await pool.aclose()
    return took


async def waiting(port: int, count: int) -> float:
    """The same with 5,000 callers instead of 64."""
    pool = Pool(max_connections=AT_ONCE)
    origin = Origin("http", "127.0.0.1", port)

    async def one() -> None:
        reply = await pool.send(Request("GET", origin, PATH))
        assert reply.status == 200

    took = await measure(one, count, callers=5000)
    await pool.aclose()
    return took


async def by_aiohttp(port: int, count: int) -> float:
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:
        url = f"http://127.0.0.1:{port}{PATH}"

        async def one() -> None:
            async with session.get(url) as reply:
                assert reply.status == 200
                await reply.read()

        return await measure(one, count)


async def by_httpx(port: int, count: int) -> float:
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:
        url = f"http://127.0.0.1:{port}{PATH}"

        async def one() -> None:
            assert (await client.get(url)).status_code == 200

        return await measure(one, count)


async def measure(
    one: Callable[[], Awaitable[None]], count: int, *, callers: int = AT_ONCE
) -> float:
    """Return microseconds of CPU per exchange, after a warm-up."""

    async def many(times: int) -> None:
        for _ in range(times):
            await one()

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    before = resource.getrusage(resource.RUSAGE_SELF)
    each = max(1, count // callers)
    await asyncio.gather(*(many(each) for _ in range(callers)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu / (each * callers) * 1e6


CLIENTS = {
    "raw Protocol + httptools": (floor, 12_800),
    "solvestream Pool": (ours, 12_800),
    "solvestream Pool, 5,000 waiting": (waiting, 30_000),
    "aiohttp": (by_aiohttp, 6_400),
    "httpx": (by_httpx, 384),
}


def run(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> dict[str, float]:
    figures = {name: [] for name in CLIENTS}
    sock = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = multiprocessing.get_context("fork").Process(target=serve, args=(sock,), daemon=True)
    server.start()
    try:
        for _ in range(ROUNDS):
            for name, (client, count) in CLIENTS.items():
                with asyncio.Runner(loop_factory=new_loop) as runner:
                    figures[name].append(runner.run(client(sock.getsockname()[1], count)))
    finally:
        server.terminate()
        server.join()
    return {name: statistics.median(rounds) for name, rounds in figures.items()}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--uvloop", action="store_true")
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    new_loop = importlib.import_module("uvloop").new_event_loop if chosen.uvloop else None
    figures = run(new_loop or asyncio.new_event_loop)
    pool, raw = figures["solvestream Pool"], figures["raw Protocol + httptools"]
    versions = {
        name: importlib.metadata.version(name) for name in ("aiohttp", "httpx", "httptools")
    }
    print(f"{platform.platform()}, Python {platform.python_version()}, {versions}")
    print(f"{'uvloop' if chosen.uvloop else 'asyncio'}, {AT_ONCE} at once, CPU us per exchange")
    for name, figure in figures.items():
        print(f"  {name:32} {figure:8.1f}   Pool is {pool / figure:5.2f}x")
    targets = {
        "<= 0.6x aiohttp": pool / figures["aiohttp"] <= 0.6,
        "<= 0.1x httpx": pool / figures["httpx"] <= 0.1,
        "<= 2x raw": pool / raw <= 2,
        "5,000 waiting <= 1.2x": figures["solvestream Pool, 5,000 waiting"] / pool <= 1.2,
    }
    for name, holds in targets.items():
        print(f"  {name:32} {'holds' if holds else 'DOES NOT HOLD'}")
    if chosen.json:
        chosen.json.write_text(json.dumps({"figures": figures, "targets": targets}, indent=2))
    return 0 if all(targets.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
