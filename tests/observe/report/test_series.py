"""Rates, levels, spreads and spans: what the charts draw."""

from __future__ import annotations

import math

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from solvestream.observe.report.run import Run
from solvestream.observe.report.series import (
    BINS,
    Bins,
    Spread,
    growth,
    in_flight,
    spans,
    spreads,
)
from tests.observe.report.runs import BEGIN, task_of
from tests.observe.report.test_journal import SAMPLE

TEN = Bins(0.0, 1.0, 10)


@given(st.floats(0, 4e9), st.floats(0, 1e9))
def test_bins_hold_the_whole_run(begin, span):
    """At most 120 round ones, the first from before the beginning, the last to after the end."""
    bins = Bins.over(begin, begin + span)
    assert 1 <= bins.count <= BINS
    assert bins.start <= begin + bins.width / 1e3
    assert bins.end >= begin + span - bins.width / 1e3
    assert (bins.of(begin), bins.of(-1e9)) == (bins.of(begin), 0)
    assert bins.of(1e12) == bins.count - 1


def test_a_rate_is_a_second():
    """Whatever the width of a bin."""
    assert Bins(0.0, 5.0, 2).rate([0, 1, 2, 6]) == pytest.approx([0.6, 0.2])


def test_a_level_is_the_most_in_each_bin():
    """Also of what came and went within it, and in bins where nothing changed."""
    level = TEN.level([(0.5, 4.5), (2.1, 2.2), (2.15, 2.3), (8.0, 20.0)])
    assert level == [1, 1, 3, 1, 1, 0, 0, 0, 1, 1]


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), max_size=20))
def test_a_level_is_never_less_than_what_is_there(pairs):
    """In the middle of each bin, counted one by one."""
    intervals = [(low, low + length) for low, length in pairs]
    level = TEN.level(intervals)
    for place, value in enumerate(level):
        middle = place + 0.5
        assert value >= sum(low <= middle < high for low, high in intervals)
        assert value <= len(intervals)


def test_the_last_value_holds():
    """From its moment on; before the first nothing is known."""
    found = TEN.last([(2.5, 7.0), (4.0, 8.0), (4.5, math.inf)])
    assert math.isnan(found[0])
    assert found[2:6] == [7.0, 8.0, math.inf, math.inf]
    assert all(math.isnan(one) for one in TEN.last([]))


@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=50))
def test_percentiles_are_values_that_were_there(values):
    """The nearest rank: at least that share is not above it."""
    spread = Spread.of(values)
    for share in (0.5, 0.9, 0.99, 1.0):
        found = spread.percentile(share)
        assert found in values
        assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert spread.percentile(1.0) == max(values)
    assert sum(spread.counts().values()) == len(values)


def test_a_spread_counts_by_tenths_of_a_power_of_ten():
    """What is shorter than a millisecond is counted there; a negative duration is none."""
    assert Spread.of([1.0, 1.2, 1.3, 10.0]).counts() == {0: 2, 1: 1, 10: 1}
    assert Spread.of([-5.0, 0.0, 0.001]).counts() == {-30: 3}


def test_each_part_of_the_way_has_its_spread():
    """For the tasks that have it behind them."""
    whole = task_of()
    under_way = task_of(accepted=None, ended=None, taken=None)
    found = spreads([whole, under_way])
    assert {name: len(spread.values) for name, spread in found.items()} == {
        "queue": 2,
        "submit": 1,
        "solve": 1,
        "take": 1,
        "whole": 1,
    }
    assert found["solve"].values == pytest.approx([0.8])
    assert found["whole"].values == pytest.approx([1.0])


def test_what_is_under_way_is_in_flight_to_the_end():
    """From its submit; only those of the account."""
    tasks = (task_of(), task_of(ended=None, taken=None), task_of(account="other"))
    run = Run(name="run.db", tasks=tasks)
    assert in_flight(run, "captchaai") == [(BEGIN + 0.1, BEGIN + 1.0), (BEGIN + 0.1, BEGIN + 1.1)]


def test_counters_that_begin_again_are_of_another_process():
    """Their growth is never less than nothing."""
    samples = [evolve(SAMPLE, at=float(n), refused=count) for n, count in enumerate([2, 5, 1, 1])]
    assert growth(samples, "refused") == [(0.0, 2.0), (1.0, 3.0), (2.0, 1.0), (3.0, 0.0)]


def test_a_state_holds_until_the_next():
    """Samples that say the same are one span; the last goes on to the end."""
    states = ["open", "closed", "closed", "open"]
    samples = [evolve(SAMPLE, at=float(n), gate=state) for n, state in enumerate(states)]
    assert spans(samples, "gate", 9.0) == [
        ((0.0, 1.0), "open"),
        ((1.0, 3.0), "closed"),
        ((3.0, 9.0), "open"),
    ]
    assert spans([], "gate", 9.0) == []
