"""The parts that charts are made of: a plot with axes, columns, steps, strips. All SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from attrs import frozen

from solvestream.observe.report.markup import Markup, element, join, number
from solvestream.observe.report.scales import Clock, Scale, amount, ticks
from solvestream.observe.report.series import Bins, Interval

WIDTH = 900
LEFT, RIGHT = 56, 12
"""Pixels beside a plot, for labels."""
HEAD = 22
"""Pixels above it."""


@frozen
class Plot:
    """A plot of something over time.

    Attributes:
        bins: spans of time along it.
        y: from values to pixels.
        clock: writes its times.
    """

    bins: Bins
    y: Scale
    clock: Clock

    @classmethod
    def of(cls, bins: Bins, most: float, clock: Clock, height: float) -> Plot:
        """Return a plot of values from 0 to `most`."""
        return cls(bins, Scale(0, ticks(most, 4)[-1], HEAD + height, HEAD), clock)

    @property
    def x(self) -> Scale:
        """From moments to pixels."""
        return Scale(self.bins.start, self.bins.end, LEFT, WIDTH - RIGHT)

    def axes(self, unit: str) -> Markup:
        """Return grid, labels and the unit."""
        rows = (
            axis_y(self.y(value), amount(value), LEFT, WIDTH - RIGHT)
            for value in ticks(self.y.high, 4)
        )
        return join(self.times(self.y.start), *rows, note(unit, LEFT, HEAD - 9, "unit"))

    def times(self, bottom: float) -> Markup:
        """Return the axis of time, drawn below `bottom`."""
        found = self.clock.ticks(self.bins.start, self.bins.end, 8)
        labels = (below(label, self.x(at), bottom) for at, label in found)
        marks = (line(self.x(at), bottom, self.x(at), bottom + 4, "axis") for at, _ in found)
        return join(line(LEFT, bottom, WIDTH - RIGHT, bottom, "axis"), *marks, *labels)

    def columns(self, values: Sequence[float], of: Sequence[float], kind: str) -> Markup:
        """Return a column for each bin that is not empty, standing on those of `of`."""
        wide = (WIDTH - LEFT - RIGHT) / self.bins.count
        path = "".join(
            f"M{number(LEFT + n * wide)} {number(self.y(low + value))}"
            f"h{number(max(wide - 0.5, 0.5))}V{number(self.y(low))}h-{number(max(wide - 0.5, 0.5))}z"
            for n, (value, low) in enumerate(zip(values, of, strict=True))
            if value > 0
        )
        return element("path", d=path, class_=kind)

    def steps(self, values: Sequence[float], kind: str, *, filled: bool = False) -> Markup:
        """Return a line through all bins, broken where there is no finite value."""
        wide = (WIDTH - LEFT - RIGHT) / self.bins.count
        parts: list[str] = []
        for finite, run in groupby(enumerate(values), key=lambda pair: math.isfinite(pair[1])):
            if not finite:
                continue
            points = list(run)
            start = number(LEFT + points[0][0] * wide)
            moves = "".join(
                f"V{number(self.y(value))}H{number(LEFT + (n + 1) * wide)}" for n, value in points
            )
            base = number(self.y.start)
            first = base if filled else number(self.y(points[0][1]))
            parts.append(f"M{start} {first}{moves}{f'V{base}z' if filled else ''}")
        return element("path", d="".join(parts), class_=kind)

    def says(self, words: Iterable[str]) -> Markup:
        """Return what a pointer over each bin is told; bins with nothing to say have none."""
        wide = (WIDTH - LEFT - RIGHT) / self.bins.count
        high = self.y.start - self.y.end
        form = "%H:%M:%S" if self.bins.width >= 1 else "%H:%M:%S.%f"
        return join(
            *(
                element(
                    "rect",
                    element(
                        "title",
                        f"{self.clock.write(self.bins.start + n * self.bins.width, form)}  {text}",
                    ),
                    x=LEFT + n * wide,
                    y=self.y.end,
                    width=wide,
                    height=high,
                    class_="say",
                )
                for n, text in enumerate(words)
                if text
            )
        )

    def strip(
        self, found: Iterable[tuple[Interval, str]], kinds: dict[str, str], top: float, name: str
    ) -> Markup:
        """Return a line of states over time; `kinds` gives the class of each that is drawn."""
        bars = [
            element(
                "rect",
                element("title", f"{name} {state}: {self._from_to(begin, end)}"),
                x=self.x(begin),
                y=top,
                width=max(1.0, self.x(end) - self.x(begin)),
                height=8,
                class_=kinds[state],
            )
            for (begin, end), state in found
            if state in kinds
        ]
        back = element("rect", x=LEFT, y=top, width=WIDTH - LEFT - RIGHT, height=8, class_="strip")
        label = element("text", name, x=LEFT - 6, y=top + 8, class_="tick end")
        return join(back, *bars, label)

    def _from_to(self, begin: float, end: float) -> str:
        return f"{self.clock.write(begin, '%H:%M:%S')} to {self.clock.write(end, '%H:%M:%S')}"


def svg(height: float, title: str, *inside: str) -> Markup:
    """Return a drawing that is as wide as the page, with words for those who cannot see it."""
    return element(
        "svg",
        element("title", title),
        *inside,
        viewBox=f"0 0 {WIDTH} {number(height)}",
        role="img",
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def note(text: str, x: float, y: float, kind: str = "tick") -> Markup:
    """Return a text at a place."""
    return element("text", text, x=x, y=y, class_=kind)


def below(label: str, x: float, bottom: float) -> Markup:
    """Return the label of a tick under an axis; the last one ends at the edge."""
    return note(label, x, bottom + 16, "tick end" if x > WIDTH - 40 else "tick mid")


def axis_y(y: float, label: str, left: float, right: float) -> Markup:
    """Return a line of the grid with its label."""
    return join(line(left, y, right, y, "grid"), note(label, left - 6, y + 4, "tick end"))


def legend(entries: Iterable[tuple[str, str]]) -> Markup:
    """Return what the colours mean, as HTML: pairs of class and words."""
    return element(
        "p",
        *(
            element(
                "span",
                element("svg", _icon(kind), width=12, height=12, aria_hidden="true"),
                f" {words}",
            )
            for kind, words in entries
        ),
        class_="legend",
    )


def _icon(kind: str) -> Markup:
    """Return a square of a colour; a look is a line across what it is part of."""
    if kind == "look":
        return join(_icon("solve"), element("path", d="M6 0v12", class_="look"))
    return element("rect", width=12, height=12, class_=kind)
