"""What truly happened, as the service and the wire know it. The client never sees this."""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal

from attrs import define, field

Fate = Literal["wire", "free", "told", "unknown"]
"""How a submit ended for the client: on the wire still; known to be free; its id told in an
intact reply; anything else, which may have cost money."""


@define(eq=False)
class Order:
    """A task that the service took, and took money for.

    Attributes:
        answer: text; `None` where it cannot be solved and the money is given back.
        gone_at: when the service forgets it.
        told_at: when an intact reply with its id reached the client.
        answered_at: when an intact reply with its answer, or its failure, reached the client.
        looking: looks at it that are on the wire.
        looks: proper replies to looks at it.
    """

    number: int
    task_id: str
    label: int
    at: float
    ready_at: float
    gone_at: float
    answer: str | None
    at_once: bool = False
    told_at: float = math.inf
    answered_at: float = math.inf
    looking: int = 0
    looks: int = 0

    def at_work(self, now: float) -> bool:
        """It holds a slot."""
        return self.ready_at > now

    def gone(self, now: float) -> bool:
        """The service knows nothing of it."""
        return now >= self.gone_at


@define(eq=False)
class Attempt:
    """A submit that the client began."""

    label: int
    life: int
    at: float
    fate: Fate = "wire"
    note: str = ""
    ended: float = math.inf
    order: Order | None = None


@define(eq=False)
class Ledger:
    """One service's books.

    Attributes:
        breaches: bounds that were broken on the wire, in words.
        faults: how often each fault was played.
    """

    attempts: list[Attempt] = field(factory=list)
    orders: dict[str, Order] = field(factory=dict)
    wrong: Counter[str] = field(factory=Counter)
    breaches: list[str] = field(factory=list)
    faults: Counter[str] = field(factory=Counter)
    reports: Counter[str] = field(factory=Counter)
    requests: int = 0
    looked: int = 0
    refused: int = 0
    throttled: int = 0
    requests_at: list[float] = field(factory=list)

    def breach(self, words: str) -> None:
        """Note that a bound was broken; the first few of a kind will do."""
        if len(self.breaches) < 20:
            self.breaches.append(words)
