"""A request becomes bytes, and nothing breaks out of its place."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from solvestream._http.framing import frame, head_for, is_sound
from solvestream._wire import Origin, Request

ORIGIN = Origin("https", "service.test", 443)
GET = Request("GET", ORIGIN, "/res.php?id=1")


def test_get_has_no_body_and_no_length():
    """A GET is its request line and the head of its origin."""
    assert frame(GET, head_for(ORIGIN)) == (
        b"GET /res.php?id=1 HTTP/1.1\r\nHost: service.test\r\nUser-Agent: solvestream\r\n"
        b"Accept: */*\r\nAccept-Encoding: identity\r\n\r\n"
    )


@pytest.mark.parametrize("body", [b"", b"a=b\x00\r\n\r\n"])
def test_post_has_a_length_type_and_body(body):
    """A POST tells the length of its body, an empty one too, and a costly one is not cached."""
    request = Request("POST", ORIGIN, "/in.php", body, "text/plain", fresh=True)
    head, blank, rest = frame(request, head_for(ORIGIN)).partition(b"\r\n\r\n")
    assert blank + rest == b"\r\n\r\n" + body
    assert head.endswith(
        b"\r\nCache-Control: no-store\r\nContent-Type: text/plain\r\nContent-Length: %d" % len(body)
    )


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (Origin("http", "h", 80), "h"),
        (Origin("http", "h", 443), "h:443"),
        (Origin("https", "::1", 8443), "[::1]:8443"),
    ],
)
def test_host_names_the_port_if_it_is_not_the_usual_one(origin, host):
    """`Host` is the origin's authority."""
    assert f"\r\nHost: {host}\r\n" in head_for(origin)


@pytest.mark.parametrize(
    "change",
    [
        {"method": ""},
        {"method": "get"},
        {"method": "GET /x HTTP/1.1\r\n"},
        {"target": ""},
        {"target": "x"},
        {"target": "/a b"},
        {"target": "/a\n"},
        {"target": "/\x7f"},
        {"target": "/\xe9"},
        {"content_type": ""},
        {"content_type": " text"},
        {"content_type": "a\r\nX: y"},
        {"content_type": "a\x00"},
        {"origin": Origin("http", "h\xe9", 80)},
    ],
)
def test_unsound_requests(change):
    """Spaces, line ends, control characters and what is not ASCII are refused."""
    assert is_sound(GET)
    request = evolve(GET, **change)
    assert not is_sound(request)
    assert frame(request, head_for(request.origin)) is None


@given(st.text(), st.text(), st.none() | st.text())
def test_sound_requests_frame_as_one_request(method, target, content_type):
    """Whatever passes has one blank line, at its end, and one request line."""
    request = Request(method, ORIGIN, "/" + target, b"", content_type)
    if is_sound(request):
        data = frame(request, head_for(ORIGIN))
        assert data.count(b"\r\n\r\n") == 1
        assert data.partition(b"\r\n")[0].count(b" ") == 2
        assert data.count(b"\n") == data.count(b"\r\n")
