"""Broke or full: when an account is asked for its threads, and what the answers come to."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvestream._core.doubt import ENOUGH, EVERY, WINDOW, Doubt
from solvestream._outcomes import Accepted, AccountDown, Busy
from solvestream.errors import AccountError, ProtocolError, TransportError
from solvestream.results import Threads
from tests.core.support import make_planner, queue
from tests.core.test_planner import submit

CODE = "ERROR_ZERO_BALANCE"
INTS = st.integers()
FULL = Threads(limit=5, working=5)
IDLE = Threads(limit=5, working=0)
LOST = TransportError("host:1: timed out")
ODD = ProtocolError("a page of HTML")


def refuse(doubt: Doubt, now: float, said: object) -> AccountDown | None:
    """Have a submit of this moment refused, and the question answered shortly after."""
    doubt.refused(CODE, now)
    assert doubt.ask(now + 0.1)
    return doubt.answered(said, now + 0.2)


def ends(*answers: object, apart: float = EVERY) -> list[bool]:
    """Give an answer after each of some refusals in a row; returns when it came to "broke"."""
    doubt = Doubt()
    return [refuse(doubt, apart * n, said) is not None for n, said in enumerate(answers)]


def test_without_a_refusal_nothing_is_asked():
    """In good times there is no question, and none after a submit that was taken."""
    doubt = Doubt()
    assert not doubt.ask(0.0)
    doubt.refused(CODE, 0.0)
    doubt.taken()
    assert not doubt.ask(1.0)


def test_one_question_at_a_time_and_at_most_one_a_second():
    """However many submits are refused, they share one question, and the next waits."""
    doubt = Doubt()
    for _ in range(50):
        doubt.refused(CODE, 0.0)
    assert doubt.ask(0.1)
    doubt.refused(CODE, 0.2)
    assert not doubt.ask(0.0 + 10 * EVERY)
    doubt.answered(FULL, 0.3)
    doubt.refused(CODE, 0.4)
    assert not doubt.ask(0.1 + EVERY - 0.01)
    assert doubt.ask(0.1 + EVERY)


def test_threads_at_work_are_the_reason_and_idle_ones_are_not():
    """Broke is what has most of its threads idle before and after a refusal."""
    assert ends(FULL, FULL, FULL) == [False, False, False]
    assert ends(IDLE, IDLE) == [False, True]
    assert ends(IDLE, FULL, IDLE, IDLE) == [False, False, False, True]


@pytest.mark.parametrize(("limit", "working", "idle"), [(5, 2, True), (5, 3, False), (4, 2, False)])
def test_a_thread_that_has_become_free_proves_nothing(limit, working, idle):
    """Free threads count only where they are more than half of the plan's."""
    said = Threads(limit=limit, working=working)
    assert ends(said, said) == [False, idle]


def test_idle_threads_prove_something_within_a_moment_only():
    """In a longer time all threads may have been taken and let go; it takes more answers then."""
    assert ends(IDLE, IDLE, apart=WINDOW - 0.2) == [False, True]
    assert ends(*[IDLE] * ENOUGH, apart=WINDOW) == [False] * (ENOUGH - 1) + [True]
    assert ends(*[IDLE] * (ENOUGH - 1), FULL, *[IDLE] * (ENOUGH - 1), apart=WINDOW)[-1] is False


def test_after_an_idle_answer_a_submit_goes_soon():
    """As soon as its refusal may be asked about; in all other cases the gate alone decides."""
    doubt = Doubt()
    assert doubt.probe_at() == math.inf
    refuse(doubt, 10.0, FULL)
    assert doubt.probe_at() == math.inf
    refuse(doubt, 20.0, IDLE)
    assert doubt.probe_at() == pytest.approx(20.1 + EVERY)
    refuse(doubt, 30.0, ODD)
    assert doubt.probe_at() == math.inf


def test_a_plan_without_threads_is_broke_at_once():
    """With a limit of none there is nothing that could be busy."""
    down = refuse(Doubt(), 0.0, Threads(limit=0, working=0))
    assert down == AccountDown(CODE, "funds", message="the account has no threads")


def test_the_reason_is_told():
    """The error names the code as it came, and what the account said of its threads."""
    doubt = Doubt()
    refuse(doubt, 0.0, IDLE)
    down = refuse(doubt, 1.0, Threads(limit=5, working=1))
    assert down == AccountDown(CODE, "funds", message="1 of 5 threads are at work")


def test_a_refusal_of_before_the_last_answer_is_no_second_one():
    """What was on the wire while the account was asked tells nothing new."""
    doubt = Doubt()
    refuse(doubt, 5.0, IDLE)
    for started in (4.0, 5.1, 5.2):
        doubt.refused(CODE, started)
        assert not doubt.ask(60.0)
    doubt.refused(CODE, 5.3)
    assert doubt.ask(60.0)


def test_a_submit_that_is_taken_shows_that_there_is_money():
    """It voids what was said before, and the answer of a question that is out."""
    doubt = Doubt()
    refuse(doubt, 0.0, IDLE)
    doubt.taken()
    assert refuse(doubt, 1.0, IDLE) is None
    doubt.refused(CODE, 2.0)
    assert doubt.ask(2.1)
    doubt.taken()
    assert doubt.answered(Threads(limit=0, working=0), 2.2) is None
    assert refuse(doubt, 3.2, IDLE) is None


def test_no_answer_decides_nothing_and_the_account_is_asked_again():
    """After a broken exchange the doubt remains, for as often as that happens."""
    doubt = Doubt()
    doubt.refused(CODE, 0.0)
    for n in range(20):
        assert doubt.ask(10.0 * n)
        assert doubt.answered(LOST, 10.0 * n + 5) is None
    assert refuse(doubt, 300.0, IDLE) is None
    assert refuse(doubt, 301.0, LOST) is None
    assert refuse(doubt, 302.1, IDLE) is not None


def test_a_service_that_does_not_tell_its_threads_is_taken_at_its_word():
    """Replies that make no sense are borne a few times; jobs must not wait for ever."""
    assert ends(*[ODD] * ENOUGH, apart=60.0) == [False] * (ENOUGH - 1) + [True]
    assert not any(ends(*[*[ODD] * (ENOUGH - 1), FULL] * 3))
    assert ends(IDLE, ODD, IDLE) == [False, False, False]


def test_after_the_decision_all_begins_anew():
    """A topped-up account is not called broke again by what was counted before."""
    doubt = Doubt()
    refuse(doubt, 0.0, IDLE)
    assert refuse(doubt, 1.0, IDLE)
    assert refuse(doubt, 2.0, IDLE) is None


@given(st.lists(st.none() | st.text() | st.builds(Threads, limit=INTS, working=INTS), max_size=9))
def test_any_answer_is_borne(answers):
    """Whatever a protocol module gives, it is weighed or counted as unclear, and never raises."""
    ends(*answers, Threads(limit="5", working=None), Threads(limit=float("nan"), working=0))


# In the planner


def doubtful(now: float, planner, said: object) -> None:
    submit(planner, now, Busy(CODE, or_broke=True))
    assert planner.must_ask(now + 0.1)
    planner.told_threads(said, now + 0.2)


def test_the_planner_queues_the_job_and_closes_the_gate():
    """Until the answers have decided, such a refusal is one for want of a slot."""
    planner = make_planner()
    (job,) = queue(planner, 1)
    doubtful(0.0, planner, FULL)
    assert planner.closed() is None
    assert planner.gate.closed
    assert (planner.refusal, job.said) == (CODE, CODE)
    assert planner.backlog.has("a")


def test_the_planner_probes_soon_once_most_threads_are_idle():
    """One submit goes when it tells most, sooner than the gate alone would have sent it."""
    planner = make_planner()
    queue(planner, 1)
    doubtful(0.0, planner, IDLE)
    assert planner.next_action(0.2).until == pytest.approx(0.1 + EVERY)
    submit(planner, 1.1, Busy(CODE, or_broke=True))
    assert planner.next_action(1.2).until > 1.2 + EVERY


def test_the_planner_sends_no_more_once_the_account_is_broke():
    """It is down for funds, is not asked again, and a balance opens it."""
    planner = make_planner()
    queue(planner, 3)
    doubtful(0.0, planner, IDLE)
    doubtful(1.1, planner, IDLE)
    assert planner.closed() == planner.health.down
    assert (planner.health.down.code, planner.health.down.cause) == (CODE, "funds")
    planner.doubt.refused(CODE, 200.0)
    assert not planner.must_ask(200.0)
    planner.told(1.5, "USD")
    assert planner.must_ask(200.0)


def test_the_planner_tells_a_late_refusal_from_a_second_one():
    """Two submits on the wire together are one piece of news, however far apart their replies."""
    planner = make_planner()
    queue(planner, 2)
    first, second = planner.next_action(0.0), planner.next_action(0.0)
    planner.submitted(first, Busy(CODE, or_broke=True), 0.1)
    assert planner.must_ask(0.1)
    planner.told_threads(IDLE, 0.2)
    planner.submitted(second, Busy(CODE, or_broke=True), 1.5)
    assert not planner.must_ask(2.0)


def test_a_plain_busy_asks_nothing():
    """Only a code that may mean both raises the question."""
    planner = make_planner()
    queue(planner, 1)
    submit(planner, 0.0, Busy("ERROR_NO_SLOT_AVAILABLE"))
    assert not planner.must_ask(10.0)


def test_a_taken_submit_settles_the_planner_s_doubt():
    """Acceptance reaches the doubt: there is money."""
    planner = make_planner()
    queue(planner, 2)
    submit(planner, 0.0, Busy(CODE, or_broke=True))
    submit(planner, 60.0, Accepted("1"))
    assert not planner.must_ask(100.0)


def test_what_the_question_is_refused_with_holds_as_ever():
    """A bad key closes the account for its own reason, and so does a question without funds."""
    for cause, code in (("key", "ERROR_WRONG_USER_KEY"), ("funds", CODE)):
        planner = make_planner()
        queue(planner, 1)
        doubtful(0.0, planner, AccountError("no", code=code, cause=cause))
        assert (planner.health.down.cause, planner.health.down.code) == (cause, code)


def test_an_answer_that_comes_late_leaves_another_reason_alone():
    """An account that is down for its key meanwhile stays so."""
    planner = make_planner()
    queue(planner, 2)
    doubtful(0.0, planner, IDLE)
    submit(planner, 100.0, Busy(CODE, or_broke=True))
    assert planner.must_ask(100.1)
    down = planner.health.down = AccountDown("ERROR_WRONG_USER_KEY", "key")
    planner.told_threads(IDLE, 100.2)
    assert planner.health.down is down
