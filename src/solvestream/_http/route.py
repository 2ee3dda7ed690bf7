"""The connections to one origin, and the exchanges that wait for one. All steps are O(1)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from attrs import define, field

from solvestream._http.framing import UNSOUND, frame
from solvestream._wire import UNWANTED, Broken, Sent, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvestream._http.alarm import Alarm
    from solvestream._http.connection import Connection, Exchange
    from solvestream._http.dial import Dialer
    from solvestream._wire import Origin

MAX_DIALS: Final = 4
"""Connections to one origin being opened at a time."""


@define(eq=False, repr=False)
class Route:
    """Gives each exchange a connection: an idle one, the next that is released, or a new one.

    Idle connections are taken last in, first out, so that the surplus ages and closes.
    Exchanges wait first in, first out. A waiting exchange begins in the very moment a
    connection comes free; its task is not woken before the reply is there.
    """

    origin: Origin
    head: str
    _loop: asyncio.AbstractEventLoop
    _dialer: Dialer
    _limit: int
    _alarm: Alarm
    idle: list[Connection] = field(factory=list["Connection"])
    connections: set[Connection] = field(factory=set["Connection"])
    waiting: deque[Exchange] = field(factory=deque["Exchange"])
    dials: set[asyncio.Task[None]] = field(factory=set["asyncio.Task[None]"])
    connects: int = 0
    _closed: bool = False
    _gone: asyncio.Event = field(factory=asyncio.Event)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is lost by forgetting it."""
        return not (self.connections or self.waiting or self.dials)

    @property
    def crowded(self) -> bool:
        """Whether the next exchange has to wait before as much as a dial begins for it."""
        room = self._limit - len(self.connections) - len(self.dials)
        return not self.idle and (room <= 0 or len(self.dials) >= MAX_DIALS)

    def submit(self, exchange: Exchange, now: float) -> None:
        """Begin an exchange now or later."""
        connection = self._take(now, fresh=exchange.request.fresh)
        if connection is not None:
            if not self._framed(exchange):
                self.idle.append(connection)
                return
            connection.begin(exchange, now)
            if connection.deadline < self._alarm.due:
                self._alarm.set(connection.deadline)
        else:
            self.waiting.append(exchange)
            self._alarm.set(exchange.deadline)
            if len(self.dials) < MAX_DIALS and (len(self.connections) < self._limit or self.idle):
                self._grow()

    def released(self, connection: Connection, now: float) -> None:
        """Give a connection that is free again to the first who waits, or keep it idle."""
        waiting = self.waiting
        while waiting:
            exchange = waiting[0]
            wanted = exchange.request.wanted
            if exchange.done:
                waiting.popleft()
            elif wanted is not None and not wanted():
                waiting.popleft()
                exchange.settle(UNWANTED)
            elif connection.usable(fresh=exchange.request.fresh):
                waiting.popleft()
                if not self._framed(exchange):
                    continue
                connection.begin(exchange, now)
                self._alarm.set(connection.deadline)
                return
            else:
                connection.drop()
                return
        self.idle.append(connection)
        if connection.deadline < self._alarm.due:
            self._alarm.set(connection.deadline)

    def lost(self, connection: Connection) -> None:
        """Forget a closed connection; there may be room for a new one now."""
        self.connections.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        if self._closed:
            self._gone.set()
        else:
            self._grow()

    def expire(self, now: float) -> None:
        """End whatever is past its deadline."""
        for connection in [one for one in self.connections if one.deadline <= now]:
            connection.expire()
        live = [one for one in self.waiting if not one.done]
        self.waiting = deque(one for one in live if one.deadline > now)
        for exchange in live:
            if exchange.deadline <= now:
                self._refuse(exchange, Trouble.TIMEOUT, "no connection in time")

    def deadlines(self) -> Iterator[float]:
        """Yield the time of everything that must be ended some time."""
        for connection in self.connections:
            if not connection.closed:
                yield connection.deadline
        for exchange in self.waiting:
            yield exchange.deadline

    def postpone(self, seconds: float) -> None:
        """Move the deadlines of all exchanges: the process itself was not running so long."""
        for connection in self.connections:
            if connection.exchange is not None:
                connection.exchange.end += seconds
                connection.deadline += seconds
        for exchange in self.waiting:
            exchange.deadline += seconds
            exchange.end += seconds

    def close(self) -> None:
        """End everything. The sockets close within the loop's next rounds."""
        self._closed = True
        for exchange in self.waiting:
            self._refuse(exchange, Trouble.CLOSED, "the transport was closed")
        self.waiting.clear()
        for dial in self.dials:
            dial.cancel()
        for connection in tuple(self.connections):
            connection.fail(Trouble.CLOSED, "the transport was closed")

    async def wait_closed(self) -> None:
        """Wait until `close` has come to its end: no task and no socket is left."""
        await asyncio.gather(*self.dials, return_exceptions=True)
        self.dials.clear()  # one cancelled before its first step could not sign off
        while self.connections:
            self._gone.clear()
            await self._gone.wait()

    def _take(self, now: float, *, fresh: bool) -> Connection | None:
        idle = self.idle
        while idle:
            if fresh and idle[-1].fresh_until < now:
                break
            connection = idle.pop()
            if connection.deadline > now and connection.usable(fresh=fresh):
                return connection
            connection.drop()
        return None

    def _grow(self) -> None:
        """Open as many connections as there are exchanges to wait for them, within the bounds."""
        waiting = self.waiting
        while waiting and waiting[0].done:
            waiting.popleft()
        while len(self.dials) < min(MAX_DIALS, len(waiting)) and not self._closed:
            if len(self.connections) + len(self.dials) >= self._limit:
                if self.idle:  # too old for the lane that waits
                    self.idle.pop(0).drop()
                break
            dial = self._loop.create_task(self._dial(waiting[0].request.limits.connect))
            self.dials.add(dial)

    async def _dial(self, seconds: float) -> None:
        """Open one connection for whoever is first in line when it is there."""
        dial = asyncio.current_task()
        assert dial is not None
        outcome: Connection | Broken | None
        try:
            async with asyncio.timeout(seconds):
                outcome = await self._dialer.open(self)
        except TimeoutError:
            outcome = self._late(seconds)  # whoever waits may have a deadline of its own
        finally:
            self.dials.discard(dial)
        if isinstance(outcome, Broken):
            self._disappoint(outcome)
        elif outcome is not None:
            self.connects += 1
            self.connections.add(outcome)
            self.released(outcome, self._loop.time())
        self._grow()

    def _late(self, seconds: float) -> Broken | None:
        """Say so to the first in line, unless a nearer deadline of its own will."""
        if self.waiting and self.waiting[0].deadline > self._loop.time() + seconds:
            detail = f"{self.origin.authority}: no connection in time"
            return Broken(Trouble.TIMEOUT, Sent.NOTHING, detail)
        return None

    def _disappoint(self, broken: Broken) -> None:
        """Give a failed connect to the first in line; the others get an attempt of their own."""
        while self.waiting:
            exchange = self.waiting.popleft()
            if not exchange.done:
                exchange.settle(broken)
                return

    def _framed(self, exchange: Exchange) -> bool:
        """Frame a request as it begins: thousands wait, and so their bytes need not be kept."""
        if not exchange.data:
            data = frame(exchange.request, self.head)
            if data is None:
                exchange.settle(Broken(Trouble.PROTOCOL, Sent.NOTHING, UNSOUND))
                return False
            exchange.data = data
        return True

    def _refuse(self, exchange: Exchange, trouble: Trouble, detail: str) -> None:
        exchange.settle(Broken(trouble, Sent.NOTHING, f"{self.origin.authority}: {detail}"))
