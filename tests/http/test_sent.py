"""Chance against `Sent`: wherever a real connection is cut, the verdict on money stays safe.

A server cuts, stalls and answers at random bytes of the request, and the client's deadlines and
closing strike at random moments. The server knows which requests it saw whole; for none of them may
the transport have said `NOTHING` or `PART`, since those allow a resend (TRUST.md).
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time

import anyio
import pytest
from attrs import define, field

from solvestream._http import connection
from solvestream._wire import Limits, Request, Sent
from tests.http.scripted import OK, post, until

pytestmark = pytest.mark.anyio
ROUNDS, AT_ONCE = 5, 12
SLOW = 0.03
"""Seconds that stalls and deadlines take at most."""


@define(eq=False)
class Chaos:
    """A server's script, and what it saw."""

    chance: random.Random
    touched: set[str] = field(factory=set)
    whole: set[str] = field(factory=set)

    async def __call__(self, visit):
        """Serve one connection until something cuts it. A TLS error is the end of it as well."""
        try:
            while await self.exchange(visit):
                pass
        except OSError:
            pass

    async def exchange(self, visit):
        """Read a request, with one incident at a random byte of it, and perhaps answer."""
        chance = self.chance
        incident = chance.choice((0, chance.randrange(300), chance.randrange(3_000_000)))
        got = bytearray()
        size = None
        while size is None or len(got) < size:
            if incident is not None and len(got) >= incident:
                incident = None
                if not await self.happen(visit, ("reset", "end", "answer", "stall", "stall")):
                    return False
            data = await visit.reader.read(chance.choice((100, 65536, 65536)))
            if not data:
                return False
            got += data
            if size is None:
                size = size_of(got)
                self.touched.update(name_of(got))
        self.whole.update(name_of(got))
        return await self.happen(visit, ("answer", "answer", "cut answer", "reset", "end", "stall"))

    async def happen(self, visit, incidents):
        """Let something happen; tell whether the connection goes on."""
        incident = self.chance.choice(incidents)
        if incident == "reset":
            visit.reset()
        elif incident == "answer":
            await visit.send(OK)
        elif incident == "cut answer":
            await visit.send(OK[: self.chance.randrange(len(OK))])
        elif incident == "stall":
            await asyncio.sleep(self.chance.uniform(0, SLOW))
        return incident in {"answer", "stall"}


def name_of(data):
    """Return the target in a list, or nothing if it is not there yet."""
    return [part.decode() for part in bytes(data[:100]).split(b" ")[1:-1]][:1]


def size_of(data):
    """Return the size of a request once its head is there."""
    head, blank, _ = bytes(data).lower().partition(b"\r\n\r\n")
    if not blank:
        return None
    length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return len(head) + len(blank) + int(length or 0)


def draw(chance, origin, number):
    """Make a request of random size with random deadlines."""
    size = chance.choice((0, 0, chance.randrange(2000), chance.randrange(3_000_000)))
    limits = Limits(
        connect=chance.choice((5.0, chance.uniform(0, SLOW))),
        read=chance.choice((5.0, chance.uniform(0, SLOW))),
        total=chance.uniform(0, 2 * SLOW),
    )
    method = "POST" if size else "GET"
    return Request(method, origin, f"/{number}", b"x" * size, fresh=size > 0, limits=limits)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_no_verdict_is_unsafe(make, servers, certified, secure):
    """What the server saw whole is never called `NOTHING` or `PART`, what it touched never `NOTHING`."""
    chance = random.Random(20261122 + secure)
    chaos = Chaos(random.Random(chance.random()))
    verdicts = {}

    with servers.serving(chaos, tls=certified.server if secure else None) as server:
        for turn in range(ROUNDS):
            transport = make(ssl_context=certified.client) if secure else make()

            async def one(transport, number):
                got = await transport.send(draw(chance, server.origin, number))
                verdicts[f"/{number}"] = got.sent

            async with anyio.create_task_group() as tasks:
                for number in range(turn * AT_ONCE, (turn + 1) * AT_ONCE):
                    tasks.start_soon(one, transport, number)
                await anyio.sleep(chance.uniform(0, 2 * SLOW))
                await transport.aclose()
        await until(lambda: not server.open)

    assert len(verdicts) == ROUNDS * AT_ONCE
    unsafe = {name for name in chaos.whole if verdicts[name] in {Sent.NOTHING, Sent.PART}}
    assert unsafe | {name for name in chaos.touched if verdicts[name] is Sent.NOTHING} == set()


async def test_tail_that_leaves_while_we_cut(make, servers, monkeypatch):
    """The last bytes wait below us, and find room in the very moment of our own cut: not `PART`."""
    monkeypatch.setattr(connection, "PIECE", 1 << 30)  # the whole body in one write
    resume, drained = threading.Event(), threading.Event()
    room, heads = 0, []

    async def script(visit):
        head = await visit.head()
        heads.append(head)
        visit.writer.transport.pause_reading()
        await visit.wait(resume)
        visit.writer.transport.resume_reading()
        left = size_of(head) - len(head)
        while left and (data := await visit.reader.read(1 << 20)):
            left -= len(data)
            if left < room // 2:
                drained.set()

    with servers.serving(script) as server:
        room = room_of(server.origin)
        transport = make()
        got = []

        async def one():
            got.append(await transport.send(post(server.origin, b"x" * (room + (1 << 20)))))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            await until(lambda: len(heads) == 2)  # the first was `room_of`
            await anyio.sleep(0.05)
            resume.set()
            drained.wait(0.3)  # this blocks our loop on purpose
            await transport.aclose()
        await until(lambda: not server.open)
    assert got[0].sent in {Sent.UNKNOWN, Sent.ALL}


def room_of(origin):
    """Measure how many bytes a peer that does not read lets us write."""
    with socket.create_connection((origin.host, origin.port)) as sock:
        sock.setblocking(False)
        room = 0
        try:
            sock.send(b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n")
            time.sleep(0.05)
            while True:
                room += sock.send(bytes(1 << 16))
        except BlockingIOError:
            return room
