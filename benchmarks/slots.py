"""T7: three times as many tasks as slots, against greedy recipes and published clients.

    python benchmarks/slots.py [--tasks 300 999] [--rounds 3] [--only NAME ...] [--quick]

The service takes a third of the tasks at once and refuses the rest with its own "no slot" error.
A greedy recipe is the plain aiohttp one that repeats a refused submit after a fixed pause.
Published clients run once: what counts is how many of the tasks they lose.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping

from _report import DOCS, Bars, Target, arguments, interleave, machine, medians, publish
from clients.contest import AIOHTTP, PUBLISHED, Contestant, DidNotFinish, compete, ours

from solvestream.server import Account, Latency, Settings

LOW, HIGH, INTERVAL = 2.0, 6.0, 1.0
OURS, GREEDY, GREEDIER = "solvestream", "aiohttp, again after 1 s", "aiohttp, again after 0.2 s"


def main() -> int:
    options = parse()
    runs = {
        f"{one.name}, {tasks} tasks": (one, tasks)
        for tasks in options.tasks
        for one in entered(options)
    }
    dnf: dict[str, str] = {}

    def once(name: str) -> Mapping[str, float]:
        one, tasks = runs[name]
        if name in dnf:
            return {}
        try:
            return crowded(one, tasks, options.pace)
        except DidNotFinish as lost:
            dnf[name] = str(lost)
            print(f"  {name}: {lost}", flush=True)
            return dict(lost.figures)

    recipes = [name for name, (one, _) in runs.items() if not one.published]
    published = [name for name in runs if name not in recipes]
    rounds = [*interleave(recipes, options.rounds, once), *interleave(published, 1, once)]
    figures = {name: medians([one for one in rounds if name in one])[name] for name in runs}
    return publish(
        "slots",
        targets=[target for tasks in options.tasks for target in targets(tasks, figures)],
        charts=[chart for tasks in options.tasks for chart in charts(tasks, figures, dnf)],
        facts={"machine": machine(), "did_not_finish": dnf, "medians": figures, "rounds": rounds},
        results=options.results,
        copy_to=DOCS if options.docs else None,
    )


def parse() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--tasks", nargs="+", type=int, default=[300, 999])
    parser.add_argument("--only", nargs="*", metavar="NAME", help="ours, the recipes, and these")
    options = parser.parse_args()
    options.pace = 0.1 if options.quick else 1.0
    if options.quick:
        options.rounds, options.only = 1, []
    return options


def entered(options: argparse.Namespace) -> list[Contestant]:
    interval = INTERVAL * options.pace
    recipes = [
        Contestant(
            name=name,
            module=AIOHTTP.module,
            interval=interval,
            options={"interval": interval, "retry": pause * options.pace},
        )
        for name, pause in ((GREEDY, 1.0), (GREEDIER, 0.2))
    ]
    others = [one for one in PUBLISHED if options.only is None or one.name in options.only]
    return [ours(OURS, interval=interval), *recipes, *others]


def crowded(one: Contestant, tasks: int, pace: float) -> dict[str, float]:
    latency = Latency(shape="uniform", low=LOW * pace, high=HIGH * pace)
    account = Account(slots=tasks // 3)
    settings = Settings(accounts=(account,), latency=latency, seed=1, immediate=False)
    return compete(one, tasks, settings, ideal=latency.high)


def targets(tasks: int, figures: Mapping[str, Mapping[str, float]]) -> list[Target]:
    mine = figures[f"{OURS}, {tasks} tasks"]
    greedy = figures[f"{GREEDY}, {tasks} tasks"]
    makespan = mine.get("wall", math.nan) / greedy.get("wall", math.nan)
    return [
        Target(name=f"T7 {tasks} tasks: failed", value=mine.get("failed", math.nan), limit=0),
        Target(
            name=f"T7 {tasks} tasks: refusals per accepted",
            value=mine["refused"],
            limit=0.15,
        ),
        Target(name=f"T7 {tasks} tasks: makespan / greedy 1 s", value=makespan, limit=1.05),
    ]


def charts(
    tasks: int, figures: Mapping[str, Mapping[str, float]], dnf: Mapping[str, str]
) -> list[Bars]:
    ending = f", {tasks} tasks"
    here = {name: one for name, one in figures.items() if name.endswith(ending)}

    def bars(title: str, unit: str, key: str, *, all_of_them: bool = True) -> Bars:
        values = {
            name.removesuffix(ending): one.get(key) if all_of_them or name not in dnf else None
            for name, one in here.items()
        }
        return Bars(title=title, unit=unit, values=values)

    head = f"{tasks} tasks on {tasks // 3} slots"
    return [
        bars(f"{head}: tasks lost", "tasks", "failed"),
        bars(f"{head}: until all are solved", "s", "wall", all_of_them=False),
        bars(f"{head}: refused submits per accepted one", "refusals", "refused"),
    ]


if __name__ == "__main__":
    sys.exit(main())
