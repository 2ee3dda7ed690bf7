"""When to look next: the services' reference schedule."""

from __future__ import annotations

from solvestream._core.job import Job, Pace

MARGIN = 0.5
"""Seconds before an answer is deleted at which it is looked at for the last time."""


def first_look(job: Job, pace: Pace) -> float:
    """Return the moment of the first look at an accepted job."""
    return job.accepted_at + pace.first_look


def next_look(job: Job, pace: Pace, least: float, now: float) -> float:
    """Return the moment of the look after one at `now`, at least `least` seconds later.

    Where the answer perishes, the last look comes a margin before that.
    """
    interval = pace.interval
    due = now + max(interval, least)
    if due < job.perish - MARGIN:
        return due
    last = job.perish - MARGIN
    return last if last > now + least else due
