"""Turns what the engine does into events for the user's callbacks. Nothing here decides.

A client without `on_event` has no observer, and pays for none.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any, Literal

from attrs import define, field

from solvestream import events
from solvestream._core.actions import Look, Submit
from solvestream._core.breaker import Breaking
from solvestream._core.job import Job
from solvestream._core.lifecycle import State
from solvestream._core.planner import Planner
from solvestream._wire import Broken
from solvestream.events import Event
from solvestream.results import Result, Ticket

logger = logging.getLogger("solvestream")

_Seen = tuple[bool, Breaking, str | None]
_WELL: _Seen = (False, Breaking.CLOSED, None)
_STATES: dict[Breaking, Literal["closed", "open", "half-open"]] = {
    Breaking.CLOSED: "closed",
    Breaking.OPEN: "open",
    Breaking.HALF_OPEN: "half-open",
}


@define(eq=False)
class Observer:
    """Tells callbacks what happens. One that raises is logged once for each type of error.

    Attributes:
        callbacks: the user's.
        wall: seconds from the monotonic clock to the epoch; set when the client is opened.
    """

    callbacks: tuple[Callable[[Event], None], ...]
    wall: float = 0.0
    _began: dict[Submit | Look, float] = field(factory=dict[Submit | Look, float])
    _seen: dict[str, _Seen] = field(factory=dict[str, _Seen])
    _complained: set[type[BaseException]] = field(factory=set[type[BaseException]])

    def tell(self, event: Event) -> None:
        """Call all callbacks."""
        for callback in self.callbacks:
            try:
                callback(event)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # noqa: BLE001 - a user's own, a CancelledError too
                self._complain(error)

    def _complain(self, error: BaseException) -> None:
        if type(error) not in self._complained:
            self._complained.add(type(error))
            name = type(error).__name__
            with contextlib.suppress(Exception):  # a handler may be what is broken
                logger.warning("on_event raised %s; this is logged once", name, exc_info=error)

    # A task's way

    def queued(self, job: Job, now: float) -> None:
        """Tell that a task waits to be submitted."""
        tag = None if job.task is None else job.task.tag
        at = now + self.wall
        self.tell(events.TaskQueued(at=at, job_key=job.key, kind=job.kind, tag=tag))

    def adopted(self, ticket: Ticket, now: float) -> None:
        """Tell that a paid task was taken up."""
        self.tell(
            events.TaskAdopted(
                at=now + self.wall,
                job_key=ticket.job_key,
                kind=ticket.kind,
                account=ticket.account,
                task_id=ticket.task_id,
            )
        )

    def withdrawn(self, job: Job, now: float) -> None:
        """Tell that a caller has gone."""
        self.tell(events.TaskWithdrawn(at=now + self.wall, job_key=job.key))

    def began_submit(self, planner: Planner, action: Submit, now: float) -> None:
        """Tell that a submit goes out."""
        at, key = now + self.wall, action.job.key
        self.tell(events.TaskSubmitted(at=at, job_key=key, account=planner.name))
        self.began(planner, action, now)

    def began(self, planner: Planner, action: Submit | Look, now: float) -> None:
        """Start the clock of an exchange."""
        self._began[action] = now
        self.changes(planner, now)

    def ended_submit(self, planner: Planner, action: Submit, outcome: object, now: float) -> None:
        """Tell what came of a submit; how a task ends is told by `ended`."""
        began = self._began.pop(action, None)
        job = action.job
        if began is None:
            return  # it never went out
        at, seconds = now + self.wall, now - began
        if job.account:
            event = events.TaskAccepted(
                at=at, job_key=job.key, account=job.account, task_id=job.task_id, seconds=seconds
            )
            self.tell(event)
        elif job.state is State.QUEUED:
            code = outcome.trouble.value if isinstance(outcome, Broken) else _code(outcome)
            refused = events.TaskRefused(
                at=at, job_key=job.key, account=planner.name, code=code, seconds=seconds
            )
            self.tell(refused)
        self.changes(planner, now)

    def ended_look(self, planner: Planner, action: Look, outcome: object, now: float) -> None:
        """Tell what came of a look."""
        trouble = None
        if not isinstance(outcome, list):
            trouble = outcome.trouble.value if isinstance(outcome, Broken) else "mismatch"
        jobs = action.jobs
        self.tell(
            events.TasksLooked(
                at=now + self.wall,
                account=planner.name,
                job_keys=tuple([job.key for job in jobs]),
                pending=sum(not job.state.final for job in jobs),
                trouble=trouble,
                seconds=now - self._began.pop(action, now),
            )
        )
        self.changes(planner, now)

    def ended(self, job: Job, result: Result[Any], now: float) -> None:
        """Tell how a task ended."""
        error = result.error
        self.tell(
            events.TaskEnded(
                at=now + self.wall,
                job_key=job.key,
                kind=job.kind,
                account=result.account,
                ok=result.ok,
                error=None if error is None else type(error).__name__,
                code=None if error is None else error.code,
                charged="yes" if error is None else error.charged,
                elapsed=result.elapsed,
                solving=now - job.accepted_at if job.account else None,
                looks=result.polls,
                cost=result.cost,
                expires_at=result.expires_at,
                redelivered=result.redelivered,
            )
        )

    def taken(self, result: Result[Any], now: float) -> None:
        """Tell that the user has a result."""
        source = result.ticket or result.error
        if source is not None and source.job_key is not None:
            self.tell(events.TaskTaken(at=now + self.wall, job_key=source.job_key))

    # Accounts

    def changes(self, planner: Planner, now: float) -> None:
        """Tell what has changed at an account."""
        gate, health = planner.gate, planner.health
        state = health.breaker.state(now)
        down = None if health.down is None else health.down.code
        closed, before, was_down = self._seen.get(planner.name, _WELL)
        if (closed, before, was_down) == (gate.closed, state, down):
            return
        name, at = planner.name, now + self.wall
        self._seen[name] = (gate.closed, state, down)
        if gate.closed != closed:
            limit = gate.limit
            self.tell(events.GateChanged(at=at, account=name, open=not gate.closed, limit=limit))
        if state != before:
            self.tell(events.BreakerChanged(at=at, account=name, state=_STATES[state]))
        if down != was_down:
            self.tell(events.AccountChanged(at=at, account=name, down=down))


def _code(outcome: object) -> str:
    return str(getattr(outcome, "code", "")) or type(outcome).__name__
