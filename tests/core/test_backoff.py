"""Full jitter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from solvestream._core.backoff import full_jitter


def test_the_span_doubles_up_to_the_cap():
    """The longest wait after n failures is base times 2 to the n-1, at most the cap."""
    spans = [full_jitter(n, lambda: 1.0, base=1, cap=5) for n in (1, 2, 3, 4, 10_000)]
    assert spans == [1, 2, 4, 5, 5]


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_wait_lies_within_its_span(failures, draw):
    """No count of failures and no draw leaves 0 to the cap."""
    assert 0 <= full_jitter(failures, lambda: draw, base=0.5, cap=30) <= 30
