from __future__ import annotations

import pytest

from solvestream.server.wire import Malformed, Reply, Request, Upload, parse_multipart, parse_query


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b"", {}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a&b=", {"a": "", "b": ""}),
        (b"a=x%2By+z&b=%D0%B9", {"a": "x+y z", "b": "й"}),
        (b"a=1=2", {"a": "1=2"}),
        (b"a=\xff", {"a": "\ufffd"}),
    ],
)
def test_query_strings_are_read_quoted_or_not(raw, fields):
    """The fast way and the unquoting way agree on what a field is."""
    assert parse_query(raw) == fields


def test_too_many_fields_are_malformed():
    """More than 256 fields are nobody's form."""
    with pytest.raises(Malformed):
        parse_query(b"a=1&" * 256)


def test_multipart_gives_fields_and_files():
    """Text parts and files are told apart by their filename; content may hold line ends."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nvalue\r\n'
        b'--b\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name="file"; '
        b'filename="a.png"\r\n\r\n\r\n--x\r\n\r\n--b--\r\n'
    )
    fields, files = parse_multipart(body, ' boundary="b"')
    assert fields == {"key": "value"}
    assert files == {"file": Upload("a.png", b"\r\n--x\r\n")}


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        (b"--b--\r\n", ""),
        (b"", "boundary=b"),
        (b"--b\r\nno end", "boundary=b"),
        (b"--b\r\nno name\r\n\r\nx\r\n--b--", "boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="a"\r\n--b--', "boundary=b"),
    ],
)
def test_multipart_that_breaks_its_own_rules_is_malformed(body, parameters):
    """No boundary, no end, no name, no empty line: each is Malformed and nothing else."""
    with pytest.raises(Malformed):
        parse_multipart(body, parameters)


def test_neither_requests_nor_replies_show_what_they_hold():
    """The key rides in query and body, so no repr shows them."""
    request = Request("GET", "/res.php", b"key=hidden", body=b"key=hidden")
    assert "hidden" not in repr(request) + repr(request.form()) + repr(Reply(b"hidden"))


def test_lone_surrogates_do_not_break_a_reply():
    """Text that has no UTF-8 is sent with a replacement."""
    assert Reply.text("\ud800").body == b"?"
    assert Reply.json("\ud800").body == b'"?"'
