"""One connection over a transport that does as told: what it says about what left."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from solvestream._http import connection
from solvestream._http.connection import Connection, Exchange
from solvestream._wire import Broken, Limits, Origin, Response, Sent, Trouble
from tests.http.scripted import OK, get, post

pytestmark = pytest.mark.anyio
KINDS = "asyncio"
ORIGIN = Origin("http", "h", 1)
PIECE = 10


class FakeTransport:
    """Keeps what is written beyond `room` bytes and says so, as asyncio's transports do."""

    def __init__(self):
        self.protocol = None
        self.room = 1 << 20
        self.kept = 0
        self.closing = False
        self.written = []

    def set_write_buffer_limits(self, high=None):
        self.high = high

    def write(self, data):
        self.written.append(bytes(data))
        self.kept += max(0, len(data) - self.room)
        self.room = max(0, self.room - len(data))
        if self.kept:
            self.protocol.pause_writing()

    def get_write_buffer_size(self):
        return self.kept

    def is_closing(self):
        return self.closing

    def abort(self):
        self.closing = True


class FakeOwner:
    """Counts what comes home."""

    def __init__(self):
        self.events = []

    def released(self, connection, now):
        self.events.append("released")

    def lost(self, connection):
        self.events.append("lost")


def receive(line, data):
    """Hand bytes over as the loop does: into the buffer first."""
    line.get_buffer(-1)[: len(data)] = data
    line.buffer_updated(len(data))


class Bench:
    """A connection with an exchange on it."""

    def __init__(self, monkeypatch, room, *, secure=False):
        monkeypatch.setattr(connection, "PIECE", PIECE)
        loop = asyncio.get_running_loop()
        self.owner = FakeOwner()
        self.line = Connection(loop, self.owner, "h:1", 4.0)
        self.socket = self.outer = FakeTransport()
        self.line.connection_made(self.socket)
        if secure:
            self.outer = FakeTransport()
            self.line.encrypt(self.outer)
        self.outer.room = room
        self.outer.protocol = self.line
        request = get(ORIGIN, limits=Limits(read=1.0, total=5.0, body=100))
        self.answer = loop.create_future()
        now = loop.time()
        self.exchange = Exchange(request, b"x" * 25, self.answer.set_result, now + 5, now + 5)
        self.line.begin(self.exchange, now)

    def drain(self, room=1 << 20):
        """Let the operating system take what waits."""
        self.outer.kept, self.outer.room = 0, room
        self.line.resume_writing()


CUTS = {
    "expire": lambda line: line.expire(),
    "close": lambda line: line.fail(Trouble.CLOSED, "closed"),
    "end": lambda line: line.eof_received(),
    "junk": lambda line: receive(line, b"junk\r\n\r\n"),
    "strange": lambda line: line.connection_lost(OSError(113, "no route")),
    "tls": lambda line: line.connection_lost(ssl.SSLError(1, "bad record")),
    "aborted": lambda line: line.connection_lost(ConnectionAbortedError()),
    "unsaid": lambda line: line.connection_lost(None),
    "reset": lambda line: line.connection_lost(ConnectionResetError()),
    "pipe": lambda line: line.connection_lost(BrokenPipeError()),
}
DEAD = {"reset", "pipe"}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    ("room", "expected"),
    [(5, Sent.PART), (15, Sent.PART), (22, None), (25, Sent.ALL)],
    ids=["first", "middle", "last", "none"],
)
async def test_what_left_when_it_ended(monkeypatch, cut, room, expected):
    """Cut in a piece before the last: `PART`. In the last: only a dead connection proves that."""
    bench = Bench(monkeypatch, room)
    CUTS[cut](bench.line)
    got = await bench.answer
    assert isinstance(got, Broken)
    if expected is None:
        expected = Sent.PART if cut in DEAD else Sent.UNKNOWN
    assert got.sent is expected
    assert bench.line.closed


async def test_pieces_go_one_by_one(monkeypatch):
    """The next piece is written when the last has gone, and then the request is whole."""
    bench = Bench(monkeypatch, 5)
    assert [len(piece) for piece in bench.outer.written] == [10]
    bench.drain(room=3)
    assert [len(piece) for piece in bench.outer.written] == [10, 10]
    bench.drain()
    assert [len(piece) for piece in bench.outer.written] == [10, 10, 5]
    receive(bench.line, OK)
    got = await bench.answer
    assert isinstance(got, Response)
    assert got.sent is Sent.ALL
    assert bench.owner.events == ["released"]


async def test_bytes_below_tls_leave_it_unknown(monkeypatch):
    """What TLS has encrypted may wait in the socket's buffer."""
    bench = Bench(monkeypatch, 25, secure=True)
    bench.socket.kept = 7
    bench.line.expire()
    assert (await bench.answer).sent is Sent.UNKNOWN


@pytest.mark.parametrize(("room", "sent"), [(15, Sent.PART), (22, Sent.UNKNOWN), (25, Sent.ALL)])
async def test_early_answer_tells_what_had_left(monkeypatch, room, sent):
    """A reply before the request was whole stands, and the connection is not used again."""
    bench = Bench(monkeypatch, room)
    receive(bench.line, OK)
    got = await bench.answer
    assert (got.status, got.sent) == (200, sent)
    assert bench.line.closed is (sent is not Sent.ALL)


async def test_write_that_is_refused_left_nothing_more(monkeypatch):
    """A transport that closes while it is written to has not sent that piece."""
    loop = asyncio.get_running_loop()
    line = Connection(loop, FakeOwner(), "h:1", 4.0)
    transport = FakeTransport()
    transport.closing = True
    line.connection_made(transport)
    answer = loop.create_future()
    line.begin(Exchange(post(ORIGIN), b"x", answer.set_result, 1e9, 1e9), loop.time())
    line.connection_lost(BrokenPipeError())
    assert (await answer).sent is Sent.PART


async def test_caller_that_has_gone_is_not_answered(monkeypatch):
    """Abandoning drops the connection, and what comes later finds nobody."""
    bench = Bench(monkeypatch, 25)
    bench.answer.cancel()
    bench.exchange.abandon()
    assert bench.line.closed
    receive(bench.line, OK)
    bench.line.connection_lost(None)
    assert bench.owner.events == ["lost"]
    assert repr(bench.line) == "<Connection to h:1, closed>"


async def test_reply_outlives_a_bug_behind_it(monkeypatch):
    """Whatever goes wrong when the connection comes home, the caller has the reply."""
    bench = Bench(monkeypatch, 25)
    monkeypatch.setattr(bench.owner, "released", None)
    with pytest.raises(TypeError):
        receive(bench.line, OK)
    assert (await bench.answer).status == 200
