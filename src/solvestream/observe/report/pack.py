"""The tasks as data for the page's own script: columns of whole numbers, packed.

A page has to open at once and to be small enough to send, so what it can hold is bounded: it
gets as much detail as fits, in the steps of `LADDER`, and says what it left out.
"""

from __future__ import annotations

import base64
import heapq
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any

from attrs import evolve, frozen

from solvestream.observe.report.run import Run, Task
from solvestream.observe.report.series import spans

CLOSED = 2_000
"""Spans of closed gates that are told for each account, the last ones."""


@frozen(kw_only=True)
class Detail:
    """How much of each task is packed.

    Attributes:
        tasks: at most; those without answer first, then the slowest.
        unit: seconds to which moments are rounded.
        looks: moments of looks for each task at most, the last ones.
        ids: characters of the services' ids, the first ones.
    """

    tasks: int
    unit: float = 0.001
    looks: int = 100
    ids: int = 120


LADDER = (
    Detail(tasks=50_000),
    Detail(tasks=50_000, ids=10),
    Detail(tasks=50_000, unit=0.01, looks=20, ids=10),
    Detail(tasks=50_000, unit=0.1, looks=5, ids=8),
)
"""Detail that is tried, the most first; then half of the tasks, and half of these."""


@frozen
class Packed:
    """What the page's script gets.

    Attributes:
        text: base64 of deflated JSON.
        detail: how much of each task is in it.
        tasks: how many there are.
    """

    text: str
    detail: Detail
    tasks: int


def pack(run: Run, offset: float, room: int) -> Packed:
    """Pack the tasks of a run into at most `room` bytes, or none of them where none fits.

    Args:
        run: whose tasks.
        offset: seconds east of UTC, for the script's clock.
        room: bytes.
    """
    tried = (_pack(run, offset, detail) for detail in _details())
    return next(one for one in tried if len(one.text) <= room or not one.tasks)


def _pack(run: Run, offset: float, detail: Detail) -> Packed:
    tasks = _chosen(run.tasks, detail.tasks)
    columns = _columns(run, tasks, detail) | {"offset": offset}
    text = json.dumps(columns, separators=(",", ":")).encode()
    return Packed(base64.b64encode(zlib.compress(text)).decode(), detail, len(tasks))


def _details() -> Iterator[Detail]:
    yield from LADDER
    last = LADDER[-1]
    while last.tasks:
        last = evolve(last, tasks=last.tasks // 2)
        yield last


def _chosen(tasks: Sequence[Task], count: int) -> Sequence[Task]:
    if len(tasks) <= count:
        return tasks
    chosen = heapq.nlargest(count, tasks, key=lambda task: (task.state != "solved", task.seconds))
    return sorted(chosen, key=lambda task: task.queued)


def _columns(run: Run, tasks: Sequence[Task], detail: Detail) -> dict[str, Any]:
    """Return the columns; moments are whole units, counted from the moment before."""
    begin = tasks[0].queued if tasks else run.begin
    unit = detail.unit

    def units(moment: float) -> int:
        return round((moment - begin) / unit)

    def since(moments: Iterable[tuple[float | None, float]]) -> list[int]:
        """Return spans from one moment to another; -1 for those that are to come."""
        return [-1 if at is None else max(0, units(at) - units(low)) for at, low in moments]

    looked = [task.looked[-detail.looks :] for task in tasks]
    steps = (
        since(_steps((task.accepted or task.submitted, *moments)))
        for task, moments in zip(tasks, looked, strict=True)
    )
    return {
        "unit": unit,
        "begin": begin,
        "queued": since(_steps([begin, *(task.queued for task in tasks)])),
        "submitted": since((task.submitted, task.queued) for task in tasks),
        "accepted": since((task.accepted, task.submitted) for task in tasks),
        "ended": since((task.ended, task.accepted or task.submitted) for task in tasks),
        "taken": since((task.taken, task.ended or task.submitted) for task in tasks),
        "looks": [task.looks for task in tasks],
        "seen": [len(moments) for moments in looked],
        "looked": list(chain.from_iterable(steps)),
        "name": [task.name for task in tasks],
        "id": [task.task_id[: detail.ids] for task in tasks],
        "cut": detail.ids,
        "closed": _closed(run, units),
        **_words(tasks),
    }


def _steps(moments: Iterable[float]) -> Iterator[tuple[float, float]]:
    """Yield each moment but the first, with the one before it."""
    return ((after, before) for before, after in pairwise(moments))


def _words(tasks: Sequence[Task]) -> dict[str, Any]:
    """Return columns of words that come again and again, as numbers of a list."""
    columns: dict[str, list[str]] = {
        "account": [task.account for task in tasks],
        "kind": [task.kind for task in tasks],
        "state": [str(task.state) for task in tasks],
        "error": [" ".join(filter(None, (task.error, task.code, task.why))) for task in tasks],
    }
    found: dict[str, Any] = {}
    for name, values in columns.items():
        words = {word: number for number, word in enumerate(dict.fromkeys(values))}
        found[name] = [words[value] for value in values]
        found[f"{name}s"] = list(words)
    return found


def _closed(run: Run, units: Callable[[float], int]) -> dict[str, list[tuple[int, int]]]:
    """Return from when to when each account's gate was closed."""
    found: dict[str, list[tuple[int, int]]] = {}
    for name in run.accounts():
        samples = [sample for sample in run.samples if sample.account == name]
        closed = [(a, b) for (a, b), state in spans(samples, "gate", run.end) if state == "closed"]
        found[name] = [(units(a), units(b)) for a, b in closed[-CLOSED:]]
    return found
