"""A bounded part of `python -m tests.faults.cuts`, and its positive control."""

from __future__ import annotations

from tests.faults.cuts import cut

SEED = 20261122


def test_random_cuts_have_no_unsafe_verdict():
    """400 submits cut at random, plain and TLS, on both transports: none is called free and was paid."""
    tally = cut(400, SEED)
    assert tally.trials == 400
    assert tally.unsafe == []
    assert tally.shown == []
    assert tally.paid > 100
    assert len(tally.verdicts) >= 3


def test_a_naive_client_is_caught():
    """A client that sends again after whatever went wrong pays twice, and the check says so."""
    assert cut(80, SEED, naive=True).unsafe
