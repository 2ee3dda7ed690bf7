"""Between httpx and the service in memory: an ASGI call without server, socket or time."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import httpx

from solvestream.server import App

_ENDPOINT = re.compile(r"/(?:(?:in|res|solve)\.php|api/|createTask|get\w+|feedbackTask).*")
_WRITTEN = (
    "http11.send_request_headers.started",
    "http11.send_request_headers.complete",
    "http11.send_request_body.complete",
)
"""What httpcore tells of a request that has left whole: a client judges lost replies by it."""

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


class Transport(httpx.AsyncBaseTransport):
    """An httpx transport that has a function answer."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        return await self._handle(request)


class _Cut(httpx.AsyncByteStream):
    """A body that ends before its time."""

    def __init__(self, part: bytes) -> None:
        self._part = part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._part
        raise httpx.ReadError("the connection was closed in the middle of the reply")


async def refuse(request: httpx.Request) -> httpx.Response:
    """Refuse the connection: provably, nothing was sent."""
    await _trace(request, "connection.connect_tcp.started", "connection.connect_tcp.failed")
    raise httpx.ConnectError("connection refused", request=request)


async def ask(app: App, request: httpx.Request) -> httpx.Response:
    """Ask the service. Raises `httpx.ReadError` where it hangs up without a reply."""
    body = await request.aread()
    await _trace(request, *_WRITTEN)
    scope = {
        "type": "http",
        "method": request.method,
        "path": _endpoint(request.url.path),
        "query_string": request.url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
    }
    told: list[Any] = [{"type": "http.request", "body": body}]
    said: list[Any] = []

    async def receive() -> Any:
        if not told:
            await anyio.sleep_forever()
        return told.pop()

    async def send(message: Any) -> None:
        said.append(message)

    try:
        await app(scope, receive, send)
        whole = True
    except ConnectionResetError:
        whole = False
    return _response(request, said, whole=whole)


def _response(request: httpx.Request, said: list[Any], *, whole: bool) -> httpx.Response:
    if not said:
        raise httpx.ReadError("the connection was reset", request=request)
    start, *pieces = said
    body = b"".join(piece["body"] for piece in pieces)
    if whole:
        return httpx.Response(start["status"], headers=start["headers"], content=body)
    return httpx.Response(start["status"], headers=start["headers"], stream=_Cut(body))


def _endpoint(path: str) -> str:
    """Return a path without what a base URL puts before it."""
    found = _ENDPOINT.search(path)
    return path if found is None else found[0]


async def _trace(request: httpx.Request, *steps: str) -> None:
    trace = request.extensions.get("trace")
    if trace is not None:
        for step in steps:
            await trace(step, {})
