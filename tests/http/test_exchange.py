"""One suite for both transports: the same wire must give the same values."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import ssl
import traceback
from datetime import UTC, datetime

import anyio
import pytest
import trustme
from attrs import evolve

from solvestream._http.pool import Pool
from solvestream._wire import Broken, Limits, Origin, Request, Response, Sent, Trouble
from tests.http.scripted import (
    BIG,
    KEY,
    OK,
    SAFE,
    SHORT,
    TARGET,
    answering,
    closing,
    get,
    post,
    until,
)

pytestmark = pytest.mark.anyio


async def test_reply_is_carried_as_it_came(transport, servers):
    """Status, headers in lower case and order, and body arrive; the request is well formed."""
    reply = b"HTTP/1.1 404 No\r\nX-B: 1\r\nContent-Length: 3\r\nX-A: \xe9\r\n\r\nabc"
    with servers.serving(answering(reply)) as server:
        got = await transport.send(post(server.origin, b"12345", fresh=True))
    assert isinstance(got, Response)
    assert (got.status, got.body, got.delimited, got.sent) == (404, b"abc", True, Sent.ALL)
    assert got.headers == (("x-b", "1"), ("content-length", "3"), ("x-a", "\xe9"))
    head, body = server.requests[0]
    lines = {line.lower() for line in head.split(b"\r\n")}
    assert body == b"12345"
    assert head.startswith(f"POST {TARGET} HTTP/1.1\r\n".encode())
    assert {
        f"host: 127.0.0.1:{server.origin.port}".encode(),
        b"accept-encoding: identity",
        b"content-type: text/plain",
        b"content-length: 5",
        b"cache-control: no-store",
    } <= lines
    assert b"cookie" not in head.lower()


async def test_connections_are_kept(transport, servers):
    """Requests one after another share one connection, and a POST without body has a length."""
    with servers.serving(answering()) as server:
        for _ in range(20):
            assert (await transport.send(get(server.origin))).status == 200
        assert (await transport.send(Request("POST", server.origin, "/"))).status == 200
    assert server.accepted == 1
    assert b"content-length: 0" in server.requests[-1][0].lower()


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n"
)


@pytest.mark.parametrize(
    "reply",
    [
        OK,
        CHUNKED,
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
    ],
    ids=["length", "chunked", "interim"],
)
async def test_reply_may_come_in_any_pieces(transport, servers, reply):
    """A reply split at every byte reads the same as in one piece, and trailers are no headers."""

    async def script(visit):
        for cut in range(len(reply)):
            await visit.request()
            await visit.send(reply[:cut])
            await asyncio.sleep(0)
            await visit.send(reply[cut:])

    with servers.serving(script) as server:
        for _ in range(len(reply)):
            got = await transport.send(get(server.origin))
            assert (got.status, got.body) == (200, b"hello")
            assert got.header("x-trailer") is None
            assert got.header("link") is None
    assert server.accepted == 1


async def test_reply_byte_by_byte(transport, servers):
    """A reply that comes one byte at a time is read whole."""

    async def script(visit):
        await visit.request()
        for value in OK:
            await visit.send(bytes([value]))

    with servers.serving(script) as server:
        got = await transport.send(get(server.origin))
    assert (got.status, got.body) == (200, b"hello")


async def test_end_of_connection_ends_a_reply_without_length(transport, servers):
    """A reply that only the connection's end ends is given, and marked so."""
    with servers.serving(closing(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nOK|735")) as server:
        got = await transport.send(get(server.origin))
    assert isinstance(got, Response)
    assert (got.body, got.delimited) == (b"OK|735", False)


@pytest.mark.parametrize("status", [204, 304])
async def test_reply_without_body_leaves_the_connection_open(transport, servers, status):
    """204 and 304 have no body, whatever their headers say."""
    reply = f"HTTP/1.1 {status} Nothing\r\n\r\n".encode()
    with servers.serving(answering(reply)) as server:
        for _ in range(2):
            got = await transport.send(get(server.origin))
            assert (got.status, got.body, got.delimited) == (status, b"", True)
    assert server.accepted == 1


async def test_head_has_no_body(transport, servers):
    """The answer to HEAD ends with its headers, though they announce a body."""
    with servers.serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")) as server:
        for _ in range(2):
            got = await transport.send(Request("HEAD", server.origin, "/", limits=SAFE))
            assert (got.status, got.body, got.delimited) == (200, b"", True)


async def test_encoded_body_stays_as_it_is(transport, servers):
    """A body somebody compressed in spite of `identity` is not unpacked."""
    packed = gzip.compress(b"hello" * 1000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    with servers.serving(answering(head.encode() + packed)) as server:
        got = await transport.send(get(server.origin))
    assert got.body == packed


async def test_redirects_and_cookies_are_not_followed(transport, servers):
    """A redirect is an answer like any other, and a cookie is not sent back."""
    reply = (
        b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nSet-Cookie: a=b\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    with servers.serving(answering(reply)) as server:
        for _ in range(2):
            assert (await transport.send(post(server.origin))).status == 307
    assert len(server.requests) == 2
    assert b"a=b" not in server.requests[1][0]


BODY_LIMIT = evolve(SAFE, body=1000)


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [
        (b"", Trouble.RESET),
        (OK[:20], Trouble.RESET),
        (OK[:-1], Trouble.RESET),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Trouble.RESET),
        (b"\x00\x01 garbage\r\n\r\n", Trouble.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Trouble.PROTOCOL),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            Trouble.PROTOCOL,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001, Trouble.TOO_LARGE),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001,
            Trouble.TOO_LARGE,
        ),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001, Trouble.TOO_LARGE),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", Trouble.TOO_LARGE),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 201 + b"\r\n", Trouble.TOO_LARGE),
    ],
    ids=[
        "nothing", "status", "body", "chunk", "garbage", "length", "two-lengths",
        "long-body", "long-chunk", "endless-body", "long-head", "many-lines",
    ],
)  # fmt: skip
async def test_bad_reply_is_broken_after_all_was_sent(transport, servers, reply, trouble):
    """Cut, malformed and oversized replies are `Broken`; the request had left; no secret shows."""
    with servers.serving(closing(reply)) as server:
        got = await transport.send(post(server.origin, limits=BODY_LIMIT))
    assert isinstance(got, Broken)
    assert (got.trouble, got.sent) == (trouble, Sent.ALL)
    assert KEY not in repr(got)
    assert "127.0.0.1" in got.detail


async def test_endless_body_is_not_read_to_its_end(transport, servers):
    """Reading stops at the limit and the connection is dropped."""
    sent = 0

    async def script(visit):
        nonlocal sent
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 314572800\r\n\r\n")
        while True:
            await visit.send(b"x" * 65536)
            sent += 65536

    with servers.serving(script) as server:
        got = await transport.send(get(server.origin))
        await until(lambda: not server.open)
    assert got.trouble is Trouble.TOO_LARGE
    assert sent < 64 << 20


async def test_silence_ends_at_the_read_deadline(transport, servers):
    """A service that reads all and answers nothing is a time-out with everything sent."""

    async def script(visit):
        await visit.request()
        await visit.hang()

    with servers.serving(script) as server:
        got = await transport.send(post(server.origin, limits=SHORT))
    assert isinstance(got, Broken)
    assert (got.trouble, got.sent) == (Trouble.TIMEOUT, Sent.ALL)


@pytest.mark.parametrize("start", [b"", OK[:40]], ids=["head", "body"])
async def test_dripping_ends_at_the_total_deadline(transport, servers, start):
    """A byte now and then keeps the read deadline away, but not the total one."""

    async def script(visit):
        await visit.request()
        await visit.send(start)
        for value in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000:
            await visit.send(bytes([value]))
            await asyncio.sleep(0.02)  # the server's loop is asyncio's, whatever ours is

    limits = Limits(connect=5, read=5, total=0.15)
    with servers.serving(script) as server:
        with anyio.fail_after(5):
            got = await transport.send(get(server.origin, limits=limits))
    assert isinstance(got, Broken)
    assert (got.trouble, got.sent) == (Trouble.TIMEOUT, Sent.ALL)


async def test_reset_after_reading_all(transport, servers):
    """A reset after the whole request was read leaves everything sent."""

    async def script(visit):
        await visit.request()
        visit.reset()

    with servers.serving(script) as server:
        got = await transport.send(post(server.origin))
    assert isinstance(got, Broken)
    assert (got.trouble, got.sent) == (Trouble.RESET, Sent.ALL)


async def test_reset_inside_a_large_body_is_part(transport, servers):
    """A body cut on its way has not left whole, and that is provable."""

    async def script(visit):
        await visit.head()
        await visit.reader.readexactly(200_000)
        visit.reset()

    with servers.serving(script) as server:
        got = await transport.send(post(server.origin, BIG))
    assert isinstance(got, Broken)
    assert (got.trouble, got.sent) == (Trouble.RESET, Sent.PART)


async def test_stalled_body_is_not_whole(transport, servers):
    """A body that stalls was cut by us: the pool knows what it held back, httpx does not."""

    async def script(visit):
        await visit.head()
        visit.writer.transport.pause_reading()
        await asyncio.sleep(5)

    with servers.serving(script) as server:
        got = await transport.send(post(server.origin, BIG, limits=SHORT))
    assert isinstance(got, Broken)
    known = Sent.PART if isinstance(transport, Pool) else Sent.UNKNOWN
    assert (got.trouble, got.sent) == (Trouble.TIMEOUT, known)


async def test_large_body_arrives_whole(transport, servers):
    """A body of several pieces arrives byte for byte, and the connection is kept."""
    body = bytes(range(256)) * 8192
    with servers.serving(answering()) as server:
        for _ in range(2):
            got = await transport.send(post(server.origin, body))
            assert (got.status, got.sent) == (200, Sent.ALL)
    assert [one for _, one in server.requests] == [body, body]
    assert server.accepted == 1


async def test_refused_connection_sent_nothing(transport):
    """A closed port is a connect failure, provably with nothing sent."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        origin = Origin("http", "127.0.0.1", sock.getsockname()[1])
        got = await transport.send(post(origin))
    assert isinstance(got, Broken)
    assert (got.trouble, got.sent) == (Trouble.CONNECT, Sent.NOTHING)


async def test_unknown_name_sent_nothing(transport, monkeypatch):
    """A name that does not resolve is a connect failure that names the host."""

    def fail(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    got = await transport.send(post(Origin("http", "nowhere.invalid", 80)))
    assert isinstance(got, Broken)
    assert (got.trouble, got.sent) == (Trouble.CONNECT, Sent.NOTHING)
    assert "nowhere.invalid" in got.detail


@pytest.mark.parametrize(
    "fields",
    [
        {"target": "/a b"},
        {"target": "/a\r\nX: y"},
        {"target": "/\xe9"},
        {"target": "http://x/"},
        {"method": "GET /"},
        {"content_type": "a\r\nX: y"},
        {"content_type": "\xe9"},
    ],
)
async def test_request_that_would_break_out_is_refused(transport, servers, fields):
    """Whatever could smuggle a header in is refused before a byte leaves."""
    with servers.serving(answering()) as server:
        request = get(server.origin)
        for name, value in fields.items():
            setattr(request, name, value)
        got = await transport.send(request)
    assert (got.trouble, got.sent) == (Trouble.PROTOCOL, Sent.NOTHING)
    assert server.requests == []


async def test_closed_transport_answers_so(transport, servers):
    """After `aclose`, twice even, every request is `Broken(CLOSED)`."""
    await transport.aclose()
    await transport.aclose()
    got = await transport.send(get(Origin("http", "127.0.0.1", 1)))
    assert (got.trouble, got.sent) == (Trouble.CLOSED, Sent.NOTHING)
    assert "closed" in repr(transport)


async def test_close_ends_exchanges_under_way(transport, servers):
    """`aclose` ends what is under way as `Broken(CLOSED)` and leaves no connection."""

    async def script(visit):
        await visit.request()
        await visit.hang()

    answers = []
    with servers.serving(script) as server:

        async def one():
            answers.append(await transport.send(post(server.origin)))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(one)
            await until(lambda: len(server.requests) == 5)
            await transport.aclose()
        await until(lambda: not server.open)
    assert [(one.trouble, one.sent) for one in answers] == [(Trouble.CLOSED, Sent.ALL)] * 5


async def test_thousands_over_few_connections(make, servers):
    """5,000 exchanges (300 through httpx) over 64 connections never open one more."""
    transport = make(max_connections=64)
    total = 5000 if isinstance(transport, Pool) else 300
    limits = Limits(connect=60, read=60, total=60)
    with servers.serving(answering()) as server:

        async def one():
            got = await transport.send(get(server.origin, limits=limits))
            assert got.body == b"hello"

        async with anyio.create_task_group() as tasks:
            for _ in range(total):
                tasks.start_soon(one)
        await transport.aclose()
    assert len(server.requests) == total
    assert server.most <= 64


async def test_cancelled_exchange_closes_its_connection(transport, servers):
    """A cancel in mid-exchange drops the connection, and the next exchange gets another."""

    async def script(visit):
        await visit.request()
        if visit.number == 1:
            await visit.hang()
        else:
            await visit.send(OK)

    with servers.serving(script) as server:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transport.send, get(server.origin))
            await until(lambda: server.requests)
            tasks.cancel_scope.cancel()
        assert (await transport.send(get(server.origin))).status == 200
        await until(lambda: not server.open)
    assert server.accepted == 2


async def test_cancellation_shows_no_secret(transport, servers):
    """The traceback of a cancelled exchange, with all variables, holds no key."""
    seen = []

    async def script(visit):
        await visit.request()
        await visit.hang()

    with servers.serving(script) as server:

        async def one():
            try:
                await transport.send(post(server.origin))
            except BaseException as exc:
                ours = exc.__traceback__.tb_next  # without this test's own variables
                shown = traceback.TracebackException(type(exc), exc, ours, capture_locals=True)
                seen.append("".join(shown.format()))
                raise

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            await until(lambda: server.requests)
            tasks.cancel_scope.cancel()
    assert len(seen) == 1
    assert KEY not in seen[0]


async def test_logs_show_no_secret(transport, servers, caplog):
    """With every logger at DEBUG, neither good nor bad exchanges write the key."""
    caplog.set_level(logging.DEBUG)
    with servers.serving(answering()) as server:
        await transport.send(get(server.origin))
        await transport.send(post(server.origin))
    with servers.serving(closing(b"junk\r\n\r\n")) as server:
        await transport.send(post(server.origin))
    assert KEY not in caplog.text
    assert "/res.php" not in caplog.text


def _server_side(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def _client_side(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_tls_with_a_good_certificate(make, servers, authority):
    """Exchanges over TLS work like others, large bodies included."""
    transport = make(ssl_context=_client_side(authority))
    tls = _server_side(authority.issue_cert("127.0.0.1"))
    with servers.serving(answering(), tls=tls) as server:
        for _ in range(3):
            assert (await transport.send(get(server.origin))).body == b"hello"
        assert (await transport.send(post(server.origin, BIG))).sent is Sent.ALL
        await transport.aclose()
    assert server.accepted == 1


@pytest.mark.parametrize("fault", ["self-signed", "wrong-host", "expired", "plain"])
async def test_tls_that_cannot_be_trusted(make, servers, authority, fault):
    """A certificate that does not fit ends in `TLS`, with nothing sent."""
    if fault == "expired":
        past = datetime(2020, 1, 1, tzinfo=UTC)
        certificate = authority.issue_cert("127.0.0.1", not_after=past)
    else:
        certificate = authority.issue_cert("other.test" if fault == "wrong-host" else "127.0.0.1")
    trusted = trustme.CA() if fault == "self-signed" else authority
    transport = make(ssl_context=_client_side(trusted))
    tls = None if fault == "plain" else _server_side(certificate)
    with servers.serving(closing(b"no"), tls=tls) as server:
        origin = Origin("https", server.origin.host, server.origin.port)
        limits = Limits(connect=2, read=2, total=3)
        if fault == "plain":

            async def script(visit):
                await visit.reader.read(65536)
                await visit.send(b"HTTP/1.1 400 Bad\r\n\r\n")

            server.script = script
        got = await transport.send(post(origin, limits=limits))
        await transport.aclose()
    assert isinstance(got, Broken)
    assert (got.trouble, got.sent) == (Trouble.TLS, Sent.NOTHING)
    assert server.requests == []


async def test_tls_reset_inside_a_large_body_is_part(make, servers, authority):
    """Over TLS too a cut body is known to be cut."""

    async def script(visit):
        await visit.head()
        await visit.reader.readexactly(200_000)
        visit.reset()

    transport = make(ssl_context=_client_side(authority))
    tls = _server_side(authority.issue_cert("127.0.0.1"))
    with servers.serving(script, tls=tls) as server:
        got = await transport.send(post(server.origin, BIG))
        await transport.aclose()
    assert isinstance(got, Broken)
    assert (got.trouble, got.sent) == (Trouble.RESET, Sent.PART)


async def test_tls_cut_without_goodbye_is_no_whole_reply(make, servers, authority):
    """Over TLS a reply without length counts only if the service said good-bye."""

    async def script(visit):
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\n\r\nOK|735")
        visit.writer.transport.abort()

    transport = make(ssl_context=_client_side(authority))
    tls = _server_side(authority.issue_cert("127.0.0.1"))
    with servers.serving(script, tls=tls) as server:
        got = await transport.send(get(server.origin))
        await transport.aclose()
    assert isinstance(got, Broken) or not got.delimited
