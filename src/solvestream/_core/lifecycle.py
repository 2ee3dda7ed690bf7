"""The states of a job and the steps between them, as one table.

The planner moves a job only through `advance`, so a step that is not in the table is a
programming error that shows at once, and the diagram in the docs is drawn from here.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where a job is. The last seven are final (TRUST.md, G4)."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    WAITING = "waiting"
    LOOKING = "looking"
    SOLVED = "solved"
    FAILED = "failed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    LOST = "lost"
    EXPIRED = "expired"
    ABANDONED = "abandoned"

    __hash__ = object.__hash__  # the table below is read for every step of every job

    @property
    def final(self) -> bool:
        """Nothing more happens to the job."""
        return self not in TRANSITIONS


class Step(Enum):
    """What happened to a job."""

    SUBMIT = "submit"
    REQUEUE = "requeue"
    ACCEPT = "accept"
    ADOPT = "adopt"
    LOOK = "look"
    AGAIN = "again"
    SOLVE = "solve"
    FAIL = "fail"
    REJECT = "reject"
    DOUBT = "doubt"
    LOSE = "lose"
    EXPIRE = "expire"
    ABANDON = "abandon"

    __hash__ = object.__hash__


TRANSITIONS: dict[State, dict[Step, State]] = {
    State.QUEUED: {
        Step.SUBMIT: State.SUBMITTING,
        Step.ADOPT: State.WAITING,
        Step.REJECT: State.REJECTED,
        Step.EXPIRE: State.EXPIRED,
        Step.ABANDON: State.ABANDONED,
    },
    State.SUBMITTING: {
        Step.REQUEUE: State.QUEUED,
        Step.ACCEPT: State.WAITING,
        Step.SOLVE: State.SOLVED,
        Step.FAIL: State.FAILED,
        Step.REJECT: State.REJECTED,
        Step.DOUBT: State.UNKNOWN,
    },
    State.WAITING: {
        Step.LOOK: State.LOOKING,
        Step.LOSE: State.LOST,
        Step.EXPIRE: State.EXPIRED,
        Step.ABANDON: State.ABANDONED,
    },
    State.LOOKING: {
        Step.AGAIN: State.WAITING,
        Step.SOLVE: State.SOLVED,
        Step.FAIL: State.FAILED,
        Step.DOUBT: State.UNKNOWN,
        Step.LOSE: State.LOST,
        Step.EXPIRE: State.EXPIRED,
        Step.ABANDON: State.ABANDONED,
    },
}


def advance(state: State, step: Step) -> State:
    """Return the state after a step; `KeyError` for a step the table does not allow."""
    return TRANSITIONS[state][step]
