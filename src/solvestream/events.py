"""What a client tells `on_event`: plain frozen values, one for each thing that happens.

Events are for looking on: progress, logs, traces, metrics. They hold no key, no answer and
nothing of a task but its `tag`. `at` is in seconds since the epoch, durations are in seconds,
money is in USD.

A task's way::

    TaskQueued -> TaskSubmitted -> TaskAccepted -> TasksLooked ... -> TaskEnded -> TaskTaken
                       ^  TaskRefused |
"""

from __future__ import annotations

from typing import Any, Literal

from attrs import frozen


@frozen(kw_only=True)
class TaskQueued:
    """A task was handed over and waits to be submitted.

    Attributes:
        at: seconds since the epoch.
        job_key: the task's identity in this client; as given, or made.
        kind: of task, as `image`.
        tag: the task's own tag.
    """

    at: float
    job_key: str
    kind: str
    tag: Any = None


@frozen(kw_only=True)
class TaskAdopted:
    """A task was taken up by its ticket or from a journal: it is looked up, and not bought.

    Attributes:
        at: seconds since the epoch.
        job_key: the task's identity.
        kind: of task.
        account: name of the account that paid.
        task_id: the service's id.
    """

    at: float
    job_key: str
    kind: str
    account: str
    task_id: str


@frozen(kw_only=True)
class TaskWithdrawn:
    """A caller went before its task was sent: nothing was bought.

    Attributes:
        at: seconds since the epoch.
        job_key: the task's identity.
    """

    at: float
    job_key: str


@frozen(kw_only=True)
class TaskSubmitted:
    """A submit goes out; again after each `TaskRefused`.

    Attributes:
        at: seconds since the epoch.
        job_key: the task's identity.
        account: name of the account.
    """

    at: float
    job_key: str
    account: str


@frozen(kw_only=True)
class TaskAccepted:
    """A submit was taken, and so paid.

    Attributes:
        at: seconds since the epoch.
        job_key: the task's identity.
        account: name of the account.
        task_id: the service's id; empty where the answer came at once, without an id.
        seconds: from the submit to its reply.
    """

    at: float
    job_key: str
    account: str
    task_id: str
    seconds: float


@frozen(kw_only=True)
class TaskRefused:
    """A submit bought nothing, for certain, and the task is queued again.

    Attributes:
        at: seconds since the epoch.
        job_key: the task's identity.
        account: name of the account.
        code: as the service sent it, as `ERROR_NO_SLOT_AVAILABLE`; `connect`, `timeout`,
            `reset` and the like where it sent none.
        seconds: from the submit to its reply.
    """

    at: float
    job_key: str
    account: str
    code: str
    seconds: float


@frozen(kw_only=True)
class TasksLooked:
    """One request that looked for answers has ended.

    Attributes:
        at: seconds since the epoch.
        account: name of the account.
        job_keys: the tasks it asked for.
        pending: how many of them are not at their end.
        trouble: why there was no proper reply, as `timeout`; `None` where there was one.
        seconds: from the request to its reply.
    """

    at: float
    account: str
    job_keys: tuple[str, ...]
    pending: int
    trouble: str | None
    seconds: float


@frozen(kw_only=True)
class TaskEnded:
    """A task is at its end; a journal may still have to write it before it is handed over.

    Attributes:
        at: seconds since the epoch.
        job_key: the task's identity.
        kind: of task; empty for what is no task.
        account: name of the account that had it; `None` if none did.
        ok: there is an answer.
        error: name of the error's class, as `TaskFailed`; `None` when `ok`.
        code: the error's code, as the service sent it.
        charged: whether it cost money: `no`, `yes` or `maybe`.
        elapsed: seconds from hand-over to the end.
        solving: seconds from acceptance to the end; `None` for what was not accepted.
        looks: how often it was asked for.
        cost: USD, where the service says so.
        expires_at: until when the answer is good, where known; seconds since the epoch.
        redelivered: it was handed over before, as the journal has it.
    """

    at: float
    job_key: str
    kind: str
    account: str | None
    ok: bool
    error: str | None
    code: str | None
    charged: Literal["no", "yes", "maybe"]
    elapsed: float
    solving: float | None
    looks: int
    cost: float | None
    expires_at: float | None
    redelivered: bool


@frozen(kw_only=True)
class TaskTaken:
    """The user has a result: its `await` returned, or its stream's reader came for the next.

    Attributes:
        at: seconds since the epoch.
        job_key: the task's identity.
    """

    at: float
    job_key: str


@frozen(kw_only=True)
class GateChanged:
    """An account's slot gate closed, as there was no slot, or opened again.

    Attributes:
        at: seconds since the epoch.
        account: name of the account.
        open: submits may go out.
        limit: tasks under way at most, as known or learned; may be infinite.
    """

    at: float
    account: str
    open: bool
    limit: float


@frozen(kw_only=True)
class BreakerChanged:
    """A service stopped to answer properly, is being probed, or is well again.

    Attributes:
        at: seconds since the epoch.
        account: name of the account.
        state: `closed` in good times; `open` or `half-open` while it is left in peace.
    """

    at: float
    account: str
    state: Literal["closed", "open", "half-open"]


@frozen(kw_only=True)
class AccountChanged:
    """A service refuses an account, or takes it again.

    Attributes:
        at: seconds since the epoch.
        account: name of the account.
        down: the code with which it is refused; `None` once it is good.
    """

    at: float
    account: str
    down: str | None


Event = (
    TaskQueued
    | TaskAdopted
    | TaskWithdrawn
    | TaskSubmitted
    | TaskAccepted
    | TaskRefused
    | TasksLooked
    | TaskEnded
    | TaskTaken
    | GateChanged
    | BreakerChanged
    | AccountChanged
)
"""All there are."""
