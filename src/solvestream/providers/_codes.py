"""Error codes: a table of code to `Code`, and what each class means where it comes up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from attrs import frozen

from solvestream._outcomes import (
    AccountDown,
    Busy,
    Failed,
    LookOutcome,
    Lost,
    Pending,
    SubmitOutcome,
    Throttled,
    Unknown,
)
from solvestream._wire import Response
from solvestream.errors import (
    AccountError,
    Charged,
    ProtocolError,
    SolvestreamError,
    TaskLost,
)
from solvestream.providers._reply import Refusal
from solvestream.providers._retry_after import retry_after

CodeClass = Literal[
    "pending",
    "busy",
    "busy_or_broke",
    "throttled",
    "key",
    "funds",
    "ban",
    "failed",
    "again",
    "input",
    "lost",
    "trouble",
]
"""What a code means.

`busy_or_broke`: no free thread, or no funds; only a submit takes a thread, so elsewhere no funds.
`failed`: the task, for good. `again`: the task, but a fresh submit may do better. `input`:
the task cannot be worked on. `lost`: unknown id. `trouble`: the service's own trouble.
"""


@frozen
class Code:
    """Class of an error code, the seconds to wait, and whether a task it ends is charged."""

    kind: CodeClass
    wait: float | None = None
    charged: Charged = "maybe"


Codes = Mapping[str, Code]
"""One service's table."""

_UNLISTED = Code("failed")
_SHAPE = re.compile(r"(ERROR_[A-Z0-9_]{1,80})(?:[^A-Za-z0-9_](.*))?", re.DOTALL).fullmatch


def find_code(text: object, codes: Codes, message: object = None) -> Refusal | None:
    """Return the refusal a text stands for: a code of the table, or any `ERROR_...`."""
    if not isinstance(text, str):
        return None
    words = message if isinstance(message, str) else ""
    if text in codes:
        return Refusal(text, words)
    shape = _SHAPE(text) if text.startswith("ERROR_") else None
    return Refusal(shape[1], words or (shape[2] or "").strip()) if shape else None


def _may_be_cut(refusal: Refusal, codes: Codes, response: Response) -> bool:
    """Whether a code may be the beginning of another: only the connection's end ended the reply."""
    return not response.delimited and refusal.code not in codes


def submit_outcome(refusal: Refusal, codes: Codes, response: Response) -> SubmitOutcome:
    """Return what a refused submit comes to."""
    if _may_be_cut(refusal, codes, response):
        return Unknown("a reply that may be cut short", refusal.code)
    code = codes.get(refusal.code, _UNLISTED)
    if code.kind in {"busy", "busy_or_broke"}:
        wait = _wait(code, response)
        return Busy(refusal.code, wait, or_broke=code.kind == "busy_or_broke")
    if code.kind in {"pending", "lost"}:
        return Unknown(f"a submit answered by {refusal.code}", refusal.code)
    return _outcome(refusal, code, response, "no")


def look_outcome(refusal: Refusal, codes: Codes, response: Response) -> LookOutcome:
    """Return what an unsuccessful look comes to."""
    if _may_be_cut(refusal, codes, response):
        return Unknown("a reply that may be cut short", refusal.code)
    code = codes.get(refusal.code, _UNLISTED)
    if code.kind == "pending":
        return Pending()
    if code.kind == "lost":
        return Lost(refusal.code, refusal.message)
    return _outcome(refusal, code, response, code.charged)


def as_error(outcome: object, account: str) -> SolvestreamError:
    """Return the error for a balance, report or threads call that a refusal answered."""
    if isinstance(outcome, AccountDown):
        text = f"{account}: {outcome.code} {outcome.message}".rstrip()
        wait = outcome.retry_after
        known = {"code": outcome.code, "account": account}
        return AccountError(text, cause=outcome.cause, retry_after=wait, **known)
    if isinstance(outcome, Lost):
        return TaskLost(
            f"{account}: {outcome.code} {outcome.message}".rstrip(),
            code=outcome.code,
            account=account,
        )
    code = getattr(outcome, "code", None)
    said = getattr(outcome, "reason", "") or getattr(outcome, "message", "") or code or "no reply"
    return ProtocolError(f"{account}: {said}", code=code, account=account)


def _outcome(
    refusal: Refusal, code: Code, response: Response, charged: Charged
) -> Throttled | AccountDown | Failed | Unknown:
    name, message, kind = refusal.code, refusal.message, code.kind
    if kind in {"busy", "throttled"}:
        return Throttled(name, _wait(code, response))
    if kind == "key" or kind == "funds" or kind == "ban":  # noqa: PLR1714 - narrows the type
        return AccountDown(name, kind, code.wait, message)
    if kind == "busy_or_broke":
        return AccountDown(name, "funds", message=message)
    if kind == "trouble":
        return Unknown(f"the service is in trouble: {name}", name, _wait(code, response))
    blame: Literal["task", "input"] = "input" if kind == "input" else "task"
    return Failed(name, blame, again=kind == "again", charged=charged, message=message)


def _wait(code: Code, response: Response) -> float | None:
    """Seconds to wait: what the service asks for, else what the table says."""
    asked = retry_after(response)
    return code.wait if asked is None else asked
