"""Numbers of a run: rates over time, levels over time, spreads of durations. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from attrs import frozen

from solvestream._journal.values import Sample
from solvestream.observe.report.run import Run, Task
from solvestream.observe.report.scales import time_step

BINS = 120
"""Bins of time at most."""
FASTEST, SLOWEST = 0.001, 1e6
"""Seconds at the edges of a spread of durations; what is outside is counted there."""
PER_DECADE = 10
"""Bins of a spread for each power of ten."""

Interval = tuple[float, float]


@frozen
class Bins:
    """Equal spans of time over a run, on round moments.

    Attributes:
        start: of the first, in seconds since the epoch.
        width: seconds.
        count: at least 1.
    """

    start: float
    width: float
    count: int

    @classmethod
    def over(cls, begin: float, end: float) -> Bins:
        """Return at most 120 bins that hold both moments."""
        width = time_step(max(end - begin, 0.001) / (BINS - 2))
        start = math.floor(begin / width) * width
        return cls(start, width, int((end - start) / width) + 1)

    @property
    def end(self) -> float:
        """When the last one ends."""
        return self.start + self.count * self.width

    def of(self, moment: float) -> int:
        """Return the bin of a moment; the nearest for one outside."""
        return min(max(int((moment - self.start) / self.width), 0), self.count - 1)

    def rate(self, moments: Iterable[float]) -> list[float]:
        """Return how many moments a second fall into each bin."""
        return self.total((moment, 1 / self.width) for moment in moments)

    def total(self, amounts: Iterable[tuple[float, float]]) -> list[float]:
        """Return the sum of what came in each bin."""
        sums = [0.0] * self.count
        for moment, one in amounts:
            sums[self.of(moment)] += one
        return sums

    def level(self, intervals: Iterable[Interval]) -> list[float]:
        """Return how many intervals there were at once, the most in each bin."""
        changes = sorted(
            change for begin, end in intervals for change in ((begin, 1), (max(begin, end), -1))
        )
        most, now, place = [0.0] * self.count, 0, 0
        for moment, change in changes:
            at = self.of(moment)
            for between in range(place + 1, at + 1):
                most[between] = now
            place = at
            now += change
            most[at] = max(most[at], now)
        return most

    def last(self, values: Sequence[tuple[float, float]]) -> list[float]:
        """Return what a value was at the end of each bin; `nan` before the first."""
        moments = [moment for moment, _ in values]
        ends = (self.start + self.width * (n + 1) for n in range(self.count))
        places = (bisect_right(moments, end) for end in ends)
        return [values[place - 1][1] if place else math.nan for place in places]


@frozen
class Spread:
    """How long something took, over many tasks.

    Attributes:
        values: seconds, from short to long.
    """

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the spread of durations in any order; none is less than 0."""
        return cls(tuple(sorted(max(0.0, value) for value in values)))

    def percentile(self, share: float) -> float:
        """Return the value that this share (0 to 1) does not exceed (nearest rank)."""
        return self.values[max(0, math.ceil(share * len(self.values)) - 1)]

    def counts(self) -> dict[int, int]:
        """Return how many fall into each bin; bin n begins at 10 ** (n / 10) seconds."""
        found: dict[int, int] = {}
        for value in self.values:
            place = math.floor(math.log10(min(max(value, FASTEST), SLOWEST)) * PER_DECADE + 1e-9)
            found[place] = found.get(place, 0) + 1
        return found


def spreads(tasks: Sequence[Task]) -> dict[str, Spread]:
    """Return how long each part of the way took, for the tasks that have it behind them."""
    parts: Mapping[str, Callable[[Task], float | None]] = {
        "queue": lambda task: task.submitted - task.queued,
        "submit": lambda task: _between(task.submitted, task.accepted),
        "solve": lambda task: _between(task.accepted, task.ended),
        "take": lambda task: _between(task.ended, task.taken),
        "whole": lambda task: _between(task.queued, task.ended),
    }
    return {
        name: Spread.of(value for task in tasks if (value := part(task)) is not None)
        for name, part in parts.items()
    }


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else end - begin


def in_flight(run: Run, account: str) -> list[Interval]:
    """Return from when to when the tasks of an account were on the wire or at the service."""
    end = run.end
    return [
        (task.submitted, end if task.ended is None else task.ended)
        for task in run.tasks
        if task.account == account
    ]


def growth(samples: Sequence[Sample], name: str) -> list[tuple[float, float]]:
    """Return by how much a counter grew before each sample; it begins at 0 in each process."""
    values = [(sample.at, float(getattr(sample, name))) for sample in samples]
    steps = pairwise([(0.0, 0.0), *values])
    return [(at, now - before if now >= before else now) for (_, before), (at, now) in steps]


def spans(samples: Sequence[Sample], name: str, end: float) -> list[tuple[Interval, str]]:
    """Return from when to when a state held; a sample holds until the next."""
    found: list[tuple[Interval, str]] = []
    untils = [*(sample.at for sample in samples[1:]), end]
    for sample, until in zip(samples, untils, strict=False):
        state = str(getattr(sample, name))
        if found and found[-1][1] == state:
            found[-1] = (found[-1][0][0], until), state
        else:
            found.append(((sample.at, until), state))
    return found
