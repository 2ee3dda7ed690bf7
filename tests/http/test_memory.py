"""What a hostile reply costs in memory, measured in a process of its own.

The measure is the peak of resident memory as Linux counts it for one process image. The `ru_maxrss`
of `getrusage` will not do: a child starts with its parent's peak, and so seems never to grow.
"""

from __future__ import annotations

import gzip
import subprocess
import sys

import pytest

from tests.http.scripted import answering

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
BOMB = gzip.compress(bytes(16 << 20)) * 19
"""310 KB in 19 members, each of which unpacks to 16 MiB. httpx unpacks the first only."""

CLIENT = """
import re, sys
from pathlib import Path
import anyio
import httpx
from solvestream._http import open_transport
from solvestream._http.httpx_adapter import HttpxTransport
from solvestream._http.pool import Pool
from solvestream._wire import Origin, Request

kind, loop, port = sys.argv[1:]

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

class Naive:
    # What a user would write: the control that shows that the measure works.
    async def send(self, request):
        async with httpx.AsyncClient(trust_env=False) as client:
            reply = await client.get(f"{request.origin}{request.target}")
        return len(reply.content)

    async def aclose(self):
        pass

async def main():
    if kind == "httpx2":
        import httpx2
        transport = HttpxTransport(httpx2.AsyncHTTPTransport(trust_env=False), owns=True)
    else:
        transport = {"pool": Pool, "httpx": HttpxTransport, "naive": Naive}[kind]()
    origin = Origin("http", "127.0.0.1", int(port))
    await transport.send(Request("GET", origin, "/small"))
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = peak()
    got = await transport.send(Request("GET", origin, "/hostile"))
    print(getattr(got, "trouble", got), peak() - before)
    await transport.aclose()

anyio.run(main, backend=loop)
"""


def endless():
    """Make a script whose second reply has 300 MiB."""

    async def script(visit):
        head, _ = await visit.request()
        if b"/hostile" not in head:
            await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            head, _ = await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 314572800\r\n\r\n")
        for _ in range(4800):
            await visit.send(bytes(1 << 16))

    return script


def bomb():
    """Make a script that answers with a gzip bomb nobody asked for."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n"
    return answering(head.encode() + BOMB)


def cost(server, kind, loop):
    """Return what came of the hostile reply, and by how many KiB the process grew."""
    command = [sys.executable, "-c", CLIENT, kind, loop, str(server.origin.port)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    outcome, _, grown = done.stdout.strip().rpartition(" ")
    return outcome, int(grown)


@pytest.mark.parametrize(
    ("transport", "loop"),
    [("pool", "asyncio"), ("httpx", "asyncio"), ("httpx", "trio"), ("httpx2", "asyncio")],
)
class TestHostileReply:
    """Both transports, the same bounds (TRUST.md)."""

    def test_endless_body_costs_8_mb_at_most(self, servers, transport, loop):
        """A reply of 300 MiB is refused at its limit, and the process grows by 8 MB at most."""
        with servers.serving(endless()) as server:
            outcome, grown = cost(server, transport, loop)
        assert outcome == "too_large"
        assert grown <= 8000

    def test_bomb_costs_1_mb_at_most(self, servers, transport, loop):
        """A gzip bomb is handed over as it came, and the process grows by 1 MB at most."""
        with servers.serving(bomb()) as server:
            outcome, grown = cost(server, transport, loop)
        assert outcome.startswith("Response(status=200")
        assert grown <= 1000


def test_measure_sees_a_bomb_go_off(servers):
    """The control: the ordinary way unpacks the bomb, and the measure shows it."""
    with servers.serving(bomb()) as server:
        outcome, grown = cost(server, "naive", "asyncio")
    assert outcome == str(16 << 20)
    assert grown > 16000
