"""Reads one HTTP/1.1 reply after another from the bytes of a connection. No I/O happens here.

httptools (llhttp, strict) finds the parts; this module bounds them and keeps them. The bounds
are those of TRUST.md: a reply is never held beyond its limit, whoever sends it.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from attrs import define
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from solvestream._wire import Response, Sent, Trouble

MAX_HEAD: Final = 64 * 1024
"""Bytes of all header blocks of one reply, interim ones and chunk framing included."""
MAX_LINES: Final = 200
"""Header and trailer lines of one reply."""
MAX_INTERIM: Final = 64
"""1xx replies before the real one."""
_CHUNK_OVERHEAD: Final = 8
"""A chunk of one byte takes six; more than this a byte is padding, not a reply."""

_KEEP_ALIVE = re.compile(rb"(?:^|[\s,;])timeout\s*=\s*(\d{1,6})(?!\d)", re.IGNORECASE)


class _Refused(Exception):  # never leaves this module; it only stops the parser
    """The reply broke a bound; `ReplyReader.fault` says which."""


@define(eq=False, init=False, repr=False)
class ReplyReader:
    """The replies of one connection. `start`, then `feed` until `complete` or `fault`.

    Attributes:
        complete: the reply is whole.
        reusable: nothing speaks against another exchange on this connection.
        fault: what is wrong with the reply, and one line about it without its content.
    """

    complete: bool
    reusable: bool
    fault: tuple[Trouble, str] | None
    _parser: HttpResponseParser
    _status: int
    _lines: list[tuple[bytes, bytes]]
    _first: int
    _last: int
    _pieces: list[bytes]
    _size: int
    _limit: int
    _fed: int
    _interim: int
    _in_body: bool
    _bare: bool

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self.start(0)

    def start(self, limit: int, *, bare: bool = False) -> None:
        """Expect a reply with a body of at most `limit` bytes; `bare` for the answer to HEAD."""
        self.complete = self.reusable = self._in_body = False
        self.fault = None
        self._status = self._size = self._fed = self._first = self._last = self._interim = 0
        self._lines = []
        self._pieces = []
        self._limit = limit
        self._bare = bare

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes as they come. Junk behind a whole reply only makes it not `reusable`."""
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self.reusable = False
            if not self.complete and self.fault is None:
                self.fault = (Trouble.PROTOCOL, "the reply was not HTTP")
            return
        if not self.complete and self._fed - self._size > MAX_HEAD + _CHUNK_OVERHEAD * self._size:
            self.fault = (Trouble.TOO_LARGE, f"the reply's head exceeded {MAX_HEAD} bytes")

    def end(self) -> None:
        """Take the orderly end of the connection, which completes a reply without a length."""
        if self._in_body and not self.complete and not self.delimited:
            self.complete = True

    @property
    def delimited(self) -> bool:
        """Whether the reply itself says where it ends."""
        if self._bare or self._status in {204, 304}:
            return True
        if codings := self._values(b"transfer-encoding"):
            return codings[-1].strip().lower().endswith(b"chunked")
        return bool(self._values(b"content-length"))

    @property
    def keep_alive(self) -> int | None:
        """Seconds of the service's `Keep-Alive: timeout=`, if it sent that."""
        for value in self._values(b"keep-alive"):
            if match := _KEEP_ALIVE.search(value):
                return int(match[1])
        return None

    def response(self, sent: Sent, *, delimited: bool = True) -> Response:
        """Hand over the whole reply; the reader keeps none of its body."""
        pieces, self._pieces = self._pieces, []
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        # Where nothing came before or behind them, the lines are the headers.
        whole = not self._first and self._last == len(self._lines)
        lines = self._lines if whole else self.lines
        return Response(self._status, None, body, delimited, sent, lines)

    @property
    def lines(self) -> list[tuple[bytes, bytes]]:
        """The headers of the real reply, as they came."""
        return self._lines[self._first : self._last]

    def _values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.lines if key.lower() == name]

    def _refuse(self, trouble: Trouble, detail: str) -> NoReturn:
        if not self.complete:
            self.fault = (trouble, detail)
        raise _Refused

    # What httptools calls.

    def on_message_begin(self) -> None:
        """Note bytes behind a whole reply: nobody asked for them."""
        if self.complete:
            self.reusable = False
            raise _Refused

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, unread. Trailers come behind the last that counts."""
        lines = self._lines
        lines.append((name, value))
        if len(lines) > MAX_LINES:
            self._refuse(Trouble.TOO_LARGE, f"the reply had more than {MAX_LINES} header lines")

    def on_headers_complete(self) -> None:
        """Tell an interim reply from the real one."""
        status = self._status = self._parser.get_status_code()
        self._last = len(self._lines)
        if self._fed > MAX_HEAD:
            self._measure_head()
        if status < 200:
            self._skip_interim(status)
        elif status > 599:
            self._refuse(Trouble.PROTOCOL, "the reply had no valid status")
        else:
            self._in_body = True
            self.complete = self._bare

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body, within the limit."""
        if self.complete:
            return
        self._size += len(data)
        if self._size > self._limit:
            self._pieces.clear()
            self._refuse(Trouble.TOO_LARGE, f"the reply's body exceeded {self._limit} bytes")
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """Note the end of the real reply. A parser that skipped a HEAD's body is not used again."""
        if self._in_body and not self.complete:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()

    def _skip_interim(self, status: int) -> None:
        self._interim += 1
        # 101 is Switching Protocols; below 100 there is nothing.
        if status < 100 or status == 101 or self._interim > MAX_INTERIM:
            self._refuse(Trouble.PROTOCOL, "the reply was preceded by too many or wrong 1xx ones")
        self._first = self._last

    def _measure_head(self) -> None:
        size = sum(len(name) + len(value) + 4 for name, value in self.lines)
        if size > MAX_HEAD:
            self._refuse(Trouble.TOO_LARGE, f"the reply's head exceeded {MAX_HEAD} bytes")
