"""Our own HTTP/1.1 transport for asyncio: the hot path of the library.

No task, timer, lock or httpx object per exchange: an exchange is one small object with a future.
One timer serves all deadlines of the pool; it is set to the nearest of them, and since most
exchanges end long before, it fires once in many thousand exchanges (PERFORMANCE.md).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from solvestream._http.connection import Exchange
from solvestream._http.dial import Dialer
from solvestream._http.framing import UNSOUND, USER_AGENT, frame, head_for, is_sound
from solvestream._http.route import Route
from solvestream._wire import Broken, Origin, Request, Response, Sent, Trouble

if TYPE_CHECKING:
    import ssl

_NEVER: Final = float("inf")
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
    """

    _max_connections: int = field(default=64, kw_only=True, alias="max_connections")
    _ssl_context: ssl.SSLContext | None = field(default=None, kw_only=True, alias="ssl_context")
    _keep_alive: float = field(default=4.0, kw_only=True, alias="keep_alive")
    _user_agent: str = field(default=USER_AGENT, kw_only=True, alias="user_agent")
    _routes: dict[Origin, Route] = field(factory=dict[Origin, Route], init=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _dialer: Dialer | None = field(default=None, init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)
    _due: float = field(default=_NEVER, init=False)
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
        exchange = self._take_up(request)
        if isinstance(exchange, Broken):
            return exchange
        try:
            return await exchange.answer
        except asyncio.CancelledError:
            exchange.abandon()
            raise

    async def aclose(self) -> None:
        """Close all connections. Exchanges under way end as `Broken(CLOSED)`. Idempotent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        routes = tuple(self._routes.values())
        for route in routes:
            route.close()
        if self._dialer is not None:
            await self._dialer.aclose()
        for route in routes:
            await route.wait_closed()

    def statistics(self) -> PoolStatistics:
        """Count what there is now."""
        routes = self._routes.values()
        return PoolStatistics(
            open=sum(not one.closed for route in routes for one in route.connections),
            idle=sum(not one.closed for route in routes for one in route.idle),
            connecting=sum(len(route.dials) for route in routes),
            waiting=sum(not one.answer.done() for route in routes for one in route.waiting),
            exchanges=self._exchanges,
            connects=sum(route.connects for route in routes),
        )

    def _take_up(self, request: Request) -> Exchange | Broken:
        loop = asyncio.get_running_loop()
        if loop is not self._loop and self._loop is not None:
            return Broken(Trouble.CLOSED, Sent.NOTHING, "the pool belongs to another event loop")
        if self._closed:
            return Broken(Trouble.CLOSED, Sent.NOTHING, "the pool is closed")
        if not is_sound(request):
            return Broken(Trouble.PROTOCOL, Sent.NOTHING, UNSOUND)
        route = self._routes.get(request.origin) or self._open_route(loop, request.origin)
        self._exchanges += 1
        now = loop.time()
        limits = request.limits
        end = now + limits.total
        deadline = min(end, now + limits.connect)
        data = frame(request, route.head)
        exchange = Exchange(request, data, loop.create_future(), deadline, end)
        route.submit(exchange, now)
        return exchange

    def _open_route(self, loop: asyncio.AbstractEventLoop, origin: Origin) -> Route:
        self._loop = loop
        if self._dialer is None:
            self._dialer = Dialer(loop, self._ssl_context, self._keep_alive)
        head = head_for(origin, self._user_agent)
        route = Route(origin, head, loop, self._dialer, self._max_connections, self._watch)
        self._routes[origin] = route
        return route

    def _watch(self, deadline: float) -> None:
        """See to it that the timer fires no later than `deadline`."""
        if deadline < self._due and self._loop is not None and not self._closed:
            if self._timer is not None:
                self._timer.cancel()
            self._due = deadline
            self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        """End what is overdue and set the timer to what comes next.

        A timer that fires late means that the process stood still; replies may lie unread in
        the sockets. Then nothing is ended, and every deadline moves by as much (`faults.json` X13).
        """
        assert self._loop is not None
        now = self._loop.time()
        late = now - self._due
        routes = tuple(self._routes.values())
        for route in routes:
            if late > _STALL:
                route.postpone(late + _STALL)
            route.expire(now + _SLACK)
        self._due = _NEVER
        self._timer = None
        self._watch(min((one for route in routes for one in route.deadlines()), default=_NEVER))
