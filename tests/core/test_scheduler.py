"""All accounts together."""

from __future__ import annotations

import math
from collections import deque

import pytest

from solvestream._core.actions import IDLE, Look, Submit
from solvestream._core.job import Expired, NoReply, Stranded
from solvestream._core.lifecycle import State
from solvestream._core.scheduler import FIRST_PATIENCE, PATIENCE, Scheduler
from solvestream._outcomes import Accepted, AccountDown, Busy, Pending
from solvestream._wire import Broken, Sent, Trouble
from tests.core.support import FakePace, FakeTraits, make_job

QUICK = FakeTraits(retention=30.0, pacing=FakePace(first_look=1, interval=1, deadline=30))


def make_scheduler(exchanges=8, max_in_flight=math.inf, **accounts) -> Scheduler:
    scheduler = Scheduler(random=lambda: 0.5, max_in_flight=max_in_flight)
    scheduler.open(accounts or {"a": FakeTraits()})
    scheduler.share(exchanges)
    return scheduler


def fill(scheduler, count, first=0, **fields):
    jobs = [make_job(first + n, **fields) for n in range(count)]
    for job in jobs:
        scheduler.add(job, 0.0)
    return jobs


def take(scheduler, now=0.0):
    actions = []
    while isinstance((pair := scheduler.next_action(now))[1], Submit | Look):
        actions.append(pair)
    return actions


def test_jobs_spread_over_the_accounts_with_room():
    """Whichever account has the least under way takes the next job."""
    scheduler = make_scheduler(a=FakeTraits(), b=FakeTraits())
    fill(scheduler, 6)
    names = [planner.name for planner, _ in take(scheduler)]
    assert sorted(names) == ["a", "a", "a", "b", "b", "b"]


def test_a_full_account_leaves_its_work_to_another():
    """Slots of one account are no bound for the other."""
    scheduler = make_scheduler(a=FakeTraits(slots=1), b=FakeTraits())
    fill(scheduler, 4)
    names = [planner.name for planner, _ in take(scheduler)]
    assert sorted(names) == ["a", "b", "b", "b"]


def test_a_kind_goes_only_where_it_is_taken():
    """The route of a kind is the set of accounts that support it."""
    scheduler = make_scheduler(a=FakeTraits(), b=FakeTraits(kinds=frozenset({"image", "other"})))
    assert scheduler.route("image") == {"a", "b"}
    assert scheduler.route("other") == {"b"}
    assert scheduler.route("none") == frozenset()


def test_the_soonest_deleted_answer_of_any_account_comes_first():
    """Looks compete over all accounts; the perishing one wins."""
    scheduler = make_scheduler(exchanges=2, slow=FakeTraits(), quick=QUICK)
    fill(scheduler, 2)
    for planner, action in take(scheduler):
        planner.submitted(action, Accepted(action.job.key), 0.0)
    scheduler.planners["slow"].hint("job-0", 2.0)
    scheduler.planners["slow"].hint("job-1", 2.0)
    planner, action = scheduler.next_action(2.0)
    assert planner.name == "quick"
    assert isinstance(action, Look)


def test_one_account_cannot_hold_all_exchanges():
    """Each of n accounts has an n-th of them: a hanging service starves nobody."""
    scheduler = make_scheduler(exchanges=8, a=FakeTraits(), b=FakeTraits())
    scheduler.planners["b"].health.down = AccountDown("E", "key")
    fill(scheduler, 20)
    assert len(take(scheduler)) == 4


def test_the_client_s_own_bound_holds():
    """`max_in_flight` counts submits on the wire and tasks at services, over all accounts."""
    scheduler = make_scheduler(max_in_flight=3, a=FakeTraits(), b=FakeTraits())
    fill(scheduler, 9)
    assert len(take(scheduler)) == 3
    assert scheduler.in_flight == 3


def test_a_queued_job_ends_at_its_deadline():
    """A job that was never submitted ends as expired, unpaid, within a tenth of a second."""
    scheduler = make_scheduler()
    scheduler.planners["a"].gate.known = 0
    job = fill(scheduler, 1, deadline=7.0)[0]
    assert scheduler.tick(6.9) == 7
    assert job.state is State.QUEUED
    scheduler.tick(7.1)
    (ended,) = scheduler.ended
    assert (ended.job, ended.end, ended.account) == (job, ended.end, None)
    assert isinstance(ended.end, Expired)
    assert not ended.end.resumable
    assert len(scheduler.backlog) == 0


def test_jobs_without_an_account_left_are_given_up_with_its_reason():
    """When the only account is down, queued and new jobs end at once and say why."""
    scheduler = make_scheduler()
    queued = fill(scheduler, 3)
    ((planner, action), *_) = take(scheduler)
    planner.submitted(action, AccountDown("ERROR_ZERO_BALANCE", "funds"), 0.0)
    scheduler.tick(0.0)
    (late,) = fill(scheduler, 1)
    ends = {ended.job: ended.end for ended in scheduler.ended}
    assert late in ends
    assert queued[0] in ends
    assert all(isinstance(end, Stranded) and end.why.cause == "funds" for end in ends.values())


def test_another_account_takes_over_what_one_refuses():
    """A dead key of one account ends no job that another can take."""
    scheduler = make_scheduler(a=FakeTraits(), b=FakeTraits())
    (job,) = fill(scheduler, 1)
    ((planner, action),) = take(scheduler)
    planner.submitted(action, AccountDown("ERROR_WRONG_USER_KEY", "key"), 0.0)
    scheduler.tick(0.0)
    ((other, again),) = take(scheduler)
    assert other is not planner
    assert again.job is job


@pytest.mark.parametrize(("reached", "patience"), [(True, PATIENCE), (False, FIRST_PATIENCE)])
def test_a_dead_service_is_given_up_after_some_patience(reached, patience):
    """Jobs without a deadline end after five minutes of trouble; after 30 s if it never worked."""
    scheduler = make_scheduler()
    scheduler.planners["a"].health.reached = reached
    (job,) = fill(scheduler, 1)
    (mine,) = fill(scheduler, 1, first=1, deadline=1000.0)
    now = 0.0
    while not scheduler.ended and now < 2 * PATIENCE:
        for planner, action in take(scheduler, now):
            gone = Broken(Trouble.CONNECT, Sent.NOTHING, "host:1: connection refused")
            planner.submitted(action, gone, now)
        now += 1
        scheduler.tick(now)
    (ended,) = scheduler.ended
    assert ended.job is job
    assert mine.state is State.QUEUED
    assert isinstance(ended.end.why, NoReply)
    assert ended.end.why.reason == "host:1: connection refused"
    assert patience <= now <= patience + 10


def test_an_account_that_was_in_trouble_long_ago_is_tried_again():
    """A new job is no probe less: it is given up only after it waited itself."""
    scheduler = make_scheduler()
    breaker = scheduler.planners["a"].health.breaker
    breaker.failed(breaker.start(0.0), 0.0)
    job = make_job(1)
    job.born = 10_000.0
    scheduler.add(job, 10_000.0)
    scheduler.tick(10_000.0)
    assert take(scheduler, 10_000.0)[0][1].job is job


def test_jobs_on_the_wire_at_their_deadline_are_told_of():
    """Their callers shall not wait for the exchange, which goes on."""
    scheduler = make_scheduler()
    (job,) = fill(scheduler, 1, deadline=1.0)
    ((planner, action),) = take(scheduler)
    scheduler.tick(1.0)
    assert list(scheduler.overdue) == [job]
    assert scheduler.ended == deque()
    planner.submitted(action, Accepted("1"), 2.0)
    assert job.state is State.EXPIRED


def test_ended_jobs_do_not_stay_in_the_calendar():
    """Thousands of jobs that ended long before their deadlines are swept out."""
    scheduler = make_scheduler()
    for now in range(20):
        jobs = fill(scheduler, 500, first=500 * now, deadline=10_000.0)
        for job in jobs:
            scheduler.withdraw(job)
        scheduler.tick(float(now))
    assert len(scheduler._deadlines) <= 1_500


def test_a_job_that_waits_behind_a_closed_gate_ends_as_busy():
    """Also when it was not itself refused, it ended for lack of a slot."""
    scheduler = make_scheduler()
    refused, waiting = fill(scheduler, 2, deadline=2.0)
    planner, action = scheduler.next_action(0.0)
    planner.submitted(action, Busy("ERROR_NO_SLOT_AVAILABLE"), 0.0)
    scheduler.tick(2.0)
    assert refused.said == waiting.said == "ERROR_NO_SLOT_AVAILABLE"


def test_a_cancelled_caller_s_submit_is_not_sent_again():
    """A job withdrawn while its submit is on the wire ends there if that proves free."""
    scheduler = make_scheduler()
    (job,) = fill(scheduler, 1)
    ((planner, action),) = take(scheduler)
    assert not scheduler.withdraw(job)
    planner.submitted(action, Busy("ERROR_NO_SLOT_AVAILABLE"), 1.0)
    assert job.state is State.ABANDONED
    assert len(scheduler.backlog) == 0


def test_a_withdrawn_job_is_never_submitted():
    """Only what was not sent can be withdrawn."""
    scheduler = make_scheduler()
    jobs = fill(scheduler, 2)
    assert scheduler.withdraw(jobs[0])
    ((_, action),) = take(scheduler)
    assert action.job is jobs[1]
    assert not scheduler.withdraw(jobs[1])


def test_it_waits_for_the_first_moment_of_all_accounts():
    """The earliest look over all planners is what the engine waits for."""
    scheduler = make_scheduler(slow=FakeTraits(), quick=QUICK)
    assert scheduler.next_action(0.0)[1] is IDLE
    fill(scheduler, 2)
    for planner, action in take(scheduler):
        planner.submitted(action, Accepted(action.job.key), 0.0)
    assert scheduler.next_action(0.0)[1].until == 1
    for planner, action in take(scheduler, 1.0):
        planner.looked(action, [Pending()], 1.0)
    assert scheduler.next_action(1.0)[1].until == 2


def test_closing_ends_every_job():
    """Queued and paid jobs alike end as abandoned."""
    scheduler = make_scheduler(exchanges=1)
    fill(scheduler, 3)
    ((planner, action),) = take(scheduler)
    planner.submitted(action, Busy("ERROR_NO_SLOT_AVAILABLE"), 0.0)
    scheduler.close()
    assert [ended.job.state for ended in scheduler.ended] == [State.ABANDONED] * 3
