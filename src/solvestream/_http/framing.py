"""Turns a `Request` into the bytes of HTTP/1.1, and refuses what would break out of its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import evolve

if TYPE_CHECKING:
    from solvestream._wire import Origin, Request

USER_AGENT: Final = "solvestream"
UNSOUND: Final = "the request's method, target or content type is not plain ASCII"

_is_start: Final = re.compile(r"[A-Z]+ /[!-~]*").fullmatch
_is_line: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?").fullmatch


def head_for(origin: Origin, user_agent: str = USER_AGENT) -> str:
    """Return what all requests to one origin have between their target and their own headers."""
    return (
        f" HTTP/1.1\r\nHost: {origin.authority}\r\nUser-Agent: {user_agent}\r\n"
        "Accept: */*\r\nAccept-Encoding: identity\r\n"
    )


def frame(request: Request, head: str) -> bytes | None:
    """Return all bytes of a request, with its origin's `head_for`.

    `None` if a field holds a space, line end or other character that would end it early.
    """
    body = request.body
    kind = request.content_type
    start = f"{request.method} {request.target}"
    if _is_start(start) is None or not (kind is None or _is_line(kind)) or not head.isascii():
        return None
    lines = "Cache-Control: no-store\r\n" if request.fresh else ""
    if kind is not None:
        lines += f"Content-Type: {kind}\r\n"
    if body or request.method == "POST":
        lines += f"Content-Length: {len(body)}\r\n"
    framed = f"{start}{head}{lines}\r\n".encode("ascii")
    return framed + body if body else framed


def is_sound(request: Request) -> bool:
    """Whether a request can be framed."""
    return frame(evolve(request, body=b""), head_for(request.origin)) is not None
