"""What goes wrong, how often and when: all drawn from one seed."""

from __future__ import annotations

import random
from typing import Literal

from attrs import define, field, frozen

PeriodKind = Literal["refusing", "dark", "full", "ban", "broke", "trouble", "throttling"]

SUBMIT_FAULTS = (
    "not_sent",
    "at_once",
    "part",
    "lost_before",
    "lost_after",
    "no_evidence",
    "slow",
    "cut",
    "cut_open",
    "junk_before",
    "junk_after",
    "old_id",
    "throttled",
    "refused_input",
)
LOOK_FAULTS = (
    "not_sent",
    "at_once",
    "part",
    "lost_before",
    "lost_after",
    "no_evidence",
    "slow",
    "cut",
    "junk_before",
    "stale",
    "misfit",
    "throttled",
)
RETRY_AFTER = ("0", "1", "7", "1e309", "nan", "-5", "9" * 400, "Wed, 21 Oct 2015 07:28:00", "", "x")


@frozen
class Period:
    """A time in which every request meets the same trouble."""

    kind: PeriodKind
    start: float
    end: float


@define(eq=False)
class Weather:
    """The troubles of one service.

    Attributes:
        submits, looks: share of exchanges that meet a fault.
        latency: least and most seconds to the service and back.
        cold: share of exchanges that wait for a connection first.
        slots: how many tasks it works on at once, from which moment on.
        work: least and most seconds of work on a task.
        unsolvable: share of tasks.
        odd: share of answers that hold `|`, the word ERROR, or odd letters.
        forgets: share of orders that the service forgets early.
        old_answers: replies given out twice may hold answers.
    """

    random: random.Random
    submits: float = 0.0
    looks: float = 0.0
    latency: tuple[float, float] = (0.02, 0.3)
    cold: float = 0.1
    slots: list[tuple[float, float]] = field(factory=list)
    work: tuple[float, float] = (1.0, 30.0)
    unsolvable: float = 0.0
    odd: float = 0.0
    forgets: float = 0.0
    old_answers: bool = True
    periods: list[Period] = field(factory=list)
    submit_faults: tuple[str, ...] = SUBMIT_FAULTS
    look_faults: tuple[str, ...] = LOOK_FAULTS

    def slots_at(self, now: float) -> float:
        """Return how many tasks the service works on at once."""
        found = float("inf")
        for since, slots in self.slots:
            if since <= now:
                found = slots
        return found

    def period(self, now: float) -> Period | None:
        """Return the trouble of the moment."""
        for period in self.periods:
            if period.start <= now < period.end:
                return period
        return None

    def fault(self, *, submit: bool) -> str:
        """Draw the fault of an exchange; empty for none."""
        share, faults = (
            (self.submits, self.submit_faults) if submit else (self.looks, self.look_faults)
        )
        if not share or self.random.random() >= share:
            return ""
        return self.random.choice(faults)

    def delay(self) -> float:
        """Draw the seconds of half an exchange."""
        low, high = self.latency
        return (low + (high - low) * self.random.random()) / 2

    def connecting(self) -> float:
        """Draw the seconds before the first byte leaves."""
        draw = self.random.random()
        return 0.0 if draw >= self.cold else draw * 3


PERIODS: dict[PeriodKind, tuple[float, float]] = {
    "refusing": (5, 90),
    "dark": (5, 70),
    "full": (5, 120),
    "ban": (300, 300),
    "broke": (20, 120),
    "trouble": (5, 120),
    "throttling": (5, 60),
}
"""Kinds of period, and their seconds at least and at most."""


def draw_weather(chance: random.Random, start: float) -> Weather:
    """Draw the troubles of one service: from a calm day to a very bad one."""
    bad = chance.choice((0.0, 0.02, 0.1, 0.3, 0.6))
    weather = Weather(random.Random(chance.random()))
    weather.submits = bad * chance.choice((0.0, 0.5, 1.0))
    weather.looks = bad * chance.choice((0.0, 0.5, 1.0))
    weather.latency = chance.choice(((0.001, 0.002), (0.02, 0.3), (0.2, 2.0)))
    weather.cold = chance.choice((0.0, 0.1, 1.0))
    weather.work = chance.choice(((0.0, 5.0), (1.0, 30.0), (8.0, 16.0), (20.0, 120.0)))
    weather.unsolvable = chance.choice((0.0, 0.05))
    weather.odd = chance.choice((0.0, 0.2))
    weather.forgets = chance.choice((0.0, 0.0, 0.03))
    moment = start
    for _ in range(chance.choice((0, 0, 1, 2, 4))):
        moment += chance.uniform(1, 60)
        kind = chance.choice(list(PERIODS))
        low, high = PERIODS[kind]
        weather.periods.append(Period(kind, moment, moment + chance.uniform(low, high)))
        moment = weather.periods[-1].end
    if chance.random() < 0.4:
        moment = start
        for _ in range(chance.choice((1, 3, 6))):
            weather.slots.append((moment, chance.choice((1, 3, 10, 30, 100))))
            moment += chance.uniform(5, 90)
    return weather
