"""Who gets which connection."""

from __future__ import annotations

import asyncio

import pytest
from attrs import define, field

from solvestream._http.alarm import Alarm
from solvestream._http.connection import Exchange
from solvestream._http.route import MAX_DIALS, Route
from solvestream._wire import Broken, Limits, Origin, Sent, Trouble
from tests.http.scripted import get

pytestmark = pytest.mark.anyio
KINDS = "asyncio"
ORIGIN = Origin("http", "h", 1)


@define(eq=False)
class FakeConnection:
    """Holds an exchange until the test releases it."""

    deadline: float = 1e9
    fresh_until: float = 1e9
    closed: bool = False
    good: bool = True
    exchange: Exchange | None = None

    def usable(self, *, fresh):
        return self.good and not self.closed

    def begin(self, exchange, now):
        self.exchange = exchange

    def drop(self):
        self.closed = True

    def expire(self):
        self.closed = True


@define(eq=False, slots=False)
class FakeDialer:
    """Opens what the test put there."""

    results: list = field(factory=list)
    opened: int = 0

    async def open(self, route):
        self.opened += 1
        await asyncio.sleep(0)
        return self.results.pop(0) if self.results else FakeConnection()


class Bench:
    """A route, and what is asked of it."""

    def __init__(self, limit=2):
        self.loop = asyncio.get_running_loop()
        self.dialer = FakeDialer()
        self.answers = {}
        self.alarm = Alarm(self.loop, lambda late: None)
        self.route = Route(ORIGIN, "", self.loop, self.dialer, limit, self.alarm)

    def submit(self, *, fresh=False, now=0.0, deadline=1e9):
        request = get(ORIGIN, fresh=fresh)
        answers = []
        exchange = Exchange(request, b"", answers.append, deadline, deadline)
        self.answers[exchange] = answers
        self.route.submit(exchange, now)
        return exchange

    async def settle(self):
        while self.route.dials:
            await asyncio.gather(*self.route.dials)

    def holder(self, exchange):
        return next(one for one in self.route.connections if one.exchange is exchange)


async def test_first_in_first_out():
    """Exchanges begin in the order they came, as connections are released."""
    bench = Bench(limit=1)
    first, second, third = (bench.submit() for _ in range(3))
    await bench.settle()
    connection = bench.holder(first)
    bench.route.released(connection, 0.0)
    assert connection.exchange is second
    bench.route.released(connection, 0.0)
    assert connection.exchange is third
    assert bench.dialer.opened == 1


async def test_idle_connections_are_taken_last_in_first_out():
    """The surplus ages: what came last is used first."""
    bench = Bench()
    old, new = FakeConnection(), FakeConnection()
    for connection in (old, new):
        bench.route.connections.add(connection)
        bench.route.released(connection, 0.0)
    assert new.exchange is None
    exchange = bench.submit()
    assert new.exchange is exchange
    assert bench.route.idle == [old]


@pytest.mark.parametrize("limit", [1, 3, 20])
async def test_connections_are_bounded(limit):
    """Never more connections than the limit, nor more dials at a time than four."""
    bench = Bench(limit)
    for _ in range(50):
        bench.submit()
        assert len(bench.route.dials) <= MAX_DIALS
    await bench.settle()
    assert len(bench.route.connections) == bench.dialer.opened == limit


async def test_unusable_connections_are_passed_over():
    """Stale or broken ones are dropped on the way, in the idle list as at release."""
    bench = Bench(limit=3)
    good, broken, late = FakeConnection(), FakeConnection(good=False), FakeConnection(deadline=1.0)
    bench.route.connections.update((good, broken, late))
    bench.route.idle.extend((good, broken, late))
    exchange = bench.submit(now=2.0)
    assert good.exchange is exchange
    assert broken.closed
    assert late.closed
    good.good = False
    bench.submit(now=2.0)
    bench.route.released(good, 2.0)
    assert good.closed


async def test_costly_exchange_leaves_an_old_connection_alone():
    """What costs money opens a new one, and a cheap look takes the old one."""
    bench = Bench(limit=2)
    old = FakeConnection(fresh_until=1.0)
    bench.route.connections.add(old)
    bench.route.released(old, 0.0)
    costly = bench.submit(fresh=True, now=2.0)
    assert old.exchange is None
    await bench.settle()
    assert bench.holder(costly) is not old
    assert bench.submit(now=2.0) is old.exchange


async def test_failed_connect_disappoints_one():
    """The first in line learns of it, and the next gets an attempt of its own."""
    bench = Bench()
    refusal = Broken(Trouble.CONNECT, Sent.NOTHING, "refused")
    bench.dialer.results = [refusal]
    first, second = bench.submit(), bench.submit()
    await bench.settle()
    assert bench.answers[first][0] is refusal
    assert bench.holder(second)


async def test_those_who_have_gone_are_skipped():
    """A cancelled exchange neither gets a connection nor a failure."""
    bench = Bench(limit=1)
    first, second, third = (bench.submit() for _ in range(3))
    await bench.settle()
    second.abandon()
    connection = bench.holder(first)
    bench.route.released(connection, 0.0)
    assert connection.exchange is third


async def test_expiry_ends_what_waits_too_long():
    """Overdue waiting is `TIMEOUT` with nothing sent; the others go on waiting."""
    bench = Bench(limit=1)
    first = bench.submit()
    await bench.settle()
    late, later = bench.submit(deadline=5.0), bench.submit(deadline=9.0)
    bench.route.expire(5.0)
    got = bench.answers[late][0]
    assert (got.trouble, got.sent) == (Trouble.TIMEOUT, Sent.NOTHING)
    assert not later.done
    assert not bench.holder(first).closed
    bench.route.postpone(10.0)
    assert later.deadline == 19.0


async def test_close_ends_all_and_opens_no_more():
    """What waits is refused, dials end, and a lost connection is not replaced."""
    bench = Bench(limit=1)
    waiting = [bench.submit() for _ in range(3)]
    bench.route.close()
    await bench.route.wait_closed()
    for exchange in waiting:
        got = bench.answers[exchange][0]
        assert (got.trouble, got.sent) == (Trouble.CLOSED, Sent.NOTHING)
    assert not bench.route.dials
    assert not bench.route.connections


@pytest.mark.parametrize(("patience", "told"), [(1e9, True), (0.01, False)])
async def test_dial_that_takes_too_long(patience, told):
    """Who may wait longer than for a connect learns that it failed; others hear their own alarm."""
    bench = Bench(limit=1)

    async def hang(route):
        bench.dialer.opened += 1
        if bench.dialer.opened == 1:
            await asyncio.sleep(60)
        return FakeConnection()

    bench.dialer.open = hang
    request = get(ORIGIN, limits=Limits(connect=0.02))
    answers = []
    deadline = bench.loop.time() + patience
    exchange = Exchange(request, b"", answers.append, deadline, deadline)
    bench.route.submit(exchange, bench.loop.time())
    await bench.settle()
    assert [one.trouble for one in answers] == [Trouble.TIMEOUT] * told
    assert exchange.done is told


async def test_crowded_means_no_dial_for_the_next():
    """Idle connections and free dials count; room that waits for others' dials does not."""
    bench = Bench(limit=20)
    for number in range(MAX_DIALS):
        assert not bench.route.crowded, number
        bench.submit()
    assert bench.route.crowded
    await bench.settle()
    assert not bench.route.crowded
    assert not bench.route.is_empty
