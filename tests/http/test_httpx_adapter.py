"""What only the httpx adapter promises."""

from __future__ import annotations

import asyncio
import gc
import logging

import anyio
import httpx
import pytest
import trio

from solvestream._http.httpx_adapter import HttpxTransport
from solvestream._wire import Broken, Limits, Origin, Response, Sent, Trouble
from tests.http.scripted import KEY, SHORT, TARGET, answering, get, post, until

pytestmark = pytest.mark.anyio
KINDS = "httpx"
FAR = Origin("https", "service.test", 443)


async def test_client_lends_only_its_connections(servers, library, anyio_backend, caplog):
    """A user's client keeps its hooks, headers, cookies and log lines to itself."""
    caplog.set_level(logging.DEBUG)
    hooked = []

    async def hook(request):
        hooked.append(request)

    with servers.serving(answering()) as server:
        async with library.AsyncClient(
            headers={"X-Mine": "1"}, cookies={"a": "b"}, event_hooks={"request": [hook]}
        ) as client:
            transport = HttpxTransport(client)
            assert (await transport.send(get(server.origin))).body == b"hello"
            await transport.aclose()
            assert not client.is_closed
            await client.get(str(server.origin) + "/mine")
    assert b"x-mine" not in server.requests[0][0].lower()
    assert b"cookie" not in server.requests[0][0].lower()
    assert len(hooked) == 1
    assert KEY not in caplog.text
    assert "/mine" in caplog.text  # the user's own line is still written


async def test_closed_client_is_a_closed_transport(library, anyio_backend):
    """A client closed by its owner ends our use of it."""
    client = library.AsyncClient()
    await client.aclose()
    got = await HttpxTransport(client).send(get(FAR))
    assert (got.trouble, got.sent) == (Trouble.CLOSED, Sent.NOTHING)


async def test_owned_client_is_closed(library, anyio_backend):
    """With `owns=True` closing goes through."""
    client = library.AsyncClient()
    await HttpxTransport(client, owns=True).aclose()
    assert client.is_closed


async def test_mock_transport_answers(library, anyio_backend):
    """A `MockTransport` works, the same reply twice, and gives a delimited reply."""
    reply = library.Response(200, text="OK|1")
    transport = HttpxTransport(library.MockTransport(lambda request: reply))
    for _ in range(2):
        got = await transport.send(post(FAR))
        assert (got.status, got.body, got.delimited, got.sent) == (200, b"OK|1", True, Sent.ALL)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        ("ConnectError", Trouble.CONNECT),
        ("ConnectTimeout", Trouble.TIMEOUT),
        ("ReadError", Trouble.RESET),
        ("ReadTimeout", Trouble.TIMEOUT),
        ("RemoteProtocolError", Trouble.PROTOCOL),
        ("ZeroDivisionError", Trouble.PROTOCOL),
    ],
)
async def test_mock_that_fails_proves_nothing(library, anyio_backend, error, trouble):
    """A transport without a trace gives no evidence: `UNKNOWN`, whatever it raises."""

    def fail(request):
        raise getattr(library, error, ZeroDivisionError)(f"no way to {request.url}")

    got = await HttpxTransport(library.MockTransport(fail)).send(post(FAR))
    assert isinstance(got, Broken)
    assert (got.trouble, got.sent) == (trouble, Sent.UNKNOWN)
    assert KEY not in repr(got)


def through(proxy, library):
    """Open a transport that uses a proxy: our own, or one of httpx2."""
    if library is httpx:
        return HttpxTransport(proxy=proxy)
    return HttpxTransport(library.AsyncHTTPTransport(proxy=proxy, trust_env=False), owns=True)


async def test_proxy_tunnel_that_is_refused_sent_nothing(servers, library, anyio_backend):
    """A CONNECT that the proxy refuses is the proxy's exchange: nothing of the request left."""
    reply = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
    with servers.serving(answering(reply)) as server:
        transport = through(str(server.origin), library)
        got = await transport.send(post(FAR))
        await transport.aclose()
    assert isinstance(got, Broken)
    assert (got.trouble, got.sent) == (Trouble.CONNECT, Sent.NOTHING)
    assert KEY.encode() not in b"".join(head + body for head, body in server.requests)


async def test_proxy_that_drips_ends_at_the_total_deadline(servers, library, anyio_backend):
    """A tunnel that is being set up byte by byte does not outlive the exchange."""

    async def script(visit):
        await visit.head()
        for value in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000:
            await visit.send(bytes([value]))
            await asyncio.sleep(0.01)  # the server's loop is asyncio's, whatever ours is

    with servers.serving(script) as server:
        transport = through(str(server.origin), library)
        with anyio.fail_after(5):
            got = await transport.send(post(FAR, limits=Limits(connect=5, read=5, total=0.1)))
        await transport.aclose()
    assert (got.trouble, got.sent) == (Trouble.TIMEOUT, Sent.NOTHING)


@pytest.mark.parametrize("cut", ["close", "cancel"])
async def test_cut_handshake_leaves_no_socket(make, servers, certified, cut):
    """Httpcore forgets a socket whose TLS handshake is cancelled; we close it."""
    greeted = []

    async def script(visit):
        greeted.append(await visit.reader.read(1))
        await visit.hang()

    with servers.serving(script) as server:
        origin = Origin("https", server.origin.host, server.origin.port)
        transport = make(ssl_context=certified.client)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transport.send, post(origin))
            await until(lambda: greeted)
            if cut == "close":
                await transport.aclose()
            else:
                tasks.cancel_scope.cancel()
        await until(lambda: not server.open)
    gc.collect()  # a socket left open would warn now


async def test_proxy_carries_plain_requests(servers, library, anyio_backend):
    """An explicit proxy is used."""
    with servers.serving(answering()) as server:
        transport = through(str(server.origin), library)
        got = await transport.send(get(Origin("http", "service.test", 80)))
        await transport.aclose()
    assert got.body == b"hello"
    assert server.requests[0][0].startswith(b"GET http://service.test/res.php?")


async def test_proxies_of_the_environment_are_ignored(servers, anyio_backend, monkeypatch):
    """`HTTP_PROXY` and the like do not see our requests."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with servers.serving(answering()) as server:
        transport = HttpxTransport()
        assert (await transport.send(get(server.origin))).status == 200
        await transport.aclose()


async def test_retrying_transport_keeps_the_worst_evidence(servers, library, anyio_backend):
    """A user's transport that tries twice has sent all, though its last attempt sent nothing."""
    inner = library.AsyncHTTPTransport()

    class Twice(library.AsyncBaseTransport):
        async def handle_async_request(self, request):
            reply = await inner.handle_async_request(request)
            await reply.aread()
            raise library.ConnectError("the second attempt")

    with servers.serving(answering()) as server:
        got = await HttpxTransport(Twice()).send(post(server.origin))
        await inner.aclose()
    assert (got.trouble, got.sent) == (Trouble.CONNECT, Sent.ALL)


async def test_waiting_for_the_gate_ends_in_time(servers, anyio_backend):
    """More exchanges than allowed wait, and those that wait too long have sent nothing."""

    async def script(visit):
        await visit.request()
        await visit.hang()

    got = []
    with servers.serving(script) as server:
        transport = HttpxTransport(max_exchanges=1)
        limits = Limits(connect=0.05, read=0.2, total=0.2)

        async def one():
            got.append(await transport.send(get(server.origin, limits=limits)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            tasks.start_soon(one)
        await transport.aclose()
    assert sorted((one.trouble, one.sent) for one in got) == [
        (Trouble.TIMEOUT, Sent.NOTHING),
        (Trouble.TIMEOUT, Sent.ALL),
    ]


async def test_mock_that_hangs_ends_at_the_total_deadline(library, anyio_backend):
    """The total deadline is ours, not the transport's."""

    async def hang(request):
        await anyio.sleep(60)

    got = await HttpxTransport(library.MockTransport(hang)).send(post(FAR, limits=SHORT))
    assert (got.trouble, got.sent) == (Trouble.TIMEOUT, Sent.UNKNOWN)


def test_repr_tells_the_state():
    """The adapter says how busy it is."""

    async def run():
        transport = HttpxTransport()
        assert repr(transport) == "<HttpxTransport 0 exchanges under way>"
        await transport.aclose()
        assert isinstance(await transport.send(get(FAR)), Broken)
        return repr(transport)

    assert trio.run(run) == "<HttpxTransport closed>"


async def test_target_is_not_rewritten(servers, anyio_backend):
    """What the protocol module quoted goes out as it is."""
    target = "/res.php?a=%2F%20+b&c=%5Bx%5D&key=~-._"
    with servers.serving(answering()) as server:
        transport = HttpxTransport()
        got = await transport.send(get(server.origin, target))
        await transport.aclose()
    assert isinstance(got, Response)
    assert server.requests[0][0].split(b" ")[1] == target.encode()
    assert TARGET not in repr(got)


def test_stock_transport_writes_no_session_keys(monkeypatch, tmp_path):
    """SSLKEYLOGFILE in the environment is not honoured (`faults.json` K08)."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    transport = HttpxTransport()
    context = transport._transport._pool._ssl_context
    assert context.keylog_filename is None
