"""The wire between one client and all services: a `DirectTransport` in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import define, field

from solvestream._wire import UNWANTED, Broken, Request, Sent, Trouble
from tests.simulation.loop import VirtualLoop
from tests.simulation.speech import Look, Other, Submit
from tests.simulation.world import Exchange, Reply, Service, Take


@define(eq=False)
class Network:
    """The transport of one client: a `DirectTransport` to all services.

    Attributes:
        connections: exchanges at once at most.
        life: number of the client.
    """

    services: dict[str, Service]
    connections: int
    life: int
    loop: VirtualLoop
    on_wire: set[Exchange] = field(factory=set)
    peak: int = 0
    closed: bool = False
    dead: bool = False

    @property
    def max_exchanges(self) -> int:
        """As many as connections."""
        return self.connections

    def begin(self, request: Request, take: Take) -> None:
        """Carry out one exchange."""
        self.start(request, take)

    async def send(self, request: Request) -> Reply:
        """Carry out one exchange; a caller that is cancelled cuts it."""
        answer: asyncio.Future[Reply] = self.loop.create_future()

        def take(reply: Reply) -> None:
            if not answer.done():
                answer.set_result(reply)

        exchange = self.start(request, take)
        try:
            return await answer
        except asyncio.CancelledError:
            self.cut(exchange)
            raise

    def start(self, request: Request, take: Take) -> Exchange:
        """Begin one exchange."""
        service = self.services[request.origin.host]
        if self.dead:
            take(Broken(Trouble.CLOSED, Sent.NOTHING, "crashed"))
            return Exchange(request, take, service, Other("crashed"), "", None)
        exchange = service.meet(request, take, self.life)
        self.on_wire.add(exchange)
        self.peak = max(self.peak, len(self.on_wire))
        planned = sum(isinstance(one.asked, Submit | Look) for one in self.on_wire)
        if planned > self.connections:  # balances and reports wait inside of a real pool
            service.ledger.breach(f"G5: {planned} exchanges on {self.connections}")
        weather = service.weather
        if self.closed:
            self._end(exchange, Broken(Trouble.CLOSED, Sent.NOTHING, "closed"))
        elif exchange.fault == "at_once":
            self._end(exchange, Broken(Trouble.CONNECT, Sent.NOTHING, "refused"))
        elif exchange.fault == "not_sent" or _is(exchange, "refusing"):
            self._later(exchange, weather.delay(), self._end, _REFUSED)
        elif wait := weather.connecting():
            self._later(exchange, wait, self._leave)
        else:
            self._leave(exchange)
        return exchange

    def _later(
        self, exchange: Exchange, wait: float, call: Callable[..., None], *args: object
    ) -> None:
        exchange.timer = self.loop.call_later(wait, call, exchange, *args)

    def _leave(self, exchange: Exchange) -> None:
        """The first byte leaves, if the request is still wanted."""
        request, delay = exchange.request, exchange.service.weather.delay()
        if request.wanted is not None and not request.wanted():
            self._end(exchange, UNWANTED)
            return
        exchange.left = True
        if exchange.fault == "part":
            self._later(exchange, delay, self._end, Broken(Trouble.RESET, Sent.PART, "cut off"))
        elif _is(exchange, "dark"):
            lost = Broken(Trouble.TIMEOUT, Sent.ALL, "no reply in time")
            limits = request.limits
            self._later(exchange, min(limits.read, limits.total), self._end, lost)
        else:
            self._later(exchange, delay, self._arrive)

    def _arrive(self, exchange: Exchange) -> None:
        reply, work = exchange.service.arrive(exchange)
        wait = work + exchange.service.weather.delay()
        limit = exchange.request.limits.total
        if exchange.fault == "slow" or wait > limit:
            reply, wait = Broken(Trouble.TIMEOUT, Sent.ALL, "no reply in time"), limit
        self._later(exchange, wait, self._end, reply)

    def _end(self, exchange: Exchange, reply: Reply) -> None:
        self.on_wire.discard(exchange)
        exchange.service.finish(exchange, reply)
        exchange.take(reply)

    async def aclose(self) -> None:
        """End what is under way."""
        self.closed = True
        for exchange in sorted(self.on_wire, key=lambda one: one.asked.__repr__()):
            self.cut(exchange)

    def cut(self, exchange: Exchange) -> None:
        """End one exchange from our side."""
        if exchange in self.on_wire:
            assert exchange.timer is not None
            exchange.timer.cancel()
            sent = Sent.ALL if exchange.left else Sent.NOTHING
            self._end(exchange, Broken(Trouble.CLOSED, sent, "closed"))

    def crash(self) -> None:
        """The process is gone: nobody is told anything, and what had left arrives all the same."""
        self.closed = True
        for exchange in sorted(self.on_wire, key=lambda one: one.asked.__repr__()):
            if exchange.timer is not None:
                exchange.timer.cancel()
            lost = exchange.arrived or exchange.fault == "part" or _is(exchange, "dark")
            if exchange.left and not lost:
                exchange.service.arrive(exchange)
            exchange.take = lambda _: None
            sent = Sent.ALL if exchange.left else Sent.NOTHING
            self._end(exchange, Broken(Trouble.CLOSED, sent, "crash"))
        self.dead = True


@define(eq=False)
class TaskNetwork:
    """The same without `begin`: one task of the engine an exchange, as through httpx."""

    network: Network

    @property
    def max_exchanges(self) -> int:
        """As many as connections."""
        return self.network.connections

    async def send(self, request: Request) -> Reply:
        """Carry out one exchange."""
        return await self.network.send(request)

    async def aclose(self) -> None:
        """End what is under way."""
        await self.network.aclose()


def _is(exchange: Exchange, kind: str) -> bool:
    return exchange.period is not None and exchange.period.kind == kind and not exchange.fault


_REFUSED = Broken(Trouble.CONNECT, Sent.NOTHING, "connection refused")
