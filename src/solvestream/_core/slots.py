"""The slot gate: how many tasks an account may have under way, learned from refusals.

A service refuses what exceeds its slots and tells nobody how many there are. What is worse, a
slot is free as soon as an answer is ready, and we see that only with the next look. So the gate
asks not "have I seen a slot become free?" but "how likely is one free now?":

* A refusal is the one moment when the number of free slots is known: none. From then on they
  become free at some `rate`, so after t seconds one is free with probability
  `1 - exp(-rate * t)`. A submit leaves when that is worth a refusal: when the expected number,
  `rate * t`, has reached `ENOUGH`. That costs one refusal for each `exp(ENOUGH) - 1` taken.
* A submit that is taken used one up, and says that there was one: what is expected to be left
  is what such news leaves of that distribution (Bayes).
* The rate is learned from the same news, by the gradient of its likelihood: taken sooner than
  expected raises it, refused lowers it. This balances where refusals per accepted submit are
  what `ENOUGH` says, whatever the service's speed; no clock and no distribution of solving
  times goes in.
* Beside it stands the `limit`: the fewest tasks under way at which a submit was refused, so the
  slots can hardly be more. What we have seen end below it has left a free slot behind, and a
  submit leaves at once. With few slots this is most of what can be known. It grows again by one
  for each `limit` submits taken above it, and with each one after a long run without refusal.

Refusals are bounded, too, when capacity goes away:

* All refusals of submits that had left before the last episode's first are the same news.
* While closed, one probe is out at a time; each in vain doubles the span from which the next
  one's moment is drawn, and the step by which the limit falls.
"""

from __future__ import annotations

import math

from attrs import define, field

from solvestream._core.backoff import Random, full_jitter

ENOUGH = 2.2
"""Free slots to expect before a submit leaves; 1 in 9 is refused then."""
LEARN = 0.1
"""How much one submit's news moves the rate."""
KNOWN_NEWS = 0.4
"""The same, as a share, at most, for a submit that an end seen had made room for."""
LEARN_IN_VAIN = 3
"""Refusals in a row that lower the rate; more say that capacity is gone, and not how fast
slots become free once it is back."""
GUESS = 10.0
"""Seconds a task is taken to hold its slot before anything is learned."""
QUIET = 24
"""Submits taken in a row, at least, after which the limit grows with each: slots came back."""
WIRE, WIRE_SHARE = 4, 8
"""Submits on the wire at once: `WIRE`, and one more for each `WIRE_SHARE` under way."""
PROBE = 30.0
"""Seconds between probes at most while tasks are under way, whose ends tell."""
IDLE_BASE, IDLE_CAP = 5.0, 20.0
"""Seconds of the backoff between probes with none under way."""


@define(eq=False)
class SlotGate:
    """Says whether one more submit may go.

    Attributes:
        random: draws from [0, 1).
        known: a limit the user or the service told; never exceeded.
        limit: tasks under way up to which a submit finds a slot; infinite until the first refusal.
        under_way: submits on the wire and tasks accepted and not ended.
    """

    random: Random
    known: int | None = None
    limit: float = field(init=False)
    under_way: int = 0
    _on_wire: int = 0
    _at_once: int = 0
    _in_a_row: int = 0
    _taken: int = 0
    _last_refusal: float = -math.inf
    _rate: float = 0.0
    _none_free: float = -math.inf
    _need: float = ENOUGH
    _invited: float = math.inf

    def __attrs_post_init__(self) -> None:
        self.limit = math.inf if self.known is None else self.known

    @property
    def closed(self) -> bool:
        """The last news was a refusal."""
        return self._in_a_row > 0

    def ready_at(self) -> float:
        """Return when a submit may go: the past, a moment, or infinity until something ends."""
        if self.known is not None and self.under_way >= self.known:
            return math.inf
        if self._on_wire >= self._allowance():
            return math.inf
        if self.under_way < self.limit:
            return -math.inf
        if self._invited < math.inf:
            return self._invited
        return self._none_free + min(self._need / self._rate, PROBE)

    def _allowance(self) -> float:
        """Submits on the wire at once: what the first refusal may cost in vain ones."""
        return 1 if self.closed else WIRE + self.under_way / WIRE_SHARE + self._at_once

    def start(self, now: float) -> None:
        """Tell that a submit leaves; it is taken for accepted until it is refused."""
        self._on_wire += 1
        if now >= self._invited:
            self._invited = math.inf
        if self._rate:
            self._expect_taken(now)
        self.under_way += 1

    def _expect_taken(self, now: float) -> None:
        """Learn from a submit that is taken: how fast slots become free, and how many are left.

        `expected` have become free of the `tasks` that may have ended; at least one has. A submit
        within the limit was known to find a slot, so it is less news, and none at all when no
        time has passed: looks that see a thousand ends at once say nothing of the rate.
        """
        tasks = self.under_way + 1
        expected = max(1e-6, self._rate * (now - self._none_free))
        chance = -math.expm1(-expected)
        surprise = expected * math.exp(-expected) / chance
        weight = min(KNOWN_NEWS, expected) if self.under_way < self.limit else 1.0
        self._rate *= 1 + LEARN * weight * surprise / self._on_wire
        left = tasks * -math.expm1(-expected / tasks) / chance - 1
        self._none_free = now - left / self._rate

    def accepted(self, *, at_once: bool = False) -> None:
        """Tell that a submit was taken; its task is under way until `ended`.

        Services that answer `at_once` have no tasks under way but those on the wire: each such
        answer lets one more leave, so that the number on the wire doubles with each round.
        """
        self._at_once += at_once
        self._on_wire -= 1
        self._in_a_row = 0
        self._taken += 1
        self._need = ENOUGH
        limit = self.limit
        if self._taken > max(QUIET, 2 * limit):
            limit = max(limit, self.under_way) + 1
        elif self.under_way > limit:
            limit = max(1.0, limit + 1 / max(1.0, limit))
        self.limit = limit if self.known is None else min(limit, self.known)

    def refused(self, started: float, now: float) -> None:
        """Tell that a submit that left at `started` found no slot."""
        self._on_wire -= 1
        self.under_way -= 1
        expected_room = self.under_way < self.limit < math.inf
        self.limit = min(self.limit, self.under_way)
        if started < self._last_refusal:
            return
        span = 2.0**self._in_a_row - 1
        if expected_room:
            self.limit = max(0.0, self.limit - span)
        if not self._rate:
            self._rate = max(1, self.under_way - self._on_wire) / GUESS
        elif self._in_a_row < LEARN_IN_VAIN:
            self._rate = max(ENOUGH / PROBE, self._rate * math.exp(-LEARN * ENOUGH))
        self._need = ENOUGH * (1 + span * self.random())
        if self.under_way == self._on_wire:
            wait = full_jitter(self._in_a_row + 1, self.random, base=IDLE_BASE, cap=IDLE_CAP)
            self._need = wait * self._rate
        self._last_refusal = self._none_free = now
        self._at_once = self._taken = 0
        self._in_a_row = min(self._in_a_row + 1, 32)

    def dropped(self) -> None:
        """Tell that a submit ended without news about slots, and no task came of it."""
        self._on_wire -= 1
        self.under_way -= 1

    def invited(self, at: float) -> None:
        """Tell when the next probe is to go, as the service says that slots are free.

        Infinity takes that back.
        """
        self._invited = at

    def ended(self) -> None:
        """Tell that an accepted task is no longer under way."""
        self.under_way -= 1

    def adopted(self) -> None:
        """Tell of a task that another process or an earlier call had accepted."""
        self.under_way += 1
