"""Every error solvestream raises or puts on a `Result`, under one root.

Who is to blame decides the branch::

    SolvestreamError
    ├── UsageError            you: the library was called wrongly
    │   ├── ClientClosed          the client is not open (any more)
    │   └── WrongLoop             the client belongs to another event loop or thread
    ├── InvalidTask           you: this task cannot be sent as it is; nothing was charged
    ├── AccountError          the account: bad key, no funds, banned for a while
    ├── TaskFailed            the service: it worked on the task and said no
    ├── TaskLost              the service: it no longer knows the task
    ├── SubmitUnknown         the wire: the submit's reply was lost; it may have been bought
    ├── DeadlineExceeded      time: the task did not end by its deadline
    ├── Busy                  time: no slot was free until the deadline
    ├── BudgetExceeded        money: the client's `max_spend` allows no further task
    ├── ProtocolError         the service: its reply does not follow its protocol
    ├── TransportError        the wire: no exchange was possible
    └── JournalError          this machine: the journal cannot be opened, read or written

A result's error answers three questions: was money spent (`charged`), can the answer still
be had (`resumable`, with the ticket on the result), and what did the service say (`code`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from solvestream.results import Ticket

Charged = Literal["no", "yes", "maybe"]
Cause = Literal["key", "funds", "ban"]


class SolvestreamError(Exception):
    """Root of all errors of this library.

    Attributes:
        code: the service's own code, as it came; `None` where the service said nothing.
        account: name of the account concerned.
        job_key: the stable identity of the job.
        task_id: the service's id of the task, once it has one.
        verdict: what is known of the submit: `not_sent`, `incomplete`, `rejected`,
            `accepted` or `unknown`.
        charged: whether the service took money for it: `no`, `yes` or `maybe`.
        resumable: the answer may still be had by waiting on the ticket.
        ticket: what `Client.wait` takes, once the task was paid.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        account: str | None = None,
        job_key: str | None = None,
        task_id: str | None = None,
        verdict: str | None = None,
        charged: Charged = "no",
        resumable: bool = False,
        ticket: Ticket | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.account = account
        self.job_key = job_key
        self.task_id = task_id
        self.verdict = verdict
        self.charged: Charged = charged
        self.resumable = resumable
        self.ticket = ticket

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.args, dict(self.__dict__)))


def _rebuild(
    kind: type[SolvestreamError], args: tuple[object, ...], state: dict[str, object]
) -> SolvestreamError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(SolvestreamError):
    """The library was called wrongly. The message says how to call it."""


class ClientClosed(UsageError):
    """The client was never opened, or is closed. Use `async with Client(...)` or `start()`."""


class WrongLoop(UsageError):
    """The client was opened in another event loop or thread. Open one client per loop."""


class InvalidTask(SolvestreamError):
    """A task that cannot be sent, or that the service refused as malformed. Never charged.

    Attributes:
        field: the task's field at fault; `None` where the service did not say.
        value: what was wrong, shortened to one line.
        fix: what to do about it.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str | None = None,
        value: object = None,
        fix: str | None = None,
        **details: object,
    ) -> None:
        self.field = field
        self.value = shorten(value)
        self.fix = fix
        if message is None:
            message = f"{field}={self.value}: {fix}"
        super().__init__(message, **details)  # type: ignore[arg-type]


class AccountError(SolvestreamError):
    """The account cannot be used: bad key, no funds, or banned for a while.

    Attributes:
        cause: `key`, `funds` or `ban`; `None` where the service does not tell.
        retry_after: seconds until the service will listen again; `None` when waiting alone
            does not help.
    """

    def __init__(
        self,
        message: str,
        *,
        cause: Cause | None = None,
        retry_after: float | None = None,
        **details: object,
    ) -> None:
        self.cause: Cause | None = cause
        self.retry_after = retry_after
        super().__init__(message, **details)  # type: ignore[arg-type]


class TaskFailed(SolvestreamError):
    """The service accepted the task and could not solve it."""


class TaskLost(SolvestreamError):
    """The service no longer knows the task: deleted, expired, or an id that was never whole."""


class SubmitUnknown(SolvestreamError):
    """The submit may or may not have been accepted and charged; it is not sent again.

    Pass `resubmit_unknown=True` to the client to take the risk of paying twice instead.
    """


class DeadlineExceeded(SolvestreamError):
    """The task did not end by its deadline. With `resumable` set, wait on its ticket later."""


class Busy(SolvestreamError):
    """The service had no free slot until the task's deadline. Nothing was charged."""


class ProtocolError(SolvestreamError):
    """A reply does not follow the service's protocol. The message says where."""


class BudgetExceeded(SolvestreamError):
    """The client's `max_spend` allows no further task. Nothing was charged for this one."""


class TransportError(SolvestreamError):
    """No exchange with the service was possible. The message names host and port."""


class JournalError(SolvestreamError):
    """The journal cannot be opened, read or written. The message names the file and the remedy.

    As an error of a task it means that nothing was sent: what cannot be noted is not bought.
    """


def shorten(value: object, limit: int = 80) -> str:
    """One line that shows a value in an error; a long one loses its middle. Never raises."""
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001 - somebody else's repr
        text = f"<{type(value).__name__}>"
    text = text if text.isprintable() else ascii(text)
    head = limit // 3
    return text if len(text) <= limit else f"{text[:head]}…{text[head + 1 - limit :]}"
