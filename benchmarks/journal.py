"""What the journal costs: tasks a second, and CPU a task with all that the event loop does for it.

    python benchmarks/journal.py [--quick]

A task is four records (intent, accepted, ended, acked), each in its turn, as a client writes
them: two of them are waited for. `at full speed` keeps 2,000 tasks under way; `at 1,000/s` is
the load of a busy client, where fewer records share a commit. The same loop without a journal
is taken off. `5,000 tasks` is the whole client, with and without a journal, in a process of its
own against a simulated service (answers ready after 2 to 6 s). Writes `benchmarks/results/journal.json` and `.svg`; exits 1 when something falls
short.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _report import Bars, Target, arguments, interleave, medians, publish
from clients.contest import Contestant, compete, ours

from solvestream import Text
from solvestream._journal.journal import Journal
from solvestream.server import Latency, Settings

ANSWER = Text("W7KFQ2", 0.93)
UNDER_WAY = 2_000
PACED = 1_000
BARE = "solvestream, 5,000 tasks, without"
JOURNALED = "solvestream, 5,000 tasks, with journal"


class Run:
    """Tasks that go through their four steps; without a journal, each step is a `call_soon`."""

    def __init__(self, journal: Journal | None, tasks: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.journal = journal
        self.tasks = tasks
        self.begun = self.finished = 0
        self.over = asyncio.Event()

    def begin(self) -> None:
        number, now, journal = self.begun, time.time(), self.journal
        self.begun += 1
        if journal is None:
            self.loop.call_soon(self.bought, 0, None)
            return
        row = 0

        def done(error: Exception | None) -> None:
            self.bought(row, error)

        row = journal.intent(
            job_key=f"5ca1ab1e-{number}",
            account="captchaai",
            kind="image",
            tag=number,
            queued_at=now,
            submitted_at=now,
            done=done,
        )

    def bought(self, row: int, error: Exception | None) -> None:
        assert error is None
        if self.journal is None:
            self.loop.call_soon(self.solved, row)
        else:
            self.journal.accepted(row, at=time.time(), task_id=str(70_000_000_000 + row))
            self.loop.call_soon(self.solved, row)

    def solved(self, row: int) -> None:
        def done(error: Exception | None) -> None:
            self.taken(row, error)

        if self.journal is None:
            self.loop.call_soon(self.taken, row, None)
        else:
            self.journal.ended(
                row, at=time.time(), solution=ANSWER, looks=3, cost=0.0004, done=done
            )

    def taken(self, row: int, error: Exception | None) -> None:
        assert error is None
        if self.journal is not None:
            self.journal.acked(row, at=time.time())
        self.finished += 1
        self.follow()
        if self.finished >= self.tasks:
            self.over.set()

    follow: Callable[[], None]

    async def at_full_speed(self) -> None:
        self.follow = lambda: self.begin() if self.begun < self.tasks else None
        for _ in range(min(UNDER_WAY, self.tasks)):
            self.begin()
        await self.over.wait()

    async def paced(self) -> None:
        self.follow = lambda: None
        started = self.loop.time()
        while self.begun < self.tasks:
            self.begin()
            if (ahead := started + self.begun / PACED - self.loop.time()) > 0:
                await asyncio.sleep(ahead)
        await self.over.wait()


async def run(folder: Path, tasks: int, how: str, journaled: bool) -> dict[str, float]:
    journal = None
    if journaled:
        journal = Journal.open(folder / f"{how}.db")
        journal.start(asyncio.get_running_loop().call_soon_threadsafe)
    one = Run(journal, tasks)
    cpu, clock = time.process_time(), time.perf_counter()
    await (one.paced() if how == "paced" else one.at_full_speed())
    if journal is not None:
        await asyncio.to_thread(journal.close)
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    return {"tasks_per_second": tasks / clock, "cpu_us": cpu / tasks * 1e6}


def whole_client(name: str, quick: bool) -> dict[str, float]:
    """Run one client over the simulated service; returns what its process took."""
    pace = 0.1 if quick else 1.0
    latency = Latency(shape="uniform", low=2 * pace, high=6 * pace)
    settings = Settings(latency=latency, seed=1, immediate=False)
    one = ours(name, interval=pace)
    if name == JOURNALED:
        one = Contestant(name=name, module="ours_journaled", options=one.options, interval=pace)
    figures = compete(one, 200 if quick else 5_000, settings, ideal=latency.high)
    return {key: figures[key] for key in ("cpu_us", "wall", "failed", "delay_p50", "delay_p99")}


def measure(name: str, quick: bool) -> dict[str, float]:
    if name in {BARE, JOURNALED}:
        return whole_client(name, quick)
    how = "paced" if "1,000/s" in name else "full"
    tasks = (1_000 if quick else 3_000) if how == "paced" else (5_000 if quick else 40_000)
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(Path(folder), tasks, how, "without" not in name))


def main() -> int:
    options = arguments(__doc__).parse_args()
    names = [
        f"{name}, {how}"
        for how in ("at full speed", "at 1,000/s")
        for name in ("solvestream journal", "without journal")
    ]
    rounds = interleave(
        [*names, BARE, JOURNALED], options.rounds, lambda name: measure(name, options.quick)
    )
    table = medians(rounds)
    full, full_bare, paced, paced_bare = (table[name] for name in names)
    costs = {
        "at full speed": full["cpu_us"] - full_bare["cpu_us"],
        "at 1,000/s": paced["cpu_us"] - paced_bare["cpu_us"],
    }
    rate = full["tasks_per_second"]
    bare, journaled = table[BARE], table[JOURNALED]
    share = 100 * (journaled["cpu_us"] / bare["cpu_us"] - 1)
    targets = [
        Target(name="journal tasks/s", value=rate, limit=20_000, at_least=True),
        Target(name="journal CPU us a task, at full speed", value=costs["at full speed"], limit=60),
        Target(name="journal CPU us a task, at 1,000/s", value=costs["at 1,000/s"], limit=60),
        Target(name="journal % of the CPU of a 5,000-task run", value=share, limit=15),
        Target(name="failed of 5,000 with a journal", value=journaled["failed"], limit=0),
    ]
    bars = {f"solvestream journal, {how}": cost for how, cost in costs.items()}
    whole = {BARE: bare["cpu_us"], JOURNALED: journaled["cpu_us"]}
    charts = [
        Bars(title="CPU of the journal for one task", unit="us", values=bars, reference=60),
        Bars(title="CPU of a task, the whole client", unit="us", values=whole),
    ]
    facts = {"rounds": rounds, "medians": table}
    return publish("journal", targets=targets, charts=charts, facts=facts, results=options.results)


if __name__ == "__main__":
    raise SystemExit(main())
