"""What mutation testing found untold: counts, reasons, the last moment, and what is forgotten."""

from __future__ import annotations

import math

import pytest
from attrs import frozen

from solvestream._core import planner as planner_module
from solvestream._core.actions import IDLE, Look, Submit
from solvestream._core.budget import Budget
from solvestream._core.job import Abandoned, Expired, NoReply, OverBudget, Unfit
from solvestream._core.lifecycle import State
from solvestream._core.planner import (
    ADVICE,
    CONFIRMED,
    CUT_SHORT,
    DEADLINE_PASSED,
    DELETED,
    HINT_SECONDS,
    PAST,
    PAST_SECONDS,
)
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
from solvestream.errors import AccountError
from solvestream.solutions import Text
from tests.core.support import FakePace, FakeTraits, make_job, make_planner, queue

SOLVED = Solved(Text("x"))
CUT = Broken(Trouble.RESET, Sent.ALL, "host:1: it broke")


@frozen(kw_only=True)
class Paces(FakeTraits):
    """A pace for images alone: who asks for that of another kind is found out."""

    def pace(self, kind):
        return {"image": self.pacing}[kind]


def planner_of(*, exchanges: int = 64, resubmit_unknown: bool = False, **traits):
    planner = make_planner(exchanges=exchanges, resubmit_unknown=resubmit_unknown, **traits)
    planner.traits = Paces(**traits)
    return planner


def begin(planner, now=0.0):
    action = planner.next_action(now)
    assert isinstance(action, Submit)
    return action


def submit(planner, now=0.0, outcome=None):
    action = begin(planner, now)
    planner.submitted(action, Accepted(action.job.key) if outcome is None else outcome, now)
    return action.job


def look(planner, now, *outcomes):
    action = planner.next_action(now)
    assert isinstance(action, Look)
    planner.looked(action, list(outcomes), now)
    return action.jobs


def end_of(planner):
    """Return how the last job ended."""
    return planner.ended[-1].end


def words(planner):
    """Return why the last job ended, for people."""
    end = end_of(planner)
    return end.reason if isinstance(end, Expired | NoReply | Unknown) else end


# Counts


def test_everything_is_counted_once():
    """Submits, requests, looks, acceptances and refusals add up over several tasks."""
    planner = planner_of()
    jobs = queue(planner, 4)
    for _ in range(3):
        submit(planner)
    submit(planner, outcome=Busy("E"))
    counts = planner.counts
    assert (counts.submits, counts.accepted, counts.requests, counts.refused) == (4, 3, 4, 1)
    for _ in range(3):
        look(planner, 10.1, SOLVED)
    assert (counts.looks, counts.requests, counts.solved) == (3, 7, 3)
    assert sorted(job.attempts for job in jobs) == [0, 1, 1, 1]
    submit(planner, 1e3, outcome=Busy("E"))
    assert (counts.refused, counts.submits) == (2, 5)
    assert planner.ended[0].account == "a"


def test_a_batch_counts_each_of_its_looks():
    """One request of three ids is three looks."""
    planner = planner_of(max_batch=3)
    queue(planner, 6)
    for _ in range(6):
        submit(planner)
    for _ in range(2):
        look(planner, 10.3, *[Pending()] * 3)
    assert (planner.counts.looks, planner.counts.requests) == (6, 8)


@pytest.mark.parametrize("reply", [CUT, Mismatch("no"), [SOLVED, SOLVED]], ids=type)
def test_a_look_that_is_over_is_off_the_wire(reply):
    """However it ended, and however many ids it had, it gives back one exchange."""
    planner = planner_of(max_batch=2, exchanges=3)
    queue(planner, 2)
    for _ in range(2):
        submit(planner)
    action = planner.next_action(10.3)
    planner.on_wire = 3
    planner.looked(action, reply, 10.3)
    assert planner.on_wire == 2


def test_replies_must_fit_the_jobs():
    """One outcome more or less than jobs is a bug, and is not passed over."""
    planner = planner_of()
    queue(planner, 1)
    submit(planner)
    action = planner.next_action(10.0)
    with pytest.raises(ValueError, match="longer"):
        planner.looked(action, [SOLVED, SOLVED], 10.0)


def test_an_unfit_task_is_taken_back_whole():
    """Nothing on the wire, no slot, no probe is held by it; its end says why."""
    planner = planner_of(exchanges=3)
    planner.on_wire = 2
    queue(planner, 1)
    action = begin(planner)
    end = Unfit(ValueError("bad"))
    planner.unsent(action, end)
    assert (planner.on_wire, planner.gate.under_way) == (2, 0)
    assert (end_of(planner), action.job.state, planner.counts.rejected) == (end, State.REJECTED, 1)


def test_an_unfit_probe_lets_the_next_one_go():
    """A half-open breaker whose probe was never sent does not stay shut."""
    planner = planner_of()
    planner.health.breaker.trip(0, 0.0, 5.0)
    queue(planner, 2)
    planner.unsent(begin(planner, 6.0), Unfit(ValueError("bad")))
    again = planner.next_action(6.0).until
    assert isinstance(planner.next_action(again), Submit)


def test_a_mismatch_closes_the_breaker():
    """A reply that fits nothing is still a reply: the service is there."""
    planner = planner_of(max_batch=2)
    queue(planner, 2)
    for _ in range(2):
        submit(planner)
    planner.health.breaker.trip(0, 10.0, 5.0)
    action = planner.next_action(16.0)
    planner.looked(action, Mismatch("no"), 16.0)
    assert planner.health.breaker.ready_at() == -math.inf


# What may start now


def test_how_urgent_it_is_is_when_it_perishes_and_fell_due():
    """Two figures, and none while the wire is full or the service is left in peace."""
    planner = planner_of(exchanges=1, retention=100.0)
    queue(planner, 1)
    submit(planner)
    assert planner.urgency(9.0) is None
    assert len(planner.urgency(10.1)) == 2
    assert planner.urgency(10.1)[0] == 100.0
    planner.on_wire = 1
    assert planner.urgency(10.1) is None
    planner.on_wire = 0
    planner.health.breaker.trip(0, 10.1, 5.0)
    assert planner.urgency(10.1) is None
    assert planner.urgency(15.1) is not None


def test_more_can_start_with_a_due_look_or_a_queued_submit():
    """Not while the wire is full or the service is left in peace, nor with nothing to do."""
    planner = planner_of(exchanges=2)
    assert not planner.more(0.0)
    queue(planner, 2)
    assert planner.more(0.0)
    submit(planner)
    begin(planner)
    assert not planner.more(0.0)
    planner.urgency(10.1)  # what is due comes up
    assert planner.more(10.1)
    planner.on_wire = 2
    assert not planner.more(10.1)
    planner.on_wire = 0
    planner.health.breaker.trip(0, 10.1, 5.0)
    assert not planner.more(10.1)
    assert planner.more(15.1)


def test_a_price_is_held_against_the_budget():
    """A task of the account's price is not sent where less is left."""
    planner = planner_of(price=2.0)
    planner.budget = Budget(3.0)
    queue(planner, 2)
    planner.budget.reserved = lambda: planner.reserved
    submit(planner)
    assert planner.next_action(0.0) is not IDLE
    assert not isinstance(planner.next_action(0.0), Submit)


# How it ends, in words


def test_a_code_says_why_a_task_waits():
    """The last code of a service is kept for the time when the task has waited in vain."""
    planner = planner_of()
    (job,) = queue(planner, 1)
    submit(planner, outcome=Busy("FULL"))
    assert (job.said, planner.refusal) == ("FULL", "FULL")


@pytest.mark.parametrize(("blame", "state"), [("task", State.FAILED), ("input", State.REJECTED)])
def test_a_refused_submit_ends_with_what_the_service_said(blame, state):
    """The refusal itself is the end."""
    planner = planner_of()
    (job,) = queue(planner, 1)
    said = Failed("E", blame=blame)
    submit(planner, outcome=said)
    assert (end_of(planner), job.state) == (said, state)


@pytest.mark.parametrize("outcome", [Failed("E"), Lost("E"), SOLVED], ids=type)
def test_a_look_ends_a_job_with_what_it_saw(outcome):
    """The outcome itself is the end, and the job is no longer known."""
    planner = planner_of()
    (job,) = queue(planner, 1)
    submit(planner)
    look(planner, 10.0, outcome)
    assert end_of(planner) is outcome
    states = {Failed: State.FAILED, Lost: State.LOST, Solved: State.SOLVED}
    assert job.state is states[type(outcome)]
    assert (planner.jobs, planner.gate.under_way) == ({}, 0)


def test_an_answer_in_the_submits_reply_is_the_end():
    """It was accepted then, and has the id of the reply or none."""
    planner = planner_of()
    queue(planner, 2)
    job = submit(planner, 3.0, SOLVED)
    assert (job.accepted_at, job.task_id, end_of(planner)) == (3.0, "", SOLVED)
    assert submit(planner, 3.0, Solved(Text("x"), "7")).task_id == "7"


def test_a_submit_in_doubt_says_why():
    """The reason and the code are those of the reply."""
    planner = planner_of()
    queue(planner, 2)
    submit(planner, outcome=Unknown("no sense", "E"))
    assert end_of(planner) == Unknown("no sense", "E")
    submit(planner, outcome=CUT)
    assert end_of(planner) == Unknown("host:1: it broke", None)


def test_an_id_of_another_task_is_a_doubt_of_this_one():
    """The other goes on; why it is in doubt is told."""
    planner = planner_of()
    queue(planner, 2)
    first = submit(planner)
    submit(planner, outcome=Accepted(first.key))
    assert words(planner) == "the service answered with the id of another task"
    assert list(planner.jobs) == [first.key]


def test_a_submit_that_did_not_leave_whole_twice_ends_with_the_reason():
    """It says what broke, and that some bytes had left."""
    planner = planner_of()
    queue(planner, 1)
    part = Broken(Trouble.RESET, Sent.PART, "host:1: cut")
    now = 0.0
    while not planner.ended:
        submit(planner, now, part)
        now += 10.0
    assert (words(planner), end_of(planner).incomplete) == ("host:1: cut", True)
    assert planner.counts.submits == 2


def test_a_doubt_may_follow_a_doubt_only_where_the_user_says_so():
    """At most two submits follow one in doubt, and each may have been paid."""
    planner = planner_of(resubmit_unknown=True, price=1.0)
    (job,) = queue(planner, 1)
    now = 0.0
    while not planner.ended:
        submit(planner, now, CUT)
        now += 100.0
    assert (planner.counts.submits, job.doubts, job.attempts) == (3, 2, 3)
    assert planner.budget.spent == 3.0


def test_waits_grow_while_submits_are_in_vain_and_start_anew_after_one_that_is_not():
    """0.25 s, 0.5 s (half of 0.5 s doubled); after an acceptance 0.25 s again."""
    nothing = Broken(Trouble.CONNECT, Sent.NOTHING, "host:1: refused")
    planner = planner_of()
    queue(planner, 2)
    submit(planner, 0.0, nothing)
    assert planner.next_action(0.0).until == 0.25
    submit(planner, 10.0, nothing)
    assert planner.next_action(10.0).until == 10.5
    submit(planner, 20.0)
    submit(planner, 20.0, nothing)
    assert planner.next_action(20.0).until == 20.25


def test_the_last_look_says_how_many_there_were():
    """The reason counts them."""
    planner = planner_of(pacing=FakePace(max_looks=2))
    queue(planner, 1)
    submit(planner)
    look(planner, 10.0, Pending())
    look(planner, 15.0, Pending())
    assert words(planner) == "it was not ready after 2 looks"
    assert end_of(planner).resumable


def test_an_id_that_was_cut_and_is_not_known_is_a_doubt():
    """The submit was paid under an id that nobody knows; the code is told."""
    planner = planner_of()
    queue(planner, 1)
    action = begin(planner)
    planner.submitted(action, Accepted("7", verified=False), 0.0)
    look(planner, 10.0, Lost("E"))
    assert end_of(planner) == Unknown(CUT_SHORT, "E")


def test_an_id_that_was_cut_is_forgotten_with_its_job():
    """Another task of the same id is simply lost when the service does not know it."""
    planner = planner_of()
    queue(planner, 1)
    action = begin(planner)
    planner.submitted(action, Accepted("7", verified=False), 0.0)
    look(planner, 10.0, SOLVED)
    assert not planner._cut
    assert not planner._unsure


def test_a_job_to_look_at_alone_is_forgotten_with_its_end():
    """What is remembered of a job goes with it."""
    planner = planner_of(max_batch=2)
    queue(planner, 2)
    for _ in range(2):
        submit(planner)
    planner.looked(planner.next_action(10.3), Mismatch("no"), 10.3)
    assert len(planner._alone) == 2
    for _ in range(2):
        look(planner, 11.0, SOLVED)
    assert not planner._alone


def test_a_closing_client_ends_jobs_with_its_reason():
    """Each paid job is abandoned for the reason given."""
    planner = planner_of()
    queue(planner, 1)
    submit(planner)
    planner.close("a bug")
    assert isinstance(end_of(planner), Abandoned)
    assert end_of(planner).failure == "a bug"


def test_a_submit_nobody_wants_any_more_is_abandoned_without_a_failure():
    """It found no slot, and its caller had gone."""
    planner = planner_of()
    (job,) = queue(planner, 1)
    action = begin(planner)
    job.wanted = False
    planner.submitted(action, Busy("E"), 0.0)
    assert isinstance(end_of(planner), Abandoned)
    assert (end_of(planner).failure, job.state) == (None, State.ABANDONED)


# The last moment


def test_a_deadline_is_the_last_moment():
    """At the deadline itself it is over: after a refusal, an acceptance, a look."""
    planner = planner_of()
    queue(planner, 1, deadline=5.0)
    submit(planner, 5.0, Busy("E"))
    assert (words(planner), end_of(planner).resumable) == (DEADLINE_PASSED, False)
    planner = planner_of()
    queue(planner, 1, deadline=5.0)
    submit(planner, 5.0)
    assert (words(planner), end_of(planner).resumable) == (DEADLINE_PASSED, True)
    planner = planner_of()
    queue(planner, 1, deadline=10.0)
    submit(planner)
    look(planner, 10.0, Pending())
    assert words(planner) == DEADLINE_PASSED


def test_a_deadline_that_passes_while_it_waits_says_so():
    """As the scheduler tells it; trouble of the service is named with it."""
    planner = planner_of()
    queue(planner, 2)
    jobs = [submit(planner) for _ in range(2)]
    planner.expire(jobs[0], 5.0)
    assert words(planner) == DEADLINE_PASSED
    action = planner.next_action(10.0)
    planner.looked(action, CUT, 10.0)
    planner.expire(jobs[1], 11.0)
    trouble = f"{DEADLINE_PASSED} while the service was in trouble (host:1: it broke)"
    assert words(planner) == trouble


def test_what_the_service_deleted_is_lost():
    """After its retention an answer cannot come any more, whatever the deadline."""
    planner = planner_of(retention=30.0)
    (job,) = queue(planner, 1)
    submit(planner, 1.0)
    assert job.perish == 31.0
    planner.expire(job, 31.0)
    assert end_of(planner) == Lost("", DELETED)
    assert job.state is State.LOST


# Ids that are known


@pytest.mark.parametrize(
    ("now", "state"),
    [(PAST_SECONDS - 1, State.UNKNOWN), (PAST_SECONDS, State.WAITING)],
    ids=["known", "forgotten"],
)
def test_the_id_of_an_ended_job_is_known_for_a_while(now, state):
    """A reply that a cache gives out again is no new purchase; much later it is a new count."""
    planner = planner_of()
    queue(planner, 2)
    first = submit(planner)
    look(planner, 10.0, SOLVED)
    second = submit(planner, now, Accepted(first.key))
    assert second.state is state


def test_the_oldest_ids_are_forgotten_first(monkeypatch):
    """As many as are remembered, and no more."""
    assert PAST >= 1_000
    monkeypatch.setattr(planner_module, "PAST", 2)
    planner = planner_of()
    queue(planner, 4)
    keys = []
    for _ in range(3):
        keys.append(submit(planner, 0.0).key)
        look(planner, 10.0, SOLVED)
        planner.health.breaker.dropped(0)
    assert list(planner._past) == keys[1:]


def test_an_adopted_job_is_of_this_account():
    """It is under its id, its account is set, and it is looked at by its own pace."""
    planner = planner_of(pacing=FakePace(first_look=10, deadline=100))
    job = make_job(1)
    planner.adopt(job, "7", 50.0, 55.0)
    assert (job.account, job.task_id, job.accepted_at, job.deadline) == ("a", "7", 50.0, 150.0)
    assert planner.next_action(55.0).until == 60.0
    assert planner.jobs == {"7": job}


# Balance


@pytest.mark.parametrize(
    ("amount", "unit", "before", "after"),
    [
        (0.5, "USD", "good", "down"),
        (1.0, "USD", "good", "good"),
        (0.5, "solves", "good", "good"),
        (1.0, "USD", "down", "good"),
        (0.5, "solves", "down", "good"),
        (0.0, "solves", "down", "down"),
    ],
    ids=str,
)
def test_a_balance_opens_and_closes_the_account(amount, unit, before, after):
    """Less than the price of a task closes it for funds; what buys one opens it."""
    planner = planner_of(price=1.0)
    if before == "down":
        planner.health.down = AccountDown("E", "key")
    planner.told(amount, unit)
    assert planner.health.down is None if after == "good" else planner.health.down is not None
    if (before, after) == ("good", "down"):
        words = "0.5 USD are left, a task costs 1.0"
        assert planner.health.down == AccountDown("low balance", "funds", message=words)


# Money


@pytest.mark.parametrize(
    ("outcome", "spent"),
    [(Solved(Text("x"), cost=0.25), 0.25), (SOLVED, 1.0), (Failed("E"), 0.0), (Lost("E"), 1.0)],
    ids=str,
)
def test_what_ends_counts_in_the_budget(outcome, spent):
    """What the service says it took, else the price; nothing where it says so."""
    planner = planner_of(price=1.0)
    queue(planner, 1)
    submit(planner)
    look(planner, 10.0, outcome)
    assert planner.budget.spent == spent
    assert planner.counts.spent == (outcome.cost or 0.0 if isinstance(outcome, Solved) else 0.0)


def test_what_was_never_sent_costs_nothing():
    """A job that ends in the queue leaves the budget alone."""
    planner = planner_of(price=1.0)
    (job,) = queue(planner, 1)
    action = begin(planner)
    job.wanted = False
    planner.submitted(action, Busy("E"), 0.0)
    assert planner.budget.spent == 0.0


def test_without_a_price_nothing_is_reserved():
    """Nothing is known of what a task costs, so no budget is asked."""
    planner = planner_of()
    queue(planner, 1)
    submit(planner)
    assert planner.reserved == 0.0
    look(planner, 10.0, SOLVED)
    assert planner.budget.spent == 0.0


def test_a_spent_budget_closes_the_account_and_says_so():
    """What may be spent and what is; an account that is down for itself says that instead."""
    planner = planner_of(price=2.0)
    planner.budget = Budget(3.0, spent=1.5)
    found = planner.closed()
    assert isinstance(found, OverBudget)
    assert (found.limit, found.spent) == (3.0, 1.5)
    planner.health.down = AccountDown("E", "key")
    assert planner.closed() is planner.health.down
    planner.health.down, planner.budget = None, Budget(3.0, spent=1.0)
    assert planner.closed() is None


def test_what_a_balance_was_refused_with_holds_for_submits():
    """A bad key closes the account, a ban leaves the service in peace; a riddle does nothing."""
    planner = planner_of()
    planner.warned(AccountError("no", code="E_KEY", cause="key"), 0.0)
    assert planner.closed() == AccountDown("E_KEY", "key")
    planner = planner_of()
    planner.warned(AccountError("no", cause="ban", retry_after=60.0), 5.0)
    assert planner.health.breaker.ready_at() == 65.0
    planner = planner_of()
    planner.warned(AccountError("no"), 0.0)
    assert (planner.closed(), planner.health.breaker.ready_at()) == (None, -math.inf)


def test_a_look_knows_whether_it_is_a_probe():
    """It is one while the breaker is half-open."""
    planner = planner_of()
    queue(planner, 2)
    for _ in range(2):
        submit(planner)
    assert planner.next_action(10.1).probe is False
    planner.health.breaker.trip(planner.health.breaker.epoch, 10.1, 5.0)
    assert planner.next_action(15.2).probe is True


@pytest.mark.parametrize(("batch", "due"), [(1, 10.02), (2, 10.2)])
def test_looks_that_share_a_request_wait_a_little_for_each_other(batch, due):
    """0.2 s, where one request looks at several ids; else next to nothing."""
    planner = planner_of(max_batch=batch)
    queue(planner, 1)
    submit(planner, 0.001)
    assert planner.next_action(0.001).until == pytest.approx(due)


# Waiting as long as the service says


@pytest.mark.parametrize(
    ("outcome", "until"),
    [
        (Busy("E", ADVICE), -math.inf),
        (Busy("E", ADVICE + 1), 100.0 + ADVICE + 1),
        (Busy("E"), -math.inf),
        (Throttled("E", 7.0), 107.0),
        (Throttled("E"), 100.0),
    ],
    ids=str,
)
def test_a_wait_that_was_asked_for_is_kept(outcome, until):
    """The usual advice for a full account is left to the gate; longer waits are the service's."""
    planner = planner_of()
    queue(planner, 2)
    submit(planner, 100.0, outcome)
    assert planner._hold == until


def test_a_hold_is_over_at_its_moment():
    """Not a moment later; a shorter one does not end a longer one."""
    planner = planner_of()
    queue(planner, 2)
    first, second = begin(planner), begin(planner)
    planner.submitted(first, Busy("E", 50.0), 0.0)
    planner.submitted(second, Busy("E", 20.0), 0.0)
    assert planner._hold == 50.0
    planner.gate.limit, planner.gate._in_a_row = math.inf, 0
    assert not planner.more(49.9)
    assert planner.more(50.0)


# Hints


def test_hints_are_counted_and_heard():
    """A known id is looked at now; a stray one is remembered for a moment."""
    planner = planner_of()
    queue(planner, 3)
    jobs = [submit(planner), submit(planner)]
    for job in jobs:
        assert planner.hint(job.task_id, 1.0)
    for name in ("x", "y"):
        assert not planner.hint(name, 1.0)
    assert (planner.counts.hints, planner.counts.stray_hints) == (2, 2)
    assert planner._hints == {"x": 1.0, "y": 1.0}
    assert isinstance(planner.next_action(1.1), Look)


@pytest.mark.parametrize(
    ("seconds", "first"), [(HINT_SECONDS, 20.0), (HINT_SECONDS + 1, 30.0)], ids=["soon", "late"]
)
def test_a_hint_that_was_faster_than_the_reply_is_heard(seconds, first):
    """The task is looked at when it is accepted; an old hint is no longer believed."""
    planner = planner_of()
    queue(planner, 1)
    action = begin(planner, 0.0)
    planner.hint("7", 20.0 - seconds)
    planner.submitted(action, Accepted("7"), 20.0)
    assert planner._looks.next == pytest.approx(first, abs=0.05)
    assert planner._hints == {}


def test_the_oldest_hints_are_forgotten_first(monkeypatch):
    """As many as are kept, and no more."""
    monkeypatch.setattr(planner_module, "HINTS", 2)
    planner = planner_of()
    for now, name in enumerate("xyz"):
        planner.hint(name, float(now))
    assert planner._hints == {"y": 1.0, "z": 2.0}


def test_a_look_that_was_moved_up_is_not_made_twice():
    """After a hint the next look is an interval later; the one that was planned is off."""
    planner = planner_of(pacing=FakePace(first_look=10, interval=7))
    queue(planner, 1)
    job = submit(planner)
    planner.hint(job.task_id, 5.0)
    look(planner, 5.1, Pending())
    assert planner.next_action(11.0).until == pytest.approx(12.1, abs=0.05)


# Answers that may be cut short


def test_an_answer_that_may_be_cut_is_seen_several_times():
    """The same each time; another one starts the count anew. Then nothing of it is kept."""
    planner = planner_of(pacing=FakePace(first_look=1, interval=1))
    (job,) = queue(planner, 1)
    submit(planner)
    part, whole = (Solved(Text(text), verified=False) for text in ("x", "xy"))
    seen = [part] * 2 + [whole] * CONFIRMED
    for number, outcome in enumerate(seen, 1):
        assert not planner.ended
        look(planner, 2.0 * number, outcome)
    assert (end_of(planner), job.looks) == (whole, len(seen))
    assert planner._unsure == {}


def test_answers_of_two_jobs_are_not_taken_for_one():
    """Each has its own count."""
    planner = planner_of(pacing=FakePace(first_look=1, interval=1))
    queue(planner, 2)
    for _ in range(2):
        submit(planner)
    part = Solved(Text("x"), verified=False)
    for number in range(1, CONFIRMED):
        look(planner, 2.0 * number, part)
        look(planner, 2.0 * number, part)
    assert not planner.ended
    assert len(planner._unsure) == 2


# What has fallen due


def test_a_due_job_that_has_ended_is_passed_over():
    """Its deadline passed between falling due and being looked at."""
    planner = planner_of()
    queue(planner, 2)
    first, second = submit(planner), submit(planner)
    planner.urgency(10.1)
    planner.expire(first, 10.1)
    action = planner.next_action(10.1)
    assert action.jobs == [second]
    assert planner.next_action(10.1) is IDLE


def test_a_job_to_look_at_alone_ends_a_batch():
    """It waits for a request of its own, and those before it are looked at together."""
    planner = planner_of(max_batch=3)
    jobs = queue(planner, 3)
    for _ in range(3):
        submit(planner)
    planner._alone.add(jobs[2])
    assert planner.next_action(10.3).jobs == jobs[:2]
    assert planner.next_action(10.3).jobs == jobs[2:]


def test_attempts_add_up():
    """One that did not leave whole and one that was taken are two."""
    planner = planner_of()
    (job,) = queue(planner, 1)
    submit(planner, 0.0, Broken(Trouble.RESET, Sent.PART, "host:1: cut"))
    submit(planner, 10.0)
    assert job.attempts == 2
