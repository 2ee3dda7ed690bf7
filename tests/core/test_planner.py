"""One account's decisions, as arithmetic: moments in, actions out."""

from __future__ import annotations

import math

import pytest

from solvestream._core.actions import IDLE, Look, Submit, Wait
from solvestream._core.job import Expired, NoReply, Unfit
from solvestream._core.lifecycle import State
from solvestream._outcomes import (
    Accepted,
    AccountDown,
    Busy,
    Failed,
    Lost,
    Mismatch,
    Pending,
    Solved,
    Throttled,
    Unknown,
)
from solvestream._wire import Broken, Sent, Trouble
from solvestream.solutions import Text
from tests.core.support import FakePace, make_planner, queue

SOLVED = Solved(Text("x"))


def submit(planner, now=0.0, outcome=None):
    action = planner.next_action(now)
    assert isinstance(action, Submit)
    task_id = action.job.key
    planner.submitted(action, Accepted(task_id) if outcome is None else outcome, now)
    return action.job


def look(planner, now, outcome):
    action = planner.next_action(now)
    assert isinstance(action, Look)
    planner.looked(action, [outcome for _ in action.jobs], now)
    return action.jobs


def broken(sent, trouble=Trouble.RESET):
    return Broken(trouble, sent, "host:1: it broke")


def ends(planner):
    return [(ended.job.state, ended.end) for ended in planner.ended]


def test_with_nothing_to_do_it_is_idle():
    """No job, no moment to wait for."""
    assert make_planner().next_action(0.0) is IDLE


def test_a_job_is_submitted_waited_for_looked_at_and_solved():
    """The way of a job through its states, with the moments of the reference schedule."""
    planner = make_planner()
    (job,) = queue(planner, 1)
    submit(planner)
    assert job.state is State.WAITING
    wait = planner.next_action(0.0)
    assert isinstance(wait, Wait)
    assert wait.until == 10
    look(planner, 10.0, Pending())
    assert planner.next_action(10.0).until == 15
    look(planner, 15.0, SOLVED)
    assert ends(planner) == [(State.SOLVED, SOLVED)]
    assert (job.looks, planner.gate.under_way, planner.jobs) == (2, 0, {})
    assert planner.next_action(15.0) is IDLE


def test_looks_go_before_submits():
    """What is paid comes first: a due look is started before a queued submit."""
    planner = make_planner()
    queue(planner, 1)
    submit(planner)
    queue(planner, 3)
    assert isinstance(planner.next_action(10.0), Look)
    assert isinstance(planner.next_action(10.0), Submit)


def test_one_job_has_one_look_out():
    """While a look is on the wire, its job is not looked at again."""
    planner = make_planner()
    queue(planner, 1)
    submit(planner)
    assert isinstance(planner.next_action(10.0), Look)
    assert planner.next_action(1000.0) is IDLE


def test_what_is_deleted_soonest_is_looked_at_first():
    """Overdue looks start in the order in which their answers perish."""
    planner = make_planner(retention=30.0, pacing=FakePace(first_look=1))
    queue(planner, 3)
    actions = [planner.next_action(0.0) for _ in range(3)]
    for action, now in zip(actions, [5.0, 3.0, 4.0], strict=True):
        planner.submitted(action, Accepted(action.job.key), now)
    order = [planner.next_action(20.0).jobs[0].accepted_at for _ in range(3)]
    assert order == [3, 4, 5]


def test_due_looks_share_a_request_up_to_the_batch():
    """Jobs that fall due within the slack are asked for together, as many as a request takes."""
    planner = make_planner(max_batch=3)
    queue(planner, 5)
    for n in range(5):
        submit(planner, n * 0.01)
    sizes = [len(planner.next_action(10.3).jobs) for _ in range(2)]
    assert sizes == [3, 2]


def test_a_batch_that_does_not_fit_is_looked_up_singly():
    """After a mismatch each of its jobs is asked for in a request of its own, at once."""
    planner = make_planner(max_batch=10)
    queue(planner, 3)
    for _ in range(3):
        submit(planner)
    action = planner.next_action(10.3)
    planner.looked(action, Mismatch("2 answers for 3 ids"), 10.3)
    singles = [planner.next_action(10.5).jobs for _ in range(3)]
    assert [len(jobs) for jobs in singles] == [1, 1, 1]


def test_exchanges_are_bounded():
    """No more start than may be on the wire at once."""
    planner = make_planner(exchanges=2)
    queue(planner, 5)
    actions = [planner.next_action(0.0) for _ in range(3)]
    assert [isinstance(action, Submit) for action in actions] == [True, True, False]
    planner.submitted(actions[0], Accepted("1"), 0.0)
    assert isinstance(planner.next_action(0.0), Submit)


def test_without_room_nothing_is_submitted_but_looks_go_on():
    """A full client still looks for what it paid."""
    planner = make_planner()
    queue(planner, 2)
    submit(planner)
    assert planner.next_action(0.0, room=False).until == 10
    assert isinstance(planner.next_action(10.0, room=False), Look)


def test_a_refused_submit_goes_back_to_the_head():
    """NO_SLOT keeps the order: the refused job is the next to be submitted."""
    planner = make_planner()
    jobs = queue(planner, 3)
    submit(planner)
    job = submit(planner, 0.0, Busy("ERROR_NO_SLOT_AVAILABLE"))
    assert job is jobs[1]
    assert (job.state, job.said) == (State.QUEUED, "ERROR_NO_SLOT_AVAILABLE")
    look(planner, 10.0, SOLVED)
    assert submit(planner, 10.0) is jobs[1]
    assert planner.counts.refused == 1


@pytest.mark.parametrize("sent", [Sent.ALL, Sent.UNKNOWN])
def test_a_submit_that_may_have_arrived_is_never_sent_again(sent):
    """Without evidence that it is free, the job ends as unknown."""
    planner = make_planner()
    job = queue(planner, 1)[0]
    submit(planner, 0.0, broken(sent))
    assert job.state is State.UNKNOWN
    assert planner.next_action(1000.0) is IDLE
    assert planner.gate.under_way == 0


def test_an_unknown_submit_is_sent_again_where_the_user_chose_so():
    """`resubmit_unknown` puts the job back after a backoff."""
    planner = make_planner(resubmit_unknown=True)
    queue(planner, 1)
    submit(planner, 0.0, broken(Sent.ALL))
    assert planner.next_action(0.0).until == 0.25
    assert submit(planner, 0.25).state is State.WAITING


def test_a_submit_that_never_left_waits_a_little_and_is_sent_again():
    """NOT_SENT is retried with growing backoff, and a look in between does not reset it."""
    planner = make_planner()
    queue(planner, 1)
    now, waits = 0.0, []
    for _ in range(4):
        submit(planner, now, broken(Sent.NOTHING))
        planner.health.breaker.succeeded(planner.health.breaker.epoch)
        waits.append(planner.next_action(now).until - now)
        now += waits[-1]
    assert waits == [0.25, 0.5, 1.0, 2.0]


def test_an_incomplete_submit_is_sent_again_once():
    """INCOMPLETE is retried one time; the second ends the job, free of charge."""
    planner = make_planner()
    job = queue(planner, 1)[0]
    submit(planner, 0.0, broken(Sent.PART))
    assert job.state is State.QUEUED
    submit(planner, 10.0, broken(Sent.PART))
    assert job.state is State.REJECTED
    assert isinstance(planner.ended[0].end, NoReply)
    assert planner.ended[0].end.incomplete


def test_a_bad_certificate_is_final():
    """TLS trouble does not go away by trying again."""
    planner = make_planner()
    job = queue(planner, 1)[0]
    submit(planner, 0.0, broken(Sent.NOTHING, Trouble.TLS))
    assert job.state is State.REJECTED


def test_an_id_that_is_taken_is_never_delivered_twice():
    """A second job with the id of another ends as unknown; the first keeps its id."""
    planner = make_planner()
    queue(planner, 2)
    first = submit(planner, 0.0, Accepted("same"))
    second = submit(planner, 0.0, Accepted("same"))
    assert second.state is State.UNKNOWN
    assert planner.jobs == {"same": first}
    assert planner.gate.under_way == 1


def test_an_answer_with_the_submit_ends_the_job():
    """Services that answer at once are never looked at."""
    planner = make_planner()
    job = submit_one(planner, Solved(Text("now"), "id"))
    assert (job.state, job.task_id, job.account) == (State.SOLVED, "id", "a")
    assert planner.next_action(0.0) is IDLE
    assert planner.gate.under_way == 0


def submit_one(planner, outcome):
    job = queue(planner, 1)[0]
    submit(planner, 0.0, outcome)
    return job


def test_a_refusal_of_the_task_ends_it_alone():
    """Bad input ends as rejected, and the account goes on."""
    planner = make_planner()
    assert submit_one(planner, Failed("ERROR_PAGEURL", "input")).state is State.REJECTED
    assert submit_one(planner, Failed("ERROR_BAD_DUPLICATES")).state is State.FAILED
    assert submit_one(planner, Accepted("1")).state is State.WAITING


def test_a_throttled_account_rests_and_then_probes():
    """After "too fast" nothing starts for the time named; then one submit does, as a probe."""
    planner = make_planner()
    queue(planner, 3)
    submit(planner, 0.0, Throttled("429", 7.0))
    assert planner.next_action(0.0).until == 7
    assert isinstance(planner.next_action(7.0), Submit)
    assert not isinstance(planner.next_action(7.0), Submit)
    assert planner.next_action(100.0) is IDLE


def test_a_ban_stops_looks_and_submits_for_its_period():
    """During a ban paid ids are parked; one probe follows it."""
    planner = make_planner()
    queue(planner, 5)
    for _ in range(3):
        submit(planner)
    look(planner, 10.0, AccountDown("IP_BANNED", "ban", 300))
    assert planner.next_action(100.0).until == 310
    probe = planner.next_action(310.0)
    assert isinstance(probe, Look)
    assert 310 < planner.next_action(310.0).until <= 311
    planner.looked(probe, [SOLVED], 310.0)
    assert isinstance(planner.next_action(310.0), Look)


def test_a_bad_key_stops_submits_and_not_looks():
    """No submit follows a refused key; what is paid is still looked up."""
    planner = make_planner()
    queue(planner, 3)
    submit(planner)
    submit(planner, 0.0, AccountDown("ERROR_WRONG_USER_KEY", "key"))
    assert planner.health.down.code == "ERROR_WRONG_USER_KEY"
    assert planner.next_action(0.0).until == 10
    look(planner, 10.0, SOLVED)
    assert planner.next_action(1000.0) is IDLE


def test_looks_refused_for_the_key_are_spaced_out():
    """A service that refuses the key of looks is asked again ever more rarely."""
    planner = make_planner()
    queue(planner, 1)
    submit(planner)
    now, waits = 10.0, []
    for _ in range(5):
        look(planner, now, AccountDown("401", "key"))
        waits.append(planner.health.breaker.until - now)
        now = max(planner.health.breaker.until, now + 5)
    assert waits == [1, 2, 4, 8, 10]


def test_funds_that_end_amid_parallel_submits_delay_no_look():
    """However many submits are refused for lack of funds, paid tasks are looked at on time."""
    planner = make_planner()
    queue(planner, 5)
    submit(planner)
    actions = [planner.next_action(0.0) for _ in range(4)]
    for action in actions:
        planner.submitted(action, AccountDown("402", "funds"), 0.5)
    assert planner.next_action(0.5).until == 10
    look(planner, 10.0, SOLVED)


@pytest.mark.parametrize("outcome", [Unknown("html"), Throttled("429"), broken(Sent.ALL)])
def test_a_look_that_tells_nothing_is_repeated(outcome):
    """Trouble with a look never ends a paid task."""
    planner = make_planner()
    queue(planner, 1)
    job = submit(planner)
    action = planner.next_action(10.0)
    planner.looked(action, outcome if isinstance(outcome, Broken) else [outcome], 10.0)
    assert job.state is State.WAITING
    look(planner, 15.0, SOLVED)
    assert job.state is State.SOLVED


def test_one_bad_reply_to_a_batch_is_one_failure():
    """A batch of unknowns counts once for the breaker, and one good outcome clears it."""
    planner = make_planner(max_batch=50)
    queue(planner, 50)
    for _ in range(50):
        submit(planner)
    look(planner, 10.0, Unknown("html"))
    assert planner.health.breaker.state(10.0) == "closed"


def test_an_outage_costs_few_requests():
    """With 5,000 ids due and a dead service, one probe at a time goes out."""
    planner = make_planner()
    queue(planner, 5000)
    for _ in range(5000):
        submit(planner)
    now, requests = 10.0, 0
    while now < 70:
        action = planner.next_action(now)
        if isinstance(action, Look):
            requests += 1
            planner.looked(action, broken(Sent.ALL), now)
        else:
            now = max(now + 0.001, action.until)
    assert requests <= 60
    assert len(planner.jobs) == 5000


def test_a_lost_task_ends_and_one_with_a_cut_id_is_unknown():
    """An unknown id is a lost task; of an id that may be cut short we cannot know."""
    planner = make_planner()
    whole = submit_one(planner, Accepted("whole"))
    look(planner, 10.0, Lost("ERROR_WRONG_CAPTCHA_ID"))
    cut = submit_one(planner, Accepted("cut", verified=False))
    look(planner, 10.0, Lost("ERROR_WRONG_CAPTCHA_ID"))
    assert (whole.state, cut.state) == (State.LOST, State.UNKNOWN)


def test_a_deadline_ends_a_waiting_job_and_keeps_it_resumable():
    """Past its deadline a paid job ends as expired; the ticket stays good."""
    planner = make_planner()
    job = submit_one(planner, Accepted("1"))
    planner.expire(job, 300.0)
    assert job.state is State.EXPIRED
    assert planner.ended[0].end.resumable
    assert planner.next_action(1000.0) is IDLE


def test_a_look_on_the_wire_at_the_deadline_may_still_bring_the_answer():
    """The reply decides: an answer is taken, "not ready" ends the job."""
    planner = make_planner(pacing=FakePace(deadline=20))
    jobs = [submit_one(planner, Accepted(str(n))) for n in range(2)]
    actions = [planner.next_action(15.0) for _ in range(2)]
    planner.looked(actions[0], [SOLVED], 21.0)
    planner.looked(actions[1], [Pending()], 21.0)
    assert [job.state for job in jobs] == [State.SOLVED, State.EXPIRED]


def test_an_account_s_own_deadline_counts_from_acceptance():
    """A job without a deadline gets the account's; it is put into the shared calendar."""
    planner = make_planner()
    job = queue(planner, 1)[0]
    submit(planner, 50.0)
    assert job.deadline == 350
    assert [due for _, due in planner.deadlines.pop_due(350.0)] == [[job]]


def test_a_submit_answered_after_the_deadline_ends_with_its_ticket():
    """The id is kept: the job ends as expired and resumable, not as if nothing was paid."""
    planner = make_planner()
    job = queue(planner, 1, deadline=5.0)[0]
    action = planner.next_action(4.0)
    planner.submitted(action, Accepted("paid"), 6.0)
    assert (job.state, job.task_id) == (State.EXPIRED, "paid")
    assert planner.ended[0].end.resumable


def test_a_refusal_after_the_deadline_is_not_repeated():
    """A job that found no slot until its deadline ends, unpaid."""
    planner = make_planner()
    job = queue(planner, 1, deadline=5.0)[0]
    action = planner.next_action(4.0)
    planner.submitted(action, Busy("ERROR_NO_SLOT_AVAILABLE"), 6.0)
    assert job.state is State.EXPIRED
    assert isinstance(planner.ended[0].end, Expired)
    assert not planner.ended[0].end.resumable


def test_looks_at_one_job_are_bounded():
    """After the service's number of looks the job ends as expired and resumable."""
    planner = make_planner(pacing=FakePace(max_looks=3))
    job = submit_one(planner, Accepted("1"))
    for now in (10.0, 15.0, 20.0):
        look(planner, now, Pending())
    assert (job.state, job.looks) == (State.EXPIRED, 3)


def test_an_answer_the_service_deleted_is_lost_not_late():
    """Past its retention a job that expires is lost for good, and says so."""
    planner = make_planner(retention=30.0, pacing=FakePace(first_look=1, interval=1, deadline=30))
    job = submit_one(planner, Accepted("1"))
    planner.expire(job, 30.0)
    assert job.state is State.LOST


def test_a_job_unfit_for_one_account_goes_to_another():
    """Only when no account is left does a task that cannot be sent end."""
    planner = make_planner()
    job = queue(planner, 1)[0]
    action = planner.next_action(0.0)
    action.route = frozenset({"a", "b"})
    planner.unsent(action, Unfit(ValueError()))
    assert job.state is State.QUEUED
    assert planner.backlog.pop("b")[0] is job
    assert planner.gate.under_way == 0


def test_a_paid_job_can_be_taken_up_again():
    """A ticket's job is looked at once it is due, at once when that has passed."""
    planner = make_planner()
    job = queue(make_planner(), 1)[0]
    planner.adopt(job, "old", -100.0, 0.0)
    assert look(planner, 0.0, SOLVED) == [job]
    assert job.state is State.SOLVED


def test_a_hint_brings_the_look_forward():
    """A call-back makes a job due now; an unknown id changes nothing."""
    planner = make_planner()
    submit_one(planner, Accepted("1"))
    assert not planner.hint("other", 1.0)
    assert planner.hint("1", 1.0)
    look(planner, 1.0, Pending())
    assert planner.next_action(1.0).until == 6


def test_closing_ends_every_paid_job():
    """Nothing is dropped silently: each job ends as abandoned."""
    planner = make_planner()
    jobs = [submit_one(planner, Accepted(str(n))) for n in range(3)]
    planner.close(None)
    assert [job.state for job in jobs] == [State.ABANDONED] * 3
    assert planner.gate.under_way == 0


def test_its_repr_tells_its_state():
    """For people and for tests."""
    planner = make_planner()
    submit_one(planner, Accepted("1"))
    assert "a jobs=1 on_wire=0" in repr(planner)
    assert repr(IDLE) == "IDLE"
    assert IDLE.until == math.inf


def test_a_deadline_in_bad_times_says_what_was_wrong():
    """Whoever reads the error learns that the service, not the task, was the trouble."""
    planner = make_planner(pacing=FakePace(deadline=12))
    submit_one(planner, Accepted("1"))
    look(planner, 10.0, Unknown("HTTP 500"))
    planner.expire(next(iter(planner.jobs.values())), 12.0)
    assert planner.ended[0].end.reason.endswith("while the service was in trouble (HTTP 500)")
