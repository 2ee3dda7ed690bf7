"""One connection: writes a framed request, reads its reply, and knows what left.

What left is the evidence for verdicts on money (TRUST.md), so the rule is strict. A request goes
to the transport in pieces, the next only when the last has gone to the operating system: the write
buffer's high-water mark is zero, so that `resume_writing` tells the moment.

- `ALL`: nothing stayed behind.
- `PART`: a piece was never given to the transport, or the operating system reported the connection
  dead while bytes waited in the transport.
- `UNKNOWN`: we ourselves cut while the last piece waited in the transport. Not every loop throws
  that away at once: uvloop may still write it in the round before it closes the socket.
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, Final, Protocol, cast

from attrs import define, field

from solvestream._http.reply import ReplyReader
from solvestream._wire import Broken, Sent, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from solvestream._wire import Request, Response

PIECE: Final = 64 * 1024
"""Bytes written at once; a larger request goes out piece by piece."""
READ: Final = 64 * 1024
"""Bytes read at once, into one buffer that all connections of a pool share: asyncio alone makes
a new one of 256 KiB for every read, which cost more system time than the read itself."""
_KEEP_LONGEST: Final = 60.0
"""Seconds a connection is kept idle at most, whatever the service offers."""
_FRESH: Final = 1.0
"""Seconds a connection may have been idle for a request that costs money (TRUST.md)."""
_ALL: Final = Sent.ALL  # looking a member up costs more than any other step


@define(eq=False, repr=False)
class Exchange:
    """One request on its way: waiting for a connection, or on one.

    Attributes:
        data: the framed request, empty until it begins. It holds the account's key and is never shown.
        take: called once with the reply, unless the caller has gone before.
        deadline: when to give up as things stand, on the loop's clock.
        end: when to give up in any case.
        done: it has been answered, or nobody waits for an answer.
    """

    request: Request
    data: bytes
    take: Callable[[Response | Broken], None]
    deadline: float
    end: float
    connection: Connection | None = None
    done: bool = False

    def settle(self, result: Response | Broken) -> None:
        """Answer, unless the caller has gone. The next exchange may begin within."""
        self.connection = None
        if not self.done:
            self.done = True
            self.take(result)

    def abandon(self) -> None:
        """The caller was cancelled: a connection in mid-exchange is of no more use."""
        self.done = True
        if self.connection is not None:
            self.connection.drop()


class Owner(Protocol):
    """Where connections come home to."""

    def released(self, connection: Connection, now: float) -> None:
        """Take back a connection fit for another exchange."""
        ...

    def lost(self, connection: Connection) -> None:
        """Forget a connection whose socket is closed."""
        ...


@define(eq=False, repr=False)
class Connection(asyncio.BufferedProtocol):
    """An open connection, with an exchange on it or idle.

    Attributes:
        deadline: when its exchange fails or its idleness ends, on the loop's clock.
        fresh_until: until when an idle connection is good for a request that costs money.
        closed: it is of no more use, though its socket may take a moment to close.
    """

    _loop: asyncio.AbstractEventLoop
    _owner: Owner
    _peer: str
    _idle_limit: float
    _buffer: memoryview = field(factory=lambda: memoryview(bytearray(READ)))
    deadline: float = float("inf")
    fresh_until: float = 0.0
    closed: bool = False
    _used: bool = False
    _unsent: bool = False
    _rest: memoryview | None = None
    _exchange: Exchange | None = None
    _fresh_limit: float = _FRESH
    _poll: select.poll | None = None
    _reader: ReplyReader = field(factory=ReplyReader)
    _transport: asyncio.Transport = field(init=False)
    _socket: asyncio.Transport = field(init=False)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "busy" if self._exchange is not None else "idle"
        return f"<Connection to {self._peer}, {state}>"

    @property
    def exchange(self) -> Exchange | None:
        """The exchange under way."""
        return self._exchange

    def encrypt(self, transport: asyncio.Transport) -> None:
        """Talk through TLS from now on."""
        self._transport = transport
        # It pauses when the buffer reaches the mark, the plain one when it passes it.
        transport.set_write_buffer_limits(high=1)

    def usable(self, *, fresh: bool) -> bool:
        """Whether a request may go out on this connection.

        For a `fresh` request the socket itself is asked: an end of the connection that the
        event loop has not read yet would leave it unknown whether something was bought.
        """
        if self.closed or self._socket.is_closing():
            return False
        return not (fresh and self._used and self._readable())

    def begin(self, exchange: Exchange, now: float) -> None:
        """Write a request. The connection must be `usable`."""
        self._exchange = exchange
        exchange.connection = self
        request = exchange.request
        limits = request.limits
        self.deadline = min(exchange.end, now + limits.read)
        self._reader.start(limits.body, bare=request.method == "HEAD")
        data = exchange.data
        if len(data) > PIECE:
            self._rest = memoryview(data)
            self._write_rest()
        else:
            self._write(data)

    def expire(self) -> None:
        """End what the deadline was for: the exchange, or the idleness."""
        if self._exchange is None:
            self.drop()
        else:
            self.fail(Trouble.TIMEOUT, "no whole reply in time")

    def fail(self, trouble: Trouble, detail: str, *, dead: bool = False) -> None:
        """End the exchange under way, if any, and drop the connection, which may be `dead`."""
        exchange = self._exchange
        sent = self._sent(dead=dead)
        self.drop()
        if exchange is not None:
            exchange.settle(Broken(trouble, sent, f"{self._peer}: {detail}"))

    def drop(self) -> None:
        """Close at once and throw away what was not written yet."""
        self._exchange = None
        self._rest = None
        if not self.closed:
            self.closed = True
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the plain transport. uvloop's is no subclass of asyncio's."""
        self._transport = self._socket = cast("asyncio.Transport", transport)
        self._socket.set_write_buffer_limits(high=0)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the buffer, which is read out before the next connection gets it."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Feed the reply. Bytes that nobody asked for end the connection."""
        exchange = self._exchange
        if exchange is None:
            self.drop()
            return
        reader = self._reader
        reader.feed(self._buffer[:nbytes])
        if reader.complete:
            self._finish(exchange)
        elif reader.fault is not None:
            self.fail(*reader.fault)
        else:
            self.deadline = min(exchange.end, self._loop.time() + exchange.request.limits.read)

    def eof_received(self) -> None:
        """Take the peer's orderly end. It may complete a reply that has no length."""
        exchange = self._exchange
        self._reader.end()
        if exchange is not None and self._reader.complete:
            self._finish(exchange, delimited=False)
        else:
            self.fail(Trouble.RESET, "closed the connection before a whole reply")

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed, by whomever."""
        self.closed = True
        if self._exchange is not None:
            reason = type(exc).__name__ if exc is not None else "closed"
            dead = isinstance(exc, (ConnectionResetError, BrokenPipeError))
            self.fail(Trouble.RESET, f"the connection was lost ({reason})", dead=dead)
        self._owner.lost(self)

    def pause_writing(self) -> None:
        """Some bytes of the last write stayed behind."""
        self._unsent = True

    def resume_writing(self) -> None:
        """All bytes written so far went out."""
        self._unsent = False
        if self._rest is not None:
            self._write_rest()

    def _write_rest(self) -> None:
        """Write pieces until one stays behind or none is left."""
        exchange = self._exchange
        while self._rest is not None and exchange is not None:
            piece, rest = self._rest[:PIECE], self._rest[PIECE:]
            self._rest = rest if len(rest) else None
            self.deadline = min(exchange.end, self._loop.time() + exchange.request.limits.read)
            self._write(piece)
            if self._unsent:
                break

    def _write(self, data: bytes | memoryview) -> None:
        """Write. What stays behind calls `pause_writing`; a failed write closes the socket."""
        self._transport.write(data)
        if self._socket.is_closing():
            self._unsent = True

    def _sent(self, *, dead: bool = False) -> Sent:
        """Say what left, before our own side cuts the connection, or once it is `dead`."""
        if self._rest is not None:
            return Sent.PART
        if self._unsent:
            return Sent.PART if dead else Sent.UNKNOWN
        # What TLS has encrypted may still wait below it.
        behind = self._transport is not self._socket and self._socket.get_write_buffer_size() > 0
        return Sent.UNKNOWN if behind else _ALL

    def _finish(self, exchange: Exchange, *, delimited: bool = True) -> None:
        """Hand over the reply, after the connection has gone to whoever waits for it."""
        reader = self._reader
        # The first is how it nearly always is.
        plain = not self._unsent and self._transport is self._socket
        sent = _ALL if plain else self._sent()
        response = reader.response(sent, delimited=delimited)
        self._exchange = None
        try:
            if reader.reusable and sent is _ALL:
                self._go_home(self._loop.time())
            else:
                self.drop()
        finally:  # a bug on the way home must not cost the reply
            exchange.settle(response)

    def _go_home(self, now: float) -> None:
        """Go home. A service's own limit on idleness goes before ours."""
        if not self._used:
            self._used = True
            offered = self._reader.keep_alive
            if offered is not None:
                self._idle_limit = min(offered - 1.0, _KEEP_LONGEST)
                self._fresh_limit = min(offered / 2, _FRESH)
        self.deadline = now + self._idle_limit
        self.fresh_until = now + self._fresh_limit
        self._owner.released(self, now)

    def _readable(self) -> bool:
        """Ask the operating system whether bytes or the end of the connection wait to be read."""
        if self._poll is None:
            descriptor: int = self._transport.get_extra_info("socket").fileno()
            if not hasattr(select, "poll"):
                return bool(select.select([descriptor], [], [], 0)[0])
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLIN)
        return bool(self._poll.poll(0))
