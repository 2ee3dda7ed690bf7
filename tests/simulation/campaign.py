"""Many runs, over all processors: what they cost, what happened in them, what was found."""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from attrs import define, field, frozen

from tests.simulation.checker import check
from tests.simulation.run import Run

BLOCK = 10
"""Runs that one process does in one go."""
SHOWN = 10
"""Failed seeds that are printed."""


@frozen
class Played:
    """What came of one run."""

    seed: int
    jobs: int
    breaches: tuple[str, ...]
    notes: Counter[str]
    faults: Counter[str]
    digest: str


@define(eq=False)
class Summary:
    """What came of many runs."""

    runs: int = 0
    jobs: int = 0
    seconds: float = 0.0
    failed: list[Played] = field(factory=list)
    notes: Counter[str] = field(factory=Counter)
    faults: Counter[str] = field(factory=Counter)

    def add(self, played: Played) -> None:
        """Count a run."""
        self.runs += 1
        self.jobs += played.jobs
        self.notes += played.notes
        self.faults += played.faults
        if played.breaches:
            self.failed.append(played)

    def __str__(self) -> str:
        speed = self.jobs / max(self.seconds, 1e-9)
        lines = [
            f"{self.jobs} jobs, {self.runs} runs, {self.seconds:.1f} s, {speed:.0f} jobs/s",
            "outcomes: " + _figures(self.notes),
            "faults:   " + _figures(self.faults),
        ]
        for played in self.failed[:SHOWN]:
            again = f"python -m tests.simulation --one {played.seed}"
            lines.append(
                f"FAILED seed {played.seed}, {len(played.breaches)} breaches; again: {again}"
            )
            lines += [f"    {breach[:300]}" for breach in played.breaches[:3]]
        if len(self.failed) > SHOWN:
            lines.append(f"and {len(self.failed) - SHOWN} more seeds")
        return "\n".join(lines)


def _figures(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def build(seed: int, folder: Path, *, keep: bool = False) -> Run:
    """Return the run of a seed: its size, and whether it keeps a journal, are the seed's too."""
    chance = random.Random(seed ^ 0x5EED)
    jobs = chance.choice((20, 100, 200, 400))
    journal = folder / f"run-{seed}.db" if chance.random() < 0.2 else None
    return Run(seed, jobs=jobs, journal=journal, keep=keep)


def play(seed: int) -> Played:
    """Do one run, and check it."""
    with tempfile.TemporaryDirectory() as folder:
        run = build(seed, Path(folder)).go()
    faults: Counter[str] = Counter()
    for service in run.services.values():
        faults += service.ledger.faults
    faults["crash"] = sum(life.end == "crashed" for life in run.story.lives)
    faults["closed and opened"] = len(run.story.lives) - 1 - faults["crash"]
    breaches = tuple(check(run))
    jobs = next(run.labels) - 1
    return Played(seed, jobs, breaches, run.story.notes, faults, run.story.digest)


def _play_block(seeds: range) -> list[Played]:
    return [play(seed) for seed in seeds]


def campaign(seed: int, jobs: int, processes: int) -> Summary:
    """Do runs from a seed on until so many jobs are through."""
    summary, started = Summary(), time.perf_counter()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running = []
        for block in _blocks(seed):
            running.append(pool.submit(_play_block, block))
            if len(running) > processes:
                for played in running.pop(0).result():
                    summary.add(played)
            if summary.jobs >= jobs:
                break
        for future in running:
            for played in future.result():
                summary.add(played)
    summary.seconds = time.perf_counter() - started
    return summary


def _blocks(seed: int) -> Iterator[range]:
    for start in itertools.count(seed, BLOCK):
        yield range(start, start + BLOCK)
