"""Turns a `Request` into the bytes of HTTP/1.1, and refuses what would break out of its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from solvestream._wire import Origin, Request

USER_AGENT: Final = "solvestream"
UNSOUND: Final = "the request's method, target or content type is not plain ASCII"

_is_method: Final = re.compile(r"[A-Z]+").fullmatch
_is_target: Final = re.compile(r"/[!-~]*").fullmatch
_is_line: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?").fullmatch


def is_sound(request: Request) -> bool:
    """Whether no field holds a space, line end or other character that would end it early."""
    return (
        _is_target(request.target) is not None
        and _is_method(request.method) is not None
        and (request.content_type is None or _is_line(request.content_type) is not None)
        and request.origin.host.isascii()
    )


def head_for(origin: Origin, user_agent: str = USER_AGENT) -> bytes:
    """Return what all requests to one origin have between their target and their own headers."""
    return (
        f" HTTP/1.1\r\nHost: {origin.authority}\r\nUser-Agent: {user_agent}\r\n"
        "Accept: */*\r\nAccept-Encoding: identity\r\n"
    ).encode("ascii", "replace")


def frame(request: Request, head: bytes) -> bytes:
    """Return all bytes of a sound request. `head` is its origin's `head_for`."""
    body = request.body
    lines = "Cache-Control: no-store\r\n" if request.fresh else ""
    if request.content_type is not None:
        lines += f"Content-Type: {request.content_type}\r\n"
    if body or request.method == "POST":
        lines += f"Content-Length: {len(body)}\r\n"
    start = f"{request.method} {request.target}"
    return b"%b%b%b\r\n%b" % (start.encode("ascii"), head, lines.encode("ascii"), body)
