"""T1, T2: CPU of one HTTP exchange: our pool beside aiohttp, stock httpx and the floor of Python.

    python benchmarks/exchange.py [--uvloop]

One server process (a raw protocol that answers at once, plain and TLS) on a core of its own. Each
client has a fresh process on the other core, so that none inherits another's garbage, caches or
connections; 64 connections, opened before the clock starts. The processes that are compared take
turns, a short pass each, since the speed of a shared machine changes by the second; only the
client's CPU counts, and of all passes of a round the least.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import cast

from _report import (
    CLIENT_CORE,
    DOCS,
    SERVER_CORE,
    Bars,
    Target,
    arguments,
    medians,
    pin,
    publish,
)
from attrs import asdict, define, evolve, frozen

CONNECTIONS = 64
HOST = "127.0.0.1"
PATH = "/res.php?key=0123456789abcdef0123456789abcdef&action=get&id=73548291&json=1"
BLOCK = b" HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nAccept-Encoding: identity\r\n\r\n"
REPLY = (
    b"HTTP/1.1 200 OK\r\nServer: raw\r\nDate: Sun, 22 Nov 2026 04:29:27 GMT\r\n"
    b"Content-Type: text/html; charset=utf-8\r\nContent-Length: 16\r\n\r\nCAPCHA_NOT_READY"
)
One = Callable[["Meter"], Awaitable[None]]


@frozen(kw_only=True)
class Row:
    """One measurement: which client, how many exchanges a pass, by how many callers at once."""

    client: str
    count: int
    callers: int = CONNECTIONS
    tls: bool = False
    uvloop: bool = False


PASSES, ROUNDS = 5, 9
"""Few passes, many rounds: one process can be half as fast again as the next of the same code."""
PLAIN = {
    "raw floor": Row(client="floor", count=1_280),
    "solvestream Pool": Row(client="pool", count=1_280),
    "aiohttp": Row(client="aiohttp", count=640),
    "httpx": Row(client="httpx", count=64),
}
TLS = {f"{name}, TLS": evolve(row, tls=True) for name, row in PLAIN.items()}
DIRECT = {
    f"Pool.begin, {waiting:,} waiting": Row(client="begin", count=10_000, callers=waiting)
    for waiting in (100, 5_000)
}
"""As the engine asks: it is called back with the reply, so that nobody's task waits."""
WAITING = DIRECT | {
    "solvestream Pool, 100 waiting": Row(client="pool", count=10_000, callers=100),
    "solvestream Pool, 5,000 waiting": Row(client="pool", count=10_000, callers=5_000),
}
ROWS = PLAIN | TLS | WAITING


def main() -> int:
    parser = arguments(__doc__)
    parser.set_defaults(rounds=ROUNDS)
    parser.add_argument("--uvloop", action="store_true", help="clients run on uvloop")
    parser.add_argument("--child", nargs=3, metavar=("ROW", "PORT", "CA"), help="(internal)")
    options = parser.parse_args()
    if options.child:
        row, port, authority = options.child
        take_turns(Row(**json.loads(row)), int(port), authority)
        return 0
    with serving() as server:
        rounds = [one_round(server, options) for _ in range(options.rounds)]
    us = {name: figures["us"] for name, figures in medians(rounds).items()}
    return publish(
        "exchange_uvloop" if options.uvloop else "exchange",
        targets=targets(us),
        charts=charts(us, "uvloop" if options.uvloop else "asyncio"),
        facts={"us_per_exchange": us, "rounds": rounds},
        results=options.results,
        copy_to=DOCS if options.docs else None,
    )


def one_round(server: Server, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Measure every row; rows that are compared with each other pass by pass."""
    figures: dict[str, dict[str, float]] = {}
    for group in (PLAIN, TLS, WAITING):
        with ExitStack() as stack:
            clients: dict[str, subprocess.Popen[str]] = {}
            for name, planned in group.items():
                row = evolve(planned, uvloop=options.uvloop)
                row = evolve(row, count=4, callers=4) if options.quick else row
                clients[name] = stack.enter_context(start(row, server))
            took: dict[str, list[float]] = {name: [] for name in group}
            turns = list(clients.items())
            for _ in range(1 if options.quick else PASSES):
                for name, client in turns:
                    took[name].append(one_pass(client))
                turns.reverse()  # nobody always follows the same other
        for name, passes in took.items():
            figures[name] = {"us": min(passes), "median_us": statistics.median(passes)}
            print(f"  {name:34} least {min(passes):8,.1f}  of {len(passes)} passes", flush=True)
    return figures


def start(row: Row, server: Server) -> subprocess.Popen[str]:
    """Start a client, which waits for its turns and leaves when its standard input ends."""
    port = server.tls if row.tls else server.plain
    child = ["--child", json.dumps(asdict(row)), str(port), server.authority]
    return subprocess.Popen(
        [sys.executable, __file__, *child],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def one_pass(client: subprocess.Popen[str]) -> float:
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write("\n")
    client.stdin.flush()
    return float(client.stdout.readline())


def targets(us: dict[str, float]) -> list[Target]:
    bounds = [("aiohttp", 0.6), ("httpx", 0.1), ("raw floor", 2.0)]
    first = [
        Target(
            name=f"T1 CPU of our pool / {other}{tls}",
            value=us[f"solvestream Pool{tls}"] / us[f"{other}{tls}"],
            limit=limit,
        )
        for tls in ("", ", TLS")
        for other, limit in bounds
    ]
    ways = {"begin": list(DIRECT), "send": [name for name in WAITING if name not in DIRECT]}
    for way, (few, many) in ways.items():
        name = f"T2 CPU with 5,000 waiting / with 100, Pool.{way}"
        first.append(Target(name=name, value=us[many] / us[few], limit=1.2))
    return first


def charts(us: dict[str, float], loop: str) -> list[Bars]:
    unit = "µs of the client's CPU"
    first = [
        Bars(
            title=f"One exchange, {title}, 64 at once, {loop} (line: twice the floor)",
            unit=unit,
            values={name: us[name] for name in group},
            log=True,
            reference=2 * us[next(iter(group))],
        )
        for title, group in (("plain HTTP", PLAIN), ("TLS", TLS))
    ]
    title = "One exchange through 64 connections, by callers waiting"
    return [*first, Bars(title=title, unit=unit, values={name: us[name] for name in WAITING})]


# The server


@frozen
class Server:
    """Its plain port, its TLS port, and the file of the authority to trust."""

    plain: int
    tls: int
    authority: str


class Answer(asyncio.Protocol):
    """One reply for each blank line."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(REPLY * data.count(b"\r\n\r\n"))


@contextmanager
def serving() -> Generator[Server]:
    """Serve in another process."""
    import trustme

    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server((HOST, 0), backlog=512) as plain,
        socket.create_server((HOST, 0), backlog=512) as tls,
    ):
        authority, pem = trustme.CA(), Path(folder, "ca.pem")
        authority.cert_pem.write_to_path(str(pem))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(HOST).configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
        fork = multiprocessing.get_context("fork")
        server = fork.Process(target=serve, args=(plain, tls, context), daemon=True)
        server.start()
        try:
            yield Server(plain.getsockname()[1], tls.getsockname()[1], str(pem))
        finally:
            server.terminate()
            server.join()


def serve(plain: socket.socket, tls: socket.socket, context: ssl.SSLContext) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        parent = multiprocessing.parent_process()
        assert parent is not None
        gone = asyncio.Event()
        loop.add_reader(parent.sentinel, gone.set)  # never outlive the benchmark
        await loop.create_server(Answer, sock=plain)
        await loop.create_server(Answer, sock=tls, ssl=context)
        await gone.wait()

    pin(SERVER_CORE)
    asyncio.run(run())


# The clients: each gives a function that carries out one exchange


class Floor(asyncio.Protocol):
    """The least a client in Python can do: httptools, one exchange at a time, no limits."""

    answer: asyncio.Future[tuple[int, bytes]]
    body = b""

    def __init__(self) -> None:
        import httptools

        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

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


@asynccontextmanager
async def floor(port: int, context: ssl.SSLContext | None) -> AsyncGenerator[One]:
    loop = asyncio.get_running_loop()
    idle = [
        (await loop.create_connection(Floor, HOST, port, ssl=context))[1]
        for _ in range(CONNECTIONS)
    ]
    target = PATH.encode()

    async def one(meter: Meter) -> None:
        connection = idle.pop()
        status, _ = await connection.send(b"GET " + target + BLOCK)
        assert status == 200
        idle.append(connection)
        meter.count()

    yield one
    for connection in idle:
        connection.transport.abort()


@asynccontextmanager
async def pool(port: int, context: ssl.SSLContext | None) -> AsyncGenerator[One]:
    from solvestream._http.pool import Pool
    from solvestream._wire import Origin, Request, Response

    ours = Pool(max_connections=CONNECTIONS, ssl_context=context)
    origin = Origin("https" if context else "http", HOST, port)

    async def one(meter: Meter) -> None:
        reply = await ours.send(Request("GET", origin, PATH))
        assert isinstance(reply, Response), reply
        assert reply.status == 200
        meter.count()

    yield one
    await ours.aclose()


@asynccontextmanager
async def begin(port: int, context: ssl.SSLContext | None) -> AsyncGenerator[One]:
    """One call is a chain of all exchanges of one caller, each begun by the reply to the last."""
    from solvestream._http.pool import Pool
    from solvestream._wire import Broken, Origin, Request, Response

    ours = Pool(max_connections=CONNECTIONS, ssl_context=context)
    origin = Origin("https" if context else "http", HOST, port)
    loop = asyncio.get_running_loop()

    def chain(meter: Meter, done: asyncio.Future[None]) -> None:
        def take(reply: Response | Broken) -> None:
            assert isinstance(reply, Response), reply
            meter.count()
            if meter.goes_on:
                ours.begin(Request("GET", origin, PATH), take)
            else:
                done.set_result(None)

        ours.begin(Request("GET", origin, PATH), take)

    async def one(meter: Meter) -> None:
        done: asyncio.Future[None] = loop.create_future()
        chain(meter, done)
        await done

    yield one
    await ours.aclose()


@asynccontextmanager
async def by_aiohttp(port: int, context: ssl.SSLContext | None) -> AsyncGenerator[One]:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context or True)
    url = f"{'https' if context else 'http'}://{HOST}:{port}{PATH}"
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one(meter: Meter) -> None:
            async with session.get(url) as reply:
                assert reply.status == 200
                await reply.read()
            meter.count()

        yield one


@asynccontextmanager
async def by_httpx(port: int, context: ssl.SSLContext | None) -> AsyncGenerator[One]:
    import httpx

    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    verify = context or True
    url = f"{'https' if context else 'http'}://{HOST}:{port}{PATH}"
    async with httpx.AsyncClient(
        limits=limits, timeout=60, trust_env=False, verify=verify
    ) as client:

        async def one(meter: Meter) -> None:
            assert (await client.get(url)).status_code == 200
            meter.count()

        yield one


Opener = Callable[[int, ssl.SSLContext | None], AbstractAsyncContextManager[One]]
CLIENTS: dict[str, Opener] = {
    "floor": floor,
    "pool": pool,
    "begin": begin,
    "aiohttp": by_aiohttp,
    "httpx": by_httpx,
}


# The measuring


def take_turns(row: Row, port: int, authority: str) -> None:
    """Make a pass for each line of standard input; tell its µs of CPU per exchange."""
    pin(CLIENT_CORE)
    context = ssl.create_default_context(cafile=authority) if row.tls else None

    async def run() -> None:
        async with CLIENTS[row.client](port, context) as one:
            while sys.stdin.readline():
                print(await measure(row, one), flush=True)

    with asyncio.Runner(loop_factory=_loop_factory(row)) as runner:
        runner.run(run())


def _loop_factory(row: Row) -> Callable[[], asyncio.AbstractEventLoop]:
    if not row.uvloop:
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


async def measure(row: Row, one: One) -> float:
    """µs of CPU per exchange while `callers` are always waiting; not of their coming and going."""
    meter = Meter(row)

    async def many() -> None:
        while meter.goes_on:
            await one(meter)

    await asyncio.gather(*(many() for _ in range(row.callers)))
    return (meter.end - meter.start) / row.count * 1e6


@define
class Meter:
    """Counts exchanges, and reads the clock around those that are measured.

    Before them there are as many again: connections are open, everybody waits in line, the server
    is awake, caches are ours again.
    """

    row: Row
    seen: int = 0
    start: float = 0.0
    end: float = 0.0

    @property
    def goes_on(self) -> bool:
        return not self.end

    def count(self) -> None:
        self.seen += 1
        warm = max(self.row.count, self.row.callers)
        if self.seen == warm:
            gc.collect()
            self.start = time.process_time()
        elif self.seen == warm + self.row.count:
            self.end = time.process_time()


if __name__ == "__main__":
    sys.exit(main())
