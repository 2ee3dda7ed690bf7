"""What happened at an account, in numbers."""

from __future__ import annotations

from attrs import define

from solvestream._core.job import End
from solvestream._core.lifecycle import Step
from solvestream._outcomes import Solved

_COUNTED = {
    Step.SOLVE: "solved",
    Step.FAIL: "failed",
    Step.REJECT: "rejected",
    Step.LOSE: "lost",
    Step.DOUBT: "unknown",
    Step.EXPIRE: "expired",
}


@define(eq=False)
class Counts:
    """What happened at an account, in numbers that only grow (but `spent`, in USD)."""

    submits: int = 0
    accepted: int = 0
    refused: int = 0
    looks: int = 0
    requests: int = 0
    troubles: int = 0
    throttled: int = 0
    solved: int = 0
    failed: int = 0
    rejected: int = 0
    lost: int = 0
    unknown: int = 0
    expired: int = 0
    hints: int = 0
    stray_hints: int = 0
    spent: float = 0.0

    def ended(self, step: Step, end: End) -> None:
        """Count the end of a job."""
        name = _COUNTED.get(step)
        if name is not None:
            setattr(self, name, getattr(self, name) + 1)
        if isinstance(end, Solved) and end.cost is not None:
            self.spent += end.cost
