"""A simulated service in virtual time, with a ledger."""

from __future__ import annotations

import asyncio
import heapq
import json
import uuid
from collections.abc import Callable

from attrs import define, field

from solvestream._wire import Broken, Request, Response, Sent, Trouble
from tests.simulation.ledger import Attempt, Ledger, Order
from tests.simulation.loop import VirtualLoop
from tests.simulation.speech import Asked, Look, Said, Speech, Submit
from tests.simulation.story import Story
from tests.simulation.weather import RETRY_AFTER, Period, Weather

Reply = Response | Broken
Take = Callable[[Reply], None]

JUNK = (
    (200, b"<html><body>maintenance</body></html>"),
    (200, b""),
    (200, b"OK"),
    (200, b"{"),
    (200, b'{"status":1}'),
    (200, b"null"),
    (200, b"\xff\xfe\x00"),
    (200, b"[" * 5000),
    (204, b""),
    (206, b"OK|1"),
    (302, b""),
    (307, b"OK|77"),
    (404, b"<html>not here</html>"),
    (500, b"<html>Internal Server Error</html>"),
    (502, b""),
    (503, b"upstream connect error"),
    (504, b'{"errorId":0,"status":"ready","taskId":"x"}'),
)


@define(eq=False)
class Exchange:
    """One request, from `begin` to its reply.

    Attributes:
        meaning: what an intact reply says of a submit.
        tells: ids of orders whose end the reply tells.
        left: bytes have left.
    """

    request: Request
    take: Take
    service: Service
    asked: Asked
    fault: str
    period: Period | None
    attempt: Attempt | None = None
    orders: list[Order | None] = field(factory=list)
    meaning: str = "unknown"
    tells: list[Order] = field(factory=list)
    left: bool = False
    arrived: bool = False
    proper: bool = False
    timer: asyncio.TimerHandle | None = None


@define(eq=False)
class Service:
    """One service: its books, its troubles, its speech. It outlives clients."""

    speech: Speech
    weather: Weather
    loop: VirtualLoop
    story: Story
    ledger: Ledger = field(factory=Ledger)
    banned_until: float = 0.0
    _working: list[float] = field(factory=list)
    _told: list[tuple[int, Order]] = field(factory=list)

    # Work

    def slots_taken(self, now: float) -> int:
        """Return how many tasks it works on."""
        while self._working and self._working[0] <= now:
            heapq.heappop(self._working)
        return len(self._working)

    def order(self, asked: Submit, now: float) -> Order:
        """Take a task in, and the money."""
        draw, weather = self.weather.random, self.weather
        number = len(self.ledger.orders) + 1
        low, high = weather.work
        ready = now + low + (high - low) * draw.random()
        gone = now + self.speech.retention
        if draw.random() < weather.forgets:
            gone = min(gone, now + draw.random() * 60)
        answer = None if draw.random() < weather.unsolvable else self._answer(asked.label, number)
        name = self._name(number)
        order = Order(number, name, asked.label, now, ready, gone, answer, asked.at_once)
        self.ledger.orders[order.task_id] = order
        heapq.heappush(self._working, ready)
        return order

    def _name(self, number: int) -> str:
        if self.speech.echoes:
            return str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)))
        return f"{number:010d}"

    def _answer(self, label: int, number: int) -> str:
        if self.weather.random.random() >= self.weather.odd:
            return f"read {label} {number}"
        shape = self.weather.random.choice(
            ("ERROR {} {}", "a|{}|{}", "{} IP_BANNED {}", "слово {} {}")
        )
        return shape.format(label, number)

    # An exchange's way

    def meet(self, request: Request, take: Take, life: int) -> Exchange:
        """Draw what will become of a request."""
        now, asked = self.loop.moment, self.speech.read(request)
        fault = self.weather.fault(submit=isinstance(asked, Submit))
        exchange = Exchange(request, take, self, asked, fault, self.weather.period(now))
        self.ledger.requests_at.append(now)
        if isinstance(asked, Submit):
            exchange.attempt = Attempt(asked.label, life, now)
            self.ledger.attempts.append(exchange.attempt)
        elif isinstance(asked, Look):
            self._begin_look(exchange, asked)
        if now < self.banned_until and isinstance(asked, Submit | Look):
            self.ledger.breach(f"G5: a request in the time of a ban, at {now:.2f}")
        if fault:
            self.ledger.faults[fault] += 1
        elif exchange.period:
            self.ledger.faults[exchange.period.kind] += 1
        return exchange

    def _begin_look(self, exchange: Exchange, asked: Look) -> None:
        self.ledger.looked += len(asked.ids)
        if len(set(asked.ids)) != len(asked.ids):
            self.ledger.breach(f"G5: an id twice in one look {asked.ids}")
        for task_id in asked.ids:
            order = self.ledger.orders.get(task_id)
            exchange.orders.append(order)
            if order is not None:
                if order.looking:
                    self.ledger.breach(f"G5: two looks at {task_id} at once")
                order.looking += 1

    def arrive(self, exchange: Exchange) -> tuple[Reply, float]:
        """Act on a request that has come; return the reply and the seconds it takes."""
        exchange.arrived = True
        now = self.loop.moment
        asked, period = exchange.asked, exchange.period
        kind = period.kind if period else ""
        if exchange.fault in {"lost_before", "junk_before"}:
            return self._spoil(exchange, None), 0.0
        if kind == "trouble":
            return self._junk(), 0.0
        if exchange.fault == "junk_after" and not isinstance(asked, Submit):
            return self._junk(), 0.0
        if exchange.fault == "throttled" or kind == "throttling":
            return self._throttle(exchange), 0.0
        if kind == "ban":
            said = self.speech.refusal("ban")
            return self._proper(exchange, said, "free"), 0.0
        if isinstance(asked, Submit):
            return self._take_submit(exchange, asked, kind, now)
        if isinstance(asked, Look):
            return self._take_look(exchange, asked, now), 0.0
        self.ledger.reports[asked.what] += 1
        if asked.what == "threadsinfo":
            return self._proper(exchange, self._threads(kind, now), "free"), 0.0
        if kind == "broke" and "alance" in asked.what:
            return self._proper(exchange, self.speech.refusal("broke"), "free"), 0.0
        return self._proper(exchange, self.speech.other(asked), "free"), 0.0

    def _threads(self, kind: str, now: float) -> Said:
        slots = int(min(self.weather.slots_at(now), 1_000))
        working = slots if kind == "full" else self.slots_taken(now)
        return Said(200, json.dumps({"threads": slots, "working_threads": working}))

    def _take_submit(
        self, exchange: Exchange, asked: Submit, kind: str, now: float
    ) -> tuple[Reply, float]:
        if kind == "broke":
            return self._proper(exchange, self.speech.refusal("broke"), "free"), 0.0
        if kind == "full" or self.slots_taken(now) >= self.weather.slots_at(now):
            return self._proper(exchange, self.speech.refusal("full"), "free"), 0.0
        if exchange.fault == "refused_input":
            return self._proper(exchange, self.speech.refusal("input"), "free"), 0.0
        if exchange.fault == "old_id" and self.weather.random.random() < 0.5:
            return self._spoil(exchange, None), 0.0
        order = self.order(asked, now)
        assert exchange.attempt is not None
        exchange.attempt.order = order
        if order.at_once and order.answer is None:
            order.answer = f"read {asked.label} {order.number}"
        if exchange.fault:
            return self._spoil(exchange, order), 0.0
        wait = order.ready_at - now if order.at_once else 0.0
        return self._proper(exchange, self.speech.accepted(order), "told", order), wait

    def _take_look(self, exchange: Exchange, asked: Look, now: float) -> Reply:
        orders = exchange.orders
        if exchange.fault == "stale":
            return self._stale(exchange, asked)
        if exchange.fault == "misfit":
            return self._misfit(exchange, asked, now)
        exchange.tells = [one for one in orders if one and (one.gone(now) or not one.at_work(now))]
        exchange.proper = True
        said = self.speech.looked(asked, orders, now)
        reply = _response(said)
        if exchange.fault:
            return self._lose(exchange)
        return reply

    def _proper(
        self, exchange: Exchange, said: Said, meaning: str, order: Order | None = None
    ) -> Reply:
        """Answer by the book, unless the answer is lost on its way."""
        exchange.proper = True
        exchange.meaning = meaning
        if order is not None:
            exchange.tells = [order]
        if exchange.fault in _LOSING:
            return self._lose(exchange)
        return _response(said)

    # What spoils a reply

    def _junk(self) -> Response:
        status, body = self.weather.random.choice(JUNK)
        return Response(status, body=body)

    def _throttle(self, exchange: Exchange) -> Response:
        exchange.meaning = "free"
        exchange.proper = True
        header = ("retry-after", self.weather.random.choice(RETRY_AFTER))
        return Response(429, (header,), b"slow down")

    def _lose(self, exchange: Exchange) -> Broken:
        exchange.meaning = "unknown"
        exchange.tells = []
        exchange.proper = False
        sent = Sent.UNKNOWN if exchange.fault == "no_evidence" else Sent.ALL
        troubles = (Trouble.RESET, Trouble.TIMEOUT, Trouble.PROTOCOL, Trouble.TOO_LARGE)
        trouble = self.weather.random.choice(troubles)
        return Broken(trouble, sent, "the reply was lost")

    def _spoil(self, exchange: Exchange, order: Order | None) -> Reply:
        """Answer a submit badly; `order` is what was made of it."""
        fault = exchange.fault
        if fault in {"junk_before", "junk_after"}:
            return self._junk()
        if fault == "old_id" and (old := self._old(exchange)) is not None:
            return _response(self.speech.accepted(old))
        if fault == "cut_open" and order is not None:
            return self._cut(exchange, order)
        return self._lose(exchange)

    def _old(self, exchange: Exchange) -> Order | None:
        """An order of this client whose reply some cache on the way gives out again."""
        now = self.loop.moment
        assert exchange.attempt is not None
        told = [one for life, one in self._told[-50:] if life == exchange.attempt.life]
        recent = [one for one in told if now - one.told_at < 200]
        if not self.weather.old_answers:
            recent = [one for one in recent if not one.at_once]
        return self.weather.random.choice(recent) if recent else None

    def _cut(self, exchange: Exchange, order: Order) -> Response:
        whole = _response(self.speech.accepted(order)).body
        size = self.weather.random.randrange(len(whole) + 1)
        if size == len(whole):
            exchange.meaning, exchange.tells = "told", [order]
        return Response(200, body=whole[:size], delimited=False)

    def _stale(self, exchange: Exchange, asked: Look) -> Reply:
        """A reply about something else, or from before: never an answer to this look."""
        if self.speech.echoes:
            orders = list(self.ledger.orders.values())[-20:]
            others = [one for one in orders if one.task_id not in asked.ids and one.answer]
            if not others:
                return self._junk()
            other = self.weather.random.choice(others)
            at = max(other.ready_at, other.at)
            if other.gone(at):
                return self._junk()
            return _response(self.speech.looked(Look((other.task_id,)), [other], at))
        exchange.proper = True
        early = [one and _at_work(one) for one in exchange.orders]
        return _response(self.speech.looked(asked, early, self.loop.moment))

    def _misfit(self, exchange: Exchange, asked: Look, now: float) -> Reply:
        """A reply to several ids that does not fit them."""
        if not asked.many:
            return self._junk()
        text = _response(self.speech.looked(asked, exchange.orders, now)).body
        shapes = (text + b"|more", text.rpartition(b"|")[0] or b"x", b"OK|" + text, b"OK|one")
        return Response(200, body=self.weather.random.choice(shapes))

    # The end

    def finish(self, exchange: Exchange, reply: Reply) -> None:
        """Book what the client is about to be told."""
        now, asked = self.loop.moment, exchange.asked
        attempt = exchange.attempt
        if attempt is not None:
            free = isinstance(reply, Broken) and reply.sent in {Sent.NOTHING, Sent.PART}
            told = not isinstance(reply, Broken)
            meaning = "free" if free else exchange.meaning if told else "unknown"
            attempt.fate = meaning  # type: ignore[assignment]
            attempt.ended = now
            attempt.note = exchange.fault or (exchange.period.kind if exchange.period else "")
            if meaning == "told":
                assert attempt.order is not None
                attempt.order.told_at = now
                self._told.append((attempt.life, attempt.order))
                if attempt.order.at_once:
                    attempt.order.answered_at = now
        if isinstance(asked, Look):
            for order in exchange.orders:
                if order is not None:
                    order.looking -= 1
                    order.looks += exchange.proper and not isinstance(reply, Broken)
            if not isinstance(reply, Broken):
                for order in exchange.tells:
                    order.answered_at = min(order.answered_at, now)
        ban = exchange.period is not None and exchange.period.kind == "ban"
        if ban and exchange.proper and not isinstance(reply, Broken) and reply.status != 429:
            self.banned_until = max(
                self.banned_until, exchange.period.end if exchange.period else 0
            )
        detail = reply.trouble if isinstance(reply, Broken) else reply.status
        self.story.trace(f"{now:.6f} {asked} {exchange.fault} {detail}")


_LOSING = frozenset({"lost_after", "no_evidence", "slow", "cut"})


def _response(said: Said) -> Response:
    return Response(said.status, body=said.text.encode())


def _at_work(order: Order) -> Order:
    return Order(order.number, order.task_id, order.label, 0, float("inf"), float("inf"), None)
