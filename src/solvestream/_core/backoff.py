"""Full-jitter backoff: how long to wait after the n-th failure in a row."""

from __future__ import annotations

from collections.abc import Callable

Random = Callable[[], float]
"""Draws from [0, 1)."""


def full_jitter(failures: int, random: Random, *, base: float, cap: float) -> float:
    """Return seconds to wait: uniform between 0 and `base` doubled per failure, at most `cap`.

    `failures` counts from 1. Drawing from the whole span, and not around its end, is what
    spreads clients that failed together.
    """
    return random() * min(cap, base * 2.0 ** min(failures - 1, 32))
