"""The calendar of moments."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from solvestream._core.wheel import Wheel


def test_things_due_together_come_out_together():
    """One slot of the calendar is taken out in one piece, later ones stay."""
    wheel = Wheel[str](0.5)
    wheel.add(1.1, "a")
    wheel.add(1.4, "b")
    wheel.add(1.6, "c")
    assert wheel.next == 1.5
    assert list(wheel.pop_due(1.49)) == []
    assert list(wheel.pop_due(1.5)) == [(3, ["a", "b"])]
    assert list(wheel.pop_due(99)) == [(4, ["c"])]
    assert wheel.next == math.inf
    assert len(wheel) == 0


@given(st.lists(st.floats(0, 1e6)), st.sampled_from([0.02, 0.1, 0.2]))
def test_nothing_is_early_lost_or_later_than_the_slack(moments, slack):
    """Whatever the moments, each comes out once, in order, at most one slack late."""
    wheel = Wheel[float](slack)
    ticks = {moment: wheel.add(moment, moment) for moment in moments}
    seen = []
    while (due := wheel.next) < math.inf:
        ((tick, out),) = wheel.pop_due(due)
        assert out
        assert all(moment - 1e-6 <= due <= moment + slack + 1e-6 for moment in out)
        assert {ticks[moment] for moment in out} == {tick}
        seen += out
    assert sorted(seen) == sorted(moments)
