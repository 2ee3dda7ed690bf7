"""Whether refusals mean that no thread is free, or that no money is left (`faults.json` S26).

CaptchaAI says both by one code (PROTOCOLS.md 1). So the account is asked for its threads right
after a refusal: one that is full has nearly all of them at work, while one that is broke takes
nothing more, and its threads fall idle.

One answer proves nothing, as threads may become free between the refusal and the question. So
once most are idle, one more submit goes soon. If it is refused too, and the next answer is the
same, then most threads would have had to be taken and let go again within a few seconds, which is
less than tasks take. A submit that is taken shows that there is money, and all begins anew.
"""

from __future__ import annotations

import math

from attrs import define

from solvestream._outcomes import AccountDown
from solvestream.errors import TransportError
from solvestream.results import Threads

EVERY = 1.0
"""Seconds between two questions, at least."""
WINDOW = 3.0
"""Seconds around a refusal within which most threads were idle before and after: broke."""
ENOUGH = 5
"""Answers in a row that do not explain the refusals, until the code is taken at its word."""


@define(eq=False)
class Doubt:
    """When to ask one account for its threads, and what the answers come to."""

    _code: str = ""
    _open: bool = False
    _asking: bool = False
    _asked: float = -math.inf
    _answered: float = -math.inf
    _idle_since: float = -math.inf
    _unexplained: int = 0

    def refused(self, code: str, started: float) -> None:
        """Take a refusal; of a submit that left before the last answer it is no news."""
        if started > self._answered:
            self._code = code
            self._open = True

    def taken(self) -> None:
        """Take that a submit was accepted: there is money."""
        self._open = False
        self._forget()

    def ask(self, now: float) -> bool:
        """Whether to ask now; if so, `answered` must follow. One question is out at a time."""
        if not self._open or self._asking or now < self._asked + EVERY:
            return False
        self._asking = True
        self._asked = now
        return True

    def answered(self, said: object, now: float) -> AccountDown | None:
        """Take an answer, or the error instead; returns why the account is broke, if it is.

        No answer at all says nothing, and the doubt remains for the next question.
        """
        self._asking = False
        if isinstance(said, TransportError) or not self._open:
            return None
        self._open = False
        self._answered = now
        words = self._weigh(said, now)
        if words is None:
            return None
        self._forget()
        return AccountDown(self._code, "funds", message=words)

    def probe_at(self) -> float:
        """Return when a submit would tell most: soon after an answer that most are idle."""
        return math.inf if self._idle_since == -math.inf else self._asked + EVERY

    def _forget(self) -> None:
        self._idle_since = -math.inf
        self._unexplained = 0

    def _weigh(self, said: object, now: float) -> str | None:
        """Return why the account is broke, once the answers come to that."""
        match said:
            case Threads(limit=0):
                return "the account has no threads"
            case Threads(limit=int(limit), working=int(working)):
                if 2 * working >= limit:
                    self._forget()
                    return None
                proved = now - self._idle_since <= WINDOW
                self._idle_since = self._asked
                words = f"{working} of {limit} threads are at work"
            case _:
                proved = False
                self._idle_since = -math.inf
                words = "the account does not tell its threads"
        self._unexplained += 1
        return words if proved or self._unexplained >= ENOUGH else None
