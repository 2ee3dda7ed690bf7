"""The table of states."""

from __future__ import annotations

import pytest

from solvestream._core.lifecycle import TRANSITIONS, State, Step, advance


def test_every_state_is_reached_and_every_step_is_used():
    """Nothing in the table is dead."""
    reached = {State.QUEUED} | {to for steps in TRANSITIONS.values() for to in steps.values()}
    used = {step for steps in TRANSITIONS.values() for step in steps}
    assert reached == set(State)
    assert used == set(Step)


def test_final_states_are_the_seven_outcomes():
    """G4 of TRUST.md: exactly one of seven named ends."""
    assert {state for state in State if state.final} == {
        State.SOLVED,
        State.FAILED,
        State.REJECTED,
        State.UNKNOWN,
        State.LOST,
        State.EXPIRED,
        State.ABANDONED,
    }


def test_a_paid_job_can_never_be_submitted_again():
    """From where a submit may have been paid, no path leads back to submitting."""
    seen, todo = set(), [State.WAITING, State.LOOKING, State.UNKNOWN]
    while todo:
        state = todo.pop()
        seen.add(state)
        todo += [to for to in TRANSITIONS.get(state, {}).values() if to not in seen]
    assert not seen & {State.QUEUED, State.SUBMITTING}


def test_a_step_out_of_the_table_shows_at_once():
    """A programming error cannot pass unnoticed."""
    with pytest.raises(KeyError):
        advance(State.SOLVED, Step.LOOK)
