"""The queue of jobs not yet submitted."""

from __future__ import annotations

from solvestream._core.backlog import Backlog
from solvestream._core.lifecycle import State
from tests.core.support import make_job

A, B, AB = frozenset("a"), frozenset("b"), frozenset("ab")


def test_jobs_come_by_priority_then_in_order():
    """A higher priority overtakes, equal ones keep their order, one put back keeps its place."""
    backlog = Backlog()
    jobs = [make_job(0), make_job(1), make_job(2, priority=5)]
    for job in jobs:
        backlog.push(job, A)
    first = backlog.pop("a")
    assert first == (jobs[2], A)
    second, route = backlog.pop("a")
    backlog.push(second, route)
    assert [backlog.pop("a")[0] for _ in range(2)] == jobs[:2]
    assert backlog.pop("a") is None


def test_an_account_takes_the_first_of_all_it_can():
    """Jobs for one account and jobs for several are one queue to each account."""
    backlog = Backlog()
    for seq, route in enumerate([B, AB, A]):
        backlog.push(make_job(seq), route)
    assert backlog.pop("a")[0].seq == 1
    assert backlog.pop("b")[0].seq == 0
    assert not backlog.has("b")
    assert backlog.has("a")


def test_withdrawn_jobs_are_passed_over():
    """A job that ended while queued is never handed out, and not counted."""
    backlog = Backlog()
    jobs = [make_job(n) for n in range(3)]
    for job in jobs:
        backlog.push(job, A)
    jobs[0].state = State.ABANDONED
    backlog.withdrawn()
    assert len(backlog) == 2
    assert backlog.pop("a")[0] is jobs[1]


def test_a_route_is_drained_whole():
    """Draining takes every job of a route and leaves the others."""
    backlog = Backlog()
    for seq, route in enumerate([A, AB, A]):
        backlog.push(make_job(seq), route)
    assert [job.seq for job in backlog.drain(A)] == [0, 2]
    assert backlog.routes() == [AB]
    assert len(backlog) == 1
