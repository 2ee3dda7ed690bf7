"""The values that cross the wire."""

from __future__ import annotations

import pytest

from solvestream._wire import Origin, Request, Response


@pytest.mark.parametrize(
    ("url", "shown", "path"),
    [
        ("https://ocr.example", "https://ocr.example", ""),
        ("https://ocr.example:443/", "https://ocr.example", ""),
        ("http://127.0.0.1:8080/api/", "http://127.0.0.1:8080", "/api"),
        ("http://[::1]:80/x", "http://[::1]", "/x"),
    ],
)
def test_an_origin_is_what_a_connection_reaches(url, shown, path):
    """Default ports vanish, addresses keep their brackets, the path is handed back."""
    origin, rest = Origin.parse(url)
    assert (str(origin), rest) == (shown, path)


@pytest.mark.parametrize(
    "url",
    ["", "example.com", "ftp://x", "https://", "https://u:p@x", "https://x?a=1", "https://x#a"],
)
def test_what_is_no_base_url_is_refused(url):
    """A base URL has a scheme and a host, and no user name, query or fragment."""
    with pytest.raises(ValueError, match=r"\w"):
        Origin.parse(url)


def test_reprs_show_neither_query_nor_body_nor_headers():
    """The key rides in the query and in bodies, and a service may echo it in headers."""
    origin, _ = Origin.parse("https://x.example")
    request = Request("POST", origin, "/res.php?key=canary", b"key=canary")
    response = Response(302, (("location", "https://x?key=canary"),), b"canary")
    assert repr(request) == "<Request POST https://x.example/res.php 10 bytes>"
    assert "canary" not in repr(response)


def test_headers_are_found_by_their_lower_case_name():
    """The first one counts; a missing one is None."""
    response = Response(200, (("retry-after", "7"), ("retry-after", "8")))
    assert response.header("retry-after") == "7"
    assert response.header("date") is None
