"""A receiver for the calls that services make when a task is done (PROTOCOLS.md 1).

Accounts with `pingback=URL` ask for such calls. They are unsigned, not guaranteed, and may come
before the reply to their own submit; so a call is a hint to look now and nothing else. The answer
that it claims is not even read: only the look that follows, with the account's key, brings one.

    app = FastAPI()
    app.mount("/pingback", pingback.asgi(client, secret=SECRET))

    CaptchaAI("KEY", pingback=f"https://crawler.example/pingback/{SECRET}")

Calls are understood as the families send them: GET or a posted form with `id` (in.php), posted JSON
with `taskId` (createTask). Every call gets the same empty 200 at once, whether it was understood
or not, so a caller learns nothing. A secret in the path keeps strangers from making the client look;
without one it is safe as well: the client remembers a bounded number of ids, for 10 s.
"""

from __future__ import annotations

import hmac
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import parse_qs

import anyio

from solvestream.errors import UsageError

if TYPE_CHECKING:
    from aiohttp import web

logger = logging.getLogger("solvestream")

MAX_BODY: Final = 64 * 1024
"""Bytes of a call's body that are read at most; what is longer counts as no call."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Message, Receive, Send], Awaitable[None]]

_SECONDS: Final = 5.0
"""In which a call's body must have come."""
_is_id: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}").fullmatch
_NAMES: Final = ("taskId", "id")
_MAX_FIELDS: Final = 50


class Hinted(Protocol):
    """What takes hints: a `Client`, or what finds one when it is needed."""

    def hint(self, task_id: str, *, account: str | None = None) -> bool:
        """Look at a task now."""
        ...


def task_id_of(query: str, content_type: str, body: bytes) -> str | None:
    """Return the task id of a call, or `None` where there is no proper one.

    Total: whatever comes, nothing is raised.

    Args:
        query: of the URL, without `?`.
        content_type: of the body; only whether it is JSON matters.
        body: bytes as they came.
    """
    found = _in_form(query)
    if found is None and body:
        is_json = "json" in content_type.lower() or body.lstrip()[:1] == b"{"
        found = _in_json(body) if is_json else _in_form(body.decode("ascii", "replace"))
    return found if found is not None and _is_id(found) else None


def asgi(client: Hinted, *, secret: str | None = None, account: str | None = None) -> Asgi:
    """Return an ASGI app that turns calls into hints; mount it wherever you like.

    Args:
        client: whose tasks the calls are about; it must run in the app's event loop.
        secret: last part of the path that calls must have; default: any path will do.
        account: name of the account that is called about; default: any of the client's.

    Raises `UsageError` for a secret that cannot stand in a path.
    """
    take = _taker(client, secret, account)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
            kind = headers.get(b"content-type", b"").decode("latin-1")
            body = await _body(_pieces(receive))
            if body is not None:
                take(scope["path"], scope["query_string"].decode("latin-1"), kind, body)
            await send({"type": "http.response.start", "status": 200, "headers": _EMPTY})
            await send({"type": "http.response.body", "body": b""})

    return app


def aiohttp_handler(
    client: Hinted, *, secret: str | None = None, account: str | None = None
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler for aiohttp: `app.router.add_route("*", "/pingback/{_:.*}", handler)`.

    Arguments and errors are those of `asgi`.
    """
    from aiohttp import web  # noqa: PLC0415 - for those who use it

    take = _taker(client, secret, account)

    async def handler(request: web.Request) -> web.Response:
        body = await _body(request.content.iter_any())
        if body is not None:
            take(request.path, request.rel_url.raw_query_string, request.content_type, body)
        return web.Response()

    return handler


_EMPTY: Final = [(b"content-length", b"0")]


def _taker(
    client: Hinted, secret: str | None, account: str | None
) -> Callable[[str, str, str, bytes], None]:
    if secret is not None and not re.fullmatch(r"[A-Za-z0-9_.~-]+", secret):
        raise UsageError("secret: give letters, digits, '_', '.', '~' and '-' only")
    expected = None if secret is None else secret.encode()
    told: set[type] = set()

    def take(path: str, query: str, content_type: str, body: bytes) -> None:
        last = path.rpartition("/")[2].encode(errors="replace")
        if expected is not None and not hmac.compare_digest(last, expected):
            return
        task_id = task_id_of(query, content_type, body)
        if task_id is None:
            return
        try:
            client.hint(task_id, account=account)
        except UsageError as error:  # not open, closed, in another loop, no such account
            if type(error) not in told:
                told.add(type(error))
                logger.warning("call-backs are of no use: %s", error)

    return take


def _in_form(text: str) -> str | None:
    try:
        fields = parse_qs(text, max_num_fields=_MAX_FIELDS)
    except ValueError:
        return None
    return next((fields[name][0] for name in _NAMES if name in fields), None)


def _in_json(body: bytes) -> str | None:
    try:
        fields: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    named = cast("dict[str, Any]", fields) if isinstance(fields, dict) else {}
    found = next((named[name] for name in _NAMES if name in named), None)
    whole = isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 10**18
    return str(found) if whole or isinstance(found, str) else None


async def _body(pieces: AsyncIterator[bytes]) -> bytes | None:
    """Read a body; `None` if it is too long or comes too slowly."""
    body = bytearray()
    with anyio.move_on_after(_SECONDS):
        async for piece in pieces:
            body += piece
            if len(body) > MAX_BODY:
                return None
        return bytes(body)
    return None


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        yield message.get("body", b"")
        more = message.get("more_body", False)  # a caller that has left sends no more


async def _live(receive: Receive, send: Send) -> None:
    """Answer a server's lifespan, where the app stands alone."""
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})
