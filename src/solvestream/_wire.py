"""What crosses the wire, as plain values: `Request` out, `Response` or `Broken` back.

Both transports (`solvestream._http`) and all protocol modules (`solvestream.providers`)
speak in these values, so that neither knows the other.

A transport never raises for what the wire does to it: it answers with `Broken`, which
says how far the request got (`Sent`). That is the only evidence from which a verdict on
money may be drawn, so it is a value and not a guess from an exception's type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum, StrEnum
from typing import NoReturn, Protocol, runtime_checkable
from urllib.parse import urlsplit

from attrs import define, field, frozen

from solvestream.errors import UsageError


class Sent(IntEnum):
    """How much of a request provably left this machine.

    `UNKNOWN` is for transports that cannot tell; it counts as `ALL` wherever money is at stake.
    """

    NOTHING = 0
    """Not one byte: the exchange never reached an open connection."""
    PART = 1
    """Some bytes, but not the whole framed request."""
    ALL = 2
    """Every byte was handed to the operating system."""
    UNKNOWN = 3
    """No evidence either way."""


class Trouble(StrEnum):
    """What broke an exchange. The values are stable and fit for statistics."""

    CONNECT = "connect"
    """Refused, unreachable, or the name did not resolve."""
    TLS = "tls"
    """The peer's certificate or handshake was not acceptable; trying again does not help."""
    TIMEOUT = "timeout"
    """A connect, read or total deadline passed."""
    RESET = "reset"
    """The peer closed or reset the connection before a whole reply."""
    PROTOCOL = "protocol"
    """The reply was not HTTP."""
    TOO_LARGE = "too_large"
    """The reply's header or body exceeded its bound."""
    CLOSED = "closed"
    """Our own side closed the transport."""


@frozen(cache_hash=True)
class Origin:
    """Scheme, host and port of a service: what one connection reaches.

    Attributes:
        scheme: `http` or `https`.
        host: name or address, without brackets.
        port: 1 to 65535.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> tuple[Origin, str]:
        """Split a `url`, absolute and http(s), into its origin and its path without a final slash.

        Raises `ValueError` naming what is wrong, for the public edge to turn into `UsageError`.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"}:
            raise ValueError("the scheme must be https:// (or http:// on loopback)")
        if not parts.hostname:
            raise ValueError("there is no host")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("it must hold no user name, query or fragment")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname, port), parts.path.rstrip("/")

    @property
    def authority(self) -> str:
        """`host` or `host:port`, as the `Host` header wants it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@frozen(kw_only=True)
class Limits:
    """Bounds of one exchange.

    Attributes:
        connect: seconds to get an open connection, TLS included. Default 10.
        read: seconds between two pieces of the reply. Default 30.
        total: seconds for the whole exchange, from taking it up to the last byte. Default 60.
        body: bytes of the reply's body at most. Default 1 MiB.
    """

    connect: float = 10.0
    read: float = 30.0
    total: float = 60.0
    body: int = 1 << 20


DEFAULT_LIMITS = Limits()


@define(eq=False)
class Request:
    """One HTTP request: built by a protocol module, sent by a transport.

    The target and the body hold the account's key, so `repr` shows neither.

    Attributes:
        method: `GET` or `POST`.
        origin: where to.
        target: path and query, ASCII, already quoted.
        body: bytes of the body; empty for none.
        content_type: of the body; one line of ASCII.
        fresh: take a new or recently used connection only. Set for requests that cost money,
            since a reply lost on a stale connection leaves it unknown whether one was bought.
        limits: bounds of this exchange.
        wanted: asked before the first byte leaves; when it says no, the exchange ends as
            `Broken(CLOSED, NOTHING)`. A caller may have gone while a connection was being made.
    """

    method: str
    origin: Origin
    target: str
    body: bytes = b""
    content_type: str | None = None
    fresh: bool = False
    limits: Limits = DEFAULT_LIMITS
    wanted: Callable[[], bool] | None = None

    def __reduce__(self) -> NoReturn:
        raise UsageError("a request is never pickled: it holds the account's key")

    def __repr__(self) -> str:
        path = self.target.partition("?")[0]
        return f"<Request {self.method} {self.origin}{path} {len(self.body)} bytes>"


@define(eq=False)
class Response:
    """A whole, well-framed HTTP reply.

    Attributes:
        status: 200 to 599; interim replies never come this far.
        body: bytes as they came; transports ask for `identity` and never decode.
        delimited: `False` where only the end of the connection ended the body, so that a
            cut reply looks like a whole one.
        sent: how much of the request had left when the reply was complete. A service may
            answer early, before it has read all.
        lines: the headers as bytes, where a transport left them unread: few are ever looked at.
    """

    status: int
    _headers: tuple[tuple[str, str], ...] | None = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=lambda body: f"<{len(body)} bytes>")
    delimited: bool = True
    sent: Sent = Sent.ALL
    lines: Sequence[tuple[bytes, bytes]] = field(default=(), repr=False)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Names in lower case and values, in order of arrival."""
        if self._headers is None:
            self._headers = tuple(
                (name.decode("latin-1").lower(), value.decode("latin-1"))
                for name, value in self.lines
            )
        return self._headers

    def header(self, name: str) -> str | None:
        """Return the first value of a header (name in lower case), or `None`."""
        return next(iter(self.values(name)), None)

    def values(self, name: str) -> list[str]:
        """Return all values of a header (name in lower case), without reading the others."""
        if self._headers is not None:
            return [value for key, value in self._headers if key == name]
        wanted = name.encode("latin-1")
        return [value.decode("latin-1") for key, value in self.lines if key.lower() == wanted]


@define(eq=False)
class Broken:
    """An exchange that gave no whole reply.

    Attributes:
        trouble: what broke it.
        sent: how much of the request provably left.
        detail: one line for people; never holds a target, a body or a header.
    """

    trouble: Trouble
    sent: Sent
    detail: str


UNWANTED = Broken(Trouble.CLOSED, Sent.NOTHING, "nobody wanted it any more")


class Transport(Protocol):
    """Sends requests. An asyncio pool of our own, or httpx for everything else."""

    @property
    def max_exchanges(self) -> int:
        """How many exchanges it carries out at once; more would only wait inside of it."""
        ...

    async def send(self, request: Request) -> Response | Broken:
        """Carry out one exchange within the request's limits. Raises nothing but cancellation."""
        ...

    async def aclose(self) -> None:
        """Close every connection; exchanges under way end as `Broken(CLOSED)`. Idempotent."""
        ...


@runtime_checkable
class DirectTransport(Transport, Protocol):
    """A transport that needs no task per exchange: it calls back in the step that has the reply."""

    def begin(self, request: Request, take: Callable[[Response | Broken], None]) -> None:
        """Carry out one exchange within the request's limits, and call `take` with its end.

        `take` is called exactly once, perhaps before `begin` returns, and must not raise.
        """
        ...
