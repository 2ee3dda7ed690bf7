"""What comes back beside the answers: results, tickets, balances. Plain frozen values.

Times are seconds since the epoch (`submitted_at`, `solved_at`, `expires_at`) or plain
seconds (`elapsed`); money is USD unless the service counts solves.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Generic, Literal, cast

from attrs import field, frozen

from solvestream.errors import SolvestreamError, UsageError
from solvestream.solutions import S_co
from solvestream.tasks import Task


@frozen
class Balance:
    """What is left on an account.

    Attributes:
        amount: finite; USD, or a number of solves.
        unit: `USD` or `solves`.
        raw: the service's own words.
    """

    amount: float
    unit: Literal["USD", "solves"]
    raw: str


@frozen(kw_only=True)
class Threads:
    """How many tasks an account may have under way at once, as the service tells.

    Attributes:
        limit: slots of the plan.
        working: slots in use now.
    """

    limit: int
    working: int


@frozen(kw_only=True)
class Ticket:
    """What it takes to ask for a paid answer later, in this process or another.

    Attributes:
        account: name of the account that paid.
        task_id: the service's id.
        job_key: the stable identity of the job.
        kind: the task's kind, which tells how to read the answer.
        submitted_at: seconds since the epoch.
    """

    account: str
    task_id: str
    job_key: str
    kind: str
    submitted_at: float

    def to_json(self) -> str:
        """Return the ticket as one JSON object, as text."""
        return json.dumps(
            {
                "account": self.account,
                "task_id": self.task_id,
                "job_key": self.job_key,
                "kind": self.kind,
                "submitted_at": self.submitted_at,
            }
        )

    @classmethod
    def from_json(cls, value: str | bytes | Mapping[str, Any]) -> Ticket:
        """Read a `value` that `to_json` wrote, as text or already parsed. Raises `UsageError`."""
        data: object = value
        if isinstance(value, str | bytes):
            try:
                data = json.loads(value)
            except (ValueError, RecursionError):
                data = None
        if not isinstance(data, Mapping):
            raise UsageError("ticket: expected the JSON object that Ticket.to_json() wrote")
        return cls(**_ticket_fields(cast("Mapping[str, object]", data)))


def _ticket_fields(data: Mapping[str, object]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("account", "task_id", "job_key", "kind"):
        value = data.get(name)
        if not isinstance(value, str) or not value:
            raise UsageError(f"ticket: {name} is missing or no string")
        found[name] = value
    when = data.get("submitted_at")
    if isinstance(when, bool) or not isinstance(when, int | float) or not math.isfinite(when):
        raise UsageError("ticket: submitted_at is missing or no number")
    return found | {"submitted_at": float(when)}


@frozen(kw_only=True)
class Result(Generic[S_co]):
    """How one task ended: with a solution, or with the error that says why not.

    Attributes:
        task: the task as handed over; `None` for one taken up again by its ticket.
        tag: the task's own tag.
        ok: there is a solution.
        solution: the answer when `ok`; else `None`, which its type leaves out for the sake of
            those who have looked at `ok`, or got the result from `solve`.
        error: why there is none, when not `ok`.
        ticket: identity of what was bought; `None` where nothing was, or the answer came
            with the submit's own reply and no id.
        account: name of the account that took it; `None` if none did.
        submitted_at: when the service accepted it, seconds since the epoch.
        solved_at: when its answer was seen, seconds since the epoch.
        elapsed: seconds from hand-over to the end.
        polls: how often the service was asked for the answer.
        expires_at: until when the answer is good, where known; seconds since the epoch.
        expired: it was no longer good when handed over.
        cost: what the service says it took, in USD; `None` where it does not say.
        redelivered: it was handed over before and not acknowledged.
    """

    task: Task[S_co] | None = None
    tag: Any = None
    ok: bool
    solution: S_co = cast("S_co", None)  # noqa: RUF009 - an immutable None
    error: SolvestreamError | None = None
    ticket: Ticket | None = None
    account: str | None = None
    submitted_at: float | None = None
    solved_at: float | None = None
    elapsed: float = 0.0
    polls: int = 0
    expires_at: float | None = None
    expired: bool = False
    cost: float | None = None
    redelivered: bool = field(default=False)

    def unwrap(self) -> S_co:
        """Return the solution, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.solution


@frozen(kw_only=True)
class AccountStatistics:
    """What happened at one account since the client was opened; a snapshot.

    The ledger adds up: `accepted` is `solved` + `failed` + `lost` + `expired` + `in_flight`, but
    for refusals counted as failed before they were accepted and tickets taken up again.

    Attributes:
        in_flight: submits on the wire and tasks at the service.
        limit: tasks under way at most, as known or learned; infinite before the first refusal.
        gate: `open`, or `closed` while submits find no slot.
        breaker: `closed` in good times; `open` or `half-open` while the service is left in peace.
        down: code with which the service refuses the account; `None` while it is good.
        submits: submit requests sent.
        accepted: submits that were taken, and so paid.
        refused: submits that found no slot.
        throttled: replies that said "too fast".
        looks: ids asked for; one request may ask for many.
        requests: submits and look requests.
        troubles: exchanges that gave no proper reply.
        solved: tasks that ended with an answer.
        failed: tasks that ended as `TaskFailed`, or that the service refused after a look.
        rejected: tasks that were never accepted.
        lost: tasks that ended as `TaskLost`.
        unknown: tasks that ended as `SubmitUnknown`.
        expired: tasks that ended at their deadline, or with their last look.
        hints: call-backs that led to a look (`Client.hint`).
        stray_hints: call-backs with an id that was not under way; they change nothing.
        spent: what the service said it took, in USD.
    """

    in_flight: int
    limit: float
    gate: Literal["open", "closed"]
    breaker: str
    down: str | None
    submits: int
    accepted: int
    refused: int
    throttled: int
    looks: int
    requests: int
    troubles: int
    solved: int
    failed: int
    rejected: int
    lost: int
    unknown: int
    expired: int
    hints: int
    stray_hints: int
    spent: float


@frozen(kw_only=True)
class Statistics:
    """A snapshot of a client.

    Attributes:
        queued: tasks handed over and not yet submitted.
        in_flight: submits on the wire and tasks at services.
        unread: results that have come and wait to be read, in streams or kept. A reader who is
            slower than the services lets it grow up to each stream's `in_flight`.
        stale: of these, answers that are no longer good (`Result.expires_at`).
        kept: results nobody has waited for yet; `wait(ticket)` hands them over.
        dropped: kept results given up because there were too many.
        accounts: one entry for each account, by name.
    """

    queued: int
    in_flight: int
    unread: int
    stale: int
    kept: int
    dropped: int
    accounts: Mapping[str, AccountStatistics]
