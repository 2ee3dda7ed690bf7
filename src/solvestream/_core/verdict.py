"""What became of the money: one pure function over one submit attempt (TRUST.md).

This is the only place that may allow a submit to be sent again.
"""

from __future__ import annotations

from enum import StrEnum

from solvestream._outcomes import (
    Accepted,
    AccountDown,
    Busy,
    Failed,
    Solved,
    SubmitOutcome,
    Throttled,
    Unknown,
)
from solvestream._wire import Sent


class Verdict(StrEnum):
    """What is known of a submit attempt."""

    NOT_SENT = "not_sent"
    """Positive evidence that no request byte left. Free; may be sent again."""
    INCOMPLETE = "incomplete"
    """A framed body did not leave whole, so it cannot have been acted on. Free; again once."""
    REJECTED = "rejected"
    """A complete, documented refusal. Free; what comes next depends on its class."""
    ACCEPTED = "accepted"
    """A complete success. Paid."""
    UNKNOWN = "unknown"
    """Anything else. May have been paid; never sent again unless the user says so."""


_FREE_BY_EVIDENCE = {Sent.NOTHING: Verdict.NOT_SENT, Sent.PART: Verdict.INCOMPLETE}


def judge(sent: Sent, outcome: SubmitOutcome | None = None, *, known: bool = False) -> Verdict:
    """Return the verdict on a submit.

    Args:
        sent: how much of the request had left when the exchange ended.
        outcome: what a whole reply meant; `None` when there was none.
        known: the id in the reply belongs to another job already.
    """
    match outcome:
        case Accepted() | Solved():
            return Verdict.UNKNOWN if known else Verdict.ACCEPTED
        case Busy() | Throttled() | Failed() | AccountDown():
            return Verdict.REJECTED
        case Unknown() | None:
            return _FREE_BY_EVIDENCE.get(sent, Verdict.UNKNOWN)
