"""What the sinks share: values bounded in size and number, times of waiting, and gauges."""

from __future__ import annotations

import re
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from operator import add
from pathlib import PurePath
from typing import Protocol

from attrs import define, field, frozen

from solvestream.results import AccountStatistics, Statistics

OTHER = "other"
"""Stands for what came after too many different values."""
_LONGEST = 100
_ODD = re.compile(r"[^A-Za-z0-9_.:-]")


def plain(code: str | None) -> str:
    """Return an error code fit for a line, a label or an attribute: it is the service's word.

    At most 100 characters, each a letter, a digit or one of `_.:-`; empty for none.
    """
    return _ODD.sub("_", code[:_LONGEST]) if code else ""


def plain_tag(tag: object) -> str | int | float | None:
    """Return a task's tag where it is a string, a number or a path; others may hold anything."""
    if isinstance(tag, int | float):
        return tag
    return str(tag)[:_LONGEST] if isinstance(tag, str | PurePath) else None


@define(eq=False)
class Few:
    """Lets the first so many different values of each group through; later ones are `other`.

    One service that makes up codes so takes no room from another's.
    """

    limit: int = 50
    _seen: defaultdict[str, set[str]] = field(factory=lambda: defaultdict[str, set[str]](set))

    def of(self, group: str | None, value: str | None) -> str:
        """Return the value, made plain, or `other`."""
        seen = self._seen[group or ""]
        if value in seen:
            return value
        shown = plain(value)
        if shown not in seen:
            if len(seen) >= self.limit:
                return OTHER
            seen.add(shown)
        return shown


@define(eq=False)
class Waits:
    """Measures how long tasks wait for a slot; at most `limit` at once, the oldest go first."""

    limit: int = 100_000
    _since: OrderedDict[str, float] = field(factory=OrderedDict[str, float])

    def begin(self, job_key: str, at: float) -> None:
        """Start a task's clock."""
        self._since[job_key] = at
        if len(self._since) > self.limit:
            self._since.popitem(last=False)

    def end(self, job_key: str, at: float) -> float | None:
        """Stop a task's clock; returns seconds, `None` for one that was not started."""
        since = self._since.pop(job_key, None)
        return None if since is None else max(0.0, at - since)


class Watched(Protocol):
    """What has statistics: a `Client`."""

    def statistics(self) -> Statistics:
        """Return a snapshot."""
        ...


def _by_account(
    read: Callable[[AccountStatistics], float],
) -> Callable[[Statistics], dict[str, float]]:
    return lambda all_: {name: float(read(one)) for name, one in all_.accounts.items()}


@frozen
class Gauge:
    """What is read from a client.

    Attributes:
        what: for people.
        read: returns its values by account; the only key is empty where `labels` are.
        combine: makes one value of those that several clients have for an account.
        labels: `account`, or none for a gauge of the whole client.
    """

    what: str
    read: Callable[[Statistics], dict[str, float]]
    combine: Callable[[float, float], float] = add
    labels: tuple[str, ...] = ("account",)


_BREAKER = {"closed": 0.0, "half-open": 1.0, "open": 2.0}

GAUGES = {
    "queued": Gauge(
        "Tasks handed over and not yet submitted", lambda all_: {"": float(all_.queued)}, labels=()
    ),
    "kept": Gauge(
        "Results that nobody has waited for yet", lambda all_: {"": float(all_.kept)}, labels=()
    ),
    "in_flight": Gauge(
        "Submits on the wire and tasks at the service", _by_account(lambda one: one.in_flight)
    ),
    "limit": Gauge(
        "Tasks under way at most, as known or learned", _by_account(lambda one: one.limit)
    ),
    "gate_closed": Gauge(
        "1 while submits find no slot", _by_account(lambda one: one.gate == "closed"), max
    ),
    "breaker": Gauge(
        "0 closed, 1 half-open, 2 open", _by_account(lambda one: _BREAKER[one.breaker]), max
    ),
    "down": Gauge(
        "1 while the service refuses the account",
        _by_account(lambda one: one.down is not None),
        max,
    ),
}
"""By name."""


@define(eq=False)
class Clients:
    """The clients a sink reads gauges from, from any thread. It keeps none of them alive."""

    _refs: tuple[weakref.ref[Watched], ...] = ()

    def add(self, client: Watched) -> None:
        """Read this one too."""
        self._refs = (*(ref for ref in self._refs if ref() is not None), weakref.ref(client))

    def read(self, gauge: Gauge) -> dict[str, float]:
        """Return a gauge by account, over all clients; empty where there is no client."""
        found: dict[str, float] = {}
        for statistics in self._statistics():
            for account, value in gauge.read(statistics).items():
                known = account in found
                found[account] = gauge.combine(found[account], value) if known else value
        return found

    def _statistics(self) -> Iterator[Statistics]:
        for ref in self._refs:
            if (client := ref()) is not None:
                # a thread of its own may meet what changes; no gauge is better than no metrics
                with suppress(RuntimeError):
                    yield client.statistics()
