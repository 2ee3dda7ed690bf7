"""`kill -9` of the real client: never paid twice, nothing lost, joined with the service's ledger.

A hundred kills in CI; `python -m tests.client.kill --cycles 500` for the long run. What may come
again, marked so, is what was taken within the commit window: an acknowledgement is made when the
reader comes back for the next result, and is durable with the commit that holds it, which begins
at most 20 ms (`writer.PACE`) after it. The victim is told of that commit, so the test allows just
what was acknowledged and not yet told to be committed.
"""

from __future__ import annotations

import sys

import pytest

from tests.client.kill import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")


def test_nothing_is_paid_twice_or_lost_over_many_kills():
    """Each paid task was handed over or ended as unknown; unknown ones were on their way."""
    wrong, figures = run(100)
    print(figures)
    assert wrong == []
    assert figures["tasks"] > 100
    assert figures["redelivered"] > 0
    assert figures["unknown"] <= figures["submits in flight at the kills"]


def test_a_client_without_a_journal_is_found_out():
    """The positive control: it pays twice, and the checker says so."""
    wrong, figures = run(6, naive=True)
    assert figures["charged twice"] > 0
    assert len(wrong) >= figures["charged twice"]
