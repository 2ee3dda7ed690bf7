"""A service with slots, in virtual time, and the client's gate before it."""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from collections.abc import Callable

from attrs import frozen

from solvestream._core.slots import SlotGate

Solve = Callable[[random.Random], float]


@frozen
class Run:
    end: float
    refused: int
    worst_second: int


def uniform(low: float, high: float) -> Solve:
    return lambda draw: draw.uniform(low, high)


def simulate(
    count: int,
    slots: Callable[[float], int],
    solve: Solve,
    *,
    first: float,
    interval: float,
    seed: int,
    round_trip: float = 0.05,
) -> Run:
    """Run `count` tasks; a slot is free when its answer is ready, and seen free at a look."""
    draw = random.Random(seed)
    gate = SlotGate(random=draw.random)
    events: list[tuple[float, int, str, float]] = [(0.0, 0, "go", 0.0)]
    order = iter(range(1, 10**9))
    refusals: Counter[int] = Counter()
    queued, wire, busy, done, now = count, 0, 0, 0, 0.0

    def later(seconds: float, what: str, value: float = 0.0) -> None:
        heapq.heappush(events, (now + seconds, next(order), what, value))

    while done < count:
        now, _, what, value = heapq.heappop(events)
        if what == "arrive" and busy < slots(now):
            busy += 1
            seconds = solve(draw)
            later(seconds, "free")
            later(round_trip / 2, "accepted", seconds)
        elif what == "arrive":
            later(round_trip / 2, "refused", value)
        elif what == "free":
            busy -= 1
        elif what == "accepted":
            wire -= 1
            gate.accepted(now)
            later(_seen(value, first, interval), "end")
        elif what == "refused":
            wire -= 1
            queued += 1
            refusals[int(now)] += 1
            gate.refused(value, now)
        elif what == "end":
            done += 1
            gate.ended()
        while queued and wire < 64 and (ready := gate.ready_at()) < math.inf:
            if ready > now:
                later(ready - now, "go")
                break
            queued -= 1
            wire += 1
            gate.start()
            later(round_trip / 2 * (0.5 + draw.random()), "arrive", now)
    return Run(now, refusals.total(), max(refusals.values(), default=0))


def greedy(
    count: int, slots: int, solve: Solve, *, first: float, interval: float, seed: int
) -> float:
    """When a client that knows every free slot at once would see its last answer."""
    draw = random.Random(seed)
    free = [0.0] * slots
    end = 0.0
    for _ in range(count):
        start = heapq.heappop(free)
        seconds = solve(draw)
        heapq.heappush(free, start + seconds)
        end = max(end, start + _seen(seconds, first, interval))
    return end


def _seen(seconds: float, first: float, interval: float) -> float:
    return first + interval * max(0, math.ceil((seconds - first) / interval))
