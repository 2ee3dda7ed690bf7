"""T5: 100,000 tasks in flight in one process, with 100 ids a look and with one.

    python benchmarks/scale.py [--tasks 100000] [--small 5000] [--rounds 3] [--quick]

Answers are ready late enough that all tasks are in flight at once (the ledger's peak proves it),
and looks are far enough apart for one process on one core. Beside it runs a small crowd with all
times shortened alike: the same requests a second and a task, only fewer tasks that wait. The
small runs are repeated and their medians taken; the large ones run once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from _report import DOCS, Bars, Target, arguments, interleave, machine, medians, publish
from clients.contest import DidNotFinish, compete, ours

from solvestream.server import Latency, Settings

LOW, HIGH, INTERVAL = 55.0, 60.0, 32.0
"""Seconds at 100,000 tasks: ready after LOW to HIGH, looked at every INTERVAL."""
WAYS = {"100 ids a look": True, "one id a look": False}
LIMIT = 240.0


def main() -> int:
    options = parse()
    dnf: dict[str, str] = {}
    crowds = {
        f"solvestream, {way}, {tasks:,}": (multi_id, tasks)
        for way, multi_id in WAYS.items()
        for tasks in (options.small, options.tasks)
    }

    def once(name: str) -> Mapping[str, float]:
        try:
            return crowd(*crowds[name])
        except DidNotFinish as lost:
            dnf[name] = str(lost)
            print(f"  {name}: {lost}", flush=True)
            return {**lost.figures}

    small = [name for name, (_, tasks) in crowds.items() if tasks == options.small]
    large = [name for name in crowds if name not in small]
    rounds = [*interleave(small, options.rounds, once), *interleave(large, 1, once)]
    figures = {name: medians([one for one in rounds if name in one])[name] for name in crowds}
    return publish(
        "scale",
        targets=[target for way in WAYS for target in targets(way, figures, options)],
        charts=charts(figures),
        facts={"machine": machine(), "did_not_finish": dnf, "medians": figures, "rounds": rounds},
        results=options.results,
        copy_to=DOCS if options.docs else None,
    )


def parse() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--small", type=int, default=5_000)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.tasks = 1, min(options.tasks, 900)
        options.small = options.tasks // 3
    return options


def crowd(multi_id: bool, tasks: int) -> dict[str, float]:
    scale = tasks / 100_000
    latency = Latency(shape="uniform", low=LOW * scale, high=HIGH * scale)
    settings = Settings(latency=latency, seed=1)
    client = ours(interval=INTERVAL * scale, multi_id=multi_id)
    return compete(client, tasks, settings, ideal=latency.high, limit=LIMIT)


def targets(
    way: str, figures: Mapping[str, Mapping[str, float]], options: argparse.Namespace
) -> list[Target]:
    small = figures[f"solvestream, {way}, {options.small:,}"]
    large = figures[f"solvestream, {way}, {options.tasks:,}"]
    missing = float("nan")
    ratio = large.get("cpu_us", missing) / small.get("cpu_us", missing)
    return [
        Target(name=f"T5 {way}: failed", value=large.get("failed", missing), limit=0),
        Target(
            name=f"T5 {way}: in flight at once",
            value=large["peak_in_flight"],
            limit=options.tasks,
            at_least=True,
        ),
        Target(name=f"T5 {way}: KB a task", value=large.get("memory_kb", missing), limit=1.5),
        Target(name=f"T5 {way}: CPU a task / the small crowd's", value=ratio, limit=1.25),
    ]


def charts(figures: Mapping[str, Mapping[str, float]]) -> list[Bars]:
    def bars(title: str, unit: str, key: str) -> Bars:
        return Bars(
            title=title, unit=unit, values={name: one.get(key) for name, one in figures.items()}
        )

    return [
        bars("CPU a task", "µs", "cpu_us"),
        bars("Memory a task", "KB", "memory_kb"),
        bars("Requests a task", "requests", "requests"),
    ]


if __name__ == "__main__":
    sys.exit(main())
