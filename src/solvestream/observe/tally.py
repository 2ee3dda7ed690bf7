"""`Tally`: counts and times of a run, from its events.

It is a callback for `Client(on_event=)`; screens, tables and thresholds read it::

    tally = Tally()
    async with Client(account, on_event=tally) as client:
        ...
    print(tally.solved, tally.latency.percentile(0.95))
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from attrs import define, field

from solvestream.events import (
    Event,
    TaskAccepted,
    TaskAdopted,
    TaskEnded,
    TaskQueued,
    TaskRefused,
    TasksLooked,
    TaskSubmitted,
    TaskWithdrawn,
)
from solvestream.observe.histogram import Histogram

KINDS_OF_ERRORS = 100
"""Pairs of error and code told apart; more, as a hostile service may send, count as `other`."""
OTHER = ("other", None)


@define(eq=False)
class Tally:
    """What happened since it was made. Costs about a microsecond an event.

    Memory is bounded by the tasks that are queued and under way. All times are seconds.

    Attributes:
        began: `at` of the first event; `None` before it. Seconds since the epoch.
        last: `at` of the latest event.
        submits: submits that went out.
        accepted: submits that were taken.
        refused: submits that bought nothing and were queued again.
        looks: requests that looked for answers.
        looked: ids they asked for.
        troubles: looks without a proper reply.
        solved, failed: how tasks ended.
        spent: what services said they took, in USD.
        errors: how many tasks ended with which class of error and code.
        refusals: how many submits were refused with which code.
        looks_of_ended: looks that the ended tasks took.
        latency: of solved tasks, from the submit to the answer.
        elapsed: of solved tasks, from hand-over to the answer.
        exchange: requests, from the first byte to the reply.
        correct, wrong: answers compared with the truth, see `grade`.
    """

    began: float | None = None
    last: float = 0.0
    submits: int = 0
    accepted: int = 0
    refused: int = 0
    looks: int = 0
    looked: int = 0
    troubles: int = 0
    solved: int = 0
    failed: int = 0
    spent: float = 0.0
    looks_of_ended: int = 0
    correct: int = 0
    wrong: int = 0
    errors: Counter[tuple[str, str | None]] = field(factory=Counter[tuple[str, str | None]])
    refusals: Counter[str] = field(factory=Counter[str])
    latency: Histogram = field(factory=Histogram)
    elapsed: Histogram = field(factory=Histogram)
    exchange: Histogram = field(factory=Histogram)
    _queued: set[str] = field(factory=set[str], repr=False)
    _flying: dict[str, float] = field(factory=dict[str, float], repr=False)

    def __call__(self, event: Event) -> None:
        """Take an event in."""
        if self.began is None:
            self.began = event.at
        self.last = event.at
        match event:
            case TasksLooked():
                self._look(event)
            case TaskEnded():
                self._end(event)
            case TaskSubmitted():
                self._submit(event)
            case TaskAccepted():
                self.accepted += 1
                self.exchange.add(event.seconds)
            case TaskQueued():
                self._queued.add(event.job_key)
            case TaskRefused():
                self._refuse(event)
            case TaskAdopted():
                self._flying[event.job_key] = event.at
            case TaskWithdrawn():
                self._queued.discard(event.job_key)
                self._flying.pop(event.job_key, None)
            case _:
                pass

    def grade(self, *, correct: bool) -> None:
        """Count an answer that was compared with the truth, or a failure to give one."""
        if correct:
            self.correct += 1
        else:
            self.wrong += 1

    @property
    def ended(self) -> int:
        """Tasks that are at their end."""
        return self.solved + self.failed

    @property
    def queued(self) -> int:
        """Tasks that wait to be submitted."""
        return len(self._queued)

    @property
    def in_flight(self) -> int:
        """Tasks whose submit is on the wire or was taken."""
        return len(self._flying)

    @property
    def oldest(self) -> tuple[str, float] | None:
        """The `job_key` of the task longest under way, and since when (seconds since the epoch)."""
        return next(iter(self._flying.items()), None)

    @property
    def duration(self) -> float:
        """Seconds from the first event to the latest."""
        return 0.0 if self.began is None else self.last - self.began

    @property
    def accuracy(self) -> float | None:
        """Share of the graded answers that was right; `None` where none was graded."""
        graded = self.correct + self.wrong
        return self.correct / graded if graded else None

    # Events

    def _submit(self, event: TaskSubmitted) -> None:
        self.submits += 1
        self._flying[event.job_key] = event.at
        self._queued.discard(event.job_key)

    def _refuse(self, event: TaskRefused) -> None:
        self.refused += 1
        self.exchange.add(event.seconds)
        self.refusals[self._bounded(self.refusals, event.code, "other")] += 1
        self._flying.pop(event.job_key, None)
        self._queued.add(event.job_key)

    def _look(self, event: TasksLooked) -> None:
        self.looks += 1
        self.looked += len(event.job_keys)
        self.troubles += event.trouble is not None
        self.exchange.add(event.seconds)

    def _end(self, event: TaskEnded) -> None:
        since = self._flying.pop(event.job_key, None)
        self._queued.discard(event.job_key)
        if not event.redelivered:  # an earlier process took that time and money
            self.looks_of_ended += event.looks
            self.spent += event.cost or 0.0
        if event.ok:
            self.solved += 1
            if not event.redelivered:
                self.elapsed.add(event.elapsed)
            if since is not None:
                self.latency.add(event.at - since)
        else:
            self.failed += 1
            kind = (event.error or "", event.code)
            self.errors[self._bounded(self.errors, kind, OTHER)] += 1

    @staticmethod
    def _bounded(counter: Counter[Any], name: Any, other: Any) -> Any:
        return name if name in counter or len(counter) < KINDS_OF_ERRORS else other
