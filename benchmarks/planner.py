"""T6: the planner alone, no wire: decisions a second, bytes a waiting task, and how both grow.

    python benchmarks/planner.py

One decision is an answer of `next_action`, and where it is a look, what came of it. Three rounds, medians. Writes
`benchmarks/results/planner.json`; exits 1 when something falls short.
"""

from __future__ import annotations

import gc
import json
import platform
import random
import statistics
import sys
import time
import tracemalloc
from pathlib import Path

from solvestream._core.actions import Look, Submit
from solvestream._core.job import Job
from solvestream._core.scheduler import Scheduler
from solvestream._outcomes import Accepted, Pending
from solvestream.providers import Capabilities

SIZES = (1_000, 10_000, 100_000)
DECISIONS = 200_000
KINDS = Capabilities(kinds=frozenset({"image"}))


def waiting(count: int) -> Scheduler:
    """A scheduler with so many tasks accepted and waiting for their looks."""
    scheduler = Scheduler(random=random.Random(1).random)
    scheduler.open({"a": KINDS})
    scheduler.share(64)
    for n in range(count):
        scheduler.add(Job(kind="image", seq=n, born=0.0), 0.0)
    for n in range(count):
        now = 10.0 * n / count
        planner, action = scheduler.next_action(now)
        assert isinstance(action, Submit), action
        planner.submitted(action, Accepted(str(70_000_000_000 + n)), now)
    return scheduler


def decisions_per_second(count: int) -> float:
    """Look at tasks again and again, each "not ready", in their own time."""
    scheduler = waiting(count)
    pending = [Pending()]
    now, done = 10.0, 0
    gc.collect()
    started = time.process_time()
    while done < DECISIONS:
        planner, action = scheduler.next_action(now)
        done += 1
        if isinstance(action, Look):
            planner.looked(action, pending, now)
        else:
            now = action.until
            if now > 200.0:  # before deadlines: start afresh, outside of the figure
                pause = time.process_time()
                scheduler, now = waiting(count), 10.0
                started += time.process_time() - pause
    return done / (time.process_time() - started)


def bytes_per_task(count: int) -> float:
    gc.collect()
    tracemalloc.start()
    scheduler = waiting(count)
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert scheduler.in_flight == count
    return size / count


def main() -> int:
    rates = {n: statistics.median(decisions_per_second(n) for _ in range(3)) for n in SIZES}
    bytes_per_task(1_000)  # once for what is made lazily
    sizes = {n: bytes_per_task(n) for n in SIZES}
    slowest, growth = min(rates.values()), rates[1_000] / rates[100_000]
    rows = [
        ("T6 decisions/s, slowest size", slowest, 200_000, slowest >= 200_000),
        ("T6 cost at 100,000 over 1,000", growth, 1.5, growth <= 1.5),
        ("T6 bytes a waiting task at 100,000", sizes[100_000], 400, sizes[100_000] <= 400),
    ]
    print(f"{platform.platform()} python {platform.python_version()}")
    for n in SIZES:
        print(f"  {n:7} waiting: {rates[n]:9.0f} decisions/s, {sizes[n]:5.0f} bytes a task")
    for name, value, target, holds in rows:
        print(f"{name:35} {value:10.2f}  target {target:<7} {'holds' if holds else 'falls short'}")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    facts = {"decisions_per_second": rates, "bytes_per_task": sizes}
    (results / "planner.json").write_text(json.dumps(facts, indent=1))
    return int(not all(holds for *_, holds in rows))


if __name__ == "__main__":
    sys.exit(main())
