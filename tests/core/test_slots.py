"""The slot gate: as arithmetic, and simulated over whole jobs."""

from __future__ import annotations

import math

import pytest

from solvestream._core.slots import SlotGate
from tests.core.slot_simulation import greedy, simulate, uniform


def gate(**options) -> SlotGate:
    return SlotGate(random=lambda: 0.5, **options)


def accept(one: SlotGate, count: int, now: float = 0.0) -> None:
    for _ in range(count):
        one.start()
        one.accepted(now)


def test_it_is_open_until_the_first_refusal():
    """Nothing is known, so nothing is held back but the number on the wire."""
    one = gate()
    accept(one, 1000)
    assert one.ready_at() == -math.inf
    assert one.limit == math.inf


def test_submits_on_the_wire_are_few_while_little_is_known():
    """What the first refusal may cost in vain submits is bounded: 4, and a tenth of what is under way."""
    one = gate()
    accept(one, 60)
    left = 0
    while one.ready_at() == -math.inf:
        one.start()
        left += 1
    assert left == 12


def test_answers_at_once_let_more_leave():
    """Where the submit's own reply is the answer, submits on the wire double with each round."""
    one = gate()
    rounds = []
    for _ in range(4):
        left = 0
        while one.ready_at() == -math.inf:
            one.start()
            left += 1
        for _ in range(left):
            one.accepted(0.0, at_once=True)
            one.ended()
        rounds.append(left)
    assert rounds == [5, 10, 22, 46]


def test_a_refusal_closes_it_until_a_task_ends():
    """The limit becomes what is under way; one ended task makes room for one probe."""
    one = gate()
    accept(one, 10)
    one.start()
    one.refused(0.0, 1.0)
    assert (one.closed, one.limit) == (True, 10)
    assert one.ready_at() > 1.0
    one.ended()
    assert one.ready_at() == -math.inf
    one.start()
    assert one.ready_at() == math.inf
    one.accepted(2.0)
    assert not one.closed


def test_refusals_of_one_burst_are_one_step():
    """Submits that had left before the step tell the same news."""
    one = gate()
    accept(one, 30)
    for _ in range(7):
        one.start()
    one.refused(0.0, 1.0)
    limit = one.limit
    for _ in range(6):
        one.refused(0.5, 1.1)
    assert one.limit == limit
    assert one.refusals == 7
    assert one.under_way == 30


def test_refusals_in_a_row_step_down_faster():
    """Without a success between them, steps double, so lost capacity is noticed soon."""
    one = gate()
    accept(one, 50)
    limits = []
    for now in range(1, 5):
        one.start()
        one.refused(float(now), float(now))
        limits.append(one.limit)
    assert limits == [50, 49, 46, 39]


def test_with_nothing_under_way_a_jittered_timer_probes():
    """When others hold all slots, probes come at growing, jittered moments."""
    one = gate()
    waits, now = [], 0.0
    for _ in range(4):
        one.start()
        one.refused(now, now)
        waits.append(one.ready_at() - now)
        now += waits[-1]
    assert waits == [2.5, 5, 10, 15]


def test_a_known_limit_is_never_exceeded():
    """A plan's own number of slots holds from the first submit on."""
    one = gate(known=3)
    accept(one, 3)
    assert one.ready_at() == math.inf
    one.ended()
    assert one.ready_at() == -math.inf


def test_capacity_that_comes_back_is_taken_at_once():
    """After a long quiet the limit grows by one with each success."""
    one = gate()
    accept(one, 2)
    one.start()
    one.refused(0.0, 0.0)
    limit = one.limit
    accept(one, 10, now=60.0)
    assert one.limit == limit + 10


@pytest.mark.parametrize(
    ("count", "slots", "solve", "first", "interval", "refusals", "makespan"),
    [
        (1000, 50, uniform(8, 16), 10, 5, 0.15, 1.25),
        (1000, 50, uniform(2, 6), 1, 1, 0.15, 1.15),
        (999, 333, uniform(8, 16), 10, 5, 0.15, 1.20),
        (300, 5, uniform(2, 6), 1, 1, 0.20, 1.25),
        (60, 1, uniform(2, 6), 1, 1, 0.30, 1.25),
    ],
)
def test_full_slots_cost_few_refusals_and_little_time(
    count, slots, solve, first, interval, refusals, makespan
):
    """Against an all-knowing client: refusals per accepted submit, and the longer run."""
    runs = [
        simulate(count, lambda now: slots, solve, first=first, interval=interval, seed=seed)
        for seed in range(3)
    ]
    best = [greedy(count, slots, solve, first=first, interval=interval, seed=s) for s in range(3)]
    assert sum(run.refused for run in runs) / (3 * count) <= refusals
    assert sum(run.end for run in runs) / sum(best) <= makespan
    if slots == 50:
        assert max(run.worst_second for run in runs) <= 12


def test_an_hour_without_slots_is_waited_out_quietly():
    """While a service has no slot at all, it is asked about twice a minute."""
    capacity = lambda now: 0 if now < 3600 else 50  # noqa: E731 - a step in one line
    run = simulate(200, capacity, uniform(8, 16), first=10, interval=5, seed=1)
    assert run.refused <= 3600 / 10
    assert run.end < 3600 + 200
