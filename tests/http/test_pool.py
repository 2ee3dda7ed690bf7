"""What only our own pool promises."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading

import looptime
import pytest
from attrs import evolve

from solvestream._http import dial
from solvestream._http.pool import Pool, PoolStatistics
from solvestream._wire import Broken, Limits, Origin, Response, Sent, Trouble
from tests.http.scripted import BIG, KEY, OK, SAFE, answering, closing, get, post, settled, until

pytestmark = pytest.mark.anyio
KINDS = "pool"


@pytest.fixture
def pool(transport):
    """Give an open pool."""
    return transport


async def test_statistics_and_repr_tell_the_state(pool, servers):
    """The snapshot counts connections and exchanges, and `repr` says it in words."""
    with servers.serving(answering()) as server:
        await asyncio.gather(*(pool.send(get(server.origin)) for _ in range(3)))
        await settled(pool, connecting=0)
        got = pool.statistics()
        assert (got.exchanges, got.waiting, got.connecting) == (3, 0, 0)
        assert 1 <= got.open == got.idle == got.connects <= 3
        assert "idle" in repr(pool)
        await pool.aclose()
    assert pool.statistics() == PoolStatistics(
        open=0, idle=0, connecting=0, waiting=0, exchanges=3, connects=got.connects
    )


async def test_junk_behind_a_reply_spoils_only_the_connection(pool, servers):
    """The reply stands; the connection with the unasked bytes is not used again."""
    with servers.serving(answering(OK + OK)) as server:
        for _ in range(2):
            assert (await pool.send(get(server.origin))).body == b"hello"
    assert server.accepted == 2


@pytest.mark.parametrize("status", [100, 102, 103])
@pytest.mark.parametrize(("count", "good"), [(64, True), (65, False), (2000, False)])
async def test_interim_replies_are_bounded(pool, servers, status, count, good):
    """64 interim replies are skipped; more are no HTTP."""
    flood = f"HTTP/1.1 {status} Wait\r\n\r\n".encode() * count
    with servers.serving(closing(flood + OK)) as server:
        got = await pool.send(get(server.origin))
    assert isinstance(got, Response if good else Broken)
    assert good or (got.trouble, got.sent) == (Trouble.PROTOCOL, Sent.ALL)


async def test_switching_protocols_is_refused(pool, servers):
    """101 was not asked for."""
    reply = b"HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    with servers.serving(closing(reply)) as server:
        assert (await pool.send(get(server.origin))).trouble is Trouble.PROTOCOL


@pytest.mark.parametrize("junk", [OK, b"x", b""], ids=["reply", "byte", "end"])
async def test_idle_connection_that_stirs_is_dropped(pool, servers, junk):
    """Bytes or the end of the connection while nothing is asked mean: never again."""
    stir = threading.Event()

    async def script(visit):
        await visit.request()
        await visit.send(OK)
        await visit.wait(stir)
        await visit.send(junk)
        if not junk:
            visit.writer.close()
        await visit.request()
        await visit.send(OK)

    with servers.serving(script) as server:
        await pool.send(get(server.origin))
        await settled(pool, idle=1)
        stir.set()
        await settled(pool, open=0, idle=0)
        assert (await pool.send(get(server.origin))).status == 200
    assert server.accepted == 2


@pytest.mark.parametrize("fresh", [True, False])
async def test_submits_avoid_connections_idle_for_long(pool, servers, fresh):
    """After more than 1 s of idleness a submit takes a new connection, a look the old one."""
    with servers.serving(answering()) as server:
        await pool.send(get(server.origin))
        (route,) = pool._routes.values()
        route.idle[0].fresh_until = pool._loop.time() - 0.001
        assert (await pool.send(post(server.origin, fresh=fresh))).status == 200
    assert server.accepted == (2 if fresh else 1)


async def test_submits_replace_an_old_connection_when_there_is_no_room(anyio_backend, servers):
    """With all connections old and idle, one makes room for the submit."""
    pool = Pool(max_connections=1)
    with servers.serving(answering()) as server:
        await pool.send(get(server.origin))
        (route,) = pool._routes.values()
        route.idle[0].fresh_until = 0.0
        assert (await pool.send(post(server.origin, fresh=True))).status == 200
        assert pool.statistics().open == 1
        await pool.aclose()
    assert server.accepted == 2
    assert server.most == 1


async def test_submit_notices_an_end_the_loop_has_not_read(pool, servers):
    """The peer's FIN lies in the socket, unread: a submit asks the socket and goes elsewhere."""
    close = threading.Event()
    closed = threading.Event()

    async def script(visit):
        await visit.request()
        await visit.send(OK)
        if visit.number == 1:
            await visit.wait(close)
            visit.writer.close()
            await visit.writer.wait_closed()
            closed.set()
        else:
            await visit.hang()

    with servers.serving(script) as server:
        await pool.send(get(server.origin))
        close.set()
        closed.wait(5)  # this blocks our loop on purpose
        got = await pool.send(post(server.origin, fresh=True))
    assert isinstance(got, Response)
    assert server.accepted == 2


@pytest.mark.parametrize(
    ("header", "idle", "fresh"),
    [
        ("", 4.0, 1.0),
        ("Keep-Alive: timeout=5, max=100\r\n", 4.0, 1.0),
        ("Keep-Alive: max=3, timeout=1\r\n", 0.0, 0.5),
        ("Keep-Alive: timeout=900000\r\n", 60.0, 1.0),
        ("Keep-Alive: timeout=" + "9" * 400 + "\r\n", 4.0, 1.0),
        ("Keep-Alive: timeout=nan\r\n", 4.0, 1.0),
    ],
)
async def test_service_says_how_long_idleness_is_safe(pool, servers, header, idle, fresh):
    """`Keep-Alive: timeout=N` means N - 1 s idle, N / 2 for submits, within our own bounds."""
    reply = f"HTTP/1.1 200 OK\r\n{header}Content-Length: 0\r\n\r\n".encode()
    with servers.serving(answering(reply)) as server:
        before = asyncio.get_running_loop().time()
        await pool.send(get(server.origin))
        (connection,) = next(iter(pool._routes.values())).connections
        assert connection.deadline - before == pytest.approx(idle, abs=1)
        assert connection.fresh_until - before == pytest.approx(fresh, abs=0.4)


async def test_connection_close_is_obeyed(pool, servers):
    """A service that says it will close is not asked again on that connection."""
    reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    with servers.serving(answering(reply)) as server:
        for _ in range(3):
            assert (await pool.send(get(server.origin))).status == 200
        await settled(pool, open=0)
    assert server.accepted == 3


async def test_early_answer_to_a_large_body(pool, servers):
    """A 413 before the body was read is a reply with a part sent; the connection is dropped."""

    async def script(visit):
        await visit.head()
        visit.writer.transport.pause_reading()
        await visit.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(5)

    with servers.serving(script) as server:
        got = await pool.send(post(server.origin, BIG))
        assert isinstance(got, Response)
        assert (got.status, got.sent) == (413, Sent.PART)
        await settled(pool, open=0)


async def test_waiting_for_a_connection_ends_at_the_connect_deadline(anyio_backend, servers):
    """An exchange that gets no connection in time has sent nothing, and its place is freed."""

    async def script(visit):
        await visit.request()
        await visit.hang()

    pool = Pool(max_connections=1)
    with servers.serving(script) as server:
        limits = Limits(connect=0.05, read=0.3, total=0.3)
        first, second = await asyncio.gather(
            pool.send(get(server.origin, limits=limits)),
            pool.send(get(server.origin, limits=limits)),
        )
        assert (first.trouble, first.sent) == (Trouble.TIMEOUT, Sent.ALL)
        assert (second.trouble, second.sent) == (Trouble.TIMEOUT, Sent.NOTHING)
        await settled(pool, open=0, waiting=0)
        await pool.aclose()
    assert server.accepted == 1


async def test_at_most_four_dials_at_a_time(pool, servers, monkeypatch):
    """A burst opens connections four at a time."""
    now = most = 0
    real = dial._open_socket

    async def slow(*args):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1
        return await real(*args)

    monkeypatch.setattr(dial, "_open_socket", slow)
    with servers.serving(answering()) as server:
        await asyncio.gather(*(pool.send(get(server.origin)) for _ in range(100)))
    assert most == 4


@pytest.mark.parametrize("body", [b"small", BIG], ids=["small", "large"])
async def test_cancel_at_every_step(anyio_backend, servers, body):
    """A cancel after any number of loop steps leaks no connection, waiter or task."""
    pool = Pool(max_connections=2)
    before = asyncio.all_tasks()
    with servers.serving(answering()) as server:
        for step in range(40):
            tasks = [asyncio.ensure_future(pool.send(post(server.origin, body))) for _ in range(4)]
            for _ in range(step):
                await asyncio.sleep(0)
            for task in tasks[:3]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(outcomes[3], Response)
            assert outcomes[3].status == 200
            if body is BIG and step > 8:
                break
        await settled(pool, waiting=0, connecting=0)
        assert pool.statistics().open == pool.statistics().idle <= 2
        await pool.aclose()
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert server.most <= 3  # the server may notice an end after the next start


async def test_close_during_every_phase(anyio_backend, servers):
    """`aclose` after any number of loop steps ends all exchanges and leaves no task."""
    before = asyncio.all_tasks()
    with servers.serving(answering()) as server:
        for step in range(30):
            pool = Pool(max_connections=2)
            tasks = [asyncio.ensure_future(pool.send(get(server.origin))) for _ in range(4)]
            for _ in range(step):
                await asyncio.sleep(0)
            await asyncio.gather(pool.aclose(), pool.aclose())
            for got in await asyncio.gather(*tasks):
                assert isinstance(got, Response) or got.trouble is Trouble.CLOSED
            assert pool.statistics().open == pool.statistics().connecting == 0
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == before
    gc.collect()


async def test_no_task_and_no_timer_per_exchange(pool, servers):
    """An exchange on an open connection adds no task, and at most the one timer of the pool."""
    with servers.serving(answering()) as server:
        await pool.send(get(server.origin))
        before = asyncio.all_tasks()
        timer = pool._alarm._timer
        assert (await pool.send(get(server.origin))).status == 200
        assert asyncio.all_tasks() == before
        assert pool._alarm._timer is timer is not None


async def test_stalled_process_does_not_end_exchanges(pool, servers):
    """When the loop itself stood still, replies that wait in the socket are still taken."""
    release = threading.Event()

    async def script(visit):
        await visit.request()
        await visit.wait(release)
        await visit.send(OK)

    with servers.serving(script) as server:
        task = asyncio.ensure_future(
            pool.send(get(server.origin, limits=Limits(connect=1, read=0.1, total=0.1)))
        )
        await until(lambda: server.requests)
        release.set()
        threading.Event().wait(0.3)  # the application blocks the loop
        assert isinstance(await task, Response)


async def test_pool_belongs_to_one_loop(pool, servers):
    """Used from a second loop, the pool says so instead of breaking."""
    with servers.serving(answering()) as server:
        await pool.send(get(server.origin))
        got = await asyncio.to_thread(lambda: asyncio.run(pool.send(get(server.origin))))
    assert (got.trouble, got.sent) == (Trouble.CLOSED, Sent.NOTHING)


async def test_failed_write_is_never_all(pool, servers, monkeypatch):
    """A write the socket refuses leaves the request `PART` at most."""
    with servers.serving(answering()) as server:
        await pool.send(get(server.origin))
        (connection,) = next(iter(pool._routes.values())).connections
        descriptor = connection._socket.get_extra_info("socket").fileno()
        with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as same:
            same.shutdown(socket.SHUT_WR)
        got = await pool.send(post(server.origin))
    assert isinstance(got, Broken)
    assert got.sent in {Sent.PART, Sent.NOTHING}


async def test_connection_shows_no_secret(pool, servers):
    """The objects that hold a request on its way do not show it."""

    async def script(visit):
        await visit.request()
        await visit.hang()

    with servers.serving(script) as server:
        task = asyncio.ensure_future(pool.send(post(server.origin)))
        await until(lambda: server.requests)
        (route,) = pool._routes.values()
        (connection,) = route.connections
        shown = repr([pool, route, connection, connection.exchange, connection._reader])
        assert "busy" in shown
        assert KEY not in shown
        task.cancel()


def test_deadlines_hold_in_virtual_time():
    """Connect, read and total deadlines and idle expiry follow the loop's clock, whatever it is."""

    async def hang(reader, writer):
        await reader.read()
        writer.close()

    async def run():
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        origin = Origin("http", "127.0.0.1", server.sockets[0].getsockname()[1])
        pool = Pool()
        start = loop.time()
        got = await pool.send(get(origin, limits=evolve(SAFE, read=30.0, total=60.0)))
        assert isinstance(got, Broken)
        assert got.trouble is Trouble.TIMEOUT
        await pool.aclose()
        server.close()
        took = loop.time() - start
        await asyncio.sleep(1)
        return took

    loop = looptime.new_event_loop(start=1000, end=2000)
    try:
        took = loop.run_until_complete(run())
    finally:
        loop.close()
    assert took == pytest.approx(30.0, abs=0.2)
