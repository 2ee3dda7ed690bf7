"""Scales, ticks, and how moments and durations are written."""

from __future__ import annotations

from datetime import timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvestream.observe.report import scales
from solvestream.observe.report.scales import Clock, Scale
from tests.observe.report.runs import BEGIN, ZONE

UTC = Clock(0.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (0.0004, "0.4 ms"),
        (0.25, "250 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (4.24, "4.24 s"),
        (119, "119 s"),
        (200, "3 min 20 s"),
        (240, "4 min"),
        (7_199, "119 min 59 s"),
        (7_500, "2 h 5 min"),
        (360_000, "100 h"),
    ],
)
def test_a_duration_has_three_digits_and_a_unit(value, text):
    """Whatever its size; minutes and hours as people say them."""
    assert scales.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (12.54, "12.5"), (3_400, "3,400"), (0.00001, "1.0e-05")],
)
def test_an_amount_has_three_digits(value, text):
    """Large ones with commas."""
    assert scales.amount(value) == text


@given(st.floats(0, 1e12), st.integers(2, 8))
def test_ticks_are_round_and_reach_over_the_largest(high, count):
    """From 0, a few, the last at the value or less than a step above it."""
    found = scales.ticks(high, count)
    step = found[1] - found[0]
    assert found[0] == 0
    assert 2 <= len(found) <= count + 2
    assert found[-1] >= high * 0.999_999
    assert found[-1] - step < (max(high, 1e-9) if high else 1) * 1.000_001
    assert f"{step:e}"[0] in "125"


@given(st.floats(1, 3e9), st.floats(0.01, 1e8))
def test_ticks_of_time_are_round_in_the_pages_own_zone(low, span):
    """Ten at most, in order, within the span."""
    clock = Clock(19_800.0)
    found = [at for at, _ in clock.ticks(low, low + span, 8)]
    step = scales.time_step(span / 8)
    assert len(found) <= 10
    assert all(low - step / 1e3 <= at <= low + span + step / 1e3 for at in found)
    assert all(after > before for before, after in pairwise(found))
    for at in found:
        assert (at + 19_800) / step == pytest.approx(round((at + 19_800) / step), abs=1e-3)


def test_a_tick_is_written_as_exactly_as_its_step():
    """Days, minutes, seconds, and parts of one."""
    assert UTC.label(BEGIN, 86_400) == "09-21"
    assert UTC.label(BEGIN, 60) == "14:13"
    assert UTC.label(BEGIN, 5) == "14:13:20"
    assert UTC.label(BEGIN + 0.25, 0.05) == "20.250 s"


def test_a_clock_has_the_offset_of_its_zone():
    """Of a given zone, and of the machine's own."""
    clock = Clock.at(BEGIN, ZONE)
    assert (clock.offset, clock.zone) == (19_800.0, "UTC+05:30")
    assert clock.write(BEGIN) == "2026-09-21 19:43:20"
    west = Clock.at(BEGIN, timezone(timedelta(hours=-8)))
    assert west.write(BEGIN) == "2026-09-21 06:13:20"
    assert Clock.at(BEGIN).zone.startswith("UTC")


@pytest.mark.parametrize("moment", [float("nan"), float("inf"), 1e300])
def test_a_moment_that_no_calendar_has_is_no_error(moment):
    """It is written as a question mark."""
    assert UTC.write(moment) == "?"
    assert Clock.at(moment).offset == 0


def test_a_scale_maps_and_clamps():
    """In proportion or by powers of ten; what is outside is put at the edge."""
    assert [Scale(0, 10, 100, 200)(value) for value in (-5, 0, 5, 10, 50)] == [
        *(100, 100, 150, 200, 200)
    ]
    by_ten = Scale(0.01, 100, 0, 4, log=True)
    assert [by_ten(value) for value in (0, 0.01, 1, 100)] == pytest.approx([0, 0, 2, 4])
    assert Scale(3, 3, 7, 9)(3) == 7


def test_decades_are_the_powers_of_ten_between():
    """With both ends where they are some."""
    assert list(scales.decades(0.01, 1)) == pytest.approx([0.01, 0.1, 1])
    assert list(scales.decades(0.02, 0.5)) == pytest.approx([0.1])
