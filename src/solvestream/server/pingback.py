"""Calling back: the service tells a URL of its client that a task is done (PROTOCOLS.md 1).

Calls are unsigned, sent once and not guaranteed. This service runs beside its client, so it calls
loopback addresses over plain http only: nobody can make it ask anything of another machine.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

from attrs import field, frozen

_SECONDS = 5.0
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@frozen
class Message:
    """One call: a GET, or a POST of JSON if there is a body."""

    url: str
    body: bytes = field(default=b"", repr=False)


async def call(message: Message) -> None:
    """Make a call and forget it: what goes wrong within its 5 s is nobody's concern."""
    with suppress(OSError, ValueError, TimeoutError):
        async with asyncio.timeout(_SECONDS):
            await _call(message)


async def _call(message: Message) -> None:
    parts = urlsplit(message.url)
    host = parts.hostname or ""
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    sound = message.url.isascii() and message.url.isprintable() and " " not in message.url
    if not sound or parts.scheme != "http" or host not in _LOOPBACK:
        return
    reader, writer = await asyncio.open_connection(host, parts.port or 80)
    try:
        writer.write(_framed(message, parts.netloc, target or "/"))
        await reader.read(1)  # it was heard
    finally:
        writer.close()


def _framed(message: Message, place: str, target: str) -> bytes:
    body = message.body
    start = f"{'POST' if body else 'GET'} {target} HTTP/1.1\r\nHost: {place}\r\n"
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{start}{kind}Connection: close\r\n\r\n".encode() + body
