"""The head of a request that somebody else made, checked and framed. No I/O happens here.

httpx checks little of what goes into a head; so a value with a line end in it would become a
header, or a second request. What RFC 9112 does not allow is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from attrs import frozen

_is_token: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_is_value: Final = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?").fullmatch
_is_target: Final = re.compile(rb"[!-~]+").fullmatch
_is_length: Final = re.compile(rb"[0-9]{1,18}").fullmatch


@frozen(kw_only=True)
class Framing:
    """How a request's body ends, and what becomes of the connection.

    Attributes:
        chunked: the body comes in chunks.
        length: bytes of the body otherwise.
        expects: the body waits for `100 Continue`.
        last: the connection ends with this exchange.
    """

    chunked: bool
    length: int
    expects: bool
    last: bool

    @property
    def body(self) -> bool:
        """Whether something follows the head."""
        return self.chunked or self.length > 0


def head_of(
    method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> tuple[Framing, bytes]:
    """Return how the body is framed, and the head's bytes.

    Raises `ValueError` naming what is wrong, without its value: that may be a secret.
    """
    verb = method.encode("ascii", "replace")
    if not _is_token(verb) or verb == b"CONNECT":
        raise ValueError("the method is no plain HTTP method")
    if not _is_target(target):
        raise ValueError("the target holds a space or what is not ASCII")
    lines = [b"%b %b HTTP/1.1" % (verb, target)]
    fields: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if not _is_token(name):
            raise ValueError("a header's name is no token")
        if not _is_value(value):
            raise ValueError(f"the value of {name.decode()} has a character no header may have")
        lines.append(b"%b: %b" % (name, value))
        fields.setdefault(name.lower(), []).append(value)
    return _framing(fields), b"\r\n".join((*lines, b"", b""))


def _framing(fields: dict[bytes, list[bytes]]) -> Framing:
    if len(fields.get(b"host", ())) != 1:
        raise ValueError("a request has one Host header")
    codings = fields.get(b"transfer-encoding", [])
    lengths = fields.get(b"content-length", [])
    if codings and [one.lower() for one in codings] != [b"chunked"]:
        raise ValueError("Transfer-Encoding can only be chunked")
    if lengths and (codings or len(lengths) > 1 or not _is_length(lengths[0])):
        raise ValueError("Content-Length is one number, and not beside Transfer-Encoding")
    expects = b",".join(fields.get(b"expect", ())).lower()
    connection = b",".join(fields.get(b"connection", ())).lower()
    return Framing(
        chunked=bool(codings),
        length=int(lengths[0]) if lengths else 0,
        expects=b"100-continue" in expects,
        last=b"close" in [one.strip() for one in connection.split(b",")],
    )
