"""The slot gate: how many tasks an account may have under way, learned from refusals.

A service refuses what exceeds its slots and tells nobody how many there are. One gate per
account learns it:

* A refusal means "full at this many": the limit goes to what is under way, less one step.
  The step doubles while refusals follow each other without a success between.
* All refusals of submits that had left before the step are the same news, and change nothing.
* While closed, one probe is out at a time: when a task ends and makes room, or when a jittered
  timer says so.
* Each success raises the limit a little, so that in the long run about one submit in
  `1 / RAISE` finds the edge. Counting successes and not seconds bounds refusals per success
  by construction, whatever the service's speed.
* After a long quiet, in successes or in seconds, the limit doubles with each round: capacity
  that comes back is taken at once.

Why not CUBIC: its clock is seconds, so its refusals per accepted submit grow with the time a
task takes. `benchmarks/slots.py` holds both, in virtual time.
"""

from __future__ import annotations

import math

from attrs import define, field

from solvestream._core.backoff import Random, full_jitter

RAISE = 0.12
"""How much one success raises the limit near the edge."""
WIRE = 4
WIRE_SHARE = 10
"""Submits on the wire at once: `WIRE`, and one more for each `WIRE_SHARE` under way."""
QUIET_SUCCESSES = 24
"""Successes in a row, at least, after which the limit doubles each round."""
QUIET_SECONDS = 30.0
"""Seconds without refusal after which the limit doubles each round."""


@define(eq=False)
class SlotGate:
    """Says whether one more submit may go.

    Attributes:
        random: draws from [0, 1).
        known: a limit the user or the service told; never exceeded.
        base, cap: seconds of the backoff between timed probes while refused.
        limit: tasks under way at most; infinite until the first refusal.
        under_way: submits on the wire and tasks accepted and not ended.
    """

    random: Random
    known: int | None = None
    base: float = 5.0
    cap: float = 30.0
    limit: float = field(init=False)
    under_way: int = 0
    refusals: int = 0
    _on_wire: int = 0
    _closed: bool = False
    _in_a_row: int = 0
    _successes: int = 0
    _at_once: int = 0
    _last_refusal: float = -math.inf
    _timer: float = -math.inf

    def __attrs_post_init__(self) -> None:
        self.limit = math.inf if self.known is None else self.known

    @property
    def closed(self) -> bool:
        """The last news was a refusal."""
        return self._closed

    def ready_at(self) -> float:
        """Return when a submit may go: the past, a moment, or infinity until something ends."""
        if self.known is not None and self.under_way >= self.known:
            return math.inf
        if self._on_wire >= self._allowance():
            return math.inf
        if self._closed:
            return self._timer
        return -math.inf if self.under_way + 1 <= self.limit else math.inf

    def _allowance(self) -> float:
        """Submits on the wire at once: what the first refusal may cost in vain ones."""
        return 1 if self._closed else WIRE + self.under_way / WIRE_SHARE + self._at_once

    def start(self) -> None:
        """Tell that a submit leaves."""
        self._on_wire += 1
        self.under_way += 1

    def accepted(self, now: float, *, at_once: bool = False) -> None:
        """Tell that a submit was taken; its task is under way until `ended`.

        Services that answer `at_once` have no tasks under way but those on the wire: each such
        answer lets one more leave, so that the number on the wire doubles with each round.
        """
        self._at_once += at_once
        self._on_wire -= 1
        self._closed = False
        self._in_a_row = 0
        self._successes += 1
        quiet = (
            self._successes > max(self.limit, QUIET_SUCCESSES)
            or now - self._last_refusal > QUIET_SECONDS
        )
        top = math.inf if self.known is None else self.known
        self.limit = min(top, self.limit + (1.0 if quiet else RAISE))

    def refused(self, started: float, now: float) -> None:
        """Tell that a submit that left at `started` found no slot."""
        self._on_wire -= 1
        self.under_way -= 1
        self.refusals += 1
        if started < self._last_refusal:
            return
        self._last_refusal = now
        self._successes = self._at_once = 0
        taken = self.under_way - self._on_wire
        step = 2.0**self._in_a_row - 1
        self.limit = max(1.0, min(self.limit, taken) - step)
        self._in_a_row = min(self._in_a_row + 1, 16)
        self._closed = True
        if taken > 0:
            self._timer = now + self.cap
        else:
            wait = full_jitter(self._in_a_row, self.random, base=self.base, cap=self.cap)
            self._timer = now + wait

    def dropped(self) -> None:
        """Tell that a submit ended without news about slots, and no task came of it."""
        self._on_wire -= 1
        self.under_way -= 1

    def ended(self) -> None:
        """Tell that an accepted task is no longer under way."""
        self.under_way -= 1
        if self.under_way + 1 <= self.limit:
            self._timer = -math.inf

    def adopted(self) -> None:
        """Tell of a task that another process or an earlier call had accepted."""
        self.under_way += 1
