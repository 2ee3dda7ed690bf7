"""What a run looks like, as lines of text: the live screen, a line of progress, the table.

Pure: from counts to text, with no terminal and no clock. The lines are made by hand, as they are
drawn four times a second beside the loop that does the work: a table of rich takes 20 times as
long.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from attrs import frozen

from solvestream import AccountStatistics
from solvestream.errors import shorten
from solvestream.observe.histogram import Histogram
from solvestream.observe.tally import Tally

Line: TypeAlias = tuple[str, str]
"""A style of rich, and a text."""

SHOWN_ERRORS = 5
BAR = 24
WIDTH = 80
"""Columns of a line at most."""

ADVICE = {
    "InvalidTask": "mend the task; nothing was charged",
    "AccountError": "check key and funds of the account",
    "TaskFailed": "the service could not; look at the image, try another account",
    "TaskLost": "the service forgot it; take answers sooner, or use another account",
    "SubmitUnknown": "may have been paid; look at the service's own list before trying again",
    "DeadlineExceeded": "give more time with --deadline, or resume the journal later",
    "Busy": "no slot was free; lower --in-flight, or add slots or accounts",
    "BudgetExceeded": "the budget is spent",
    "JournalError": "see to the journal's disk",
    "TransportError": "check address and network",
    "ProtocolError": "the service answers nonsense; check its address",
    "UsageError": "the journal has tasks of an account that is not here; give its key",
}
"""What to do about an error, by its class."""


_WIDTHS = {
    "in flight": 11,
    "limit": 7,
    "gate": 8,
    "breaker": 10,
    "refused": 9,
    "troubles": 9,
    "looks": 8,
    "USD": 7,
}
"""The columns of accounts."""


@frozen(kw_only=True)
class Figures:
    """A moment of a run.

    Attributes:
        tally: counts and times.
        accounts: as `Client.statistics` has them.
        total: tasks there will be, if that is known.
        skipped: tasks that were finished before.
        now: seconds since the epoch.
        gone: seconds since the run began.
        rate: tasks solved a second, of late.
        stopping: what is said while the run comes to its end; empty before.
    """

    tally: Tally
    accounts: Mapping[str, AccountStatistics]
    total: int | None
    skipped: int
    now: float
    gone: float
    rate: float
    stopping: str = ""


def screen(figures: Figures) -> Iterator[Line]:
    """Yield the lines of the live screen."""
    tally = figures.tally
    yield "bold", _headline(figures)
    oldest = tally.oldest
    age = f"   oldest {duration(figures.now - oldest[1])}" if oldest else ""
    queued = f"queued {tally.queued:,}   in flight {tally.in_flight:,}   {figures.rate:.1f}/s"
    yield "", f"{queued}   failed {tally.failed:,}{age}"
    yield "", ""
    yield from _accounts(figures.accounts)
    yield "", ""
    yield from _times(tally)
    yield from _money(figures)
    yield from _errors(tally)
    for line in textwrap.wrap(figures.stopping, WIDTH):
        yield "yellow", line


def table(figures: Figures) -> Iterator[Line]:
    """Yield the lines that are left when a run has ended."""
    tally = figures.tally
    rate = tally.solved / figures.gone if figures.gone else 0.0
    took = f"{duration(figures.gone)}, {rate:.1f}/s"
    yield "bold", f"solved {tally.solved:,}   failed {tally.failed:,}   in {took}"
    if (accuracy := tally.accuracy) is not None:
        yield "", f"accuracy {accuracy:.2%} ({tally.correct:,} of {tally.correct + tally.wrong:,})"
    yield from _accounts(figures.accounts)
    yield from _times(tally)
    yield from _money(figures)
    yield from _errors(tally)


def progress(figures: Figures) -> str:
    """Return a line of progress, for a pipe."""
    tally = figures.tally
    of = "" if figures.total is None else f"/{figures.total}"
    p95 = tally.latency.percentile(0.95)
    parts = [
        f"{tally.ended}{of} done, {tally.failed} failed",
        f"{tally.in_flight} in flight, {tally.queued} queued, {figures.rate:.1f}/s",
        "" if p95 is None else f"p95 {duration(p95)}",
        f"${tally.spent:.4f}" if tally.spent else "",
        *(_trouble(name, one) for name, one in figures.accounts.items()),
    ]
    return ", ".join(part for part in parts if part)


def last(figures: Figures) -> str:
    """Return the last line of a run."""
    tally = figures.tally
    total = tally.ended if figures.total is None else figures.total - figures.skipped
    line = f"{tally.ended}/{max(total, tally.ended)} done, {tally.failed} failed"
    if figures.skipped:
        line += f", {figures.skipped} skipped: an earlier run finished them"
    return line


# Parts


def _headline(figures: Figures) -> str:
    done, total = figures.tally.ended + figures.skipped, figures.total
    gone = duration(figures.gone)
    if not total:
        return f"{done:,} done   {gone}"
    share = min(1.0, done / total)
    full = round(share * BAR)
    left = (total - done) / figures.rate if figures.rate else math.inf
    rest = f", {duration(left)} left" if left < math.inf else ""
    return f"{'━' * full}{'╌' * (BAR - full)} {done:,}/{total:,} {share:4.0%}   {gone}{rest}"


def _accounts(accounts: Mapping[str, AccountStatistics]) -> Iterator[Line]:
    yield "dim", _cells("account", *_WIDTHS)
    for name, one in accounts.items():
        row = _cells(
            shorten(name, 11),
            f"{one.in_flight:,}",
            "-" if one.limit == math.inf else f"{one.limit:.0f}",
            one.gate,
            one.breaker,
            f"{one.refused:,}",
            f"{one.troubles:,}",
            f"{one.looks:,}",
            f"{one.spent:.2f}" if one.spent else "-",
        )
        bad = one.down is not None or one.breaker != "closed"
        yield "red" if bad else "yellow" if one.gate == "closed" else "", row
        if one.down is not None:
            yield "red", f"  the service refuses {name}: {shorten(one.down, 40)}"
        elif one.breaker != "closed":
            who = shorten(name, 20)
            yield "red", f"  {who} gives no proper replies, or asks for a pause"


def _trouble(name: str, one: AccountStatistics) -> str:
    """Return why nothing moves at an account, if so."""
    if one.down is not None:
        return f"{shorten(name, 20)} is refused"
    return "" if one.breaker == "closed" else f"{shorten(name, 20)} is in trouble"


def _cells(name: str, *cells: str) -> str:
    columns = zip(cells, _WIDTHS.values(), strict=True)
    return f"{name:11}" + "".join(f"{cell:>{width}}" for cell, width in columns)


def _times(tally: Tally) -> Iterator[Line]:
    yield "dim", f"{'seconds':11}{'p50':>10}{'p95':>10}{'p99':>10}"
    yield "", _row("solve", tally.latency)
    yield "", _row("with queue", tally.elapsed)
    looks = f"   {tally.looks_of_ended / tally.ended:.1f} looks a task" if tally.ended else ""
    yield "", _row("exchange", tally.exchange) + looks


def _row(name: str, times: Histogram) -> str:
    found = (times.percentile(share) for share in (0.5, 0.95, 0.99))
    return f"{name:11}" + "".join(f"{_seconds(one):>10}" for one in found)


def _money(figures: Figures) -> Iterator[Line]:
    tally = figures.tally
    if not tally.spent:
        return
    each = tally.spent / max(1, tally.ended)
    left = 0 if figures.total is None else figures.total - figures.skipped - tally.ended
    ahead = f", about ${tally.spent + each * left:.4f} in all" if left > 0 else ""
    yield "", f"spent ${tally.spent:.4f}{ahead}   ${each:.5f} a task"


def _errors(tally: Tally) -> Iterator[Line]:
    found = tally.errors.most_common()
    for (name, code), count in found[:SHOWN_ERRORS]:
        what = name if code is None else f"{name} {shorten(code, 36)}"
        yield "red", f"{count:,} {what}"
        if name in ADVICE:
            yield "dim", f"    {ADVICE[name]}"
    if more := sum(count for _, count in found[SHOWN_ERRORS:]):
        yield "red", f"{more:,} others"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if value < 1 else f"{value:.1f}"


def duration(seconds: float) -> str:
    """Return a time span for people: `0.3 s`, `12 s`, `3:05`, `2:03:05`."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
