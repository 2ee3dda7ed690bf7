"""The slot gate: as arithmetic, and simulated over whole jobs."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from solvestream._core.slots import ENOUGH, PROBE, SlotGate
from tests.core.slot_simulation import (
    Case,
    all_knowing,
    at_once,
    bimodal,
    lognormal,
    naive,
    simulate,
    uniform,
)


def gate(**options) -> SlotGate:
    return SlotGate(random=lambda: 0.5, **options)


def accept(one: SlotGate, count: int, now: float = 0.0) -> None:
    for _ in range(count):
        one.start(now)
        one.accepted()


def refuse(one: SlotGate, now: float) -> None:
    one.start(now)
    one.refused(now, now)


def leave(one: SlotGate, now: float = 0.0) -> int:
    """Start all that may leave now, and return how many did."""
    left = 0
    while one.ready_at() <= now:
        one.start(now)
        left += 1
    return left


def test_it_is_open_until_the_first_refusal():
    """Nothing is known, so nothing is held back but the number on the wire."""
    one = gate()
    accept(one, 1000)
    assert one.ready_at() == -math.inf
    assert one.limit == math.inf


def test_submits_on_the_wire_are_few_while_little_is_known():
    """What the first refusal may cost is bounded: 4, and an eighth of what is under way."""
    one = gate()
    accept(one, 60)
    assert leave(one) == 14


def test_answers_at_once_let_more_leave():
    """Where the submit's own reply is the answer, submits on the wire double with each round."""
    one = gate()
    rounds = []
    for _ in range(4):
        rounds.append(leave(one))
        for _ in range(rounds[-1]):
            one.accepted(at_once=True)
            one.ended()
    assert rounds == [5, 11, 23, 50]


def test_a_refusal_closes_it_until_a_task_ends():
    """The limit becomes what is under way; one ended task makes room for one probe."""
    one = gate()
    accept(one, 10)
    refuse(one, 1.0)
    assert (one.closed, one.limit) == (True, 10)
    assert one.ready_at() > 1.0
    one.ended()
    assert one.ready_at() == -math.inf
    one.start(2.0)
    assert one.ready_at() == math.inf
    one.accepted()
    assert not one.closed


def test_it_waits_until_enough_slots_are_expected_to_be_free():
    """After the first refusal, that is by a guess: each task holds its slot for ten seconds."""
    one = gate()
    accept(one, 50)
    refuse(one, 100.0)
    assert one.ready_at() == pytest.approx(100 + ENOUGH * 10 / 50)


def test_a_submit_that_is_taken_leaves_others_to_expect():
    """The next wait after one that was taken is shorter than after a refusal, but it is one."""
    one = gate()
    accept(one, 50)
    refuse(one, 100.0)
    first = one.ready_at()
    one.start(first)
    one.accepted()
    assert 0.2 < (one.ready_at() - first) / (first - 100) < 0.4


def test_the_last_slot_taken_leaves_nothing_to_expect():
    """With one task under way at most, a submit that is taken takes the only slot."""
    one = gate()
    refuse(one, 0.0)
    one.start(25.0)
    one.accepted()
    assert one.ready_at() > 25.0 + 0.9 * ENOUGH * 10 / 1.1


def test_waits_follow_the_rate_at_which_slots_become_free():
    """Submits that are always taken come faster and faster; refused ones slow it down."""
    one, now, waits = gate(), 0.0, []
    accept(one, 50)
    refuse(one, now)
    for _ in range(20):
        waits.append(one.ready_at() - now)
        now = one.ready_at()
        accept(one, 1, now)
    assert all(later < sooner for sooner, later in pairwise(waits))
    refuse(one, now)
    assert one.ready_at() - now > waits[-1]


def test_after_a_long_pause_only_as_many_are_expected_as_were_under_way():
    """However long nothing was submitted, free slots are not counted beyond the tasks there."""
    one = gate()
    accept(one, 8)
    refuse(one, 0.0)
    left = 0
    while one.ready_at() <= 10_000.0:
        accept(one, 1, 10_000.0)
        left += 1
    assert 3 <= left <= 12


def test_refusals_of_one_burst_are_one_step():
    """Submits that had left before the step tell the same news; the limit follows what was taken."""
    one = gate()
    accept(one, 30)
    for _ in range(7):
        one.start(0.5)
    one.refused(0.0, 1.0)
    wait = one.ready_at(), one._need, one._rate
    for _ in range(6):
        one.refused(0.5, 1.1)
    assert (one._need, one._rate) == wait[1:]
    assert (one.limit, one.under_way) == (30, 30)


def test_refusals_in_a_row_step_down_faster():
    """Where a slot that we saw become free is refused again and again, the steps double."""
    one = gate()
    accept(one, 50)
    limits = []
    for now in range(1, 5):
        refuse(one, float(now))
        limits.append(one.limit)
        for _ in range(int(one.under_way - one.limit) + 1):
            one.ended()
    assert limits == [50, 48, 44, 36]


def test_refusals_in_a_row_are_asked_about_less_and_less():
    """With tasks under way the waits double up to half a minute, as their ends tell, too."""
    one, now, waits = gate(), 0.0, []
    accept(one, 50)
    for _ in range(12):
        refuse(one, now)
        waits.append(one.ready_at() - now)
        now = one.ready_at()
    assert waits[0] < 1
    assert all(later > sooner for sooner, later in pairwise(waits[:6]))
    assert waits[-1] == pytest.approx(PROBE)


def test_with_nothing_under_way_a_jittered_timer_probes():
    """When others hold all slots, probes come at growing, jittered, bounded moments."""
    one, now, waits = gate(), 0.0, []
    for _ in range(4):
        refuse(one, now)
        waits.append(one.ready_at() - now)
        now = one.ready_at()
    assert waits == pytest.approx([2.5, 5, 10, 10])


def test_a_known_limit_is_never_exceeded():
    """A plan's own number of slots holds from the first submit on, and after a refusal."""
    one = gate(known=3)
    accept(one, 3)
    assert one.ready_at() == math.inf
    one.ended()
    assert one.ready_at() == -math.inf
    refuse(one, 1.0)
    accept(one, 1, one.ready_at())
    assert one.ready_at() == math.inf


def test_a_known_limit_is_not_grown_beyond():
    """However long all goes well, the limit shown is the one that was told."""
    one = gate(known=3)
    for _ in range(100):
        accept(one, 1)
        one.ended()
    assert one.limit == 3


def test_ever_failing_probes_do_not_lower_the_rate_for_good():
    """Years of probes in vain leave one each half minute while a task is under way."""
    one, now = gate(), 0.0
    for _ in range(10_000):
        accept(one, 1, now)
        refuse(one, now + 1)
        refuse(one, one.ready_at())
        assert now < one.ready_at() <= now + 61 + 1e-3
        now = one.ready_at()
        one.ended()


def test_a_submit_without_news_leaves_room_for_another():
    """One that did not get through tells nothing about slots."""
    one = gate()
    accept(one, 10)
    refuse(one, 0.0)
    one.ended()
    one.start(1.0)
    one.dropped()
    assert (one.under_way, one.limit, one.ready_at()) == (9, 10, -math.inf)


def test_the_limit_grows_with_what_is_taken_above_it():
    """By one for as many as it counts; after a long run without refusal with each."""
    one, now = gate(), 0.0
    accept(one, 10)
    refuse(one, now)
    for _ in range(10):
        now = one.ready_at()
        accept(one, 1, now)
    assert one.limit == pytest.approx(11, abs=0.1)
    while one.ready_at() != -math.inf:
        now = one.ready_at()
        accept(one, 1, now)
    assert one.limit == one.under_way + 1


def test_a_thousand_ends_in_one_moment_say_nothing_of_the_rate():
    """After one look at all tasks their slots are taken again, and the next wait is as before."""
    one = gate()
    accept(one, 1000)
    refuse(one, 0.0)
    wait = one.ready_at()
    for _ in range(1000):
        one.ended()
    accept(one, 1000, 0.0)
    assert one.limit == 1000
    assert one.ready_at() == pytest.approx(wait, rel=0.01)


SECOND = {"first": 1, "interval": 1}


@pytest.mark.parametrize(
    ("case", "refusals", "makespan", "worst"),
    [
        pytest.param(Case(1000, 50, uniform(5, 25)), 0.15, 1.05, 16, id="uniform"),
        pytest.param(Case(1000, 50, lognormal(12, 0.5)), 0.15, 1.05, 16, id="lognormal"),
        pytest.param(Case(1000, 50, bimodal), 0.15, 1.065, 16, id="bimodal"),
        pytest.param(Case(1000, 50, uniform(14.9, 15.1)), 0.15, 1.05, 16, id="in waves"),
        pytest.param(Case(1000, 50, uniform(2, 6), **SECOND), 0.15, 1.07, 16, id="fast"),
        pytest.param(Case(999, 333, uniform(8, 16)), 0.15, 1.05, 64, id="a third of 999"),
        pytest.param(
            Case(999, 333, uniform(2, 6), **SECOND, round_trip=0.005), 0.15, 1.05, 64, id="T7"
        ),
        pytest.param(Case(600, 20, uniform(5, 25)), 0.15, 1.12, 10, id="20 slots"),
        pytest.param(Case(500, 5, uniform(5, 25)), 0.15, 1.18, 8, id="5 slots"),
        pytest.param(Case(300, 2, uniform(5, 25)), 0.15, 1.18, 8, id="2 slots"),
        pytest.param(Case(200, 1, uniform(5, 25)), 0.15, 1.18, 8, id="1 slot"),
        pytest.param(Case(500, 5, uniform(2, 6), **SECOND), 0.15, 1.15, 8, id="5 fast slots"),
        pytest.param(
            Case(1000, 50, uniform(5, 25), steps=((0.0, 50), (100.0, 25))),
            0.15,
            1.1,
            16,
            id="halved",
        ),
        pytest.param(
            Case(1000, 50, uniform(5, 25), steps=((0.0, 50), (100.0, 100))),
            0.15,
            1.05,
            16,
            id="doubled",
        ),
        pytest.param(
            Case(1000, 50, uniform(5, 25), steps=((0.0, 50), (100.0, 0), (160.0, 50))),
            0.16,
            1.1,
            16,
            id="away for a minute",
        ),
        pytest.param(
            Case(900, 50, uniform(5, 25), bursts=tuple((60.0 * n, 150) for n in range(6))),
            0.15,
            1.02,
            16,
            id="in bursts",
        ),
        pytest.param(
            Case(1000, 50, uniform(5, 25), bans=((100.0, 160.0),)), 0.15, 1.05, 16, id="banned"
        ),
        pytest.param(Case(1000, 50, at_once), 0.15, 1.5, 40, id="answered at once"),
        pytest.param(
            Case(2000, 500, uniform(14.99, 15), round_trip=0.0002), 0.15, 1.05, 80, id="in lockstep"
        ),
    ],
)
def test_full_slots_cost_few_refusals_and_little_time(case, refusals, makespan, worst):
    """Against an all-knowing client: refusals per accepted submit, the longer run, no storm."""
    runs = [simulate(case, seed) for seed in range(4)]
    best = sum(all_knowing(case, seed) for seed in range(4))
    assert sum(len(run.refusals) for run in runs) / (4 * case.count) <= refusals
    assert sum(run.end for run in runs) / best <= makespan
    assert max(run.worst_second for run in runs) <= worst


def test_the_plain_recipe_pays_for_its_speed_in_refusals():
    """Tasks that each try again on their own are refused dozens of times for each accepted."""
    case = Case(1000, 50, uniform(5, 25))
    ours, best = simulate(case, 1), all_knowing(case, 1)
    rash, patient = naive(case, 1, pause=1), naive(case, 1, pause=5)
    assert best <= rash.end < ours.end < patient.end
    assert len(rash.refusals) > 100_000
    assert len(patient.refusals) > 200 * len(ours.refusals)


def test_an_hour_without_slots_is_waited_out_quietly():
    """While a service has no slot at all, it is asked six times a minute; then it is used soon."""
    case = Case(200, 0, uniform(8, 16), steps=((0.0, 0), (3600.0, 50)))
    for seed in range(3):
        run = simulate(case, seed)
        assert run.refused(60, 3600) <= 3600 / 8
        assert run.end < all_knowing(case, seed) + 45


def test_slots_that_go_away_are_noticed_by_a_few_refusals():
    """In the minute without slots there are two dozen probes at most, and never a storm."""
    case = Case(1000, 50, uniform(5, 25), steps=((0.0, 50), (100.0, 0), (160.0, 50)))
    for seed in range(5):
        assert simulate(case, seed).refused(100, 160) <= 24


def test_an_invited_submit_goes_at_its_moment_and_no_second_one():
    """Told that slots are free, a closed gate lets one probe through, neither sooner nor later."""
    one = gate()
    accept(one, 10)
    refuse(one, 1.0)
    usual = one.ready_at()
    for moment in (usual + 10, 1.5):
        one.invited(moment)
        assert one.ready_at() == moment
    one.invited(math.inf)
    assert one.ready_at() == usual
    one.invited(1.5)
    refuse(one, 1.2)
    assert one.ready_at() == 1.5
    refuse(one, 1.5)
    assert one.ready_at() > 1.5


def test_an_invitation_opens_no_more_than_a_known_limit():
    """A plan of three slots stays one, whatever the service says is free; nor do two probes go."""
    one = gate(known=3)
    accept(one, 3)
    one.invited(0.0)
    assert one.ready_at() == math.inf
    other = gate()
    refuse(other, 0.0)
    other.invited(0.0)
    assert leave(other, 0.0) == 1
