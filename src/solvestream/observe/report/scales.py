"""Scales and their ticks, and how moments and durations are written. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo

from attrs import frozen

STEPS_OF_TIME = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200, 86_400),
)
"""Seconds between ticks that people read easily; beyond, whole days."""


@frozen
class Scale:
    """Maps `low`..`high` to `start`..`end`, in proportion or, with `log`, by powers of ten."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value; what is outside is put at the edge."""
        low, high, inside = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, inside = math.log10(low), math.log10(high), math.log10(inside)
        share = (inside - low) / (high - low) if high > low else 0.0
        return self.start + share * (self.end - self.start)


def round_step(rough: float) -> float:
    """Return the next number of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(rough, 1e-12)))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= rough * 0.999_999)


def time_step(rough: float) -> float:
    """Return the next round number of seconds, minutes, hours or days."""
    days = math.ceil(rough / 86_400) * 86_400.0
    return float(next((step for step in STEPS_OF_TIME if step >= rough * 0.999_999), days))


def ticks(high: float, count: int) -> list[float]:
    """Return round numbers from 0 on; the last is `high` or the next above it, or 1 for 0."""
    high = max(high, 1e-9) if high else 1.0
    step = round_step(high / count)
    return [step * n for n in range(math.ceil(high / step - 1e-9) + 1)]


def decades(low: float, high: float) -> Iterator[float]:
    """Yield the powers of ten between two numbers, with both where they are some."""
    for power in range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1):
        yield 10.0**power


def amount(value: float) -> str:
    """Write a number with three digits that count: `0.25`, `12.5`, `3,400`."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1e}"


def seconds(value: float) -> str:
    """Write a duration with its unit: `0 s`, `250 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if not value:
        return "0 s"
    if value < 0.9995:
        return f"{value * 1000:.3g} ms"
    if value < 120:
        return f"{value:.3g} s"
    big, small, names = (60, 1, "min s") if value < 7200 else (3600, 60, "h min")
    name, rest = names.split()
    whole, part = divmod(round(value / small), big // small)
    return f"{whole:,} {name} {part} {rest}" if part else f"{whole:,} {name}"


@frozen
class Clock:
    """Writes moments in one time zone, fixed for the page so that its times can be compared.

    Attributes:
        offset: seconds east of UTC.
    """

    offset: float

    @classmethod
    def at(cls, moment: float, zone: tzinfo | None = None) -> Clock:
        """Return the clock of a zone at a moment; `None`: this machine's own."""
        try:
            offset = datetime.fromtimestamp(moment, zone).astimezone(zone).utcoffset()
        except (OverflowError, OSError, ValueError):
            offset = None
        return cls((offset or timedelta()).total_seconds())

    @property
    def zone(self) -> str:
        """The offset as people write it: `UTC+02:00`."""
        return timezone(timedelta(seconds=self.offset)).tzname(None)

    def write(self, moment: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
        """Write a moment; `?` for one that no calendar has."""
        try:
            return f"{self._local(moment):{form}}"
        except (OverflowError, OSError, ValueError):
            return "?"

    def label(self, moment: float, step: float) -> str:
        """Write a moment as a tick's label, as exactly as the step between ticks asks for."""
        if step >= 86_400:
            return self.write(moment, "%m-%d")
        if step >= 60:
            return self.write(moment, "%H:%M")
        if step >= 1:
            return self.write(moment, "%H:%M:%S")
        return self.write(moment, "%S.%f")[:-3] + " s"

    def ticks(self, low: float, high: float, count: int) -> list[tuple[float, str]]:
        """Return round moments and their labels."""
        step = time_step((high - low) / count)
        first = math.ceil((low + self.offset) / step - 1e-6)
        last = math.floor((high + self.offset) / step + 1e-6)
        moments = (n * step - self.offset for n in range(first, last + 1))
        return [(moment, self.label(moment, step)) for moment in moments]

    def _local(self, moment: float) -> datetime:
        return datetime.fromtimestamp(moment, timezone(timedelta(seconds=self.offset)))
