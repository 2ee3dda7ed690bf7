"""What a run writes down: everything users were told, and a hash over all that happened."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from typing import Any, Literal

from attrs import define, field

from solvestream import Result, SolvestreamError, Statistics, Ticket

How = Literal["result", "error", "ticket", "cut"]


@define(eq=False)
class Told:
    """What one call, or one task of a stream, came to.

    Attributes:
        label: of the task; `None` for a `wait` on a ticket, which names its order itself.
        way: how it was asked for: `solve`, `submit`, `wait`, `stream` or `resume`.
        how: a result, an error, a ticket, or nothing, as the user went away.
        deadline: seconds that the user gave.
        excuse: the user let answers that are no longer good be dropped or bought again.
    """

    label: int | None
    way: str
    life: int
    began: float
    at: float
    how: How
    deadline: float | None = None
    result: Result[Any] | None = None
    error: SolvestreamError | None = None
    ticket: Ticket | None = None
    excuse: str = ""


@define(eq=False)
class Life:
    """One client, from its opening to its end.

    Attributes:
        end: `closed`, or `crashed`.
        closing: when it was told to close.
        tickets: of what was paid and not handed over, as the client said when it closed.
        leftovers: what should be gone: tasks of the loop, exchanges on the wire.
    """

    number: int
    began: float
    end: Literal["open", "closed", "crashed"] = "open"
    ended: float = math.inf
    closing: float = math.inf
    statistics: Statistics | None = None
    tickets: tuple[Ticket, ...] = ()
    leftovers: list[str] = field(factory=list)


@define(eq=False)
class Story:
    """One run.

    Attributes:
        lines: the trace itself, where it was asked for.
        breaches: what users saw go wrong while it happened.
    """

    seed: int
    keep: bool = False
    lines: list[str] = field(factory=list)
    told: list[Told] = field(factory=list)
    lives: list[Life] = field(factory=list)
    breaches: list[str] = field(factory=list)
    notes: Counter[str] = field(factory=Counter)
    _hash: Any = field(factory=lambda: hashlib.blake2b(digest_size=12))

    def trace(self, line: str) -> None:
        """Add a line to the trace."""
        self._hash.update(line.encode())
        if self.keep:
            self.lines.append(line)

    def tell(self, told: Told) -> None:
        """Write down what a user was told."""
        self.told.append(told)
        name = type(told.error).__name__ if told.error is not None else ""
        self.notes[name or told.how] += 1
        self.trace(f"{told.at:.6f} {told.way} {told.label} {told.how} {name}")

    @property
    def digest(self) -> str:
        """The same for two runs in which the same happened at the same moments."""
        return str(self._hash.hexdigest())
