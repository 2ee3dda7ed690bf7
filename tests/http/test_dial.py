"""Names, addresses and TLS: how a connection comes about, or why it does not."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading

import pytest

from solvestream._http import dial
from solvestream._wire import Limits, Origin, Sent, Trouble
from tests.http.scripted import SHORT, answering, get, post, settled

pytestmark = pytest.mark.anyio
KINDS = "pool"


@pytest.fixture
def pool(transport):
    """Give an open pool."""
    return transport


async def test_handshake_that_stalls_ends_at_the_connect_deadline(pool, servers):
    """A peer that never answers the TLS handshake costs the connect time and nothing else."""

    async def script(visit):
        await visit.hang()

    with servers.serving(script) as server:
        origin = Origin("https", server.origin.host, server.origin.port)
        pool._ssl_context = dial.secure_context()
        got = await pool.send(post(origin, limits=Limits(connect=0.1, read=5, total=5)))
        assert (got.trouble, got.sent) == (Trouble.TIMEOUT, Sent.NOTHING)
        await settled(pool, connecting=0)


async def test_hanging_lookups_hold_four_threads_at_most(pool, monkeypatch):
    """Names that never resolve leave threads of the executor to the application."""
    if "uvloop" in type(asyncio.get_running_loop()).__module__:
        pytest.skip("uvloop looks names up in threads of its own")
    release = threading.Event()
    running = []

    def hang(host, *args, **kwargs):
        running.append(host)
        release.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        requests = [
            post(Origin("http", f"host{number % 8}.invalid", 80), limits=SHORT)
            for number in range(16)
        ]
        got = await asyncio.gather(*map(pool.send, requests))
        assert {(one.trouble, one.sent) for one in got} == {(Trouble.TIMEOUT, Sent.NOTHING)}
        assert len(running) == 4
    finally:
        release.set()


async def test_second_address_is_tried(pool, servers, monkeypatch):
    """A dead first address costs a moment, not the exchange."""
    with servers.serving(answering()) as server:
        port = server.origin.port

        real = dial._open_socket

        async def first_hangs(loop, family, place):
            if place[0] == "127.0.0.2":
                await asyncio.sleep(60)
            return await real(loop, family, place)

        monkeypatch.setattr(dial.Dialer, "_resolve", lambda self, host, port: _resolved(port))
        monkeypatch.setattr(dial, "_open_socket", first_hangs)
        monkeypatch.setattr(dial, "_STAGGER", 0.01)
        got = await pool.send(get(Origin("http", "two.test", port)))
        assert got.status == 200


async def _resolved(port):
    return [(socket.AF_INET, ("127.0.0.2", port)), (socket.AF_INET, ("127.0.0.1", port))]


def test_environment_changes_nothing(monkeypatch, tmp_path):
    """Key logs and certificate files of the environment are not honoured."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    context = dial.secure_context()
    assert context.keylog_filename is None
    assert context.check_hostname
    assert context.cert_store_stats()["x509_ca"] > 50


async def test_all_addresses_dead(pool, monkeypatch):
    """When no address answers, the last reason is given."""
    with socket.socket() as one, socket.socket() as two:
        for sock in (one, two):
            sock.bind(("127.0.0.1", 0))
        dead = [(socket.AF_INET, sock.getsockname()) for sock in (one, two)]

        async def resolve(self, host, port):
            return dead

        monkeypatch.setattr(dial.Dialer, "_resolve", resolve)
        got = await pool.send(get(Origin("http", "dead.test", 80)))
    assert (got.trouble, got.sent) == (Trouble.CONNECT, Sent.NOTHING)
    assert got.detail.startswith("dead.test:80: ")


async def test_name_without_addresses(pool, monkeypatch):
    """A name that resolves to nothing we can use is a connect failure as well."""

    async def resolve(self, host, port):
        return []

    monkeypatch.setattr(dial.Dialer, "_resolve", resolve)
    got = await pool.send(get(Origin("http", "empty.test", 80)))
    assert (got.trouble, got.sent) == (Trouble.CONNECT, Sent.NOTHING)


def test_reasons_are_one_line_each():
    """An operating system's error becomes host, port and its text."""
    got = dial.explain(OSError(errno.ENETUNREACH, "Network is unreachable"), Origin("http", "h", 1))
    assert got.detail == "h:1: Network is unreachable"


async def test_families_take_turns(pool, monkeypatch):
    """Of what a name resolves to, IPv6 and IPv4 are tried in turns, IPv6 first (RFC 8305)."""
    found = [
        (family, socket.SOCK_STREAM, 0, "", (address, 80))
        for family, address in [
            (socket.AF_INET, "192.0.2.1"),
            (socket.AF_INET, "192.0.2.2"),
            (socket.AF_INET6, "2001:db8::1"),
        ]
    ]
    tried = []

    async def look_up(*args, **kwargs):
        return found

    async def refuse(loop, family, place):
        tried.append(place[0])
        raise ConnectionRefusedError

    class Loop:
        getaddrinfo = staticmethod(look_up)

    monkeypatch.setattr(dial, "_open_socket", refuse)
    dialer = dial.Dialer(Loop(), None, 4.0)
    addresses = await dialer._resolve("two.test", 80)
    with pytest.raises(ConnectionRefusedError):
        await dial._first_of(asyncio.get_running_loop(), addresses)
    assert tried == ["2001:db8::1", "192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize("fails", [True, False], ids=["failure", "silence"])
async def test_next_address_waits_for_failure_or_a_moment(anyio_backend, monkeypatch, fails):
    """A refusal starts the next address at once, silence after a quarter of a second."""
    starts = []
    real_wait = asyncio.wait
    waited = []

    async def wait(tasks, **options):
        waited.append(options["timeout"])
        options["timeout"] = 0.01 if options["timeout"] else None
        return await real_wait(tasks, **options)

    async def attempt(loop, family, place):
        starts.append(place)
        if place == "first":
            if fails:
                raise ConnectionRefusedError
            await asyncio.sleep(60)
        return socket.socket()

    monkeypatch.setattr(dial.asyncio, "wait", wait)
    monkeypatch.setattr(dial, "_open_socket", attempt)
    loop = asyncio.get_running_loop()
    sock = await dial._first_of(loop, [(socket.AF_INET, "first"), (socket.AF_INET, "second")])
    sock.close()
    assert starts == ["first", "second"]
    assert waited == [0.25, None]


async def test_socket_that_comes_second_is_closed(anyio_backend, monkeypatch):
    """Two addresses that answer in the same moment leave one socket open."""
    opened = []

    async def attempt(loop, family, place):
        await asyncio.sleep(0 if opened else 0.02)
        opened.append(socket.socket())
        return opened[-1]

    monkeypatch.setattr(dial, "_open_socket", attempt)
    monkeypatch.setattr(dial, "_STAGGER", 0.001)
    loop = asyncio.get_running_loop()
    sock = await dial._first_of(loop, [(socket.AF_INET, number) for number in range(3)])
    await asyncio.sleep(0.03)
    assert [one for one in opened if one.fileno() >= 0] == [sock]
    sock.close()
