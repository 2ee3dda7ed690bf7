from __future__ import annotations

import math
import random

import pytest

from solvestream.observe.histogram import HIGHEST, LOWEST, Histogram


def filled(*values: float) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


@pytest.mark.parametrize("draw", ["expovariate", "uniform", "lognormal"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95, 0.99, 1.0])
def test_a_percentile_is_within_a_few_per_cent(draw, share):
    """Of the nearest rank of the values themselves, whatever they are like."""
    chance = random.Random(7)
    drawn = {
        "expovariate": lambda: chance.expovariate(0.1),
        "uniform": lambda: chance.uniform(2, 6),
        "lognormal": lambda: chance.lognormvariate(0, 3),
    }[draw]
    values = sorted(drawn() for _ in range(5_000))
    exact = values[max(1, math.ceil(share * len(values))) - 1]
    assert filled(*values).percentile(share) == pytest.approx(exact, rel=0.026)


def test_one_value_is_all_percentiles():
    """To within half a bucket."""
    histogram = filled(3.0)
    assert histogram.count == 1
    assert histogram.percentile(0.0) == histogram.percentile(1.0) == pytest.approx(3.0, rel=0.025)


def test_no_value_has_no_percentile():
    """It is not known, which is not 0."""
    assert Histogram().percentile(0.5) is None
    assert Histogram().count == 0


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, LOWEST, -math.inf])
def test_what_is_too_small_counts_as_nothing(value):
    """A clock that stood still, or one that went back, ends no run."""
    assert filled(value).percentile(0.5) == 0.0


@pytest.mark.parametrize("value", [HIGHEST, 1e300, math.inf])
def test_what_is_too_large_counts_as_the_largest(value):
    """It is counted, and needs no more room."""
    assert filled(value).percentile(0.5) == pytest.approx(HIGHEST, rel=0.05)


def test_every_value_within_bounds_has_a_bucket():
    """From a microsecond to months, at every power of ten and just beside it."""
    for power in range(-6, 7):
        for value in (10.0**power * 1.0001, 10.0**power * 9.999):
            assert filled(value).percentile(1.0) == pytest.approx(value, rel=0.026)
