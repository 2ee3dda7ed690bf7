"""Protocol modules: a task in, a request out; a reply in, outcomes out. Nothing here waits.

What the author of a protocol module needs is here; `examples/own_provider.py` is a whole one.
"""

from __future__ import annotations

from solvestream._outcomes import (
    Accepted,
    AccountDown,
    Busy,
    Failed,
    LookOutcome,
    Lost,
    Mismatch,
    Pending,
    Solved,
    SubmitOutcome,
    Throttled,
    Unknown,
)
from solvestream._wire import Limits, Origin, Request, Response
from solvestream.providers._protocol import Asked, Call, Capabilities, Provider

__all__ = [
    "Accepted",
    "AccountDown",
    "Asked",
    "Busy",
    "Call",
    "Capabilities",
    "Failed",
    "Limits",
    "LookOutcome",
    "Lost",
    "Mismatch",
    "Origin",
    "Pending",
    "Provider",
    "Request",
    "Response",
    "Solved",
    "SubmitOutcome",
    "Throttled",
    "Unknown",
]
