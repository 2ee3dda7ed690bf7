"""The charts over time: answers, tasks in flight with gate and refusals, money."""

from __future__ import annotations

import math
from collections.abc import Sequence

from attrs import frozen

from solvestream._journal.values import Sample
from solvestream.observe.report.draw import HEAD, Plot, legend, note, svg
from solvestream.observe.report.markup import Markup, element, join
from solvestream.observe.report.run import Run
from solvestream.observe.report.scales import Clock, amount
from solvestream.observe.report.series import Bins, growth, in_flight, spans

TALL, LOW = 150, 48
"""Pixels that plots are high."""
FAR = 3
"""A limit more than so many times above the most in flight is told in words."""
REFUSALS = {"refused": "no slot", "throttled": "too fast", "troubles": "no proper reply"}
GATE = {"closed": "gate-closed"}
IN_PEACE = "No submit was refused, nothing was throttled, and every reply was a proper one."
NOT_THERE = "Limits, refusals, gate and breaker are not in this journal."
BREAKER = {"open": "breaker-open", "half-open": "breaker-half"}


@frozen
class Charts:
    """Draws a run over time.

    Attributes:
        run: what is drawn.
        bins: the same for all charts of the page, so that they can be read together.
        clock: writes times.
    """

    run: Run
    bins: Bins
    clock: Clock

    @classmethod
    def of(cls, run: Run, clock: Clock) -> Charts:
        """Return the charts of a run."""
        return cls(run, Bins.over(run.begin, run.end), clock)

    def throughput(self) -> Markup:
        """Draw how many tasks a second were answered, and how many ended without an answer."""
        ended = [(task.ended, task.state) for task in self.run.tasks if task.ended is not None]
        good = self.bins.rate(at for at, state in ended if state == "solved")
        bad = self.bins.rate(at for at, state in ended if state != "solved")
        most = max(map(sum, zip(good, bad, strict=True)))
        plot = Plot.of(self.bins, most, self.clock, TALL)
        words = [_words(solved=one, failed=two) for one, two in zip(good, bad, strict=True)]
        drawing = svg(
            HEAD + TALL + 24,
            f"Tasks that ended a second, over time: {amount(most)} at most",
            plot.axes("tasks a second"),
            plot.columns(good, [0.0] * len(good), "solved"),
            plot.columns(bad, good, "failed"),
            plot.says(words),
        )
        return join(legend([("solved", "answered"), ("failed", "ended without answer")]), drawing)

    def account(self, name: str) -> Markup:
        """Draw an account: in flight against its limit, refusals, gate and breaker."""
        samples = [sample for sample in self.run.samples if sample.account == name]
        entries = [("in-flight", "in flight"), ("limit-key", "limit, known or learned")]
        drawn = [legend(entries), self._in_flight(name, samples)]
        if samples and not self._in_peace(samples):
            kinds = [("refused", "no slot, gate closed"), ("throttled", "too fast")]
            kinds += [("troubles", "no proper reply, breaker open"), ("breaker-half", "half-open")]
            drawn += [legend(kinds), self._refusals(samples)]
        else:
            drawn.append(element("p", IN_PEACE if samples else NOT_THERE, class_="hint"))
        return join(*drawn)

    def _in_peace(self, samples: Sequence[Sample]) -> bool:
        counted = any(getattr(one, name) for one in samples for name in REFUSALS)
        return not counted and all((one.gate, one.breaker) == ("open", "closed") for one in samples)

    def _in_flight(self, name: str, samples: Sequence[Sample]) -> Markup:
        levels = self.bins.level(in_flight(self.run, name))
        limits = self.bins.last([(one.at, one.limit) for one in samples])
        most = max(1.0, *levels)
        near = [value if value <= FAR * most else math.inf for value in limits]
        high = max([most, *filter(math.isfinite, near)])
        plot = Plot.of(self.bins, high, self.clock, TALL)
        pairs = zip(levels, limits, strict=True)
        beyond = max((value for value in limits if most * FAR < value < math.inf), default=None)
        far = "" if beyond is None else f"limit up to {amount(beyond)}, above the plot"
        if samples and not any(map(math.isfinite, limits)):
            far = "no limit is known"
        return svg(
            HEAD + TALL + 24,
            f"Tasks in flight at {name}, over time: {amount(most)} at most",
            plot.axes("tasks"),
            plot.steps(levels, "in-flight", filled=True),
            plot.steps(near, "limit"),
            note(far, 888, HEAD - 9, "tick end"),
            plot.says([_level(*pair) for pair in pairs]),
        )

    def _refusals(self, samples: Sequence[Sample]) -> Markup:
        rates = {name: self._rate(samples, name) for name in REFUSALS}
        sums = [sum(values) for values in zip(*rates.values(), strict=True)]
        plot = Plot.of(self.bins, max(sums), self.clock, LOW)
        stacked: list[Markup] = []
        below = [0.0] * self.bins.count
        for name, values in rates.items():
            stacked.append(plot.columns(values, below, name))
            below = [low + value for low, value in zip(below, values, strict=True)]
        words = [
            _words(**{REFUSALS[name]: values[n] for name, values in rates.items()})
            for n in range(self.bins.count)
        ]
        end = self.run.end
        top = HEAD + LOW + 26
        return svg(
            top + 32,
            f"Refusals a second, over time: {amount(max(sums))} at most; gate and breaker",
            plot.axes("refusals a second"),
            *stacked,
            plot.says(words),
            plot.strip(spans(samples, "gate", end), GATE, top, "gate"),
            plot.strip(spans(samples, "breaker", end), BREAKER, top + 16, "breaker"),
        )

    def _rate(self, samples: Sequence[Sample], name: str) -> list[float]:
        return [one / self.bins.width for one in self.bins.total(growth(samples, name))]

    def spend(self) -> Markup:
        """Draw what was spent since the beginning; nothing where no service told its price."""
        paid = [(task.ended, task.cost) for task in self.run.tasks if task.ended and task.cost]
        if not paid:
            return Markup()
        total, sums = 0.0, list[float]()
        for one in self.bins.total((at, cost) for at, cost in paid):
            total += one
            sums.append(total)
        plot = Plot.of(self.bins, total, self.clock, LOW * 2)
        return svg(
            HEAD + LOW * 2 + 24,
            f"USD spent since the beginning, over time: {amount(total)} in all",
            plot.axes("USD spent so far"),
            plot.steps(sums, "spent", filled=True),
            plot.says([f"{amount(one)} USD" for one in sums]),
        )


def _words(**rates: float) -> str:
    return ", ".join(f"{amount(rate)}/s {name}" for name, rate in rates.items() if rate)


def _level(level: float, limit: float) -> str:
    if not level:
        return ""
    return f"{level:,.0f} in flight" + (f" of {amount(limit)}" if math.isfinite(limit) else "")
