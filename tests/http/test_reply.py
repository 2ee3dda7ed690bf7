"""The reader of replies by itself: bytes in, one reply, one fault or neither."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvestream._http import reply
from solvestream._http.reply import ReplyReader
from solvestream._wire import Sent, Trouble

LIMIT = 1000
LENGTH = b"HTTP/1.1 200 OK\r\nX-A: \xe9\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n"
)
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
ENDED = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello"


def read(*pieces, limit=LIMIT, bare=False, end=False):
    """Feed a new reader until it has made up its mind."""
    reader = ReplyReader()
    reader.start(limit, bare=bare)
    for piece in pieces:
        if reader.complete or reader.fault is not None:
            break
        reader.feed(piece)
    if end:
        reader.end()
    return reader


def split(data, *cuts):
    return [data[start:stop] for start, stop in zip((0, *cuts), (*cuts, len(data)), strict=True)]


@pytest.mark.parametrize(
    "whole", [LENGTH, CHUNKED, EARLY + LENGTH], ids=["length", "chunked", "1xx"]
)
def test_reply_split_at_every_byte(whole):
    """Two pieces read like one, wherever the cut is, and nothing is complete before its end."""
    for cut in range(len(whole)):
        first, second = split(whole, cut)
        reader = read(first)
        assert not reader.complete
        assert reader.fault is None
        reader.feed(second)
        assert reader.complete
        assert reader.reusable
        got = reader.response(Sent.ALL)
        assert (got.status, got.body, got.header("link")) == (200, b"hello", None)


@given(st.sets(st.integers(1, len(CHUNKED) - 1)))
def test_reply_in_any_pieces(cuts):
    """Any number of cuts makes no difference."""
    reader = read(*split(CHUNKED, *sorted(cuts)))
    assert reader.complete
    assert reader.response(Sent.ALL).body == b"hello"


def test_headers_are_kept_in_order_and_trailers_are_not():
    """Names come in lower case, values as Latin-1; trailers are counted only."""
    got = read(LENGTH).response(Sent.PART)
    assert got.headers == (("x-a", "\xe9"), ("content-length", "5"))
    assert got.sent is Sent.PART
    assert read(CHUNKED).response(Sent.ALL).headers == (("transfer-encoding", "chunked"),)


def test_end_of_connection_completes_only_what_has_no_length():
    """The end completes an undelimited body; a framed one stays cut, and so does a head."""
    reader = read(ENDED)
    assert not reader.complete
    assert not reader.delimited
    reader.end()
    assert reader.complete
    assert not reader.reusable
    assert reader.response(Sent.ALL, delimited=False).body == b"hello"
    for cut in (LENGTH[:-1], CHUNKED[:-1], ENDED[:20], EARLY, b""):
        assert not read(cut, end=True).complete


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_body(status):
    """204 and 304 end with their head."""
    reader = read(b"HTTP/1.1 %d No\r\n\r\n" % status)
    assert reader.complete
    assert reader.delimited
    assert reader.reusable


def test_answer_to_head():
    """The answer to HEAD is complete with its head, and its parser is not used again."""
    reader = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", bare=True)
    assert reader.complete
    assert not reader.reusable
    assert reader.response(Sent.ALL).body == b""


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\x01 garbage\r\n\r\n",
        b"<html>\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded\r\n\r\n",
    ],
)
def test_junk_is_no_http(junk):
    """What is not HTTP is a fault of the protocol, in any pieces, and shows nothing of itself."""
    for pieces in ([junk], [bytes([value]) for value in junk]):
        reader = read(*pieces)
        assert reader.fault is not None
        assert reader.fault[0] is Trouble.PROTOCOL
        assert not reader.complete
        assert b"garbage".decode() not in reader.fault[1]


@given(st.binary(max_size=300))
def test_reader_is_total(data):
    """Whatever comes, no exception leaves the reader, and complete and fault exclude each other."""
    for start in (b"", b"HTTP/1.1 200 OK\r\n", CHUNKED[:49]):
        reader = read(start + data, end=True)
        assert not (reader.complete and reader.fault)


@pytest.mark.parametrize(
    ("flood", "most"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001, LIMIT),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001, LIMIT),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001, LIMIT),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * reply.MAX_HEAD, 0),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (reply.MAX_LINES + 2), 0),
        (CHUNKED[:-2] + b"X: y\r\n" * reply.MAX_LINES, 5),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * (1 << 17), 0),
    ],
    ids=["length", "chunked", "endless", "head", "lines", "trailers", "padding"],
)  # fmt: skip
@pytest.mark.parametrize("step", [1 << 20, 1000, 7])
def test_bounds(flood, most, step):
    """Nothing larger than its bound is kept or taken to its end, in any pieces."""
    reader = read(*(flood[at : at + step] for at in range(0, len(flood), step)))
    assert reader.fault is not None
    assert reader.fault[0] is Trouble.TOO_LARGE
    assert len(reader.response(Sent.ALL).body) <= most


def test_body_may_fill_its_limit():
    """A body of just the limit is fine."""
    body = b"x" * LIMIT
    for head in (
        b"Content-Length: 1000\r\n\r\n%b",
        b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n%b\r\n0\r\n\r\n",
    ):
        reader = read(b"HTTP/1.1 200 OK\r\n" + head % body)
        assert reader.complete
        assert reader.response(Sent.ALL).body == body


def test_small_chunks_are_no_flood():
    """The most wasteful honest framing, chunks of one byte, stays within the bound of the head."""
    size = 50_000
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * size
    reader = read(data + b"0\r\n\r\n", limit=size)
    assert reader.complete


def test_interim_replies_are_bounded():
    """64 interim replies are skipped; one more is a fault."""
    assert read(EARLY * 64 + LENGTH).complete
    assert read(EARLY * 65 + LENGTH).fault is not None


@pytest.mark.parametrize("junk", [b"x", LENGTH, b"\r\nHTTP"])
def test_junk_behind_a_reply(junk):
    """The reply stands, whether the junk comes with it or later, and the connection is spoilt."""
    together, later = read(LENGTH + junk), read(LENGTH)
    later.feed(junk)
    for reader in (together, later):
        assert reader.complete
        assert reader.fault is None
        assert not reader.reusable
        assert reader.response(Sent.ALL).body == b"hello"


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_reuse_follows_the_reply(head, reusable):
    """Version and `Connection` decide whether the connection is kept."""
    assert read(head + b"Content-Length: 0\r\n\r\n").reusable is reusable


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5, max=100", 5),
        (b"max=3, timeout = 7", 7),
        (b"max=3", None),
        (b"xtimeout=5", None),
        (b"timeout=" + b"9" * 400, None),
        (b"timeout=-1", None),
        (b"timeout=nan", None),
        (b"timeout=\xb2", None),
    ],
)
def test_keep_alive(value, seconds):
    """`Keep-Alive: timeout=` is read when it is a plain number of at most six digits."""
    reply = b"HTTP/1.1 200 OK\r\nKeep-Alive: %b\r\nContent-Length: 0\r\n\r\n" % value
    assert read(reply).keep_alive == seconds


def test_one_reader_reads_many_replies():
    """A connection's reader starts anew for each exchange and carries nothing over."""
    chance = random.Random(7)
    reader = ReplyReader()
    for _ in range(200):
        body = bytes(chance.randrange(1, LIMIT))
        reader.start(LIMIT)
        reader.feed(b"HTTP/1.1 201 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert reader.complete
        got = reader.response(Sent.ALL)
        assert (got.status, got.body, len(got.headers)) == (201, body, 1)
