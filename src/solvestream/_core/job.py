"""One task's way through the client: what the planner needs to know of it, and no more."""

from __future__ import annotations

import math
from typing import Any, Protocol

from attrs import define

from solvestream._core.lifecycle import State
from solvestream._outcomes import AccountDown, Failed, Lost, Solved, Unknown


@define(eq=False)
class Job:
    """A task under way. Thousands of these wait at once, so it is one slotted object.

    Attributes:
        kind: of task, for pacing and for reading the answer.
        seq: order of hand-over, unique in a client.
        prefix: of the keys of jobs that were given none.
        given_key: the stable identity the user gave (`job_key`).
        born: when it was handed over. All moments are monotonic seconds.
        deadline: when it ends whatever happens; infinite for the account's own after acceptance.
        priority: higher ones are submitted first.
        task: what was handed over, a task or an entry of the journal; opaque here.
        sink: who is told of the end; opaque here.
        account: name of the account that took it; empty while queued.
        task_id: the service's id, once accepted.
        accepted_at: when the id was seen.
        tick: of the calendar, when it shall be looked at next.
        perish: when the service deletes task and answer.
        looks: how often it was looked at.
        attempts: submits that a service may have seen whole or in part.
        wanted: somebody waits for it, or it is paid; else it is not submitted again.
        doubts: submits that may have been paid, and were followed by another by the user's choice.
        said: the code the service last gave for not taking it.
    """

    kind: str
    seq: int
    born: float
    prefix: str = "job"
    given_key: str | None = None
    deadline: float = math.inf
    priority: int = 0
    task: Any = None
    sink: Any = None
    state: State = State.QUEUED
    account: str = ""
    task_id: str = ""
    accepted_at: float = 0.0
    tick: int = 0
    perish: float = math.inf
    looks: int = 0
    attempts: int = 0
    wanted: bool = True
    doubts: int = 0
    said: str | None = None

    @property
    def key(self) -> str:
        """The stable identity; made when asked for, as thousands of jobs never are."""
        return self.given_key or f"{self.prefix}-{self.seq}"


@define(eq=False)
class NoReply:
    """End: the submit left this machine in part or not at all, and is not sent again.

    `reason` is one line for people; `incomplete` tells that some bytes had left.
    """

    reason: str
    incomplete: bool = False


@define(eq=False)
class Expired:
    """End: the deadline, or the last look allowed.

    `reason` is one line for people; `resumable` tells that the answer may still come.
    """

    reason: str
    resumable: bool


@define(eq=False)
class Unfit:
    """End: the task cannot be sent as it is; `error` (an `InvalidTask`) says why."""

    error: Exception


@define(eq=False)
class OverBudget:
    """Why nothing more is bought: of `limit` USD that may be spent, `spent` are."""

    limit: float
    spent: float


@define(eq=False)
class Stranded:
    """End: no account can take the task. `why` is what the last of them, `account`, said."""

    why: AccountDown | NoReply | OverBudget
    account: str


@define(eq=False)
class Abandoned:
    """End: the client closed before the job was done; `failure` is set where a bug closed it."""

    failure: str | None = None


End = Solved | Failed | Lost | Unknown | NoReply | Unfit | Expired | Stranded | Abandoned


@define(eq=False)
class Ended:
    """A job, how it ended, and at which account (`None` when none had it)."""

    job: Job
    end: End
    account: str | None


class Pace(Protocol):
    """When to look at a kind of task (`providers.Pacing` is one); seconds."""

    @property
    def first_look(self) -> float:
        """From acceptance to the first look."""
        ...

    @property
    def interval(self) -> float:
        """Between looks."""
        ...

    @property
    def max_looks(self) -> int:
        """Looks at most."""
        ...

    @property
    def deadline(self) -> float:
        """From acceptance to the end of a task without a deadline of its own."""
        ...


class Traits(Protocol):
    """What the planner needs to know of a service (`providers.Capabilities` is one)."""

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of task it takes."""
        ...

    @property
    def max_batch(self) -> int:
        """Ids one look may ask for."""
        ...

    @property
    def min_interval(self) -> float:
        """Seconds between looks at one task, at least."""
        ...

    @property
    def retention(self) -> float | None:
        """Seconds after acceptance when task and answer are deleted."""
        ...

    @property
    def slots(self) -> int | None:
        """Tasks under way at once, where known."""
        ...

    @property
    def price(self) -> float | None:
        """USD a task costs at most, where known."""
        ...

    def pace(self, kind: str) -> Pace:
        """When to look at a kind."""
        ...
