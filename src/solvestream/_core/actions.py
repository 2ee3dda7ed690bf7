"""What a planner answers: what to do next, or why there is nothing to do."""

from __future__ import annotations

import math

from attrs import define

from solvestream._core.backlog import Route
from solvestream._core.job import Job


@define(eq=False)
class Submit:
    """Do: submit this job. `epoch` and `started` go back with the outcome."""

    job: Job
    route: Route
    epoch: int
    started: float


@define(eq=False)
class Look:
    """Do: look at these jobs in one request. `epoch` goes back with the outcomes.

    A `probe` is sent to a service in trouble, and waited for less long.
    """

    jobs: list[Job]
    epoch: int
    probe: bool = False


@define(eq=False)
class Wait:
    """Nothing to do until a moment, unless something is told before."""

    until: float


class Idle:
    """The type of `IDLE`."""

    until = math.inf

    def __repr__(self) -> str:
        return "IDLE"


IDLE = Idle()
"""Nothing to do until something is told."""

Action = Submit | Look | Wait | Idle
