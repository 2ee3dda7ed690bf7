"""T6: the planner alone, no wire: decisions a second, bytes a waiting task, and how both grow.

    python benchmarks/planner.py

One decision is an answer of `next_action` and, where that is a look, what came of it. Each size
runs in a fresh process.
"""

from __future__ import annotations

import gc
import json
import random
import subprocess
import sys
import time
import tracemalloc

from _report import CLIENT_CORE, DOCS, Bars, Target, arguments, interleave, medians, pin, publish

from solvestream._core.actions import Look, Submit, Wait
from solvestream._core.job import Job
from solvestream._core.scheduler import Scheduler
from solvestream._outcomes import Accepted, Pending
from solvestream.providers import Capabilities

SIZES = (1_000, 10_000, 100_000)
DECISIONS = 25_000
"""In one stretch; of many stretches the fastest counts, as what else runs can only slow it."""
STRETCHES = 15
KINDS = Capabilities(kinds=frozenset({"image"}))
BORN, LAST = 10.0, 200.0
"""Seconds of the planner's clock: all have been accepted, and the first deadlines are near."""


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--child", type=int, metavar="SIZE", help="(internal)")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child, 1 if options.quick else STRETCHES)))
        return 0
    sizes = {f"{n:,} waiting": n for n in (SIZES[:1] if options.quick else SIZES)}

    def once(name: str) -> dict[str, float]:
        command = [sys.executable, __file__, "--child", str(sizes[name])]
        command += ["--quick"] if options.quick else []
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=300)
        figures: dict[str, float] = json.loads(done.stdout)
        return figures

    rounds = interleave(tuple(sizes), options.rounds, once)
    table = medians(rounds)
    rates = {name: table[name]["decisions_per_second"] for name in sizes}
    memory = {name: table[name]["bytes_a_task"] for name in sizes}
    small, large = f"{SIZES[0]:,} waiting", list(sizes)[-1]
    return publish(
        "planner",
        targets=[
            Target(
                name="T6 decisions/s, slowest size",
                value=min(rates.values()),
                limit=200_000,
                at_least=True,
            ),
            Target(
                name=f"T6 cost a decision, {large} / {small}",
                value=rates[small] / rates[large],
                limit=1.5,
            ),
            Target(name=f"T6 bytes a task, {large}", value=memory[large], limit=400),
        ],
        charts=[
            Bars(
                title="Planner alone (line: target)",
                unit="decisions a second",
                values=rates,
                reference=200_000,
            ),
            Bars(
                title="Memory of a waiting task (line: target)",
                unit="bytes",
                values=memory,
                reference=400,
            ),
        ],
        facts={"medians": table, "rounds": rounds},
        results=options.results,
        copy_to=DOCS if options.docs else None,
    )


def measure(count: int, stretches: int) -> dict[str, float]:
    """Measure one size in this process."""
    pin(CLIENT_CORE)
    scheduler, now, fastest = waiting(count), BORN, 0.0
    for _ in range(stretches):
        if now > LAST / 2:
            scheduler, now = waiting(count), BORN
        rate, now = decide(scheduler, now)
        fastest = max(fastest, rate)
    return {"decisions_per_second": fastest, "bytes_a_task": bytes_per_task(count)}


def waiting(count: int) -> Scheduler:
    """A scheduler with so many tasks accepted and waiting for their looks."""
    scheduler = Scheduler(random=random.Random(1).random)
    scheduler.open({"a": KINDS})
    scheduler.share(64)
    for n in range(count):
        scheduler.add(Job(kind="image", seq=n, born=0.0), 0.0)
    for n in range(count):
        now = BORN * n / count
        planner, action = scheduler.next_action(now)
        assert isinstance(action, Submit), action
        assert planner is not None
        planner.submitted(action, Accepted(str(70_000_000_000 + n)), now)
    return scheduler


def decide(scheduler: Scheduler, now: float) -> tuple[float, float]:
    """Look at tasks, each "not ready", in their own time; give decisions a second and the time."""
    pending, done = [Pending()], 0
    gc.collect()
    started = time.process_time()
    while done < DECISIONS and now < LAST:
        planner, action = scheduler.next_action(now)
        done += 1
        if isinstance(action, Look):
            assert planner is not None
            planner.looked(action, pending, now)
        else:
            assert isinstance(action, Wait), action
            now = action.until
    return done / (time.process_time() - started), now


def bytes_per_task(count: int) -> float:
    """Return what a waiting task holds, all shared structures included."""
    waiting(1_000)  # once for what is made lazily
    gc.collect()
    tracemalloc.start()
    scheduler = waiting(count)
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert scheduler.in_flight == count
    return size / count


if __name__ == "__main__":
    sys.exit(main())
