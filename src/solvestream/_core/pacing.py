"""When to look next: the services' reference schedule."""

from __future__ import annotations

from solvestream._core.job import Job, Traits


def first_look(job: Job, traits: Traits) -> float:
    """Return the moment of the first look at an accepted job."""
    return job.accepted_at + traits.pace(job.kind).first_look


def next_look(job: Job, traits: Traits, now: float) -> float:
    """Return the moment of the look after one at `now`.

    Where the answer perishes, the last look comes a margin before that.
    """
    interval = max(traits.pace(job.kind).interval, traits.min_interval)
    due = now + interval
    last = job.perish - MARGIN
    return last if due > last > now + traits.min_interval else due


MARGIN = 0.5
"""Seconds before an answer is deleted at which it is looked at for the last time."""
