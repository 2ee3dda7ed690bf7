"""The same transport over httpx: for trio, proxies, a client of the user's own, and mocks.

An `httpx.AsyncClient` lends us its connections only, with its proxies, mounts and certificates.
Requests go to the transport below the client: its hooks, headers, cookies, authentication and
redirects stay out, and above all its INFO line, which holds the whole URL and so the key.
What the layers below would log of our requests is dropped at their loggers.
"""

from __future__ import annotations

import ssl
import sys
from functools import cache
from typing import Any, Final, Protocol, cast

import anyio
import httpx
from attrs import define

from solvestream._http.dial import secure_context
from solvestream._http.evidence import Evidence
from solvestream._http.framing import UNSOUND, USER_AGENT, is_sound
from solvestream._http.reply import MAX_HEAD, MAX_LINES
from solvestream._http.silence import mute, silent
from solvestream._wire import UNWANTED, Broken, Request, Response, Sent, Trouble

_NEVER_SENT: Final = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
_TROUBLES: Final = {
    "ConnectTimeout": Trouble.TIMEOUT,
    "PoolTimeout": Trouble.TIMEOUT,
    "ReadTimeout": Trouble.TIMEOUT,
    "WriteTimeout": Trouble.TIMEOUT,
    "ConnectError": Trouble.CONNECT,
    "ProxyError": Trouble.CONNECT,
    "ReadError": Trouble.RESET,
    "WriteError": Trouble.RESET,
    "CloseError": Trouble.RESET,
}
"""By name, since httpx2 has classes of its own. What is not here was not HTTP."""


class _Transport(Protocol):
    """What `httpx.AsyncBaseTransport` and its like of httpx2 offer."""

    async def handle_async_request(self, request: httpx.Request, /) -> httpx.Response: ...

    async def aclose(self) -> None: ...


class _Client(Protocol):
    """What of a client is needed to reach the transport below it."""

    @property
    def is_closed(self) -> bool: ...

    def _transport_for_url(self, url: httpx.URL, /) -> _Transport: ...

    async def aclose(self) -> None: ...


@define(eq=False, repr=False, init=False)
class HttpxTransport:
    """Sends requests through httpx, on asyncio or trio.

    Args:
        client: an `httpx.AsyncClient`, an `httpx.AsyncBaseTransport`, or the same of httpx2.
            By default a transport of our own that reads nothing from the environment.
        proxy: URL of an HTTP or SOCKS proxy for that transport of our own.
        max_exchanges: at a time, 1 or more. Default 16: httpx's pool slows down with more.
        owns: whether `aclose` closes `client`. By default only what we opened ourselves.

    Raises `TypeError` if `client` is none of these, or comes with a `proxy`.
    """

    _client: _Client | None
    _transport: _Transport | None
    _library: Any
    _owns: bool
    _max_exchanges: int
    _gate: anyio.Semaphore
    _scopes: set[anyio.CancelScope]
    _closed: bool
    _gone: anyio.Event | None

    def __init__(
        self,
        client: object | None = None,
        *,
        proxy: str | None = None,
        max_exchanges: int = 16,
        owns: bool | None = None,
    ) -> None:
        self._owns = client is None if owns is None else owns
        self._client = self._transport = None
        self._library = _library_of(client)
        if client is None:
            self._transport = _stock_transport(proxy, max_exchanges)
        elif proxy is not None:
            raise TypeError("proxy= goes with a transport of our own, not with a client given")
        elif callable(getattr(client, "_transport_for_url", None)):
            self._client = cast("_Client", client)
        elif callable(getattr(client, "handle_async_request", None)):
            self._transport = cast("_Transport", client)
        else:
            raise TypeError("http= takes an httpx.AsyncClient or an httpx.AsyncBaseTransport")
        self._max_exchanges = max_exchanges
        self._gate = anyio.Semaphore(max_exchanges)
        self._scopes = set()
        self._closed = False
        self._gone = None

    @property
    def max_exchanges(self) -> int:
        """As many as were asked for."""
        return self._max_exchanges

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._scopes)} exchanges under way"
        return f"<HttpxTransport {state}>"

    async def send(self, request: Request) -> Response | Broken:
        """Carry out one exchange. Whatever goes wrong is a `Broken`; only cancellation raises."""
        if self._closed or (self._client is not None and self._client.is_closed):
            return Broken(Trouble.CLOSED, Sent.NOTHING, "the transport is closed")
        if not is_sound(request):
            return Broken(Trouble.PROTOCOL, Sent.NOTHING, UNSOUND)
        end = anyio.current_time() + request.limits.total
        scope = anyio.CancelScope(deadline=end)
        evidence = Evidence(scope, end, bodiless=not request.body)
        self._scopes.add(scope)
        outcome: Response | Broken | None = None
        try:
            with scope:
                outcome = await self._in_turn(request, evidence)
        finally:
            self._scopes.discard(scope)
            if self._gone is not None:
                self._gone.set()
        return self._cut(request, evidence) if outcome is None else outcome

    async def aclose(self) -> None:
        """End exchanges under way as `Broken(CLOSED)`, and close what we own. Idempotent."""
        self._closed = True
        for scope in tuple(self._scopes):
            scope.cancel()
        while self._scopes:
            self._gone = anyio.Event()
            await self._gone.wait()
        target = self._client or self._transport
        if self._owns and target is not None:
            self._owns = False
            await target.aclose()

    def _cut(self, request: Request, evidence: Evidence) -> Broken:
        """Say that our own side ended an exchange, and why."""
        place = request.origin.authority
        if self._closed:
            return Broken(Trouble.CLOSED, evidence.sent(), f"{place}: the transport was closed")
        return Broken(Trouble.TIMEOUT, evidence.sent(), f"{place}: no whole reply in time")

    async def _in_turn(self, request: Request, evidence: Evidence) -> Response | Broken | None:
        """Carry out one exchange when there is room for it; `None` if there is none in time."""
        with anyio.move_on_after(request.limits.connect) as patience:
            await self._gate.acquire()
        if patience.cancelled_caught:
            return None
        try:
            if request.wanted is not None and not request.wanted():
                return UNWANTED
            return await self._exchange(request, evidence)
        finally:
            self._gate.release()

    async def _exchange(self, request: Request, evidence: Evidence) -> Response | Broken:
        mute()
        token = silent.set(True)
        try:
            return await self._carry_out(request, evidence)
        except Exception as exc:  # noqa: BLE001 - mocks and foreign transports raise anything
            trouble, detail = _diagnose(exc)
            never = self._is_stock(request) and type(exc).__name__ in _NEVER_SENT
        except BaseException as exc:  # noqa: BLE001 - it is raised again, without its frames
            # Cancelled. The frames below hold the URL in their variables: show none of them.
            await evidence.hang_up()
            exc.__context__ = None
            raise exc.with_traceback(None)  # noqa: B904 - it is the same exception
        finally:
            silent.reset(token)
        sent = evidence.sent(never=never)
        return Broken(trouble, sent, f"{request.origin.authority}: {detail}")

    async def _carry_out(self, request: Request, evidence: Evidence) -> Response | Broken:
        outgoing = _build(self._library, request, evidence)
        evidence.begun = True
        reply = await self._below(outgoing.url).handle_async_request(outgoing)
        fault, body = await _read_body(reply, _check_head(reply), request.limits.body)
        sent = evidence.sent()
        if fault is not None:
            return Broken(Trouble.TOO_LARGE, sent, f"{request.origin.authority}: {fault}")
        return _read(reply, body, Sent.PART if sent is Sent.PART else Sent.ALL)

    def _below(self, url: httpx.URL) -> _Transport:
        if self._client is not None:
            # Private, but what respx and pytest-httpx hold on to as well; see the first lines.
            return self._client._transport_for_url(url)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        assert self._transport is not None
        return self._transport

    def _is_stock(self, request: Request) -> bool:
        """Whether the exceptions are httpx's own, and mean what httpx says they mean."""
        library = self._library
        return type(self._below(library.URL(str(request.origin)))) is library.AsyncHTTPTransport


def _stock_transport(proxy: str | None, connections: int) -> _Transport:
    """Return a transport that keeps connections for 1 s only, as requests that cost money ask.

    Its TLS is ours: httpx's own writes the session keys to `SSLKEYLOGFILE` if that is set.
    """
    limits = httpx.Limits(
        max_connections=connections,
        max_keepalive_connections=connections,
        keepalive_expiry=1.0,
    )
    return httpx.AsyncHTTPTransport(
        verify=secure_context(), proxy=proxy, limits=limits, trust_env=False
    )


def _library_of(client: object) -> Any:
    """Return httpx, or httpx2 for what was made with it: each takes its own requests only."""
    for one in type(client).__mro__:
        if (name := one.__module__.partition(".")[0]) == "httpx2":
            return sys.modules[name]
    return httpx


def _build(library: Any, request: Request, evidence: Evidence) -> httpx.Request:
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
    if request.fresh:
        headers["Cache-Control"] = "no-store"
    if request.content_type is not None:
        headers["Content-Type"] = request.content_type
    limits = request.limits
    connect = min(limits.connect, limits.total)
    outgoing: httpx.Request = library.Request(
        request.method,
        f"{request.origin}{request.target}",
        headers=headers,
        content=request.body or None,
        extensions={
            "timeout": {
                "connect": connect,
                "pool": connect,
                "read": limits.read,
                "write": limits.read,
            },
            "trace": evidence.trace,
        },
    )
    if request.body:
        outgoing.stream = _body_class(library.AsyncByteStream)(request.body)
    return outgoing


class _Once:
    """Iterates over one piece. No generator: cut writes would leave that hanging under trio."""

    def __init__(self, piece: bytes) -> None:
        self._left: bytes | None = piece

    def __aiter__(self) -> _Once:
        return self

    async def __anext__(self) -> bytes:
        piece, self._left = self._left, None
        if piece is None:
            raise StopAsyncIteration
        return piece


@cache
def _body_class(base: type) -> Any:
    """Return a request stream for httpx or httpx2, which insist on their own base class."""

    def start(self: Any, body: bytes) -> None:
        self.body = body

    def iterate(self: Any) -> _Once:
        return _Once(self.body)

    return type("_Body", (base,), {"__init__": start, "__aiter__": iterate})


async def _read_body(
    reply: httpx.Response, fault: str | None, limit: int
) -> tuple[str | None, bytes]:
    """Read the body, raw and up to the limit.

    A reply that is too large is closed, and then read on until that shows: leaving the loop
    would leave httpcore's generators hanging, which trio resents.
    """
    stream = cast("httpx.AsyncByteStream", reply.stream)
    body = bytearray()
    try:
        if fault is not None:
            await stream.aclose()
        async for piece in stream:
            if fault is None:
                body += piece
                if len(body) > limit:
                    fault = f"the reply's body exceeded {limit} bytes"
                    body.clear()
                    await stream.aclose()
        _spoil_leftover(stream)
    except Exception:
        if fault is None:
            raise
    finally:
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 1.0):
            await stream.aclose()
    return fault, bytes(body)


def _spoil_leftover(stream: object) -> None:
    """Keep a connection from serving again when bytes behind the reply were read with it.

    httpcore 1.0.9 would take them for the answer to the next request, perhaps a submit. It shows
    them nowhere, so this looks inside for h11's state; where there is none there is no HTTP/1.1.
    """
    state: Any = stream
    for name in ("_httpcore_stream", "_stream", "_connection", "_h11_state"):
        state = getattr(state, name, None)
    if state is not None and state.trailing_data[0]:
        state.send_failed()


def _check_head(reply: httpx.Response) -> str | None:
    """Say what is too large about a reply's head."""
    lines = reply.headers.raw
    if len(lines) > MAX_LINES:
        return f"the reply had more than {MAX_LINES} header lines"
    if sum(len(name) + len(value) + 4 for name, value in lines) > MAX_HEAD:
        return f"the reply's head exceeded {MAX_HEAD} bytes"
    return None


def _read(reply: httpx.Response, body: bytes, sent: Sent) -> Response:
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in reply.headers.raw
    )
    version = reply.extensions.get("http_version", b"")
    delimited = (
        not version.startswith(b"HTTP/1")  # HTTP/2 and mocks
        or reply.status_code in {204, 304}
        or any(
            name == "content-length" or (name == "transfer-encoding" and "chunked" in value.lower())
            for name, value in headers
        )
    )
    return Response(reply.status_code, headers, body, delimited, sent)


def _diagnose(exc: Exception) -> tuple[Trouble, str]:
    """Name the trouble. The exception's own text may quote the URL, so it is not passed on."""
    name = type(exc).__name__
    trouble = _TROUBLES.get(name, Trouble.PROTOCOL)
    if trouble is Trouble.CONNECT and (reason := _tls_reason(exc)) is not None:
        return Trouble.TLS, reason
    if name == "RemoteProtocolError":
        text = str(exc)
        if "disconnected" in text or "closed connection" in text:
            trouble = Trouble.RESET
        elif "too long" in text:
            trouble = Trouble.TOO_LARGE
    return trouble, f"httpx gave up ({name})"


def _tls_reason(exc: BaseException) -> str | None:
    """Find the TLS error below a failed connect. Causes may run in a circle, as respx makes them."""
    cause: BaseException | None = exc
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
            return f"TLS failed ({cause.reason or type(cause).__name__})"
        cause = cause.__cause__ or cause.__context__
    return None
