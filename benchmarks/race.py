"""T3, T4: thousands of tasks at once, solvestream beside what a user would pick instead.

    python benchmarks/race.py [--tasks 5000] [--rounds 3] [--only aiohttp ...] [--quick]

Every client runs in a process and on a core of its own against a new process of the same service
(`solvestream.server`, simulate: answers ready after 2 to 6 s), which has the other core; only the
client's process is counted. Published clients come from PyPI into environments of their own
(`benchmarks/.venvs`), with a look every second where they have an option for it. Who is too slow or
loses more than one task in a hundred did not finish, and does not run again.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence

from _report import DOCS, Bars, Target, arguments, interleave, machine, medians, publish
from clients.contest import (
    AIOHTTP,
    HTTPX,
    LIMIT,
    PUBLISHED,
    Contestant,
    DidNotFinish,
    compete,
    ours,
)

from solvestream.server import Latency, Settings

LOW, HIGH, INTERVAL = 2.0, 6.0, 1.0
ONE, HUNDRED = "solvestream", "solvestream, 100 ids a look"


def main() -> int:
    options = parse()
    contestants = {one.name: one for one in entered(options)}
    latency = Latency(shape="uniform", low=LOW * options.pace, high=HIGH * options.pace)
    settings = Settings(latency=latency, seed=1, immediate=False)
    gone: dict[str, dict[str, object]] = {}

    def once(name: str) -> Mapping[str, float]:
        if name in gone:
            return {}
        try:
            one = contestants[name]
            return compete(one, options.tasks, settings, ideal=latency.high, limit=options.limit)
        except DidNotFinish as dnf:
            gone[name] = {"reason": str(dnf), "figures": dnf.figures}
            print(f"  {name}: {dnf}", flush=True)
            return {}

    rounds = interleave(list(contestants), options.rounds, once)
    figures = medians(rounds)
    for name in gone:
        figures[name] = {}
    return publish(
        "race",
        targets=targets(figures, contestants, options.tasks),
        charts=charts(figures, contestants, options.tasks),
        facts={
            "machine": machine(),
            "tasks": options.tasks,
            "contestants": {name: facts(one) for name, one in contestants.items()},
            "did_not_finish": gone,
            "medians": figures,
            "rounds": rounds,
        },
        results=options.results,
        copy_to=DOCS if options.docs else None,
    )


def parse() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--tasks", type=int, default=5_000)
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds a client may take")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="ours and these")
    options = parser.parse_args()
    options.pace = 0.1 if options.quick else 1.0
    if options.quick:
        options.rounds, options.only = 1, [AIOHTTP.name]
    return options


def entered(options: argparse.Namespace) -> list[Contestant]:
    pace = {"interval": INTERVAL * options.pace}
    recipe = Contestant(name=AIOHTTP.name, module=AIOHTTP.module, options=pace, **pace)
    others = [recipe, HTTPX, *PUBLISHED]
    chosen = [one for one in others if options.only is None or one.name in options.only]
    return [ours(ONE, **pace), ours(HUNDRED, multi_id=True, **pace), *chosen]


def facts(one: Contestant) -> dict[str, object]:
    return {"needs": one.needs, "most": one.most, "pace": one.pace, "interval": one.interval}


def targets(
    figures: Mapping[str, Mapping[str, float]], contestants: Mapping[str, Contestant], tasks: int
) -> list[Target]:
    """Compare with whoever finished as many tasks."""
    full = [one for one in contestants.values() if one.most >= tasks and figures[one.name]]
    published = [one.name for one in full if one.published]
    others = [*published, *(one.name for one in full if one.module == AIOHTTP.module)]
    one, hundred = figures[ONE], figures[HUNDRED]
    recipe = best(figures, [AIOHTTP.name], "cpu_us")
    found = [
        Target(name="T3 CPU a task / aiohttp recipe", value=get(one, "cpu_us") / recipe, limit=0.35)
    ]
    if published:
        rival = best(figures, published, "cpu_us")
        name = "T3 CPU a task / best published client"
        found.append(Target(name=name, value=get(one, "cpu_us") / rival, limit=0.2))
    over = get(one, "over") / best(figures, others, "over")
    return [
        *found,
        Target(name="T3 wall over ideal / best of the others", value=over, limit=0.5),
        Target(name="T3 detection delay p50, intervals", value=get(one, "delay_p50"), limit=0.65),
        Target(name="T3 detection delay p99, intervals", value=get(one, "delay_p99"), limit=1.3),
        Target(name="T3 connections", value=get(one, "connections"), limit=64),
        Target(name="T3 failed", value=get(one, "failed"), limit=0),
        Target(
            name="T4 CPU a task / aiohttp recipe", value=get(hundred, "cpu_us") / recipe, limit=0.12
        ),
        Target(name="T4 requests a task", value=get(hundred, "requests"), limit=1.1),
        Target(name="T4 failed", value=get(hundred, "failed"), limit=0),
    ]


def get(figures: Mapping[str, float], key: str) -> float:
    return figures.get(key, math.nan)


def best(figures: Mapping[str, Mapping[str, float]], names: Sequence[str], key: str) -> float:
    """Return the least of those who finished; NaN if nobody did."""
    return min((figures[name][key] for name in names if figures.get(name)), default=math.nan)


def charts(
    figures: Mapping[str, Mapping[str, float]], contestants: Mapping[str, Contestant], tasks: int
) -> list[Bars]:
    def label(one: Contestant) -> str:
        return one.name if one.most >= tasks else f"{one.name} ({one.most:,} tasks)"

    def bars(title: str, unit: str, key: str, *, log: bool = False) -> Bars:
        values = {label(one): figures[name].get(key) for name, one in contestants.items()}
        return Bars(title=title, unit=unit, values=values, log=log)

    return [
        bars(f"{tasks:,} tasks at once: CPU a task", "µs", "cpu_us", log=True),
        bars("Last answer after the ideal moment", "s", "over"),
        bars("Memory a task", "KB", "memory_kb", log=True),
        bars("Connections", "sockets at most", "connections", log=True),
        bars("Requests a task", "requests", "requests"),
    ]


if __name__ == "__main__":
    sys.exit(main())
