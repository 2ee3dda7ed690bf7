"""What the live screen costs: CPU of a frame, of an event for the tally, of a value for a histogram.

    python benchmarks/screen.py

A frame is that of `solvestream solve`: three accounts, errors, full histograms, drawn by rich on
a real pseudo-terminal of 100 columns. Four of them a second shall take under 3 % of one core.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from _report import DOCS, Bars, Target, arguments, interleave, medians, publish

from solvestream import CapSolver, CaptchaAI, Client, Solvora
from solvestream.cli.screen import FRAME, Screen
from solvestream.events import (
    Event,
    TaskAccepted,
    TaskEnded,
    TaskQueued,
    TasksLooked,
    TaskSubmitted,
)
from solvestream.observe.histogram import Histogram
from solvestream.observe.tally import Tally

URL = "http://127.0.0.1:1"
ERRORS = ("TaskFailed", "TaskLost", "DeadlineExceeded", "Busy")


def main() -> int:
    options = arguments(__doc__).parse_args()
    frames, tasks = (8, 200) if options.quick else (400, 20_000)
    seen = events(tasks)
    once: dict[str, Callable[[], dict[str, float]]] = {
        "a frame": lambda: {"share of a core": frame(frames, seen) / FRAME},
        "an event": lambda: {"us": tell(seen)},
        "a value": lambda: {"us": add(tasks)},
    }
    rounds = interleave(tuple(once), options.rounds, lambda name: once[name]())
    table = medians(rounds)
    share = table["a frame"]["share of a core"]
    costs = {name: table[name]["us"] for name in ("an event", "a value")}
    return publish(
        "screen",
        targets=[
            Target(name="a screen at 4 frames/s, share of a core", value=share, limit=0.03),
            Target(name="Tally, us an event", value=costs["an event"], limit=2.5),
            Target(name="Histogram, us a value", value=costs["a value"], limit=0.4),
        ],
        charts=[Bars(title="CPU of looking on", unit="µs", values=costs)],
        facts={"medians": table, "rounds": rounds},
        results=options.results,
        copy_to=DOCS if options.docs else None,
    )


def events(tasks: int) -> list[Event]:
    """Return what a run tells: each task is looked at twice, and one in twenty fails."""
    found: list[Event] = []
    for number in range(tasks):
        at, key, ok = number / 100, f"key-{number}", number % 20 != 0
        found += [
            TaskQueued(at=at, job_key=key, kind="image"),
            TaskSubmitted(at=at, job_key=key, account="captchaai"),
            TaskAccepted(at=at, job_key=key, account="captchaai", task_id="1", seconds=0.1),
        ]
        looked = TasksLooked(
            at=at + 1, account="captchaai", job_keys=(key,), pending=1, trouble=None, seconds=0.1
        )
        found += [looked, looked, ended(at + 5, key, ok=ok, error=ERRORS[number % 4])]
    return found


def ended(at: float, key: str, *, ok: bool, error: str) -> TaskEnded:
    return TaskEnded(
        at=at,
        job_key=key,
        kind="image",
        account="captchaai",
        ok=ok,
        error=None if ok else error,
        code=None if ok else "ERROR_CAPTCHA_UNSOLVABLE",
        charged="yes",
        elapsed=5.0,
        solving=4.0,
        looks=2,
        cost=0.001,
        expires_at=None,
        redelivered=False,
    )


def frame(count: int, seen: list[Event]) -> float:
    """Return CPU seconds of a frame, on a pseudo-terminal that is read."""
    tally = Tally()
    for event in seen[:-60]:
        tally(event)
    near, far = os.openpty()
    before, sys.stderr = sys.stderr, os.fdopen(far, "w")
    os.environ.update(COLUMNS="100", LINES="40", TERM="xterm-256color")
    try:
        return asyncio.run(
            draw(Screen(tally=tally, total=len(seen), skipped=int, live=True), count, near)
        )
    finally:
        sys.stderr.close()
        sys.stderr = before
        os.close(near)


async def draw(screen: Screen, count: int, near: int) -> float:
    accounts = CaptchaAI("made-up", base_url=URL), Solvora("made-up", base_url=URL), CapSolver("x")
    async with Client(*accounts) as client:
        with screen:
            screen.watch(client.statistics)
            took = 0.0
            for _ in range(count):
                os.read(near, 65536)  # as a terminal does
                began = time.process_time()
                screen.tick()
                took += time.process_time() - began
    return took / count


def tell(seen: list[Event]) -> float:
    """Return CPU microseconds of an event."""
    return best(Tally, seen) * 1e6


def add(count: int) -> float:
    """Return CPU microseconds of a value."""
    draws = random.Random(7)
    return best(lambda: Histogram().add, [draws.expovariate(0.1) for _ in range(count)]) * 1e6


def best(make: Callable[[], Callable[[Any], None]], values: Sequence[Any]) -> float:
    """Return CPU seconds of a call, in the best of three goes over all values."""
    took: list[float] = []
    for _ in range(3):
        call = make()
        gc.collect()
        began = time.process_time()
        for value in values:
            call(value)
        took.append(time.process_time() - began)
    return min(took) / len(values)


if __name__ == "__main__":
    raise SystemExit(main())
