"""What a report is made of: the tasks and samples of a journal, without answers and keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from attrs import frozen

from solvestream._journal.store import read_journal, read_samples
from solvestream._journal.values import Entry, Sample, State
from solvestream.errors import shorten

YEAR_3000 = 32_503_680_000.0
"""Seconds since the epoch, from which on a moment is none."""
DEAR = 1e6
"""USD, from which on a price of one task is none."""
NAME = 120
"""Characters of a tag or key that are shown."""
CODE = 60
"""The same, of a service's code."""
WHY = 160
"""The same, of an error's own words."""

_OUR_WORDS = {"InvalidTask", "TransportError"}
"""Errors whose message never quotes a reply, in which an answer may be."""


@frozen(kw_only=True)
class Task:
    """One task's way. Moments are seconds since the epoch, and `None` while they are to come.

    Attributes:
        name: its tag, or its key where it has none, as one line.
        task_id: the service's id; empty where it gave none.
        account: name of the account.
        kind: of task.
        state: as in the journal, `solved` or `failed` and the like.
        queued: when it was handed over.
        submitted: when the submit that was taken went out.
        accepted: when the service's id was seen.
        ended: when answer or error was seen.
        taken: when the reader came for it.
        looked: moments of looks, where the journal has them.
        looks: how often it was asked for.
        error: name of the error's class; empty if there is none.
        code: as the service sent it; empty if it sent none.
        why: the error's words, where they are ours; else empty.
        cost: USD, where the service says.
    """

    name: str
    task_id: str = ""
    account: str
    kind: str
    state: State
    queued: float
    submitted: float
    accepted: float | None = None
    ended: float | None = None
    taken: float | None = None
    looked: tuple[float, ...] = ()
    looks: int = 0
    error: str = ""
    code: str = ""
    why: str = ""
    cost: float | None = None

    @property
    def first(self) -> float:
        """The first moment of it in this journal: one taken up by a ticket may be much older."""
        adopted = self.accepted == self.submitted
        return (self.ended or self.last) if adopted else self.queued

    @property
    def last(self) -> float:
        """The last moment that is known of it."""
        known = (self.submitted, self.accepted, self.ended, self.taken, *self.looked[-1:])
        return max(moment for moment in known if moment is not None)

    @property
    def seconds(self) -> float:
        """From hand-over to the last moment known."""
        return max(0.0, self.last - self.queued)


@frozen(kw_only=True)
class Run:
    """A journal as a report shows it.

    Attributes:
        name: of the journal's file.
        tasks: by the moment of their hand-over.
        samples: of all accounts, in order of time; empty for journals of older releases.
    """

    name: str
    tasks: tuple[Task, ...] = ()
    samples: tuple[Sample, ...] = ()

    @cached_property
    def begin(self) -> float:
        """The first moment that is known; 0 for an empty journal."""
        return min(self._edges(first=True), default=0.0)

    @cached_property
    def end(self) -> float:
        """The last moment that is known; 0 for an empty journal."""
        return max(self._edges(first=False), default=0.0)

    def _edges(self, *, first: bool) -> Iterator[float]:
        yield from (task.first if first else task.last for task in self.tasks)
        yield from (sample.at for sample in self.samples)

    def accounts(self) -> list[str]:
        """Names of all accounts, the one with most tasks first."""
        counts = dict.fromkeys((sample.account for sample in self.samples), 0)
        for task in self.tasks:
            counts[task.account] = counts.get(task.account, 0) + 1
        return sorted(counts, key=lambda name: (-counts[name], name))


def read_run(path: str | os.PathLike[str]) -> Run:
    """Read a journal, also while a run is writing it. Blocks on the disk.

    Raises `JournalError` for a file that is missing, broken or no journal.
    """
    found = (task_of(entry) for entry in read_journal(path) if _moment(entry.submitted_at))
    tasks = sorted(found, key=lambda task: (task.queued, task.submitted))
    samples = sorted(filter(_usual, read_samples(path)), key=lambda sample: sample.at)
    return Run(name=shorten(Path(path).name), tasks=tuple(tasks), samples=tuple(samples))


def _moment(value: float | None) -> float | None:
    """Return a moment of this age, whatever a ticket or a broken file says."""
    return value if value is not None and 0 < value < YEAR_3000 else None


def _usual(sample: Sample) -> bool:
    return _moment(sample.at) is not None


def task_of(entry: Entry) -> Task:
    """Return what a report shows of an entry; its answer is not in it."""
    start, submitted = _moment(entry.accepted_at), entry.submitted_at
    error = "" if entry.error is None else type(entry.error).__name__
    code = "" if entry.error is None else shorten(entry.error.code or "", CODE)
    said = shorten(str(entry.error), WHY) if error in _OUR_WORDS and not code else ""
    return Task(
        name=shorten(entry.job_key if entry.tag is None else entry.tag, NAME),
        task_id=shorten(entry.task_id or "", NAME),
        account=shorten(entry.account),
        kind=shorten(entry.kind),
        state=entry.state,
        queued=min(_moment(entry.queued_at) or submitted, submitted),
        submitted=submitted,
        accepted=start,
        ended=_moment(entry.ended_at),
        taken=_moment(entry.taken_at),
        looked=tuple(start + offset for offset in entry.looked) if start else (),
        looks=entry.looks,
        error=error,
        code=code,
        why=said,
        cost=entry.cost if entry.cost is not None and 0 <= entry.cost < DEAR else None,
    )
