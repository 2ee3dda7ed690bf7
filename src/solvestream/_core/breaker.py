"""The circuit breaker of one account: when to leave a service in peace.

Closed, everything passes. Open, nothing does until a moment. Half-open, a probe does; its
success closes the breaker, its failure opens it again for longer. It opens by itself after
several failures in a row, or is tripped for a period the service named (a ban, a 429).

A probe into a black hole takes its whole time limit to fail, and the service may be well again
the moment after it left. So the next does not wait for it, but for the backoff alone, and the
first of them that is answered counts.
"""

from __future__ import annotations

import math
from enum import StrEnum

from attrs import define, field

from solvestream._core.backoff import Random, full_jitter

PROBES = 3
"""Probes on the wire at once."""


class Breaking(StrEnum):
    """The three states of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@define(eq=False)
class Breaker:
    """Counts failures in a row and says whether an exchange may start.

    Every exchange carries the `epoch` it started in. What started before the breaker last
    opened says nothing about the service now, so such replies neither close it nor count.

    Attributes:
        random: draws from [0, 1).
        is_open: nothing passes but probes.
        threshold: failures in a row that open it.
        base, cap: seconds of the backoff while it keeps failing.
    """

    random: Random
    is_open: bool = False
    threshold: int = 5
    base: float = 1.0
    cap: float = 5.0
    epoch: int = 0
    until: float = -math.inf
    failing_since: float | None = None
    _probes: int = 0
    _failures: int = field(default=0)

    def __repr__(self) -> str:
        return f"<Breaker {'open' if self.is_open else 'closed'} until={self.until}>"

    def state(self, now: float) -> Breaking:
        """Return the state at a moment."""
        if not self.is_open:
            return Breaking.CLOSED
        return Breaking.HALF_OPEN if self._probes or now >= self.until else Breaking.OPEN

    @property
    def is_probing(self) -> bool:
        """A probe is on the wire."""
        return self._probes > 0

    def ready_at(self) -> float:
        """Return when an exchange may start: the past, a moment, or infinity for enough probes."""
        if not self.is_open:
            return -math.inf
        return self.until if self._probes < PROBES else math.inf

    def start(self, now: float) -> int:
        """Tell that an exchange starts; returns the epoch it carries."""
        if self.is_open:
            self._probes += 1
            self.until = max(self.until, now + self._backoff(self._failures + 1))
        return self.epoch

    def _backoff(self, failures: int) -> float:
        tries = max(1, failures - self.threshold + 1)
        return full_jitter(tries, self.random, base=self.base, cap=self.cap)

    def succeeded(self, epoch: int) -> None:
        """Tell that an exchange of that epoch got a proper reply."""
        if epoch == self.epoch:
            self.epoch += self.is_open  # the other probes say nothing any more
            self.is_open = False
            self._probes = 0
            self._failures = 0
            self.failing_since = None

    def failed(self, epoch: int, now: float) -> None:
        """Tell that an exchange of that epoch got no proper reply."""
        if epoch != self.epoch:
            return
        self._failures += 1
        if self.failing_since is None:
            self.failing_since = now
        if self.is_open:
            self._probes -= 1
        elif self._failures >= self.threshold:
            self.trip(epoch, now, self._backoff(self._failures))

    def trip(self, epoch: int, now: float, seconds: float) -> None:
        """Open for at least that long; a longer opening under way stays."""
        if epoch == self.epoch or not self.is_open:
            self._probes = 0
            self.epoch += 1
        self.is_open = True
        self.until = max(self.until, now + seconds)

    def dropped(self, epoch: int) -> None:
        """Tell that an exchange ended without saying anything, as by our own closing."""
        if epoch == self.epoch and self._probes:
            self._probes -= 1
