from __future__ import annotations

import pytest

from solvestream import UsageError
from solvestream.cli.thresholds import METRICS, Threshold, broken
from solvestream.observe.tally import Tally


@pytest.fixture
def tally():
    """Nine of ten solved, each within 4 s of its submit."""
    tally = Tally(
        began=100.0, last=120.0, solved=9, failed=1, spent=0.5, refused=3, looks_of_ended=20
    )
    for _ in range(9):
        tally.latency.add(4.0)
        tally.elapsed.add(40.0)
        tally.exchange.add(0.1)
        tally.grade(correct=True)
    tally.grade(correct=False)
    return tally


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("accuracy<0.95", True),
        ("accuracy < 0.9", False),
        ("accuracy<=0.9", True),
        (" accuracy >= 0.95 ", False),
        ("failed>0", True),
        ("failed==1", True),
        ("failed!=1", False),
        ("solved<9", False),
        ("failure_rate>=.1", True),
        ("p50>3.8", True),
        ("p95>60", False),
        ("p99>1e2", False),
        ("elapsed_p95>30", True),
        ("exchange_p95>0.2", False),
        ("looks>1.5", True),
        ("rate<1", True),
        ("refused>3", False),
        ("spent>0.4", True),
        ("duration>30", False),
    ],
)
def test_a_condition_is_on_a_figure_of_the_run(tally, text, holds):
    """All operators, with or without spaces; every metric is tried here."""
    found = broken([Threshold.of(text)], tally)
    assert bool(found) is holds
    assert all(text in line for line in found)


def test_every_metric_can_be_read(tally):
    """Of a run with something in it, and of one without."""
    assert all(read(tally) is not None for _, read in METRICS.values())
    for _, read in METRICS.values():
        read(Tally())


@pytest.mark.parametrize("text", ["accuracy<0.95", "p95>60", "looks>3", "rate<1"])
def test_what_nobody_measured_has_failed(text):
    """A run that shows nothing is not good by it."""
    (line,) = broken([Threshold.of(text)], Tally())
    assert "nothing to measure" in line


def test_what_was_found_is_told(tally):
    """With the value."""
    (line,) = broken([Threshold.of("p95>60"), Threshold.of("accuracy<0.95")], tally)
    assert line.startswith("failed: accuracy<0.95: it is 0.9 ")


@pytest.mark.parametrize(
    "text", ["", "p95", "p95>", ">60", "p95>x", "p95=60", "p95>>60", "p95>1.2.3", "p95>60s"]
)
def test_what_is_no_condition_is_refused(text):
    """The message shows one."""
    with pytest.raises(UsageError, match='as "p95>60"'):
        Threshold.of(text)


def test_an_unknown_metric_is_refused():
    """The message names those that are known."""
    with pytest.raises(UsageError, match="there is no p96; there are accuracy, solved"):
        Threshold.of("p96>1")
