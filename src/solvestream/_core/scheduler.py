"""All accounts together: who does what next, deadlines, and jobs that nobody can take.

Jobs are pulled, not dealt out: whichever account supports a job and has room takes it. So a
full, banned or broken account holds nothing up that another could do.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import chain

from attrs import define, field

from solvestream._core.actions import IDLE, Action, Look, Submit, Wait
from solvestream._core.backlog import Backlog
from solvestream._core.backoff import Random
from solvestream._core.budget import Budget
from solvestream._core.job import Abandoned, Ended, Expired, Job, NoReply, Stranded, Traits
from solvestream._core.lifecycle import State, Step, advance
from solvestream._core.planner import DEADLINE_PASSED, Planner
from solvestream._core.wheel import Wheel

DEADLINE_SLACK = 0.1
"""Seconds a deadline may be noticed late."""
SWEEP = 1_000
"""Ended jobs that may lie in the calendar of deadlines before it is swept."""
PATIENCE = 300.0
"""Seconds without one proper reply after which queued jobs of an account are given up, unless
they have a deadline of their own."""
FIRST_PATIENCE = 30.0
"""The same for accounts that never gave one: a wrong address is told soon."""


@define(eq=False)
class Scheduler:
    """Decides for all accounts of a client.

    Attributes:
        random: draws from [0, 1).
        max_in_flight: submits on the wire and tasks at services at most; infinite by default.
        resubmit_unknown: send again what may have been paid; the user's own choice.
        budget: what may be spent, over all accounts.
        planners: one for each account, by name.
        ended: jobs that have ended, for the engine to take out.
        overdue: jobs on the wire at their deadline, for the engine to take out: their callers
            shall wait no longer, while the exchange goes on for the sake of the ticket.
    """

    random: Random
    max_in_flight: float = math.inf
    resubmit_unknown: bool = False
    budget: Budget = field(factory=Budget)
    backlog: Backlog = field(factory=Backlog)
    planners: dict[str, Planner] = field(factory=dict[str, Planner])
    ended: deque[Ended] = field(factory=deque[Ended])
    overdue: deque[Job] = field(factory=deque[Job])
    _routes: dict[str, frozenset[str]] = field(factory=dict[str, frozenset[str]])
    _joined: dict[Job, Job] = field(factory=dict[Job, Job])
    _shared: set[Job] = field(factory=set[Job])
    _deadlines: Wheel[Job] = field(factory=lambda: Wheel[Job](DEADLINE_SLACK))

    def open(self, accounts: dict[str, Traits]) -> None:
        """Set up a planner for each account."""
        self.budget.reserved = self._reserved
        for name, traits in accounts.items():
            self.planners[name] = Planner(
                name=name,
                traits=traits,
                backlog=self.backlog,
                random=self.random,
                deadlines=self._deadlines,
                ended=self.ended,
                resubmit_unknown=self.resubmit_unknown,
                budget=self.budget,
            )

    def share(self, exchanges: int) -> None:
        """Give each account its share of the exchanges that may be on the wire at once.

        The share is a bulkhead: an account whose service hangs cannot hold all connections.
        """
        for planner in self.planners.values():
            planner.exchanges = max(1, exchanges // len(self.planners))

    @property
    def in_flight(self) -> int:
        """Submits on the wire and tasks at services."""
        return sum(planner.gate.under_way for planner in self.planners.values())

    def _reserved(self) -> float:
        return sum(planner.reserved for planner in self.planners.values())

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
        if (down := self._down(route)) is not None:
            self._give_up(job, down)
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
        """Drop a job nobody wants any more; `False` when it has been sent already.

        One whose submit is on the wire is not sent again should it turn out to be free.
        """
        if job.state is not State.QUEUED:
            job.wanted = False
            return False
        job.state = advance(job.state, Step.ABANDON)
        self.backlog.withdrawn()
        return True

    # Decisions

    def next_action(self, now: float, *, submit: bool = True) -> tuple[Planner | None, Action]:
        """Return what to do now and for which account; looks before submits over all of them."""
        room = submit and (self.max_in_flight == math.inf or self.in_flight < self.max_in_flight)
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
        for job in chain.from_iterable(due for _, due in self._deadlines.pop_due(now)):
            if job.deadline > now:
                if job.deadline < math.inf and (not job.state.final or job in self._joined):
                    self._deadlines.add(job.deadline, job)  # it was put off
            elif job in self._joined:
                self._part(job)
            elif job.state is State.QUEUED:
                self._end_queued(job)
            elif job.state is State.WAITING:
                self.planners[job.account].expire(job, now)
            elif not job.state.final and job not in self._shared:
                self.overdue.append(job)
        if len(self._deadlines) > 2 * (self.in_flight + len(self.backlog)) + SWEEP:
            self._deadlines.sweep(lambda job: not job.state.final or job in self._joined)
        for route in self.backlog.routes() if len(self.backlog) else ():
            if (down := self._down(route)) is not None:
                for job in self.backlog.drain(route):
                    self._give_up(job, down)
            elif (trouble := self._hopeless(route, now)) is not None:
                for job in self.backlog.older(route, now - self._patience(route)):
                    self.backlog.withdrawn()
                    self._give_up(job, trouble)
        return self._deadlines.next

    def postpone(self, seconds: float) -> None:
        """Put all deadlines off: the process stood still so long, and nobody could meet them."""
        for job in set(self._deadlines):
            job.deadline += seconds

    def join(self, job: Job, bought: Job) -> None:
        """Watch the deadline of a job that shares what another buys, which may take as long."""
        job.state = advance(job.state, Step.ABANDON)
        self._shared.add(bought)
        if job.deadline < math.inf:
            self._joined[job] = bought
            self._deadlines.add(job.deadline, job)
        deadline = job.deadline
        if deadline == math.inf and bought.account:
            pace = self.planners[bought.account].traits.pace(bought.kind)
            deadline = bought.accepted_at + pace.deadline
        bought.deadline = max(bought.deadline, deadline)

    def part(self, job: Job) -> None:
        """Watch over a job that shares, or is shared, no longer."""
        self._joined.pop(job, None)
        self._shared.discard(job)

    def _part(self, job: Job) -> None:
        """End a job that shares another's result and can wait no longer."""
        bought = self._joined.pop(job)
        if bought.state is State.QUEUED:
            job.said = bought.said
            late = Expired(self.lateness(job), resumable=False)
            self.ended.append(Ended(job, late, None))
        else:
            self.overdue.append(job)

    def more(self, now: float) -> bool:
        """Whether another exchange could start at once."""
        return any(planner.more(now) for planner in self.planners.values())

    def next_tick(self) -> float:
        """Return when to call `tick` again: the past, when an account with queued jobs is down."""
        if len(self.backlog):
            for planner in self.planners.values():
                if planner.closed() is not None:
                    return -math.inf
        return self._deadlines.next

    def close(self, failure: str | None = None) -> None:
        """End every job, as the client closes; nothing may be on the wire any more."""
        for route in self.backlog.routes():
            for job in self.backlog.drain(route):
                job.state = advance(job.state, Step.ABANDON)
                self.ended.append(Ended(job, Abandoned(failure), None))
        for planner in self.planners.values():
            planner.close(failure)

    def _end_queued(self, job: Job) -> None:
        job.state = advance(job.state, Step.EXPIRE)
        self.backlog.withdrawn()
        planners = [self.planners[name] for name in self.route(job.kind)]
        job.said = job.said or next((p.refusal for p in planners if p.gate.closed), None)
        self.ended.append(Ended(job, Expired(self.lateness(job), resumable=False), None))

    def lateness(self, job: Job) -> str:
        """Return why a job is late, for people."""
        healths = (self.planners[name].health for name in self.route(job.kind))
        trouble = next(filter(None, (health.trouble_now() for health in healths)), "")
        return f"{DEADLINE_PASSED}{trouble}"

    def _give_up(self, job: Job, stranded: Stranded) -> None:
        job.state = advance(job.state, Step.REJECT)
        self.ended.append(Ended(job, stranded, None))

    def _down(self, route: frozenset[str]) -> Stranded | None:
        """Return why no account of a route can be used, or `None` when one can."""
        stranded: Stranded | None = None
        for name in route:
            down = self.planners[name].closed()
            if down is None:
                return None
            stranded = stranded or Stranded(down, name)
        return stranded

    def _hopeless(self, route: frozenset[str], now: float) -> Stranded | None:
        """Return the trouble of a route whose accounts gave no proper reply for long.

        Only jobs that waited as long are given up for it: newer ones are the probes by which
        the service is seen to be well again.
        """
        trouble: Stranded | None = None
        patience = self._patience(route)
        for name in route:
            health = self.planners[name].health
            since = health.breaker.failing_since
            closed = self.planners[name].closed()
            if closed is None and (since is None or now - since < patience):
                return None
            trouble = Stranded(closed or NoReply(health.trouble), name)
        return trouble

    def _patience(self, route: frozenset[str]) -> float:
        reached = any(self.planners[name].health.reached for name in route)
        return PATIENCE if reached else FIRST_PATIENCE
