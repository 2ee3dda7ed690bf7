"""`--fail-if "p95>60"`: conditions on the figures of a run, for CI."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable

from attrs import frozen

from solvestream import UsageError
from solvestream.errors import shorten
from solvestream.observe.histogram import Histogram
from solvestream.observe.tally import Tally

Figure = Callable[[Tally], float | None]


def _percentile(times: Callable[[Tally], Histogram], share: float) -> Figure:
    return lambda tally: times(tally).percentile(share)


def _per(count: Callable[[Tally], float], of: Callable[[Tally], float]) -> Figure:
    return lambda tally: count(tally) / of(tally) if of(tally) else None


METRICS: dict[str, tuple[str, Figure]] = {
    "accuracy": ("share of right answers, where the truth is given", lambda tally: tally.accuracy),
    "solved": ("tasks solved", lambda tally: tally.solved),
    "failed": ("tasks failed", lambda tally: tally.failed),
    "failure_rate": (
        "share of tasks failed",
        _per(lambda tally: tally.failed, lambda tally: tally.ended),
    ),
    **{
        f"p{share}": (
            "seconds from submit to answer",
            _percentile(lambda tally: tally.latency, share / 100),
        )
        for share in (50, 95, 99)
    },
    **{
        f"elapsed_p{share}": (
            "the same, with the wait for a slot",
            _percentile(lambda tally: tally.elapsed, share / 100),
        )
        for share in (50, 95, 99)
    },
    **{
        f"exchange_p{share}": (
            "seconds of a request",
            _percentile(lambda tally: tally.exchange, share / 100),
        )
        for share in (50, 95, 99)
    },
    "looks": (
        "looks per task",
        _per(lambda tally: tally.looks_of_ended, lambda tally: tally.ended),
    ),
    "rate": ("solved per second", _per(lambda tally: tally.solved, lambda tally: tally.duration)),
    "refused": ("submits refused", lambda tally: tally.refused),
    "spent": ("USD", lambda tally: tally.spent),
    "duration": ("seconds of the run", lambda tally: tally.duration),
}
"""What a condition may be on: what it is, and how it is read. `None` where nothing was measured."""

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_CONDITION = re.compile(r"\s*(\w+)\s*([<>]=?|[=!]=)\s*(-?[\d.]+(?:e-?\d+)?)\s*", re.ASCII)


@frozen
class Threshold:
    """A condition under which a run has failed: metric, operator, number.

    Attributes:
        text: as the user gave it.
    """

    text: str
    metric: str
    sign: str
    bound: float

    @classmethod
    def of(cls, text: str) -> Threshold:
        """Read a condition. Raises `UsageError` for what is none, and for an unknown metric."""
        found = _CONDITION.fullmatch(text)
        try:
            metric, sign, number = found.groups() if found else ("", "", "")
            bound = float(number)
        except ValueError:
            why = 'give metric, operator and number, as "p95>60"'
            raise UsageError(f"--fail-if={shorten(text)}: {why}") from None
        if metric not in METRICS:
            names = ", ".join(METRICS)
            raise UsageError(f"--fail-if={shorten(text)}: there is no {metric}; there are {names}")
        return cls(text, metric, sign, bound)

    def broken(self, tally: Tally) -> str | None:
        """Return what was found, if the run has failed by it; `None` if not.

        What could not be measured has failed: nobody knows that it is good.
        """
        what, read = METRICS[self.metric]
        value = read(tally)
        if value is None:
            return f"failed: {self.text}: nothing to measure ({what})"
        if _OPERATORS[self.sign](value, self.bound):
            return f"failed: {self.text}: it is {value:.4g} ({what})"
        return None


def broken(thresholds: Iterable[Threshold], tally: Tally) -> list[str]:
    """Return what was found wrong, a line each."""
    return [line for one in thresholds if (line := one.broken(tally)) is not None]
