"""Whole runs of seeded users, clients and services, checked against the services' books."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.campaign import campaign, play
from tests.simulation.checker import check
from tests.simulation.flaws import FLAWS, having
from tests.simulation.loop import Stuck, VirtualLoop
from tests.simulation.run import START, Run
from tests.simulation.speech import InPhpSpeech
from tests.simulation.stage import Stage

JOBS = int(os.environ.get("SIMULATED_JOBS", "100000"))
"""Jobs of one CI run: about one minute on two cores that do nothing else."""


def test_no_job_is_paid_twice_lost_or_told_a_lie():
    """100,000 jobs in fair and foul weather, crashes and resumes: G1-G5 and G7 hold for each."""
    summary = campaign(seed=1, jobs=JOBS, processes=os.cpu_count() or 1)
    print(summary)
    assert summary.failed == []
    assert summary.jobs >= JOBS


SEEDS = range(1, 25)
DIGESTS = f"""
from tests.simulation.campaign import play
print([play(seed).digest for seed in {SEEDS!r}])
"""


def test_the_same_seed_gives_the_same_trace():
    """All that happens, and when, is a function of the seed, in this process and in others."""
    traces = {str([play(seed).digest for seed in SEEDS])}
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", DIGESTS],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        traces.add(done.stdout.strip())
    assert len(traces) == 1


@pytest.mark.parametrize("name", FLAWS)
def test_the_checker_finds_each_flaw(name, tmp_path):
    """Positive controls: a habit of naive clients makes the checker fail, each for its own reason."""
    flaw = FLAWS[name]
    for seed in range(60):
        journal = tmp_path / f"{seed}.db" if flaw.journal else None
        run = Run(seed, jobs=60, journal=journal)
        run.loop.until = START + 20_000
        with having(flaw):
            run.go()
        if any(line.startswith(flaw.found) for line in check(run)):
            break
    else:
        pytest.fail(f"{name} was not found")


def test_what_waits_for_ever_is_found():
    """The loop tells of a hang at once: nothing in it waits for real."""

    async def hang() -> None:
        await loop.create_future()

    loop = VirtualLoop()
    with pytest.raises(Stuck):
        loop.run(hang())
    loop.bury()


def test_a_fair_day_costs_what_it_must():
    """Without trouble each task is one submit and its looks, and all are solved."""
    stage = Stage(InPhpSpeech())
    stage.weather.work = (1.0, 9.0)

    async def play(stage):
        async with stage.client() as client:
            tasks = (stage.speech.task(n, token=False) for n in range(1, 301))
            return [one async for one in client.stream(tasks)]

    found = stage.run(play)
    assert all(one.ok for one in found)
    assert len(stage.ledger.attempts) == 300
    assert stage.ledger.looked == 300
