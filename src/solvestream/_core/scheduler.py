"""All accounts together: who does what next, deadlines, and jobs that nobody can take.

Jobs are pulled, not dealt out: whichever account supports a job and has room takes it. So a
full, banned or broken account holds nothing up that another could do.
"""

from __future__ import annotations

import math
from collections import deque

from attrs import define, field

from solvestream._core.actions import IDLE, Action, Look, Submit, Wait
from solvestream._core.backlog import Backlog
from solvestream._core.backoff import Random
from solvestream._core.job import Abandoned, Ended, Expired, Job, NoReply, Stranded, Traits
from solvestream._core.lifecycle import State, Step, advance
from solvestream._core.planner import DEADLINE_PASSED, Planner
from solvestream._core.wheel import Wheel

DEADLINE_SLACK = 0.1
"""Seconds a deadline may be noticed late."""
PATIENCE = 300.0
"""Seconds without one proper reply after which queued jobs of an account are given up."""


@define(eq=False)
class Scheduler:
    """Decides for all accounts of a client.

    Attributes:
        random: draws from [0, 1).
        exchanges: on the wire at once at most, over all accounts.
        max_in_flight: submits on the wire and tasks at services at most; infinite by default.
        resubmit_unknown: send again what may have been paid; the user's own choice.
        planners: one for each account, by name.
        ended: jobs that have ended, for the engine to take out.
    """

    random: Random
    exchanges: int
    max_in_flight: float = math.inf
    resubmit_unknown: bool = False
    backlog: Backlog = field(factory=Backlog)
    planners: dict[str, Planner] = field(factory=dict[str, Planner])
    ended: deque[Ended] = field(factory=deque[Ended])
    _routes: dict[str, frozenset[str]] = field(factory=dict[str, frozenset[str]])
    _deadlines: Wheel[Job] = field(factory=lambda: Wheel[Job](DEADLINE_SLACK))

    def open(self, accounts: dict[str, Traits]) -> None:
        """Set up a planner for each account, each with its share of the exchanges.

        The share is a bulkhead: an account whose service hangs cannot hold all connections.
        """
        share = max(1, self.exchanges // max(1, len(accounts)))
        for name, traits in accounts.items():
            self.planners[name] = Planner(
                name=name,
                traits=traits,
                backlog=self.backlog,
                random=self.random,
                exchanges=share,
                deadlines=self._deadlines,
                ended=self.ended,
                resubmit_unknown=self.resubmit_unknown,
            )

    @property
    def in_flight(self) -> int:
        """Submits on the wire and tasks at services."""
        return sum(planner.gate.under_way for planner in self.planners.values())

    # Jobs

    def route(self, kind: str) -> frozenset[str]:
        """Return the names of the accounts that take a kind of task."""
        route = self._routes.get(kind)
        if route is None:
            takers = (name for name, one in self.planners.items() if kind in one.traits.kinds)
            route = self._routes[kind] = frozenset(takers)
        return route

    def add(self, job: Job, now: float) -> None:
        """Queue a job of a kind that is supported."""
        route = self.route(job.kind)
        if (stranded := self._stranded(route, now)) is not None:
            self._give_up(job, stranded)
            return
        self.backlog.push(job, route)
        if job.deadline < math.inf:
            self._deadlines.add(job.deadline, job)

    def adopt(self, job: Job, account: str, task_id: str, accepted_at: float, now: float) -> None:
        """Take in a job that was paid for before."""
        if job.deadline < math.inf:
            self._deadlines.add(job.deadline, job)
        self.planners[account].adopt(job, task_id, accepted_at, now)

    def withdraw(self, job: Job) -> bool:
        """Drop a job nobody wants any more; `False` when it has been sent already."""
        if job.state is not State.QUEUED:
            return False
        job.state = advance(job.state, Step.ABANDON)
        self.backlog.withdrawn()
        return True

    # Decisions

    def next_action(self, now: float) -> tuple[Planner | None, Action]:
        """Return what to do now and for which account; looks before submits over all of them."""
        room = self.max_in_flight == math.inf or self.in_flight < self.max_in_flight
        planners = self.planners
        if len(planners) == 1:
            (planner,) = planners.values()
            return planner, planner.next_action(now, room=room)
        until = math.inf
        for planner in self._by_urgency(now):
            action = planner.next_action(now, room=room)
            if isinstance(action, Submit | Look):
                return planner, action
            if isinstance(action, Wait):
                until = min(until, action.until)
        return None, IDLE if until == math.inf else Wait(until)

    def _by_urgency(self, now: float) -> list[Planner]:
        def rank(planner: Planner) -> tuple[float, float, float]:
            due = planner.urgency(now)
            return (0, *due) if due is not None else (1, planner.gate.under_way, 0)

        return sorted(self.planners.values(), key=rank)

    def tick(self, now: float) -> float:
        """End what has passed its deadline or has no account left; return when to tick again."""
        for job in self._deadlines.pop_due(now):
            if job.state is State.QUEUED:
                self._end_queued(job)
            elif job.account:
                self.planners[job.account].expire(job, now)
        if len(self.backlog):
            for route in self.backlog.routes():
                if (stranded := self._stranded(route, now)) is not None:
                    for job in self.backlog.drain([route]):
                        self._give_up(job, stranded)
        return self._deadlines.next_due()

    def more(self, now: float) -> bool:
        """Whether another exchange could start at once."""
        return any(planner.more(now) for planner in self.planners.values())

    def next_tick(self) -> float:
        """Return when to call `tick` again: the past, when an account with queued jobs is down."""
        down = any(planner.health.down is not None for planner in self.planners.values())
        return -math.inf if down and len(self.backlog) else self._deadlines.next_due()

    def close(self, failure: str | None = None) -> None:
        """End every job, as the client closes; nothing may be on the wire any more."""
        for job in self.backlog.drain(self.backlog.routes()):
            job.state = advance(job.state, Step.ABANDON)
            self.ended.append(Ended(job, Abandoned(failure), None))
        for planner in self.planners.values():
            planner.close(failure)

    def _end_queued(self, job: Job) -> None:
        job.state = advance(job.state, Step.EXPIRE)
        self.backlog.withdrawn()
        self.ended.append(Ended(job, Expired(DEADLINE_PASSED, resumable=False), None))

    def _give_up(self, job: Job, stranded: Stranded) -> None:
        job.state = advance(job.state, Step.REJECT)
        self.ended.append(Ended(job, stranded, None))

    def _stranded(self, route: frozenset[str], now: float) -> Stranded | None:
        """Return why none of these accounts can take a job, or `None` when one may."""
        stranded: Stranded | None = None
        for name in route:
            planner = self.planners[name]
            since = planner.health.breaker.failing_since
            if planner.health.down is not None:
                stranded = Stranded(planner.health.down, name)
            elif since is not None and now - since >= PATIENCE:
                stranded = stranded or Stranded(NoReply(planner.health.trouble), name)
            else:
                return None
        return stranded
