"""How long the parts of a task's way took: spreads with percentiles, and a table of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from solvestream.observe.report.draw import HEAD, LEFT, RIGHT, WIDTH, axis_y, below, line, note, svg
from solvestream.observe.report.markup import Markup, element, join
from solvestream.observe.report.run import Task
from solvestream.observe.report.scales import Scale, decades, seconds, ticks
from solvestream.observe.report.series import FASTEST, PER_DECADE, Spread, spreads

HIGH = 70
"""Pixels a spread is high."""
DRAWN = {
    "queue": "Waiting to be sent: from hand-over to submit",
    "solve": "Solving: from acceptance to the answer seen",
    "take": "Taking: from the answer to the reader who came for it",
}
TOLD = {
    "queue": "waiting to be sent",
    "submit": "submit and its reply",
    "solve": "solving, with looks",
    "take": "waiting for its reader",
    "whole": "hand-over to answer",
}
SHARES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "longest": 1.0}
MARKED = ("p50", "p95", "p99")


def latency(tasks: Sequence[Task]) -> Markup:
    """Draw spreads above one axis of durations, each a power of ten; and the table."""
    found = spreads(tasks)
    drawn = {name: found[name] for name in DRAWN if found[name].values}
    if not drawn:
        return element("p", "No task has ended yet.", class_="hint")
    low = min(spread.values[0] for spread in drawn.values())
    high = max(spread.values[-1] for spread in drawn.values())
    scale = Scale(*_edges(low, high), LEFT, WIDTH - RIGHT, log=True)
    parts = [_spread(DRAWN[name], spread, scale) for name, spread in drawn.items()]
    return join(*parts, _table(found))


def _edges(low: float, high: float) -> tuple[float, float]:
    """Return the powers of ten around durations."""
    first = math.floor(math.log10(max(low, FASTEST)))
    last = math.floor(math.log10(max(high, FASTEST)) + 1e-9) + 1
    return 10.0**first, 10.0 ** max(last, first + 1)


def _spread(title: str, spread: Spread, x: Scale) -> Markup:
    counts = spread.counts()
    steps = ticks(max(counts.values()), 2)
    y = Scale(0, steps[-1], HEAD + HIGH, HEAD)
    bars = [_bar(place, count, x, y) for place, count in sorted(counts.items())]
    found = [(name, spread.percentile(SHARES[name])) for name in reversed(MARKED)]
    marks = (line(x(value), HEAD, x(value), HEAD + HIGH, "mark") for _, value in found)
    said = (_said(name, value, x, level) for level, (name, value) in enumerate(found))
    labels = (below(_decade(at), x(at), y.start) for at in decades(x.low, x.high))
    grid = (axis_y(y(value), f"{value:,.0f}", LEFT, WIDTH - RIGHT) for value in steps)
    words = ", ".join(f"{name} {seconds(value)}" for name, value in found)
    return svg(
        HEAD + HIGH + 24,
        f"{title}: {words}",
        note(f"{title} (tasks)", LEFT, HEAD - 9, "unit"),
        *grid,
        *bars,
        line(LEFT, y.start, WIDTH - RIGHT, y.start, "axis"),
        *labels,
        *marks,
        *said,
    )


def _decade(value: float) -> str:
    return f"{value:,g} s" if value >= 1 else f"{value * 1000:g} ms"


def _bar(place: int, count: int, x: Scale, y: Scale) -> Markup:
    low, high = (10 ** ((place + n) / PER_DECADE) for n in (0, 1))
    left = x(low)
    words = f"{seconds(low)} to {seconds(high)}: {count:,} tasks"
    return element(
        "rect",
        element("title", words),
        x=left,
        y=y(count),
        width=max(1.0, x(high) - left - 1),
        height=y.start - y(count),
        class_="spread",
    )


def _said(name: str, value: float, x: Scale, level: int) -> Markup:
    """Name a percentile on the side where there is room, each at its height."""
    at, text = x(value), f"{name} {seconds(value)}"
    if at > WIDTH - 95:
        return note(text, at - 4, HEAD + 9 + 13 * level, "said end")
    return note(text, at + 4, HEAD + 9 + 13 * level, "said")


def _table(found: Mapping[str, Spread]) -> Markup:
    head = element("tr", *(element("th", text) for text in ("", "tasks", *SHARES)))
    rows = (
        element(
            "tr",
            element("th", words, scope="row"),
            element("td", f"{len(found[name].values):,}"),
            *(_cell(found[name], share) for share in SHARES.values()),
        )
        for name, words in TOLD.items()
    )
    return element("table", element("thead", head), element("tbody", *rows), class_="numbers")


def _cell(spread: Spread, share: float) -> Markup:
    return element("td", seconds(spread.percentile(share)) if spread.values else "-")
