"""One exchange whose bodies are streams, and its connection: for httpx users, not for polling.

It stands on the same routes, dials and bounds as the lean exchange beside it (`connection.py`).
The caller's own task writes the request's body and reads the reply's, so that back-pressure needs
no task of ours: a slow server makes `drained` wait, and a slow reader makes the socket pause.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from attrs import define, field, frozen

from solvestream._http.alarm import NEVER
from solvestream._http.connection import PIECE, Connection, Exchange
from solvestream._http.reply import ReplyReader
from solvestream._wire import Trouble

if TYPE_CHECKING:
    from solvestream._wire import Broken, Response

_HIGH: Final = 256 * 1024
"""Bytes of a reply's body held for its reader before the socket pauses."""
_LOW: Final = 64 * 1024
"""Bytes held when it goes on."""
_UNBOUNDED: Final = 1 << 62


class StreamReader(ReplyReader):
    """Reads replies as `ReplyReader` does, and keeps what httpx shows of them.

    Attributes:
        reason: the reason phrase, empty if there was none.
        continued: a `100 Continue` has come.
    """

    __slots__ = ("continued", "reason")

    reason: bytes
    continued: bool

    def start(self, limit: int, *, bare: bool = False) -> None:
        """Expect the next reply."""
        super().start(limit, bare=bare)
        self.reason = b""
        self.continued = False

    @property
    def status(self) -> int:
        """The status of the real reply; 0 until its head is whole."""
        return self._status if self._in_body else 0

    @property
    def version(self) -> bytes:
        """The reply's version as httpx writes it: `HTTP/1.1`."""
        return b"HTTP/" + self._parser.get_http_version().encode()

    def take(self) -> list[bytes]:
        """Hand over what has come of the body."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def on_message_begin(self) -> None:
        """Forget the reason of an interim reply."""
        super().on_message_begin()
        self.reason = b""

    def on_status(self, reason: bytes) -> None:
        """Keep the reason phrase, which may come in pieces."""
        self.reason += reason

    def _skip_interim(self, status: int) -> None:
        super()._skip_interim(status)
        self.continued = self.continued or status == 100


@frozen(kw_only=True)
class Head:
    """A reply up to its body; names and values as they came."""

    status: int
    reason: bytes
    version: bytes
    lines: list[tuple[bytes, bytes]]


def ignore(_: Response | Broken) -> None:
    """Stand in for the callback of a lean exchange: who streams waits with `changed`."""


@define(eq=False, repr=False, kw_only=True)
class StreamedExchange(Exchange):
    """A request whose head is `data`, and whose caller waits with `changed` for what comes.

    Attributes:
        uploaded: the request's body is written, or there is none.
        last: the connection is not to be used again.
        link: what asyncio opened, once the request's head is on its way.
        reused: that had served others before.
        touched: some byte of a reply has come.
        continued: the server asked for the body.
        head: the reply's head.
        pieces: what has come of the reply's body and was not read yet.
        whole: nothing more will come.
        failure: why nothing more will come, though the reply is not whole.
    """

    uploaded: bool = False
    last: bool = False
    link: asyncio.Transport | None = None
    reused: bool = False
    touched: bool = False
    continued: bool = False
    head: Head | None = None
    pieces: deque[bytes] = field(factory=deque[bytes])
    whole: bool = False
    failure: Broken | None = None
    _held: int = 0
    _waiter: asyncio.Future[bool] | None = None

    def settle(self, result: Response | Broken) -> None:
        """Fail: a streamed reply is never handed over in one."""
        self.connection = None
        self.done = True
        self.failure = cast("Broken", result)
        self.wake()

    def wake(self) -> None:
        """Let the caller see what is new."""
        self._wake(True)

    async def changed(self, seconds: float | None) -> bool:
        """Wait until something is new; `False` when nothing is for so many seconds."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, self._wake, False)
        try:
            return await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def put(self, pieces: list[bytes]) -> bool:
        """Keep pieces of the body for the reader; `False` if that is enough for now."""
        self.pieces.extend(pieces)
        self._held += sum(map(len, pieces))
        return self._held <= _HIGH

    def get(self) -> bytes:
        """Take a piece of the body; there must be one."""
        piece = self.pieces.popleft()
        self._held -= len(piece)
        if self._held <= _LOW and self.connection is not None:
            cast("StreamConnection", self.connection).go_on()
        return piece

    def _wake(self, news: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(news)


@define(eq=False, repr=False)
class StreamConnection(Connection):
    """A connection for streamed exchanges. Deadlines within an exchange are the caller's own."""

    _full: bool = False
    _paused: bool = False
    _replies: StreamReader = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._replies = self._reader = StreamReader()

    def usable(self, *, fresh: bool) -> bool:
        """Whether a request may go out. Here the socket is asked each time, as httpcore does."""
        del fresh
        return super().usable(fresh=True)

    def begin(self, exchange: Exchange, now: float) -> None:
        """Write the request's head at once: a reply that comes from now on is meant for it."""
        streamed = cast("StreamedExchange", exchange)
        self._exchange = streamed
        streamed.connection = self
        streamed.link = self._transport
        streamed.reused = self._used
        self.deadline = NEVER
        self._reader.start(_UNBOUNDED, bare=streamed.request.method == "HEAD")
        self.write(streamed.data)
        streamed.wake()

    @property
    def stalled(self) -> bool:
        """Whether there is no room to write; the exchange is woken when there is, or never will."""
        return self._full or self._socket.is_closing()

    def write(self, data: bytes | memoryview) -> None:
        """Write; the caller sees to it that the connection is not `stalled`."""
        self._transport.write(data)

    def go_on(self) -> None:
        """Read again, if reading was paused."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the plain transport."""
        super().connection_made(transport)
        self._socket.set_write_buffer_limits(high=PIECE)

    def encrypt(self, transport: asyncio.Transport) -> None:
        """Talk through TLS from now on."""
        super().encrypt(transport)
        transport.set_write_buffer_limits(high=PIECE)

    def pause_writing(self) -> None:
        """Enough waits to be written."""
        self._full = True

    def resume_writing(self) -> None:
        """There is room again."""
        self._full = False
        if self._exchange is not None:
            cast("StreamedExchange", self._exchange).wake()

    def buffer_updated(self, nbytes: int) -> None:
        """Feed the reply. Bytes that nobody asked for end the connection."""
        exchange = cast("StreamedExchange | None", self._exchange)
        if exchange is None:
            self.drop()
            return
        reader = self._replies
        reader.feed(self._buffer[:nbytes])
        exchange.touched = True
        exchange.continued = reader.continued
        if exchange.head is None and reader.status:
            exchange.head = Head(
                status=reader.status,
                reason=reader.reason,
                version=reader.version,
                lines=reader.lines,
            )
        roomy = exchange.put(reader.take())
        if reader.complete:
            self._finish(exchange)
        elif reader.fault is not None:
            self.fail(*reader.fault)
        elif not roomy and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        exchange.wake()

    def eof_received(self) -> None:
        """Take the peer's orderly end. What it cuts was no HTTP."""
        exchange = self._exchange
        self._reader.end()
        if exchange is not None and self._reader.complete:
            self._finish(exchange)
        else:
            self.fail(Trouble.PROTOCOL, "closed the connection before a whole reply")

    def _finish(self, exchange: Exchange, *, delimited: bool = True) -> None:
        """Let the connection go to whoever waits for it; the rest of the body is with the reader."""
        del delimited
        streamed = cast("StreamedExchange", exchange)
        streamed.connection = self._exchange = None
        streamed.whole = streamed.done = True
        if self._reader.reusable and streamed.uploaded and not streamed.last:
            self.go_on()
            self._go_home(self._loop.time())
        else:
            self.drop()
        streamed.wake()
