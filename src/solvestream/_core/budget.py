"""The client's budget: what tasks may cost together, in USD.

A task is counted at its account's price from the moment it is about to be sent. When it has
ended it counts with what the service took, where it tells; with nothing where it says so; and
with the price in all other cases, those in doubt included.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from attrs import define

from solvestream._core.job import End
from solvestream._core.lifecycle import Step
from solvestream._outcomes import Failed, Solved

_CENT_OF_A_CENT = 1e-6
"""USD by which sums may be off: fractions of a cent add up inexactly."""
_PAID = frozenset({Step.SOLVE, Step.FAIL, Step.LOSE, Step.DOUBT, Step.EXPIRE, Step.ABANDON})


@define(eq=False)
class Budget:
    """Counts what was spent.

    Attributes:
        limit: USD at most; infinite by default.
        spent: USD for tasks that have ended.
        reserved: returns USD that the tasks under way may cost.
    """

    limit: float = math.inf
    spent: float = 0.0
    reserved: Callable[[], float] = float

    def exhausted(self, price: float) -> bool:
        """Whether no task of that price is allowed any more."""
        return price > self.limit - self.spent + _CENT_OF_A_CENT

    def affords(self, price: float) -> bool:
        """Whether a task of that price is allowed beside those under way."""
        return self.limit == math.inf or not self.exhausted(price + self.reserved())

    def doubted(self, price: float) -> None:
        """Count a submit that may have been paid, and is followed by another."""
        self.spent += price

    def ended(self, step: Step, end: End, price: float) -> None:
        """Count a task that has ended after it was sent."""
        if step not in _PAID or (isinstance(end, Failed) and end.charged == "no"):
            return
        told = end.cost if isinstance(end, Solved) else None
        self.spent += price if told is None else told
