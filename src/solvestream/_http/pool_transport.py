"""`PoolTransport`: our pool under any `httpx.AsyncClient`.

httpx keeps what is httpx's: cookies, redirects, authentication, decoding. What is below it is
ours: connections in constant time, one alarm for all idle ones, replies read by llhttp.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, cast

import httpx
import sniffio
from attrs import frozen

from solvestream._http.alarm import NEVER
from solvestream._http.connection import PIECE
from solvestream._http.outgoing import Framing, head_of
from solvestream._http.pool import Pool, PoolStatistics
from solvestream._http.route import Route
from solvestream._http.streamed import Head, StreamConnection, StreamedExchange, ignore
from solvestream._wire import Broken, Limits, Origin, Request, Trouble

_DAY: Final = 86_400.0
"""Seconds; stands for "no time-out" where connections are opened."""
_SOON: Final = 1.0
"""Seconds a server has to answer `Expect: 100-continue` before the body goes out all the same."""
_SLACK: Final = 0.01
"""Seconds between the moment a deadline was noticed and now."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_IDEMPOTENT: Final = _SAFE | {"PUT", "DELETE"}


class PoolTransport(httpx.AsyncBaseTransport):
    """Carries the requests of an `httpx.AsyncClient` over solvestream's own connections.

    `httpx.AsyncClient(transport=PoolTransport())`, or under `mounts=`. Request and reply bodies
    are streams with back-pressure both ways; nothing bounds a reply's body but its reader.

    Args:
        max_connections: to one origin at a time, 1 or more. Default 64.
        keep_alive: seconds a connection is kept idle where the service does not say. Default 4.
        ssl_context: for https; it must not offer HTTP/2. By default one that verifies with
            certifi's roots and reads no environment variable. `verify=` of the client does not
            reach a transport.

    All four of httpx's time-outs hold: `connect` for opening a connection, `pool` for waiting
    while `max_connections` are busy or others are being opened, `read` and `write` between two
    pieces.

    A request other than GET, HEAD, OPTIONS, TRACE, PUT and DELETE never takes a connection that
    was idle for more than 1 s, and no request takes one on which unread bytes or an end wait.
    Nothing is sent twice, but for a GET, HEAD, OPTIONS or TRACE without a body whose kept
    connection ended before the first byte of a reply: that goes out again, on another one.
    After a HEAD, or a reply with bytes behind it, the connection is not used again.

    HTTP/1.1 over TCP and TLS only: no HTTP/2, proxy, unix socket, upgrade or CONNECT. It runs on
    asyncio (and uvloop) and belongs to the event loop that it is first used in.

    Raises httpx's own errors: `UnsupportedProtocol` for other schemes, `LocalProtocolError` for a
    request that is no HTTP, `ConnectError`, `ConnectTimeout`, `PoolTimeout`, `WriteError`,
    `WriteTimeout`, `ReadError`, `ReadTimeout`, and `RemoteProtocolError` for a reply that is no
    HTTP, is cut, or has a head of more than 64 KiB or 200 lines. In another event loop or under
    trio: `RuntimeError`.
    """

    def __init__(
        self,
        *,
        max_connections: int = 64,
        keep_alive: float = 4.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        if max_connections < 1:
            raise ValueError("max_connections= must be 1 or more")
        self._pool = Pool(
            max_connections=max_connections,
            keep_alive=keep_alive,
            ssl_context=ssl_context,
            connection=StreamConnection,
        )

    def __repr__(self) -> str:
        return repr(self._pool).replace("<Pool", "<PoolTransport")

    def statistics(self) -> PoolStatistics:
        """Count what there is now."""
        return self._pool.statistics()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry out one exchange up to the reply's head; the body comes as it is read."""
        origin = _origin_of(request)
        try:
            target = request.extensions.get("target", request.url.raw_path)
            framing, data = head_of(request.method, target, request.headers.raw)
        except ValueError as exc:
            raise httpx.LocalProtocolError(str(exc)) from None
        again = request.method in _SAFE and not framing.body
        while True:
            attempt = _Attempt(self._route(origin), request, framing, data)
            try:
                return await attempt.run()
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                if not again or not attempt.was_stale:
                    raise

    async def aclose(self) -> None:
        """Close all connections. Exchanges under way end with an error. Idempotent."""
        await self._pool.aclose()

    def _route(self, origin: Origin) -> Route:
        if sniffio.current_async_library() != "asyncio":
            raise RuntimeError("PoolTransport runs on asyncio only")
        route = self._pool.route(origin)
        if isinstance(route, Broken):
            raise RuntimeError(f"PoolTransport: {route.detail}")  # noqa: TRY004 - it is no type error
        return route


@frozen
class _Timeouts:
    """httpx's four time-outs in seconds; `None` for none."""

    connect: float | None = None
    read: float | None = None
    write: float | None = None
    pool: float | None = None


class _Attempt:
    """One attempt at a request, up to the head of its reply. Runs in the caller's own task."""

    def __init__(self, route: Route, request: httpx.Request, framing: Framing, data: bytes) -> None:
        self._route = route
        self._request = request
        self._framing = framing
        self._timeouts = timeouts = _Timeouts(**request.extensions.get("timeout", {}))
        self._crowded = route.crowded
        patience = timeouts.pool if self._crowded else timeouts.connect
        self._now = asyncio.get_running_loop().time()
        connect = _DAY if timeouts.connect is None else timeouts.connect
        fresh = request.method not in _IDEMPOTENT
        self._exchange = StreamedExchange(
            Request(request.method, route.origin, "/", fresh=fresh, limits=Limits(connect=connect)),
            data,
            ignore,
            NEVER if patience is None else self._now + patience,
            NEVER,
            uploaded=not framing.body,
            last=framing.last,
        )

    @property
    def was_stale(self) -> bool:
        """Whether a kept connection had ended before the first byte of a reply."""
        return self._exchange.reused and not self._exchange.touched

    async def run(self) -> httpx.Response:
        """Get a connection, write the request, and wait for the reply's head."""
        try:
            link = await self._connect()
            await self._upload()
            head = await self._head()
        except BaseException:
            self._exchange.abandon()
            raise
        return httpx.Response(
            head.status,
            headers=head.lines,
            stream=_Body(self._exchange, self._timeouts.read),
            extensions={
                "http_version": head.version,
                "reason_phrase": head.reason,
                "network_stream": _NetworkStream(link),
            },
        )

    async def _connect(self) -> asyncio.Transport:
        """Wait until the request's head is on its way."""
        exchange = self._exchange
        self._route.submit(exchange, self._now)
        while exchange.link is None and exchange.failure is None:
            await exchange.changed(None)
        if exchange.link is not None:
            return exchange.link
        assert exchange.failure is not None
        trouble, detail = exchange.failure.trouble, exchange.failure.detail
        if trouble is not Trouble.TIMEOUT:
            raise httpx.ConnectError(detail)
        now = asyncio.get_running_loop().time()
        if self._crowded and exchange.deadline <= now + _SLACK:
            raise httpx.PoolTimeout(detail)
        raise httpx.ConnectTimeout(detail)

    async def _upload(self) -> None:
        """Write the body, until it is through or an answer makes the rest of it useless."""
        exchange, framing = self._exchange, self._framing
        if framing.expects and framing.body and not await self._is_wanted():
            return
        left = framing.length
        async for piece in cast("httpx.AsyncByteStream", self._request.stream):
            if self._is_settled():
                return
            left -= 0 if framing.chunked else len(piece)
            if left < 0:
                raise httpx.LocalProtocolError("the body is longer than Content-Length says")
            if framing.chunked and piece:
                await self._write(b"%x\r\n" % len(piece), piece, b"\r\n")
            elif piece:
                await self._write(piece)
        if left:
            raise httpx.LocalProtocolError("the body is shorter than Content-Length says")
        if framing.chunked:
            await self._write(b"0\r\n\r\n")
        exchange.uploaded = exchange.uploaded or not self._is_settled()

    async def _write(self, *parts: bytes) -> None:
        """Write a few pieces, each when there is room for it."""
        exchange = self._exchange
        for part in _pieces_of(parts):
            connection = cast("StreamConnection | None", exchange.connection)
            while connection is not None and connection.stalled and not self._is_settled():
                if not await exchange.changed(self._timeouts.write):
                    raise httpx.WriteTimeout("the server does not take the request")
            if connection is None or self._is_settled():
                return
            connection.write(part)

    async def _is_wanted(self) -> bool:
        """Wait a moment for `100 Continue`; an answer instead means: no."""
        exchange = self._exchange
        while not (exchange.continued or exchange.head is not None or exchange.done):
            if not await exchange.changed(_SOON):
                break
        return exchange.head is None and not exchange.done

    def _is_settled(self) -> bool:
        """Whether the reply is whole or an error already, or there will be none."""
        head = self._exchange.head
        return self._exchange.done or (head is not None and head.status >= 400)

    async def _head(self) -> Head:
        exchange = self._exchange
        while exchange.head is None:
            if exchange.failure is not None:
                lost = httpx.ReadError if exchange.uploaded else httpx.WriteError
                raise _error(exchange.failure, lost)
            if not await exchange.changed(self._timeouts.read):
                raise httpx.ReadTimeout("no reply in time")
        return exchange.head


class _Body(httpx.AsyncByteStream):
    """The body of a reply as it comes. What is held for a slow reader is bounded."""

    def __init__(self, exchange: StreamedExchange, timeout: float | None) -> None:
        self._exchange = exchange
        self._timeout = timeout

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        exchange = self._exchange
        while not exchange.pieces:
            if exchange.whole:
                raise StopAsyncIteration
            if exchange.failure is not None:
                raise _error(exchange.failure, httpx.ReadError)
            if not await exchange.changed(self._timeout):
                exchange.abandon()
                raise httpx.ReadTimeout("no more of the reply in time")
        return exchange.get()

    async def aclose(self) -> None:
        """Drop the connection, unless the reply is whole and it is at home again."""
        self._exchange.abandon()
        self._exchange.pieces.clear()


class _NetworkStream:
    """What httpx's `network_stream` extension tells of a connection."""

    def __init__(self, link: asyncio.Transport) -> None:
        self._link = link

    def get_extra_info(self, info: str) -> Any:
        """Return `ssl_object`, `socket`, `client_addr`, `server_addr` or `is_readable`."""
        if info == "is_readable":
            return self._link.is_closing()
        name = {"client_addr": "sockname", "server_addr": "peername"}.get(info, info)
        return self._link.get_extra_info(name)


def _pieces_of(parts: tuple[bytes, ...]) -> Iterator[bytes | memoryview]:
    """Join what is small, for one packet, and split what is large, for back-pressure."""
    if sum(map(len, parts)) <= PIECE:
        yield b"".join(parts)
        return
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(view), PIECE):
            yield view[start : start + PIECE]


def _origin_of(request: httpx.Request) -> Origin:
    url = request.url
    if url.scheme not in {"http", "https"} or not url.raw_host:
        raise httpx.UnsupportedProtocol("PoolTransport knows http:// and https:// only")
    port = url.port or (443 if url.scheme == "https" else 80)
    return Origin(url.scheme, url.raw_host.decode("ascii"), port)


def _error(broken: Broken, lost: type[httpx.TransportError]) -> httpx.TransportError:
    """Return httpx's error for what broke an exchange; `lost` for a connection that is gone."""
    if broken.trouble in {Trouble.PROTOCOL, Trouble.TOO_LARGE}:
        return httpx.RemoteProtocolError(broken.detail)
    return lost(broken.detail)
