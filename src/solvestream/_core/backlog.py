"""The jobs not yet submitted, in the order they shall be: by priority, then as handed over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from heapq import heappop, heappush

from solvestream._core.job import Job
from solvestream._core.lifecycle import State

Route = frozenset[str]
"""Names of the accounts that can take a job."""


class Backlog:
    """Queues of jobs, one for each set of accounts that can take them.

    Accounts pull: whichever has room takes the first job it can. A job put back keeps its
    place. Withdrawn jobs stay until they surface, and are passed over.
    """

    def __init__(self) -> None:
        self._queues: dict[Route, list[tuple[int, int, Job]]] = {}
        self._routes: dict[str, list[Route]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, job: Job, route: Route) -> None:
        """Put a job in its place."""
        queue = self._queues.get(route)
        if queue is None:
            queue = self._queues[route] = []
            for name in route:
                self._routes.setdefault(name, []).append(route)
        heappush(queue, (-job.priority, job.seq, job))
        self._count += 1

    def withdrawn(self) -> None:
        """Tell that a queued job has ended and will be passed over."""
        self._count -= 1

    def has(self, name: str) -> bool:
        """Whether an account could take a job now."""
        for route in self._routes.get(name, ()):  # noqa: SIM110 - no generator: asked all the time
            if self._head(route):
                return True
        return False

    def pop(self, name: str) -> tuple[Job, Route] | None:
        """Take the first job an account can take, and its route."""
        best: Route | None = None
        for route in self._routes.get(name, ()):
            if self._head(route) and (
                best is None or self._queues[route][0] < self._queues[best][0]
            ):
                best = route
        if best is None:
            return None
        self._count -= 1
        return heappop(self._queues[best])[2], best

    def drain(self, route: Route) -> Iterator[Job]:
        """Take out every job of a route."""
        while self._head(route):
            self._count -= 1
            yield heappop(self._queues[route])[2]

    def older(self, route: Route, born: float) -> list[Job]:
        """Return jobs handed over no later than that and without a deadline; they stay queued."""
        queued = (job for _, _, job in self._queues[route] if job.state is State.QUEUED)
        return [job for job in queued if job.born <= born and job.deadline == math.inf]

    def routes(self) -> list[Route]:
        """Return the routes that have jobs."""
        return [route for route in self._queues if self._head(route)]

    def _head(self, route: Route) -> bool:
        queue = self._queues[route]
        while queue and queue[0][2].state is not State.QUEUED:
            heappop(queue)
        return bool(queue)
