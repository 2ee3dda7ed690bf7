"""The slowest tasks as a drawing that needs no script: each on a line, from its hand-over."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from solvestream.observe.report.draw import WIDTH, line, note, svg
from solvestream.observe.report.markup import Markup, element, number
from solvestream.observe.report.run import Task
from solvestream.observe.report.scales import Scale, seconds, time_step

COUNT = 100
"""Tasks drawn."""
ROW = 15
"""Pixels each takes."""
NAMES = 210
"""Pixels for their names."""
AFTER = 180
"""Pixels for how long they took, and their errors."""
LETTERS = 32
"""Letters of a name that fit."""


def slowest(tasks: Sequence[Task]) -> Markup:
    """Draw the 100 tasks that took longest; nothing where there is none."""
    found = heapq.nlargest(COUNT, tasks, key=lambda task: task.seconds)
    if not found:
        return element("p", "No task is in this journal.", class_="hint")
    x = Scale(0, max(found[0].seconds, 0.001), NAMES, WIDTH - AFTER)
    high = 24 + ROW * len(found)
    step = time_step(x.high / 6)
    moments = [n * step for n in range(int(x.high / step + 1e-6) + 1)]
    return svg(
        high + 4,
        f"The {len(found)} tasks that took longest, from their hand-over",
        *(line(x(at), 20, x(at), high, "grid") for at in moments),
        *(note(seconds(at) if at else "0", x(at), 14, "tick mid") for at in moments),
        *(_row(task, 24 + ROW * n, x) for n, task in enumerate(found)),
    )


def _row(task: Task, top: float, x: Scale) -> Markup:
    name = task.name if len(task.name) <= LETTERS else f"…{task.name[1 - LETTERS :]}"
    at = {"y": top + 2, "height": ROW - 5}
    bars = (
        element("rect", x=x(low), width=max(0.8, x(high) - x(low)), class_=kind, **at)
        for kind, low, high in phases(task)
    )
    path = "".join(f"M{number(x(one - task.queued))} {top + 2}v{ROW - 5}" for one in task.looked)
    end = x(task.seconds) + 5
    said = f"{seconds(task.seconds)}{f' {task.error}' if task.error else ''}"
    return element(
        "g",
        element("title", words(task)),
        note(name, NAMES - 8, top + 10, "tick end"),
        *bars,
        element("path", d=path, class_="look") if path else "",
        note(said, end, top + 10, "tick bad" if task.error else "tick"),
    )


def phases(task: Task) -> Iterator[tuple[str, float, float]]:
    """Yield class, begin and end of each part of a task's way, in seconds from its hand-over."""
    moments = (
        ("wait", task.submitted),
        ("send", task.accepted),
        ("solve", task.ended),
        ("take", task.taken),
    )
    before = task.queued
    for name, moment in moments:
        if moment is not None:
            if moment > before:
                yield name, before - task.queued, moment - task.queued
            before = max(before, moment)


def words(task: Task) -> str:
    """Say a task's way in a line."""
    told = {"wait": "to be sent", "send": "submit", "solve": "solving", "take": "for its reader"}
    parts = (f"{seconds(high - low)} {told[name]}" for name, low, high in phases(task))
    looked = f"{task.looks} {'look' if task.looks == 1 else 'looks'}"
    why = " ".join(filter(None, (task.error, task.code, task.why)))
    return ", ".join(filter(None, (f"{task.name}: {task.state}", *parts, looked, why)))
