"""From the end of a job to the `Result` the user gets, with an error that says all we know."""

from __future__ import annotations

from typing import Any, assert_never, cast

from solvestream._core.job import (
    Abandoned,
    Ended,
    Expired,
    Job,
    NoReply,
    OverBudget,
    Stranded,
    Unfit,
)
from solvestream._outcomes import AccountDown, Failed, Lost, Solved, Unknown
from solvestream.errors import (
    AccountError,
    BudgetExceeded,
    Busy,
    ClientClosed,
    DeadlineExceeded,
    InvalidTask,
    SolvestreamError,
    SubmitUnknown,
    TaskFailed,
    TaskLost,
    TransportError,
)
from solvestream.results import Result, Ticket
from solvestream.solutions import Solution
from solvestream.tasks import Task


def ticket_of(job: Job, wall: float) -> Ticket | None:
    """Return what it takes to ask for a job's answer later; `wall` is epoch minus monotonic."""
    if not job.account:
        return None
    return Ticket(
        account=job.account,
        task_id=job.task_id or job.key,
        job_key=job.key,
        kind=job.kind,
        submitted_at=job.accepted_at + wall,
    )


def result_of(ended: Ended, *, now: float, wall: float, ttl: float | None) -> Result[Solution]:
    """Build the result of an ended job.

    Args:
        ended: the job and its end.
        now: the moment it ended, monotonic seconds.
        wall: seconds from the monotonic clock to the epoch.
        ttl: seconds an answer of this kind stays good, where known.
    """
    job, end = ended.job, ended.end
    ticket = ticket_of(job, wall)
    task = cast("Task[Solution] | None", job.task)
    solved = end if isinstance(end, Solved) else None
    return Result(
        task=task if isinstance(task, Task) else None,
        tag=None if task is None else task.tag,
        ok=solved is not None,
        solution=cast("Solution", None if solved is None else solved.solution),
        error=None if isinstance(end, Solved) else _doubted(job, _error(ended, ticket)),
        ticket=ticket,
        account=ended.account,
        submitted_at=job.accepted_at + wall if job.account else None,
        solved_at=None if solved is None else now + wall,
        elapsed=now - job.born,
        polls=job.looks,
        expires_at=None if solved is None or ttl is None else now + wall + ttl,
        cost=None if solved is None else solved.cost,
    )


def account_error(down: AccountDown, account: str, **details: Any) -> AccountError:
    """Return the error that says why an account cannot be used."""
    what = {
        "key": "the service does not accept its key; check the key",
        "funds": "it has no funds left; top it up, then call balance()",
        "ban": "the service has banned it for a while",
    }[down.cause]
    words = f"{down.code}: {down.message}" if down.message else down.code
    message = f"account {account}: {what} ({words})"
    return AccountError(
        message,
        cause=down.cause,
        retry_after=down.retry_after,
        code=down.code,
        account=account,
        **details,
    )


def _doubted(job: Job, error: SolvestreamError) -> SolvestreamError:
    """Say "maybe" of a job that ended unpaid after a submit that may have been paid."""
    if job.doubts and error.charged == "no":
        error.charged = "maybe"
    return error


def _error(ended: Ended, ticket: Ticket | None) -> SolvestreamError:
    account, job, end = ended.account, ended.job, ended.end
    known: dict[str, Any] = {
        "account": account,
        "ticket": ticket,
        "job_key": job.key,
        "task_id": job.task_id or None,
    }
    paid = bool(job.account)
    match end:
        case Failed(blame="input"):
            message = f"the service refused the task: {_said(end.code, end.message)}"
            return InvalidTask(message, code=end.code, verdict="rejected", **known)
        case Failed():
            known.update(charged=end.charged, verdict="accepted" if paid else "rejected")
            return TaskFailed(
                f"the service could not solve it: {_said(end.code, end.message)}",
                code=end.code,
                **known,
            )
        case Lost():
            known.update(charged="maybe", verdict="accepted", code=end.code or None)
            message = f"the service no longer knows the task: {_said(end.code, end.message)}"
            return TaskLost(message, **known)
        case Unknown():
            known.update(charged="maybe", verdict="unknown", code=end.code)
            message = f"it is not known whether the task was accepted and paid: {end.reason}"
            return SubmitUnknown(f"{message}; it was not sent again", **known)
        case Expired():
            return _expired(end, job, known)
        case Unfit(error=error):
            assert isinstance(error, SolvestreamError)
            error.job_key = job.key
            error.account = account
            return error
        case NoReply():
            verdict = "incomplete" if end.incomplete else "not_sent"
            return TransportError(end.reason, verdict=verdict, **known)
        case Stranded(why=NoReply(reason=reason), account=name):
            known.update(account=name)
            return TransportError(reason, verdict="not_sent", **known)
        case Stranded(why=OverBudget(limit=limit, spent=spent)):
            message = f"max_spend={limit} USD allows no further task ({spent:.4f} are spent)"
            return BudgetExceeded(message, **known)
        case Stranded(why=why, account=name):
            assert isinstance(why, AccountDown)
            return account_error(why, name, job_key=job.key)
        case Abandoned(failure=failure):
            known.update(charged="yes" if paid else "no", resumable=paid)
            hint = "; wait on its ticket with another client" if paid else ""
            if failure is not None:
                return SolvestreamError(f"{failure}{hint}", **known)
            return ClientClosed(f"the client was closed before the task ended{hint}", **known)
        case Solved():
            raise AssertionError  # it has no error
        case _:
            assert_never(end)


def _expired(end: Expired, job: Job, known: dict[str, Any]) -> SolvestreamError:
    if end.resumable and not job.account:
        known.update(charged="maybe", verdict="unknown")
        hint = "if it is accepted, Client.tickets() will have its ticket"
        return DeadlineExceeded(f"{end.reason} while its submit was on the wire; {hint}", **known)
    if end.resumable:
        known.update(charged="maybe", verdict="accepted", resumable=True)
        return DeadlineExceeded(f"{end.reason}; wait on its ticket to look again", **known)
    if job.said is not None:
        message = f"no slot was free until its deadline ({job.said})"
        return Busy(message, code=job.said, verdict="rejected", **known)
    return DeadlineExceeded(f"{end.reason} before it could be submitted", **known)


def _said(code: str, message: str) -> str:
    return ": ".join(part for part in (code, message) if part)
