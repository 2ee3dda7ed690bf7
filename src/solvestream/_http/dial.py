"""Opens connections: names, addresses, TLS. Nothing of a request is known here."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from ipaddress import ip_address
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import certifi
from attrs import define, field

from solvestream._http.connection import READ, Connection
from solvestream._wire import Broken, Origin, Sent, Trouble

if TYPE_CHECKING:
    from solvestream._http.route import Route

MAX_LOOKUPS: Final = 4
"""Name look-ups at a time: each holds a thread of the loop's default executor, which the
application needs too, and a hanging one cannot be stopped (`faults.json` N03)."""
_STAGGER: Final = 0.25
"""Seconds before the next address is tried beside the last (RFC 8305)."""

_Address: TypeAlias = tuple[socket.AddressFamily, Any]


def secure_context() -> ssl.SSLContext:
    """Return a context that verifies against certifi's roots and reads no environment variable.

    `ssl.create_default_context` would honour SSLKEYLOGFILE and SSL_CERT_FILE.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def explain(exc: Exception, origin: Origin) -> Broken:
    """Say in one line why there is no connection. No request byte has left."""
    place = f"{origin.host}:{origin.port}"
    if isinstance(exc, ssl.SSLCertVerificationError):
        return Broken(Trouble.TLS, Sent.NOTHING, f"{place}: {exc.verify_message}")
    if isinstance(exc, ssl.SSLError) and not isinstance(exc, (ssl.SSLEOFError, TimeoutError)):
        reason = exc.reason or type(exc).__name__
        return Broken(Trouble.TLS, Sent.NOTHING, f"{place}: TLS failed ({reason})")
    reason = (exc.strerror if isinstance(exc, OSError) else None) or type(exc).__name__
    return Broken(Trouble.CONNECT, Sent.NOTHING, f"{place}: {reason}")


@define(eq=False, repr=False)
class Dialer:
    """Opens connections for all routes of a pool."""

    _loop: asyncio.AbstractEventLoop
    _context: ssl.SSLContext | None
    _idle_limit: float
    _connection: type[Connection] = Connection
    _buffer: memoryview = field(factory=lambda: memoryview(bytearray(READ)))
    _lookups: dict[tuple[str, int], asyncio.Task[list[_Address]]] = field(
        factory=dict[tuple[str, int], "asyncio.Task[list[_Address]]"]
    )
    _threads: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(MAX_LOOKUPS))
    _context_lock: asyncio.Lock = field(factory=asyncio.Lock)

    async def open(self, route: Route) -> Connection | Broken:
        """Return an open connection that belongs to `route`, or why there is none."""
        origin = route.origin
        try:
            context = await self._tls() if origin.scheme == "https" else None
            connection = await self._connect(route, context)
        except (OSError, ValueError, RuntimeError) as exc:
            return explain(exc, origin)
        if connection.closed:
            return explain(ConnectionResetError(), origin)
        return connection

    async def aclose(self) -> None:
        """Forget look-ups under way. Their threads end when the operating system answers."""
        lookups = tuple(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    async def _connect(self, route: Route, context: ssl.SSLContext | None) -> Connection:
        origin = route.origin
        sock = await _first_of(self._loop, await self._addresses(origin))

        def connection() -> Connection:
            peer = f"{origin.host}:{origin.port}"
            return self._connection(self._loop, route, peer, self._idle_limit, self._buffer)

        try:
            transport, protocol = await self._loop.create_connection(connection, sock=sock)
        except BaseException:
            sock.close()
            raise
        if context is not None:
            try:
                encrypted = await self._loop.start_tls(
                    transport, protocol, context, server_hostname=origin.host
                )
                assert encrypted is not None
            except BaseException:
                transport.abort()
                raise
            protocol.encrypt(encrypted)
        return protocol

    async def _tls(self) -> ssl.SSLContext:
        """Make the context when it is first needed, in a thread: reading the roots takes long."""
        async with self._context_lock:
            if self._context is None:
                self._context = await self._loop.run_in_executor(None, secure_context)
        assert self._context is not None
        return self._context

    async def _addresses(self, origin: Origin) -> list[_Address]:
        """Return the addresses of a host, the families taking turns."""
        try:
            family = socket.AF_INET if ip_address(origin.host).version == 4 else socket.AF_INET6
        except ValueError:
            return await self._look_up(origin)
        return [(family, (origin.host, origin.port))]

    async def _look_up(self, origin: Origin) -> list[_Address]:
        """Share one look-up among all who want the same name; it goes on when they give up."""
        place = (origin.host, origin.port)
        lookup = self._lookups.get(place)
        if lookup is None:
            lookup = self._loop.create_task(self._resolve(*place))
            self._lookups[place] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop(place, None))
        return await asyncio.shield(lookup)

    async def _resolve(self, host: str, port: int) -> list[_Address]:
        async with self._threads:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        six = [(family, place) for family, *_, place in found if family == socket.AF_INET6]
        four = [(family, place) for family, *_, place in found if family == socket.AF_INET]
        pairs = chain.from_iterable(zip_longest(six, four))
        return [one for one in pairs if one is not None]


async def _first_of(loop: asyncio.AbstractEventLoop, addresses: list[_Address]) -> socket.socket:
    """Connect to the first address that answers, starting the next after 0.25 s or a failure."""
    if len(addresses) == 1:
        return await _open_socket(loop, *addresses[0])
    left = deque(addresses)
    pending: set[asyncio.Task[socket.socket]] = set()
    failure: BaseException = OSError("the name has no address")
    try:
        while left or pending:
            if left:
                pending.add(loop.create_task(_open_socket(loop, *left.popleft())))
            done, pending = await asyncio.wait(
                pending,
                timeout=_STAGGER if left else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                if (error := task.exception()) is None:
                    pending |= done - {task}
                    return task.result()
                failure = error
        raise failure
    finally:
        await _discard(pending)


async def _discard(tasks: set[asyncio.Task[socket.socket]]) -> None:
    """Stop the attempts that came second, and close what they may have opened."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, socket.socket):
            outcome.close()


async def _open_socket(
    loop: asyncio.AbstractEventLoop, family: socket.AddressFamily, place: Any
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock
