"""Our own HTTP/1.1 transport for asyncio: the hot path of the library.

No task, timer, lock or httpx object per exchange: an exchange is one small object that is called
back. One alarm serves all deadlines of the pool.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from solvestream._http.alarm import NEVER, Alarm
from solvestream._http.connection import Connection, Exchange
from solvestream._http.dial import Dialer
from solvestream._http.framing import USER_AGENT, head_for
from solvestream._http.route import Route
from solvestream._wire import Broken, Origin, Request, Response, Sent, Trouble

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_SLACK: Final = 0.001
"""Seconds a timer may fire early."""
_STALL: Final = 0.1
"""Seconds a timer may fire late before the process itself counts as stalled."""


@frozen(kw_only=True)
class PoolStatistics:
    """A snapshot of a pool.

    Attributes:
        open: connections, idle ones included.
        idle: of these, how many wait for work.
        connecting: connections being opened.
        waiting: exchanges that wait for a connection.
        exchanges: taken up so far.
        connects: connections opened so far.
    """

    open: int
    idle: int
    connecting: int
    waiting: int
    exchanges: int
    connects: int


@define(eq=False, repr=False)
class Pool:
    """Sends requests over kept-alive connections. Belongs to the loop it is first used in.

    Args:
        max_connections: to one origin at a time. Default 64.
        ssl_context: for https; by default a verifying one with certifi's roots.
        keep_alive: seconds a connection is kept idle where the service does not say. Default 4,
            a second less than the shortest limit in common use.
        user_agent: one line of ASCII.
        connection: the class of its connections.
    """

    _max_connections: int = field(default=64, kw_only=True, alias="max_connections")
    _ssl_context: ssl.SSLContext | None = field(default=None, kw_only=True, alias="ssl_context")
    _keep_alive: float = field(default=4.0, kw_only=True, alias="keep_alive")
    _user_agent: str = field(default=USER_AGENT, kw_only=True, alias="user_agent")
    _connection: type[Connection] = field(default=Connection, kw_only=True, alias="connection")
    _routes: dict[Origin, Route] = field(factory=dict[Origin, Route], init=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _dialer: Dialer | None = field(default=None, init=False)
    _alarm: Alarm | None = field(default=None, init=False)
    _connects: int = field(default=0, init=False)
    _exchanges: int = field(default=0, init=False)
    _closed: bool = field(default=False, init=False)

    @property
    def max_exchanges(self) -> int:
        """One on each connection to an origin."""
        return self._max_connections

    def __repr__(self) -> str:
        now = self.statistics()
        state = "closed" if self._closed else f"{now.idle} of {now.open} connections idle"
        return f"<Pool {state}, {now.connecting} connecting, {now.waiting} waiting>"

    async def send(self, request: Request) -> Response | Broken:
        """Carry out one exchange. Whatever goes wrong is a `Broken`; only cancellation raises."""
        answer: asyncio.Future[Response | Broken] = asyncio.get_running_loop().create_future()

        def take(response: Response | Broken) -> None:
            if not answer.done():  # a cancelled caller is told so only in the loop's next step
                answer.set_result(response)

        exchange = self._take_up(request, take)
        try:
            return await answer
        except asyncio.CancelledError:
            if exchange is not None:
                exchange.abandon()
            raise

    def begin(self, request: Request, take: Callable[[Response | Broken], None]) -> None:
        """Carry out one exchange and call `take` with its end, perhaps before returning.

        No task and no future: thousands of look-ups go this way.
        """
        self._take_up(request, take)

    async def aclose(self) -> None:
        """Close all connections. Exchanges under way end as `Broken(CLOSED)`. Idempotent."""
        self._closed = True
        routes = tuple(self._routes.values())
        for route in routes:
            route.close()
        if self._dialer is not None:
            await self._dialer.aclose()
        for route in routes:
            await route.wait_closed()
        if self._alarm is not None:
            self._alarm.stop()

    def statistics(self) -> PoolStatistics:
        """Count what there is now."""
        routes = self._routes.values()
        return PoolStatistics(
            open=sum(not one.closed for route in routes for one in route.connections),
            idle=sum(not one.closed for route in routes for one in route.idle),
            connecting=sum(len(route.dials) for route in routes),
            waiting=sum(not one.done for route in routes for one in route.waiting),
            exchanges=self._exchanges,
            connects=self._connects + sum(route.connects for route in routes),
        )

    def _take_up(
        self, request: Request, take: Callable[[Response | Broken], None]
    ) -> Exchange | None:
        loop = asyncio.get_running_loop()
        route = self._routes.get(request.origin)
        if route is None or loop is not self._loop or self._closed:
            found = self.route(request.origin)
            if isinstance(found, Broken):
                take(found)
                return None
            route = found
        self._exchanges += 1
        now = loop.time()
        limits = request.limits
        end = deadline = now + limits.total
        if limits.connect < limits.total:
            deadline = now + limits.connect
        exchange = Exchange(request, b"", take, deadline, end)
        route.submit(exchange, now)
        return exchange

    def route(self, origin: Origin) -> Route | Broken:
        """Return the way to an origin, or why there is none from here."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop and self._loop is not None:
            return Broken(Trouble.CLOSED, Sent.NOTHING, "the pool belongs to another event loop")
        if self._closed:
            return Broken(Trouble.CLOSED, Sent.NOTHING, "the pool is closed")
        return self._routes.get(origin) or self._open_route(loop, origin)

    def _open_route(self, loop: asyncio.AbstractEventLoop, origin: Origin) -> Route:
        if self._alarm is None or self._dialer is None:
            self._loop = loop
            self._alarm = Alarm(loop, self._ring)
            context, idle = self._ssl_context, self._keep_alive
            self._dialer = Dialer(loop, context, idle, self._connection)
        head = head_for(origin, self._user_agent)
        route = Route(origin, head, loop, self._dialer, self._max_connections, self._alarm)
        self._routes[origin] = route
        return route

    def _ring(self, late: float) -> None:
        """End what is overdue and set the alarm to what comes next.

        An alarm that rings late means that the process stood still; replies may lie unread in
        the sockets. Then nothing is ended, and every deadline moves by as much (`faults.json` X13).
        """
        assert self._loop is not None
        assert self._alarm is not None
        now = self._loop.time()
        routes = tuple(self._routes.values())
        for route in routes:
            if late > _STALL:
                route.postpone(late + _STALL)
            route.expire(now + _SLACK)
            if route.is_empty:
                del self._routes[route.origin]
                self._connects += route.connects
        self._alarm.set(min((one for route in routes for one in route.deadlines()), default=NEVER))
