"""What a reply means: the values a protocol module answers and a planner takes.

"No slot" and "not ready" are outcomes like any other, never exceptions. A protocol module
reads every reply, however broken, into one of these.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from solvestream.solutions import Solution


@frozen
class Accepted:
    """The submit was taken; ask for the answer under this id.

    Attributes:
        task_id: the service's id, as it came.
        verified: false where the reply was delimited by the end of the connection only, so that
            the id may be cut short. Default true.
    """

    task_id: str
    verified: bool = True


@frozen
class Solved:
    """The answer, from a look or from the submit's own reply.

    Attributes:
        solution: the answer.
        task_id: the service's id, where the submit's own reply had one beside the answer.
        cost: USD it took, where the service tells.
        verified: false where only the end of the connection ended the reply, so that the answer
            may be cut short: further looks must confirm it. Default true.
    """

    solution: Solution
    task_id: str | None = None
    cost: float | None = None
    verified: bool = True


@frozen
class Pending:
    """Still worked on."""


@frozen
class Busy:
    """No free slot; the same submit may be sent again after a while. Nothing was charged.

    Attributes:
        code: as it came.
        retry_after: seconds the service asks to wait, where it does.
        or_broke: the code may mean "no funds" as well: the account is asked for its `threads()`,
            and what it says decides (`faults.json` S26). Default false.
    """

    code: str
    retry_after: float | None = None
    or_broke: bool = False


@frozen
class Throttled:
    """Too fast: slow down and send the same again. Nothing was done with it.

    Attributes:
        code: as it came.
        retry_after: seconds the service asks to wait; 3 are waited where it does not say.
    """

    code: str
    retry_after: float | None = None


@frozen
class Failed:
    """The service said no to this task, for good.

    Attributes:
        code: as it came.
        blame: `task` when it worked on it in vain, `input` when the input cannot be worked on.
        again: a fresh submit of the same task may do better.
        charged: whether it says it took money.
        message: the service's own words, if any.
    """

    code: str
    blame: Literal["task", "input"] = "task"
    again: bool = False
    charged: Literal["no", "yes", "maybe"] = "no"
    message: str = ""


@frozen
class Lost:
    """The service does not know this id (any more).

    Attributes:
        code: as it came.
        message: the service's own words, if any.
    """

    code: str
    message: str = ""


@frozen
class Unknown:
    """The reply says nothing about the task.

    To a submit that means money may have been spent; to a look, that it is looked at again.

    Attributes:
        reason: one line for people, without anything secret.
        code: the service's code, if there was one.
        retry_after: seconds the service asks to wait.
    """

    reason: str
    code: str | None = None
    retry_after: float | None = None


@frozen
class AccountDown:
    """The account cannot be used.

    Attributes:
        code: as it came.
        cause: `key`, `funds` or `ban`.
        retry_after: seconds a ban lasts; `None` when waiting does not help.
        message: the service's own words, if any.
    """

    code: str
    cause: Literal["key", "funds", "ban"]
    retry_after: float | None = None
    message: str = ""


@frozen
class Mismatch:
    """A reply to a look at several ids does not fit them: look at each alone.

    Attributes:
        reason: one line for people, without anything secret.
    """

    reason: str


SubmitOutcome = Accepted | Solved | Busy | Throttled | Failed | Unknown | AccountDown
"""What the reply to a submit may mean."""
LookOutcome = Solved | Pending | Throttled | Failed | Lost | Unknown | AccountDown
"""What the reply to a look may mean for one task."""
