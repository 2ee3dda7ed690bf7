"""All accounts together."""

from __future__ import annotations

import math

from solvestream._core.actions import IDLE, Look, Submit
from solvestream._core.job import Expired, NoReply, Stranded
from solvestream._core.lifecycle import State
from solvestream._core.scheduler import PATIENCE, Scheduler
from solvestream._outcomes import Accepted, AccountDown, Busy, Pending
from solvestream._wire import Broken, Sent, Trouble
from tests.core.support import FakePace, FakeTraits, make_job

QUICK = FakeTraits(retention=30.0, pacing=FakePace(first_look=1, interval=1, deadline=30))


def make_scheduler(exchanges=8, max_in_flight=math.inf, **accounts) -> Scheduler:
    scheduler = Scheduler(random=lambda: 0.5, exchanges=exchanges, max_in_flight=max_in_flight)
    scheduler.open(accounts or {"a": FakeTraits()})
    return scheduler


def fill(scheduler, count, **fields):
    jobs = [make_job(n, **fields) for n in range(count)]
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


def test_a_dead_service_is_given_up_after_long_patience():
    """Queued jobs without a deadline end when their account gave no reply for five minutes."""
    scheduler = make_scheduler()
    (job,) = fill(scheduler, 1)
    now = 0.0
    while not scheduler.ended and now < 2 * PATIENCE:
        for planner, action in take(scheduler, now):
            gone = Broken(Trouble.CONNECT, Sent.NOTHING, "host:1: connection refused")
            planner.submitted(action, gone, now)
        now += 1
        scheduler.tick(now)
    (ended,) = scheduler.ended
    assert ended.job is job
    assert isinstance(ended.end.why, NoReply)
    assert ended.end.why.reason == "host:1: connection refused"
    assert PATIENCE <= now <= PATIENCE + 10


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
