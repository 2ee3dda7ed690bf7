"""When to look."""

from __future__ import annotations

from solvestream._core.pacing import MARGIN, first_look, next_look
from tests.core.support import FakePace, make_job


def test_the_reference_schedule():
    """The first look comes after first_look, each next one after the interval."""
    job = make_job(accepted_at=100.0)
    assert first_look(job, FakePace()) == 110
    assert next_look(job, FakePace(), 0, 110.0) == 115


def test_a_service_s_own_minimum_holds():
    """An interval below the service's minimum is raised to it."""
    assert next_look(make_job(), FakePace(interval=0.1), 2, 50.0) == 52


def test_the_last_look_comes_just_before_the_answer_is_deleted():
    """A look that would come too late is moved before the deletion, once."""
    pace = FakePace(interval=8)
    job = make_job(perish=30.0)
    assert next_look(job, pace, 0, 17.0) == 25
    assert next_look(job, pace, 0, 25.0) == 30 - MARGIN
    assert next_look(job, pace, 0, 29.5) == 37.5
    assert next_look(job, pace, 6, 25.0) == 33
