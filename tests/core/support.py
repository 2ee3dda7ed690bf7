"""A planner on its own: made-up traits, a queue, and a hand to move time."""

from __future__ import annotations

import itertools
from collections import deque

from attrs import frozen

from solvestream._core.backlog import Backlog
from solvestream._core.job import Job
from solvestream._core.planner import Planner
from solvestream._core.wheel import Wheel


@frozen(kw_only=True)
class FakePace:
    first_look: float = 10.0
    interval: float = 5.0
    max_looks: int = 60
    deadline: float = 300.0


@frozen(kw_only=True)
class FakeTraits:
    kinds: frozenset[str] = frozenset({"image"})
    max_batch: int = 1
    min_interval: float = 0.0
    retention: float | None = None
    slots: int | None = None
    price: float | None = None
    pacing: FakePace = FakePace()

    def pace(self, kind: str) -> FakePace:
        return self.pacing


ROUTE = frozenset({"a"})
SEQ = itertools.count()


def make_planner(*, exchanges: int = 64, resubmit_unknown: bool = False, **traits) -> Planner:
    return Planner(
        name="a",
        traits=FakeTraits(**traits),
        backlog=Backlog(),
        random=lambda: 0.5,
        exchanges=exchanges,
        deadlines=Wheel(0.1),
        ended=deque(),
        resubmit_unknown=resubmit_unknown,
    )


def make_job(seq: int = 0, **fields) -> Job:
    return Job(kind="image", seq=seq, born=0.0, **fields)


def queue(planner: Planner, count: int, **fields) -> list[Job]:
    jobs = [make_job(next(SEQ), **fields) for _ in range(count)]
    for job in jobs:
        planner.backlog.push(job, ROUTE)
    return jobs
