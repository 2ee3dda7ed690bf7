"""The heads of other people's requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvestream._http.outgoing import Framing, head_of

HOST = (b"Host", b"h")


def framing(*headers):
    return head_of("POST", b"/", (HOST, *headers))[0]


def test_head_is_written_as_it_is():
    """Names keep their case and order, and one blank line ends the head."""
    _, head = head_of("GET", b"/a?b=%20", (HOST, (b"x-A", b"1 \xe9\t2"), (b"X-a", b"")))
    assert head == b"GET /a?b=%20 HTTP/1.1\r\nHost: h\r\nx-A: 1 \xe9\t2\r\nX-a: \r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ((), Framing(chunked=False, length=0, expects=False, last=False)),
        (
            ((b"content-LENGTH", b"12"), (b"Expect", b"100-Continue")),
            Framing(chunked=False, length=12, expects=True, last=False),
        ),
        (
            ((b"Transfer-Encoding", b"Chunked"), (b"Connection", b"x, Close")),
            Framing(chunked=True, length=0, expects=False, last=True),
        ),
        (
            ((b"Connection", b"keep-alive, closed"),),
            Framing(chunked=False, length=0, expects=False, last=False),
        ),
    ],
)
def test_framing(headers, wanted):
    """The headers say how the body ends and what becomes of the connection."""
    assert framing(*headers) == wanted
    assert wanted.body is (wanted.chunked or wanted.length > 0)


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET /", b"/", (HOST,)),
        ("G\xe9T", b"/", (HOST,)),
        ("", b"/", (HOST,)),
        ("CONNECT", b"h:443", (HOST,)),
        ("GET", b"", (HOST,)),
        ("GET", b"/ /", (HOST,)),
        ("GET", b"/\r\n", (HOST,)),
        ("GET", b"/", ()),
        ("GET", b"/", (HOST, HOST)),
        ("GET", b"/", (HOST, (b"", b"x"))),
        ("GET", b"/", (HOST, (b"a b", b"x"))),
        ("GET", b"/", (HOST, (b"a:", b"x"))),
        ("GET", b"/", (HOST, (b"a", b"x\r\nb: c"))),
        ("GET", b"/", (HOST, (b"a", b"x\x00"))),
        ("GET", b"/", (HOST, (b"a", b" x"))),
        ("GET", b"/", (HOST, (b"Transfer-Encoding", b"gzip, chunked"))),
        ("GET", b"/", (HOST, (b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"1"))),
        ("GET", b"/", (HOST, (b"Content-Length", b"1"), (b"Content-Length", b"1"))),
        ("GET", b"/", (HOST, (b"Content-Length", b"-1"))),
        ("GET", b"/", (HOST, (b"Content-Length", b"9" * 400))),
    ],
)
def test_what_is_no_request(method, target, headers):
    """Anything that could be read in two ways is refused, and its value is not shown."""
    with pytest.raises(ValueError, match="^[^9]*$"):
        head_of(method, target, headers)


@given(st.binary(), st.binary(), st.binary())
def test_whatever_passes_is_one_head(target, name, value):
    """There is one blank line, at the end, and no header more than was given."""
    try:
        _, head = head_of("GET", target, (HOST, (name, value)))
    except ValueError:
        return
    assert head.count(b"\r\n\r\n") == 1
    assert head.count(b"\n") == head.count(b"\r") == 4
