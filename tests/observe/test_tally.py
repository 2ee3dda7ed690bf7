from __future__ import annotations

import pytest

from solvestream import CapSolver, Client, ImageToText
from solvestream.events import (
    BreakerChanged,
    TaskAccepted,
    TaskAdopted,
    TaskEnded,
    TaskQueued,
    TaskRefused,
    TasksLooked,
    TaskSubmitted,
    TaskTaken,
    TaskWithdrawn,
)
from solvestream.observe.tally import KINDS_OF_ERRORS, OTHER, Tally
from solvestream.server import LocalService

A = {"account": "a"}


def ended(at: float, key: str = "k", **more) -> TaskEnded:
    """Return how a task ended."""
    plain = {
        "kind": "image",
        "account": "a",
        "ok": True,
        "error": None,
        "code": None,
        "charged": "yes",
        "elapsed": 5.0,
        "solving": 4.0,
        "looks": 2,
        "cost": 0.5,
        "expires_at": None,
        "redelivered": False,
    }
    return TaskEnded(at=at, job_key=key, **plain | more)


def told(*events) -> Tally:
    """Return a tally that has taken these in."""
    tally = Tally()
    for event in events:
        tally(event)
    return tally


def submitted(at: float = 1.0, key: str = "k") -> list:
    """Return the way of a task until it is paid."""
    return [
        TaskQueued(at=0.0, job_key=key, kind="image"),
        TaskSubmitted(at=at, job_key=key, **A),
        TaskAccepted(at=at + 0.1, job_key=key, task_id="1", seconds=0.1, **A),
    ]


def test_the_way_of_a_solved_task():
    """Latency is from the submit, elapsed from hand-over; looks and money are counted."""
    looked = {"job_keys": ("k",), "trouble": None, "seconds": 0.2}
    tally = told(
        *submitted(),
        TasksLooked(at=2.0, pending=1, **looked, **A),
        TasksLooked(at=5.0, pending=0, **looked, **A),
        ended(5.0),
        TaskTaken(at=5.1, job_key="k"),
    )
    assert (tally.submits, tally.accepted, tally.solved, tally.failed) == (1, 1, 1, 0)
    assert (tally.looks, tally.looked, tally.troubles, tally.looks_of_ended) == (2, 2, 0, 2)
    assert (tally.ended, tally.queued, tally.in_flight, tally.oldest) == (1, 0, 0, None)
    assert tally.spent == 0.5
    assert tally.latency.percentile(0.5) == pytest.approx(4.0, rel=0.03)
    assert tally.elapsed.percentile(0.5) == pytest.approx(5.0, rel=0.03)
    assert tally.exchange.count == 3
    assert tally.duration == pytest.approx(5.1)


def test_a_refused_task_is_queued_again():
    """It is in flight no longer; its code is counted."""
    refused = TaskRefused(at=1.5, job_key="k", code="NO_SLOT", seconds=0.1, **A)
    tally = told(*submitted()[:2], refused)
    assert (tally.queued, tally.in_flight, tally.refused) == (1, 0, 1)
    assert tally.refusals == {"NO_SLOT": 1}
    for event in submitted(at=3.0)[1:]:
        tally(event)
    assert (tally.queued, tally.in_flight) == (0, 1)
    assert tally.oldest == ("k", 3.0)


def test_one_that_goes_before_it_is_sent_is_nowhere():
    """Nor does it count as ended."""
    tally = told(submitted()[0], TaskWithdrawn(at=1.0, job_key="k"))
    assert (tally.queued, tally.in_flight, tally.ended) == (0, 0, 0)


def test_the_oldest_is_the_first_that_is_left():
    """In the order of their submits."""
    tally = told(*submitted(1.0, "a"), *submitted(2.0, "b"), ended(3.0, "a"))
    assert tally.oldest == ("b", 2.0)


def test_failures_are_told_apart_by_class_and_code():
    """And are no part of the latency of answers."""
    bad = {"ok": False, "error": "TaskFailed", "code": "UNSOLVABLE", "cost": None}
    tally = told(*submitted(), ended(5.0, **bad), ended(6.0, key="x", **bad))
    assert tally.failed == 2
    assert tally.errors == {("TaskFailed", "UNSOLVABLE"): 2}
    assert tally.latency.count == tally.elapsed.count == 0


def test_a_service_that_makes_codes_up_takes_no_memory():
    """Beyond a hundred they are one."""
    bad = {"ok": False, "error": "TaskFailed"}
    tally = told(*[ended(1.0, key=str(n), code=f"E{n}", **bad) for n in range(1_000)])
    assert len(tally.errors) == KINDS_OF_ERRORS + 1
    assert tally.errors[OTHER] == 1_000 - KINDS_OF_ERRORS


def test_what_an_earlier_process_took_is_not_counted_again():
    """A redelivered result counts as solved; its time, looks and money were another's."""
    tally = told(ended(1.0, redelivered=True))
    assert (tally.solved, tally.spent, tally.looks_of_ended, tally.elapsed.count) == (1, 0.0, 0, 0)


def test_a_task_taken_up_is_in_flight():
    """Without a submit of this process."""
    tally = told(TaskAdopted(at=1.0, job_key="k", kind="image", task_id="1", **A))
    assert (tally.in_flight, tally.submits) == (1, 0)


def test_what_it_does_not_count_harms_nothing():
    """Events of accounts only move its clock."""
    tally = told(BreakerChanged(at=9.0, account="a", state="open"))
    assert (tally.began, tally.last, tally.ended) == (9.0, 9.0, 0)


def test_accuracy_is_of_what_was_graded():
    """`None` until something was."""
    tally = Tally()
    assert tally.accuracy is None
    for correct in (True, True, True, False):
        tally.grade(correct=correct)
    assert tally.accuracy == 0.75


@pytest.fixture
def anyio_backend():
    """The service is real here, and so is time."""
    return "asyncio"


@pytest.mark.anyio
async def test_it_adds_up_with_a_real_client():
    """As many as the service's own ledger has, and nothing is left over."""
    tally = Tally()
    with LocalService() as service:
        account = CapSolver(service.key, base_url=service.url)
        async with Client(account, on_event=tally) as client:
            tasks = [ImageToText(b"\x89PNG\r\n\x1a\n%d" % n) for n in range(50)]
            results = [result async for result in client.stream([*tasks, ImageToText(b"")])]
        assert tally.accepted == service.ledger()["accounts"]["local"]["accepted"] == 50
    assert len(results) == 51
    assert (tally.solved, tally.failed, tally.queued, tally.in_flight) == (50, 1, 0, 0)
    assert tally.latency.count == tally.exchange.count == 50
