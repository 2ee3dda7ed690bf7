"""A service with slots, in virtual time: the client's gate before it, and two yardsticks.

A slot is free as soon as the answer is ready; the client sees that with its next look, and all
that it sends takes a round trip and one of 64 places on the wire. Every client meets the same
tasks: the n-th that a service takes holds its slot for the n-th drawn number of seconds.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator

from attrs import Factory, define, field, frozen

from solvestream._core.slots import SlotGate

Solve = Callable[[random.Random], float]
WIRE = 64
AT_ONCE = 0.2
"""Seconds a service that answers at once takes to answer."""


def uniform(low: float, high: float) -> Solve:
    return lambda draw: draw.uniform(low, high)


def lognormal(median: float, sigma: float) -> Solve:
    return lambda draw: draw.lognormvariate(math.log(median), sigma)


def bimodal(draw: random.Random) -> float:
    return draw.uniform(5, 8) if draw.random() < 0.7 else draw.uniform(25, 35)


def at_once(_draw: random.Random) -> float:
    """Answer with the submit's own reply."""
    return 0.0


@frozen
class Case:
    """`count` tasks for a service whose slots change as `steps` (from when, how many) say.

    `first` and `interval` are of looks. Tasks come in `bursts` (when, how many), by default all
    at once; nothing is submitted during `bans` (from, to). All in seconds.
    """

    count: int
    slots: int
    solve: Solve
    first: float = 10.0
    interval: float = 5.0
    steps: tuple[tuple[float, int], ...] = ()
    bursts: tuple[tuple[float, int], ...] = Factory(lambda self: ((0.0, self.count),), True)
    bans: tuple[tuple[float, float], ...] = ()
    round_trip: float = 0.05

    def slots_at(self, now: float) -> int:
        index = bisect_right(self.steps, (now, math.inf))
        return self.steps[index - 1][1] if index else self.slots

    def banned(self, now: float) -> bool:
        return any(start <= now < end for start, end in self.bans)

    def seconds(self, seed: int) -> Iterator[float]:
        draw = random.Random(f"seconds {seed}")
        return (self.solve(draw) for _ in range(self.count))

    def seen(self, seconds: float) -> float:
        """From acceptance to the look that finds the answer."""
        if not seconds:
            return AT_ONCE
        return self.first + self.interval * max(
            0, math.ceil((seconds - self.first) / self.interval)
        )


@frozen
class Run:
    end: float
    refusals: list[float]

    @property
    def worst_second(self) -> int:
        return max(Counter(map(int, self.refusals)).values(), default=0)

    def refused(self, start: float, end: float) -> int:
        return sum(start <= moment < end for moment in self.refusals)


def all_knowing(case: Case, seed: int) -> float:
    """When a client that takes every free slot at once, without a wire, sees its last answer."""
    seconds = case.seconds(seed)
    moments = [
        *case.bursts,
        *((when, 0) for when, _ in case.steps),
        *((b, 0) for _, b in case.bans),
    ]
    heapq.heapify(moments)
    busy = queued = 0
    end = 0.0
    while moments:
        now, came = heapq.heappop(moments)
        busy += min(came, 0)
        queued += max(came, 0)
        while queued and busy < case.slots_at(now) and not case.banned(now):
            queued, busy = queued - 1, busy + 1
            one = next(seconds)
            heapq.heappush(moments, (now + (one or AT_ONCE), -1))
            end = max(end, now + case.seen(one))
    return end


def naive(case: Case, seed: int, pause: float) -> Run:
    """The plain recipe: each task on its own, each refused submit again after a pause."""
    draw, seconds = random.Random(seed), case.seconds(seed)
    moments = [(when + draw.random(), 1) for when, count in case.bursts for _ in range(count)]
    heapq.heapify(moments)
    busy, end, refusals = 0, 0.0, list[float]()
    while moments:
        now, what = heapq.heappop(moments)
        if what < 0:
            busy -= 1
        elif busy < case.slots_at(now):
            busy += 1
            one = next(seconds)
            heapq.heappush(moments, (now + (one or AT_ONCE), -1))
            end = max(end, now + case.seen(one))
        else:
            refusals.append(now)
            heapq.heappush(moments, (now + pause + case.round_trip, 1))
    return Run(end, refusals)


def simulate(case: Case, seed: int) -> Run:
    """Run a case behind a gate."""
    return _Client(case, seed).run()


@define
class _Client:
    case: Case
    seed: int
    draw: random.Random = field(init=False)
    gate: SlotGate = field(init=False)
    now: float = 0.0
    busy: int = 0
    queued: int = 0
    wire: int = 0
    done: int = 0
    wake: float = -1.0
    looks: deque[float] = Factory(deque)
    refusals: list[float] = Factory(list)
    events: list[tuple[float, int, Callable[[float], None], float]] = Factory(list)
    made: int = 0

    def run(self) -> Run:
        self.draw = random.Random(self.seed)
        self.gate = SlotGate(self.draw.random)
        seconds = self.case.seconds(self.seed)
        for when, count in self.case.bursts:
            self.later(when, self.came, count)
        for _, end in self.case.bans:
            self.later(end, self.nothing)
        while self.done < self.case.count:
            self.now, _, act, value = heapq.heappop(self.events)
            if act == self.arrives:
                self.arrives(value, seconds)
            else:
                act(value)
            self.send_looks()
            self.send_submits()
        return Run(self.now, self.refusals)

    def later(self, wait: float, act: Callable[..., None], value: float = 0.0) -> None:
        self.made += 1
        heapq.heappush(self.events, (self.now + wait, self.made, act, value))

    def there(self) -> float:
        return self.case.round_trip / 2 * (0.5 + self.draw.random())

    def send_looks(self) -> None:
        while self.looks and self.wire < WIRE:
            self.wire += 1
            self.later(self.there(), self.look_arrives, self.looks.popleft())

    def send_submits(self) -> None:
        while self.queued and self.wire < WIRE and not self.case.banned(self.now):
            ready = self.gate.ready_at()
            if ready > self.now:
                if ready < math.inf and not self.now < self.wake <= ready:
                    self.wake = ready
                    self.later(ready - self.now, self.nothing)
                return
            self.queued -= 1
            self.wire += 1
            self.gate.start(self.now)
            self.later(self.there(), self.arrives, self.now)

    # What happens

    def nothing(self, _value: float) -> None:
        """Only the time."""

    def came(self, count: float) -> None:
        self.queued += int(count)

    def arrives(self, started: float, seconds: Iterator[float]) -> None:
        back = self.case.round_trip / 2
        if self.busy >= self.case.slots_at(self.now):
            self.later(back, self.refused, started)
            return
        self.busy += 1
        one = next(seconds)
        self.later(one or AT_ONCE, self.freed)
        if one:
            self.later(back, self.accepted, self.now + one)
        else:
            self.later(back + AT_ONCE, self.answered)

    def freed(self, _value: float) -> None:
        self.busy -= 1

    def refused(self, started: float) -> None:
        self.wire -= 1
        self.queued += 1
        self.refusals.append(self.now)
        self.gate.refused(started, self.now)

    def answered(self, _value: float) -> None:
        self.wire -= 1
        self.done += 1
        self.gate.accepted(at_once=True)
        self.gate.ended()

    def accepted(self, ready: float) -> None:
        self.wire -= 1
        self.gate.accepted()
        self.later(self.case.first, self.looks.append, ready)

    def look_arrives(self, ready: float) -> None:
        back = self.case.round_trip / 2
        self.later(back, self.found if ready <= self.now else self.not_ready, ready)

    def found(self, _ready: float) -> None:
        self.wire -= 1
        self.done += 1
        self.gate.ended()

    def not_ready(self, ready: float) -> None:
        self.wire -= 1
        self.later(self.case.interval, self.looks.append, ready)
