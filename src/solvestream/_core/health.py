"""The health of one account: its service's breaker, and whether the account is good at all."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from solvestream._core.backoff import Random
from solvestream._core.breaker import Breaker
from solvestream._core.counts import Counts
from solvestream._outcomes import (
    Accepted,
    AccountDown,
    LookOutcome,
    Pending,
    Solved,
    SubmitOutcome,
    Throttled,
    Unknown,
)
from solvestream._wire import Broken, Trouble

THROTTLE = 3.0
"""Seconds to hold back when a service says "too fast" and not for how long."""
BAN = 300.0
"""Seconds to leave a service in peace when it bans and does not say for how long."""
PAUSE_BASE, PAUSE_CAP = 1.0, 10.0
"""Seconds of the shortest pause after the first and after many pauses in a row: a service that
says "try again at once" again and again is not believed."""


@define(eq=False)
class Health:
    """Learns from every reply when the account may be used.

    Attributes:
        random: draws from [0, 1).
        counts: where troubles are counted.
        breaker: when the service may be asked anything.
        down: why no submits are sent; `None` while the account is good.
        trouble: what last broke an exchange, for people.
        reached: the service gave a proper reply at least once.
    """

    random: Random
    counts: Counts
    breaker: Breaker = field(init=False)
    down: AccountDown | None = None
    trouble: str = ""
    reached: bool = False
    _pauses: int = 0
    _calm: bool = False

    def __attrs_post_init__(self) -> None:
        self.breaker = Breaker(self.random)

    def take(self, epoch: int, reply: Broken | SubmitOutcome | LookOutcome, now: float) -> None:
        """Take what came of an exchange that started in an epoch of the breaker."""
        breaker = self.breaker
        self._calm = False
        match reply:
            case Pending() | Solved() | Accepted():
                self._well(epoch)
            case Broken(trouble=Trouble.CLOSED):
                breaker.dropped(epoch)
            case Broken() | Unknown(retry_after=None):
                self.counts.troubles += 1
                self.trouble = why(reply)[0]
                breaker.failed(epoch, now)
            case Unknown(retry_after=seconds):
                assert seconds is not None
                self.counts.troubles += 1
                self.trouble = why(reply)[0]
                self._pause(epoch, now, seconds)
            case Throttled(retry_after=seconds):
                self.counts.throttled += 1
                self._pause(epoch, now, THROTTLE if seconds is None else seconds)
            case AccountDown(cause="ban", retry_after=seconds):
                self._pause(epoch, now, BAN if seconds is None else seconds)
            case AccountDown():
                self.down = reply
                self._well(epoch)
            case _:
                self._well(epoch)

    def take_submit(self, epoch: int, reply: Broken | SubmitOutcome, now: float) -> None:
        """Take what came of a submit: "too fast" pauses submits for long, but not looks.

        A service may name minutes, and answers that are paid for perish meanwhile.
        """
        if isinstance(reply, Throttled) and (reply.retry_after or 0.0) > PAUSE_CAP:
            reply = Throttled(reply.code, PAUSE_CAP)
        self.take(epoch, reply, now)

    def _well(self, epoch: int) -> None:
        self.reached = True
        self._calm = epoch == self.breaker.epoch and self.down is None
        if epoch == self.breaker.epoch and self.down is None:
            self._pauses = 0
        self.breaker.succeeded(epoch)

    def _pause(self, epoch: int, now: float, seconds: float) -> None:
        if epoch == self.breaker.epoch:
            self._pauses += 1
        least = min(PAUSE_CAP, PAUSE_BASE * 2.0 ** min(self._pauses - 1, 16))
        self.breaker.trip(epoch, now, max(seconds, least))

    def take_all(self, epoch: int, outcomes: Sequence[LookOutcome], now: float) -> None:
        """Take a reply to several looks: it counts once, as the outcome that says most."""
        most = outcomes[0]
        if self._calm and len(outcomes) == 1 and isinstance(most, Pending | Solved):
            return  # no news, thousands of times
        if len(outcomes) > 1:
            telling = (one for one in outcomes if isinstance(one, AccountDown | Throttled))
            clear = (one for one in outcomes if not isinstance(one, Unknown))
            most = next(telling, None) or next(clear, most)
        self.take(epoch, most, now)
        if isinstance(most, AccountDown) and most.cause == "key":
            self._pause(self.breaker.epoch, now, 0.0)  # looks are refused too: ask ever more rarely

    def trouble_now(self) -> str:
        """Return what is wrong with the service at present, as the end of a sentence."""
        if self.breaker.failing_since is None:
            return ""
        return f" while the service was in trouble ({self.trouble})"


def why(reply: Broken | SubmitOutcome | LookOutcome) -> tuple[str, str | None]:
    """Return the reason and the code of a reply that told nothing."""
    if isinstance(reply, Broken):
        return reply.detail, None
    if isinstance(reply, Unknown):
        return reply.reason, reply.code
    return "the service answered with the id of another task", None
