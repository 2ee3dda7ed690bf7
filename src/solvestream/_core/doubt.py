"""Whether refusals mean that no thread is free, or that no money is left (`faults.json` S26).

CaptchaAI says both by one code (PROTOCOLS.md 1). So the account is asked for its threads right
after a refusal: one that is full has nearly all of them at work, while one that is broke takes
nothing more, and its threads fall idle.

A thread may become free between the refusal and the question, and on a busy account one nearly
always does, so free threads prove nothing. Only most of them do, after each of two refusals in a
row; the second must be of a submit that left after the first answer. One submit that is taken
shows that there is money, and all begins anew.
"""

from __future__ import annotations

import math

from attrs import define

from solvestream._outcomes import AccountDown
from solvestream.errors import TransportError
from solvestream.results import Threads

EVERY = 1.0
"""Seconds between two questions, at least."""
IDLE = 2
"""Answers in a row that say that most threads are idle, until the account counts as broke."""
UNCLEAR = 5
"""The same for answers that say nothing of threads: the code is taken at its word then."""


@define(eq=False)
class Doubt:
    """When to ask one account for its threads, and what the answers come to."""

    _code: str = ""
    _open: bool = False
    _asking: bool = False
    _asked: float = -math.inf
    _answered: float = -math.inf
    _idle: int = 0
    _unclear: int = 0

    def refused(self, code: str, started: float) -> None:
        """Take a refusal; of a submit that left before the last answer it is no news."""
        if started > self._answered:
            self._code = code
            self._open = True

    def taken(self) -> None:
        """Take that a submit was accepted: there is money."""
        self._open = False
        self._idle = self._unclear = 0

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
        words = self._weigh(said)
        if words is None:
            return None
        self.taken()
        return AccountDown(self._code, "funds", message=words)

    def _weigh(self, said: object) -> str | None:
        """Count an answer; returns what all of them come to, where that is "broke"."""
        match said:
            case Threads(limit=int(limit), working=int(working)):
                self._unclear = 0
                self._idle = self._idle + 1 if 2 * working < limit else 0
                if limit <= 0:
                    return "the account has no threads"
                if self._idle >= IDLE:
                    return f"only {working} of {limit} threads are at work"
            case _:
                self._unclear += 1
                if self._unclear >= UNCLEAR:
                    return "the account does not tell its threads"
        return None
