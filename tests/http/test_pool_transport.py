"""What httpx promises holds over our pool."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading

import anyio
import httpx
import pytest
import trio

from solvestream._http import pool_transport
from solvestream._http.pool_transport import PoolTransport
from solvestream._wire import Trouble
from tests.http.scripted import BIG, OK, answering, closing, settled, until
from tests.http.torture import BOUNDED, CASES, odd_first

pytestmark = pytest.mark.anyio
KINDS = "pool"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
async def below(anyio_backend):
    """Give an open transport."""
    transport = PoolTransport()
    yield transport
    await transport.aclose()


@pytest.fixture
async def client(below):
    """Give a client over it."""
    async with httpx.AsyncClient(transport=below) as client:
        yield client


def url(server, path="/"):
    return f"{server.origin}{path}"


async def chunks(visit):
    """Read a chunked body: its pieces as they were framed."""
    pieces = []
    while True:
        size = int((await visit.reader.readuntil(b"\r\n")).strip(), 16)
        piece = (await visit.reader.readexactly(size + 2))[:-2]
        if not size:
            return pieces
        pieces.append(piece)


async def generate(*pieces):
    for piece in pieces:
        yield piece


# Bodies.


async def test_streamed_request_goes_out_in_chunks(client, servers):
    """An async iterator is sent as it comes, empty pieces and large ones included."""
    large = bytes(range(256)) * 1000
    seen = []

    async def script(visit):
        for _ in range(2):
            seen.append((await visit.head(), await chunks(visit)))
            await visit.send(OK)

    with servers.serving(script) as server:
        for _ in range(2):
            reply = await client.post(url(server), content=generate(b"a", b"", large, b"bc"))
            assert reply.text == "hello"
    assert server.accepted == 1
    for head, pieces in seen:
        assert b"transfer-encoding: chunked" in head.lower()
        assert pieces == [b"a", large, b"bc"]


@pytest.mark.parametrize("size", [0, 5, 200_000])
async def test_request_with_a_length(client, servers, size):
    """Bytes, and a stream with a length of its own, go out unchunked and whole."""
    body = b"x" * size
    with servers.serving(answering()) as server:
        await client.post(url(server), content=body)
        headers = {"Content-Length": str(size)}
        await client.post(url(server), content=generate(body), headers=headers)
    assert [one for _, one in server.requests] == [body, body]
    assert server.accepted == 1


@pytest.mark.parametrize("pieces", [(b"1234",), (b"123", b"456")], ids=["short", "long"])
async def test_body_that_belies_its_length(client, servers, pieces):
    """A body that is shorter or longer than announced is our side's error, and spoils nothing."""
    with servers.serving(answering()) as server:
        with pytest.raises(httpx.LocalProtocolError, match="Content-Length"):
            await client.post(
                url(server), content=generate(*pieces), headers={"Content-Length": "5"}
            )
        assert (await client.get(url(server))).text == "hello"
    assert server.accepted == 2


async def test_body_that_raises(client, below, servers):
    """What the user's iterator raises comes out as it is, and its connection is dropped."""

    async def fails():
        yield b"x"
        raise ZeroDivisionError

    with servers.serving(silent) as server:
        with pytest.raises(ZeroDivisionError):
            await client.post(url(server), content=fails())
        await settled(below, open=0)


async def test_slow_server_holds_the_body_back(client, below, servers):
    """While the server does not read, the iterator is not asked for much, and `write` runs out."""
    taken = 0

    async def endless():
        nonlocal taken
        while True:
            taken += 1 << 16
            yield bytes(1 << 16)

    async def script(visit):
        await visit.head()
        visit.writer.transport.pause_reading()
        await asyncio.sleep(5)

    with servers.serving(script) as server:
        with pytest.raises(httpx.WriteTimeout):
            await client.post(url(server), content=endless(), timeout=httpx.Timeout(5, write=0.1))
        await settled(below, open=0)
    assert taken < 32 << 20  # the buffers of both sockets, and little of ours


async def test_slow_reader_holds_the_reply_back(client, servers):
    """While nobody reads the body, the server cannot send it; then all of it comes."""
    total = 32 << 20
    sent = 0

    async def script(visit):
        nonlocal sent
        for _ in range(2):
            await visit.request()
            await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
            for _ in range(total >> 16):
                await visit.send(bytes(1 << 16))
                sent += 1 << 16

    with servers.serving(script) as server:
        async with client.stream("GET", url(server)) as reply:
            before = -1
            while before < sent:
                before = sent
                await asyncio.sleep(0.05)
            assert sent < total // 2
            assert reply.extensions  # still there
            size = 0
            async for piece in reply.aiter_bytes():
                size += len(piece)
        assert size == total
        assert len((await client.get(url(server))).content) == total
    assert server.accepted == 1


async def test_reply_left_early_drops_its_connection(client, below, servers):
    """A stream closed before its end costs the connection, not the next request."""

    async def script(visit):
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nfirst")
        await visit.hang()

    with servers.serving(script) as server:
        for _ in range(2):
            async with client.stream("GET", url(server)) as reply:
                async for piece in reply.aiter_raw():
                    assert piece == b"first"
                    break
            await settled(below, open=0)
    assert server.accepted == 2


async def test_small_reply_nobody_reads_keeps_its_connection(client, servers):
    """A reply that is whole already lets its connection go, read or not."""
    with servers.serving(answering()) as server:
        for _ in range(3):
            async with client.stream("GET", url(server)) as reply:
                assert reply.status_code == 200
                await asyncio.sleep(0.01)
    assert server.accepted == 1


@pytest.mark.parametrize("reply", [
    b"Content-Length: %d\r\n\r\n%b",
    b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n",
    b"X: %d\r\n\r\n%b",
], ids=["length", "chunked", "end"])  # fmt: skip
async def test_compressed_reply_is_decoded(client, servers, reply):
    """Compression is httpx's: it decodes what our pool hands over raw, however the body ends."""
    packed = gzip.compress(b"hello" * 1000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
    with servers.serving(closing(head + reply % (len(packed), packed))) as server:
        assert (await client.get(url(server))).text == "hello" * 1000


@pytest.mark.parametrize("status", [200, 204, 304])
async def test_reply_without_body(client, servers, status):
    """HEAD, 204 and 304 end with their head."""
    method = "HEAD" if status == 200 else "GET"
    length = b"Content-Length: 5\r\n" if status == 200 else b""
    with servers.serving(answering(b"HTTP/1.1 %d X\r\n%b\r\n" % (status, length))) as server:
        for _ in range(2):
            reply = await client.request(method, url(server))
            assert (reply.status_code, reply.content) == (status, b"")


async def test_head_of_the_reply_is_as_it_came(client, servers):
    """Names, order, doubles, reason and version are the server's own."""
    lines = b"X-One: 1\r\nset-cookie: a=b\r\nSet-Cookie: c=d\r\nX-Bytes: \xe9\r\n"
    reply = b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 299 Fine By Me\r\n%b" % lines
    with servers.serving(answering(reply + b"Content-Length: 0\r\n\r\n")) as server:
        got = await client.get(url(server))
        address = got.extensions["network_stream"].get_extra_info("server_addr")
    assert got.headers.raw[:4] == [
        (b"X-One", b"1"), (b"set-cookie", b"a=b"), (b"Set-Cookie", b"c=d"), (b"X-Bytes", b"\xe9"),
    ]  # fmt: skip
    assert (got.reason_phrase, got.http_version) == ("Fine By Me", "HTTP/1.1")
    assert address[1] == server.origin.port


# Above the transport.


async def test_cookies_redirects_and_authentication(client, servers):
    """A digest, a cookie and a redirect that keeps its body work as over any transport."""
    challenge = b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
    replies = [
        b"HTTP/1.1 401 No\r\nSet-Cookie: a=b\r\n%bContent-Length: 0\r\n\r\n" % challenge,
        b"HTTP/1.1 307 Go\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n",
        OK,
    ]

    async def script(visit):
        for reply in replies:
            await visit.request()
            await visit.send(reply)

    with servers.serving(script) as server:
        reply = await client.post(
            url(server), content=b"body", auth=httpx.DigestAuth("u", "p"), follow_redirects=True
        )
    assert reply.text == "hello"
    heads = [head for head, _ in server.requests]
    assert [body for _, body in server.requests] == [b"body"] * 3
    assert b"Authorization: Digest" in heads[1]
    assert b"Cookie: a=b" in heads[1]
    assert heads[2].startswith(b"POST /there ")
    assert server.accepted == 1


async def test_mounted_beside_another(anyio_backend, servers):
    """Under `mounts=` it serves its pattern only."""
    other = httpx.MockTransport(lambda request: httpx.Response(418))
    mounts = {"all://127.0.0.1": PoolTransport()}
    with servers.serving(answering()) as server:
        async with httpx.AsyncClient(transport=other, mounts=mounts) as client:
            assert (await client.get(url(server))).text == "hello"
            assert (await client.get("http://elsewhere.test")).status_code == 418


# Time-outs and errors.


async def silent(visit):
    await visit.request()
    await visit.hang()


async def test_read_timeout(client, below, servers):
    """Silence before the head or within the body is `ReadTimeout`."""

    async def stops(visit):
        await visit.request()
        await visit.send(OK[:-1])
        await visit.hang()

    for script in (silent, stops):
        with servers.serving(script) as server:
            with pytest.raises(httpx.ReadTimeout):
                await client.get(url(server), timeout=httpx.Timeout(5, read=0.05))
            await settled(below, open=0)


@pytest.mark.parametrize("connect", [5.0, None])
async def test_pool_timeout(anyio_backend, servers, connect):
    """Waiting while all connections are busy is `PoolTimeout`."""
    with servers.serving(silent) as server:
        transport = PoolTransport(max_connections=1)
        async with httpx.AsyncClient(transport=transport) as client:
            busy = asyncio.ensure_future(client.get(url(server)))
            await until(lambda: server.requests)
            with pytest.raises(httpx.PoolTimeout):
                await client.get(url(server), timeout=httpx.Timeout(5, pool=0.05, connect=connect))
            assert transport.statistics().waiting == 0
            busy.cancel()


@pytest.mark.parametrize("busy", [False, True])
async def test_connect_timeout(anyio_backend, servers, busy):
    """A handshake that never ends is `ConnectTimeout`, for one who waited for a place as well."""

    async def mute(visit):
        await visit.hang()

    timeout = httpx.Timeout(5, connect=0.05, pool=None)
    with servers.serving(mute) as server:
        transport = PoolTransport(max_connections=1)
        async with httpx.AsyncClient(transport=transport) as client:
            where = url(server).replace("http:", "https:")
            tasks = [client.get(where, timeout=timeout) for _ in range(1 + busy)]
            for error in await asyncio.gather(*tasks, return_exceptions=True):
                assert type(error) is httpx.ConnectTimeout
        assert transport.statistics().connecting == 0


async def test_no_timeouts_at_all(client, servers):
    """`timeout=None` is allowed."""
    with servers.serving(answering()) as server:
        assert (await client.get(url(server), timeout=None)).text == "hello"


async def test_no_connection(client, monkeypatch):
    """Refused ports and unknown names are `ConnectError`."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{sock.getsockname()[1]}/")

    def fail(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(httpx.ConnectError, match="nowhere.invalid"):
        await client.get("http://nowhere.invalid/")


async def reset(visit):
    await visit.request()
    visit.reset()


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (closing(b""), httpx.RemoteProtocolError),
        (closing(OK[:-1]), httpx.RemoteProtocolError),
        (closing(b"junk\r\n\r\n"), httpx.RemoteProtocolError),
        (closing(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"), httpx.RemoteProtocolError),
        (reset, httpx.ReadError),
    ],
    ids=["end", "cut", "junk", "large", "reset"],
)  # fmt: skip
async def test_bad_reply(client, below, servers, script, error):
    """A reply that is none has httpx's own error, and its connection is gone."""
    with servers.serving(script) as server:
        with pytest.raises(error) as caught:
            await client.get(url(server, "/?secret=1"))
        await settled(below, open=0)
    assert "secret" not in str(caught.value)
    assert server.accepted == 1


async def test_pieces_before_the_cut_are_delivered(client, servers):
    """What came of a cut body can be read; then comes the error."""
    got = []
    with servers.serving(closing(OK[:-1])) as server:
        async with client.stream("GET", url(server)) as reply:
            with pytest.raises(httpx.RemoteProtocolError):
                async for piece in reply.aiter_raw():
                    got.append(piece)
    assert b"".join(got) == b"hell"


async def test_reset_amid_the_body(client, servers):
    """A connection cut while the request goes out is `WriteError`."""

    async def script(visit):
        await visit.head()
        await visit.reader.readexactly(100_000)
        visit.reset()

    with servers.serving(script) as server, pytest.raises(httpx.WriteError):
        await client.post(url(server), content=BIG)


@pytest.mark.parametrize(
    ("where", "fields", "error"),
    [
        ("ftp://127.0.0.1/", {}, httpx.UnsupportedProtocol),
        ("http://127.0.0.1/", {"headers": {"X": "a\r\nY: b"}}, httpx.LocalProtocolError),
        ("http://127.0.0.1/", {"headers": {"X y": "a"}}, httpx.LocalProtocolError),
        ("http://127.0.0.1/", {"extensions": {"target": b"/a b"}}, httpx.LocalProtocolError),
    ],
    ids=["scheme", "value", "name", "target"],
)
async def test_request_that_is_no_http(client, below, where, fields, error):
    """What would break out of its place is refused before a connection is made."""
    with pytest.raises(error):
        await client.get(where, **fields)
    assert below.statistics().connects == 0


# Answers before the request is whole.


async def test_continue_lets_the_body_go(client, servers):
    """With `Expect: 100-continue` the body waits for the server's word."""
    early = []

    async def script(visit):
        await visit.head()
        try:
            async with asyncio.timeout(0.05):
                early.append(await visit.reader.read(1))
        except TimeoutError:
            await visit.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await visit.reader.readexactly(4) == b"body"
        await visit.send(OK)

    with servers.serving(script) as server:
        reply = await client.post(url(server), content=b"body", headers={"Expect": "100-continue"})
    assert reply.text == "hello"
    assert early == []


async def test_refusal_instead_of_continue(client, below, servers):
    """A final answer instead of 100 means that the body is never sent, and ends the connection."""
    rest = []

    async def script(visit):
        await visit.head()
        await visit.send(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
        rest.append(await visit.reader.read(1))

    with servers.serving(script) as server:
        reply = await client.post(url(server), content=b"body", headers={"Expect": "100-continue"})
        assert reply.status_code == 417
        await until(lambda: rest)
        await settled(below, open=0)
    assert rest == [b""]


async def test_server_that_never_says_continue(client, servers, monkeypatch):
    """After a moment the body goes out all the same, as RFC 9110 allows."""
    monkeypatch.setattr(pool_transport, "_SOON", 0.02)
    with servers.serving(answering()) as server:
        reply = await client.post(url(server), content=b"body", headers={"Expect": "100-continue"})
    assert reply.text == "hello"
    assert server.requests[0][1] == b"body"


async def test_refusal_amid_the_body_stops_it(client, below, servers):
    """An error that comes while the body goes out is the answer; the rest is not sent."""

    async def script(visit):
        await visit.head()
        visit.writer.transport.pause_reading()
        await visit.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(5)

    with servers.serving(script) as server:
        assert (await client.post(url(server), content=BIG)).status_code == 413
        await settled(below, open=0)


async def test_reply_that_begins_while_the_body_goes_out(client, servers):
    """A server may answer piece by piece: a good head does not stop the body."""

    async def script(visit):
        await visit.head()
        await visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in await chunks(visit):
            await visit.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await visit.send(b"0\r\n\r\n")

    async def slow():
        for number in range(5):
            await asyncio.sleep(0.01)
            yield b"%d" % number

    with servers.serving(script) as server:
        reply = await client.post(url(server), content=slow())
    assert reply.text == "01234"


# Connections.


@pytest.mark.parametrize(("method", "again"), [("GET", True), ("POST", False), ("PUT", False)])
async def test_stale_connection(client, servers, method, again):
    """A kept connection that dies without a byte: a GET goes out again, what may have acted never."""

    async def script(visit):
        await visit.request()
        await visit.send(OK)
        if visit.number == 1:
            await visit.request()
            visit.reset()
        else:
            await visit.hang()

    with servers.serving(script) as server:
        await client.get(url(server))
        if again:
            assert (await client.request(method, url(server))).text == "hello"
        else:
            with pytest.raises(httpx.NetworkError):
                await client.request(method, url(server))
    assert len(server.requests) == (3 if again else 2)


async def test_get_is_not_repeated_once_a_byte_came(client, servers):
    """A reply that has begun and breaks is an error, for a GET too."""

    async def script(visit):
        await visit.request()
        await visit.send(OK)
        await visit.request()
        await visit.send(OK[:5])

    with servers.serving(script) as server:
        await client.get(url(server))
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url(server))
    assert server.accepted == 1


async def test_unread_bytes_spoil_a_connection(client, servers):
    """A reply sent twice, the second unread by the loop, never answers the next request."""
    twice, done = threading.Event(), threading.Event()

    async def script(visit):
        await visit.request()
        await visit.send(OK)
        if visit.number == 1:
            await visit.wait(twice)
            await visit.send(OK.replace(b"hello", b"FALSE"))
            done.set()
        await visit.hang()

    with servers.serving(script) as server:
        await client.get(url(server))
        twice.set()
        done.wait(5)  # this blocks our loop on purpose
        assert (await client.get(url(server))).text == "hello"
    assert server.accepted == 2


async def test_request_that_closes(client, below, servers):
    """`Connection: close` of the request ends the connection, whatever the server says."""
    with servers.serving(answering()) as server:
        await client.get(url(server), headers={"Connection": "close"})
        await settled(below, open=0)
    assert b"Connection: close" in server.requests[0][0]


@pytest.mark.parametrize("style", ["native", "anyio"])
async def test_cancel_at_every_step(anyio_backend, servers, style):
    """A cancel after any number of loop steps leaks no connection, waiter or task."""
    transport = PoolTransport(max_connections=2)
    before = asyncio.all_tasks()
    client = httpx.AsyncClient(transport=transport)

    async def call(scope):
        with scope:
            return await client.post(url(server), content=generate(b"a" * 100_000, b"b"))

    async def script(visit):
        while True:
            await visit.head()
            await chunks(visit)
            await visit.send(OK)

    with servers.serving(script) as server:
        for step in range(40):
            scopes = [anyio.CancelScope() for _ in range(4)]
            tasks = [asyncio.ensure_future(call(scope)) for scope in scopes]
            for _ in range(step):
                await asyncio.sleep(0)
            for task, scope in list(zip(tasks, scopes, strict=True))[:3]:
                if style == "native":
                    task.cancel()
                else:
                    scope.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert outcomes[3].text == "hello"
        await settled(transport, waiting=0, connecting=0)
        got = transport.statistics()
        assert got.open == got.idle <= 2
        await client.aclose()
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_close_ends_what_is_under_way(below, servers):
    """`aclose` ends exchanges on the wire, in the pool's line and in a body, with an error."""

    async def script(visit):
        await visit.request()
        await visit.send(OK[:-1] if visit.number == 1 else b"")
        await visit.hang()

    with servers.serving(script) as server:
        client = httpx.AsyncClient(transport=below)
        tasks = [asyncio.ensure_future(client.get(url(server))) for _ in range(3)]
        await until(lambda: len(server.requests) == 3)
        await below.aclose()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(error, httpx.ReadError)
        with pytest.raises(RuntimeError, match="closed"):
            await client.get(url(server))
    assert "closed" in repr(below)


async def test_transport_belongs_to_one_loop(client, servers):
    """Used from a second loop, or under trio, it says so."""
    with servers.serving(answering()) as server:
        await client.get(url(server))

        async def again():
            with pytest.raises(RuntimeError, match="event loop"):
                await client.get(url(server))

        await asyncio.to_thread(lambda: asyncio.run(again()))

        async def elsewhere():
            with pytest.raises(RuntimeError, match="asyncio only"):
                await PoolTransport().handle_async_request(httpx.Request("GET", url(server)))

        await asyncio.to_thread(lambda: trio.run(elsewhere))


async def test_hosts_are_forgotten(client, below, servers):
    """A crawler's many hosts leave nothing behind once their connections are gone."""
    for _ in range(5):
        with servers.serving(answering()) as server:
            await client.get(url(server))
        await settled(below, open=0)
    below._pool._ring(0.0)
    assert not below._pool._routes
    assert below.statistics().connects == 5


async def test_many_over_few_connections(anyio_backend, servers):
    """Hundreds at once share a few connections, first come, first served."""
    with servers.serving(answering()) as server:
        transport = PoolTransport(max_connections=4)
        async with httpx.AsyncClient(transport=transport, timeout=30) as client:
            replies = await asyncio.gather(*(client.get(url(server)) for _ in range(300)))
    assert {reply.text for reply in replies} == {"hello"}
    assert server.most <= 4


async def test_tls(anyio_backend, servers, certified):
    """Streams both ways work over TLS, and `network_stream` shows it."""
    body = bytes(range(256)) * 4000

    async def script(visit):
        for _ in range(2):
            await visit.head()
            pieces = await chunks(visit)
            got = b"".join(pieces)
            await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(got) + got)

    transport = PoolTransport(ssl_context=certified.client)
    with servers.serving(script, tls=certified.server) as server:
        async with httpx.AsyncClient(transport=transport) as client:
            for _ in range(2):
                reply = await client.post(url(server), content=generate(body, b"x"))
                assert reply.content == body + b"x"
            stream = reply.extensions["network_stream"]
            assert stream.get_extra_info("ssl_object").version().startswith("TLS")
    assert server.accepted == 1


async def test_untrusted_certificate(client, servers, certified):
    """A certificate that nobody vouches for is `ConnectError`."""
    refused = pytest.raises(httpx.ConnectError, match="verif|self|issuer")
    with servers.serving(answering(), tls=certified.server) as server, refused:
        await client.get(url(server))


@pytest.mark.parametrize("name", sorted(CASES.keys() - BOUNDED - {"compressed-unasked"}))
async def test_odd_reply(anyio_backend, servers, name):
    """The pool below an httpx client reads the same replies the same way."""
    case = CASES[name]
    with servers.serving(odd_first(case)) as server:
        transport = PoolTransport()
        async with httpx.AsyncClient(transport=transport) as client:
            if isinstance(case.ours, Trouble):
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get(str(server.origin))
            else:
                assert (await client.get(str(server.origin))).content == case.ours
            if case.end:
                await settled(transport, open=0)
            assert (await client.get(str(server.origin))).content == b"next"
        assert server.accepted == (1 if case.keeps[0] else 2)


def test_options_are_checked():
    """A pool without connections is refused where it is made."""
    with pytest.raises(ValueError, match="max_connections"):
        PoolTransport(max_connections=0)
