"""What became of the money."""

from __future__ import annotations

import itertools

import pytest

from solvestream._core.verdict import Verdict, judge
from solvestream._outcomes import (
    Accepted,
    AccountDown,
    Busy,
    Failed,
    Solved,
    Throttled,
    Unknown,
)
from solvestream._wire import Sent
from solvestream.solutions import Text

SUCCESSES = [Accepted("1"), Solved(Text("x"))]
REFUSALS = [Busy("E"), Throttled("E"), Failed("E"), AccountDown("E", "key")]


@pytest.mark.parametrize(
    ("sent", "verdict"),
    [
        (Sent.NOTHING, Verdict.NOT_SENT),
        (Sent.PART, Verdict.INCOMPLETE),
        (Sent.ALL, Verdict.UNKNOWN),
        (Sent.UNKNOWN, Verdict.UNKNOWN),
    ],
)
@pytest.mark.parametrize("outcome", [None, Unknown("?")])
def test_without_news_only_positive_evidence_makes_a_submit_free(sent, verdict, outcome):
    """No reply, or one that says nothing: what left the machine decides."""
    assert judge(sent, outcome) is verdict


@pytest.mark.parametrize("sent", Sent)
def test_a_whole_reply_decides_whatever_had_left(sent):
    """A documented refusal is free and a success is paid, even when the service answered early."""
    assert {judge(sent, refusal) for refusal in REFUSALS} == {Verdict.REJECTED}
    assert {judge(sent, success) for success in SUCCESSES} == {Verdict.ACCEPTED}


def test_an_id_that_is_taken_leaves_it_unknown():
    """An id of another task may mean a cached reply: not paid for sure, not free for sure."""
    assert {judge(Sent.ALL, one, known=True) for one in SUCCESSES} == {Verdict.UNKNOWN}


def test_only_free_verdicts_can_come_from_something_else_than_a_refusal():
    """Over all cases, a resend is allowed only on positive evidence or a refusal."""
    free = {Verdict.NOT_SENT, Verdict.INCOMPLETE, Verdict.REJECTED}
    outcomes = [None, Unknown("?"), *SUCCESSES, *REFUSALS]
    for sent, outcome, known in itertools.product(Sent, outcomes, [False, True]):
        if judge(sent, outcome, known=known) in free:
            assert outcome in REFUSALS or sent in {Sent.NOTHING, Sent.PART}
