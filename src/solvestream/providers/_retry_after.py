"""`Retry-After`, read as what it is: hostile input (TRUST.md; `faults.json` S19)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from solvestream._wire import Response

LONGEST = 300.0
"""Seconds a service can make us wait by this header, at most."""

_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]*)?").fullmatch
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
).fullmatch
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def retry_after(response: Response) -> float | None:
    """Return the seconds a reply asks to wait, 0 to 300; `None` without a usable header.

    A date counts from the reply's own `Date`, so that no clock is needed here and a wrong
    one there does no harm; without `Date` it is ignored.
    """
    value = (response.header("retry-after") or "").strip()
    if _SECONDS(value):
        return min(float(value), LONGEST)
    until, since = _moment(value), _moment((response.header("date") or "").strip())
    if until is None or since is None:
        return None
    return min(max((until - since).total_seconds(), 0.0), LONGEST)


def _moment(value: str) -> datetime | None:
    found = _DATE(value)
    if found is None or found[2] not in _MONTHS:
        return None
    month = _MONTHS.index(found[2]) + 1
    day, year, hour, minute, second = map(int, found.group(1, 3, 4, 5, 6))
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
