"""Events as lines of standard `logging`: `Client(..., on_event=LogEvents())`.

Each line has a message for people, and `record.solvestream`, a dictionary with the fields of
the event, for formatters that write JSON. Nothing is configured here: handlers, formatters
and levels are the application's.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from attrs import fields_dict

from solvestream.errors import UsageError
from solvestream.events import (
    AccountChanged,
    BreakerChanged,
    Event,
    GateChanged,
    TaskAccepted,
    TaskAdopted,
    TaskEnded,
    TaskQueued,
    TaskRefused,
    TasksLooked,
    TaskSubmitted,
    TaskTaken,
    TaskWithdrawn,
)
from solvestream.observe._values import Few, plain, plain_tag

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

_Line = tuple[int, str, tuple[object, ...], str | None]
"""Level, message, its arguments, and what it is like where equal lines may flood."""


class LogEvents:
    """Writes each event as one line of a logger.

    | level | events |
    |---|---|
    | DEBUG | each step of a task: queued, submitted, accepted, refused, looked at, taken |
    | INFO | a task solved, withdrawn or taken up again; a gate, breaker or account well again |
    | WARNING | a task that failed; a gate that closed; a service that does not answer properly |
    | ERROR | an account that its service refuses |

    A line's `extra` is `{"solvestream": {"event": "TaskEnded", "job_key": ..., ...}}`: the
    name and the fields of the event, all of them values that JSON knows. `tag` is left out
    unless it is a string, a number or a path; an infinite `limit` is `None`.

    Lines about accounts and failures come in floods: of those that are alike (the same account,
    error and code), `burst` are written in each `window`, and one line at its end tells how many
    were left out. Time is that of the events, so `flush` tells what the last window left out.

    Args:
        logger: default `logging.getLogger("solvestream.events")`.
        level: events of a lower level are not looked at; default `logging.DEBUG`, so that the
            logger's own level decides.
        burst: lines alike in a window at most, 1 or more; default 20; `math.inf` for all.
        window: seconds, greater than 0; default 60.

    Raises `UsageError` for a bound out of its range.
    """

    def __init__(
        self,
        logger: logging.Logger | None = None,
        *,
        level: int = logging.DEBUG,
        burst: float = 20,
        window: float = 60.0,
    ) -> None:
        if not burst >= 1:
            raise UsageError("burst: give 1 or more")
        if not window > 0:
            raise UsageError("window: give seconds, more than 0")
        self._logger = logger or logging.getLogger("solvestream.events")
        self._level = level
        self._burst = burst
        self._window = window
        self._until = -math.inf
        self._alike: dict[tuple[int, str], int] = {}
        self._codes = Few()

    def __call__(self, event: Event) -> None:
        """Write a line about an event."""
        if event.at >= self._until:
            self.flush()
            self._until = event.at + self._window
        level, message, arguments, like = _LINES[type(event)](event)
        if level < self._level or not self._logger.isEnabledFor(level):
            return
        if like is None or self._has_room(level, like, event):
            self._logger.log(level, message, *arguments, extra={"solvestream": _fields(event)})

    def flush(self) -> None:
        """Tell how many lines were left out since the window began, and begin a new one."""
        alike, self._alike = self._alike, {}
        for (level, like), count in alike.items():
            if (left_out := count - self._burst) > 0:
                extra = {"solvestream": {"event": "LeftOut", "like": like, "count": left_out}}
                self._logger.log(level, "%s: %d more lines like it", like, left_out, extra=extra)

    def _has_room(self, level: int, like: str, event: Event) -> bool:
        code = getattr(event, "code", None)
        if code is not None:
            like = f"{like} {self._codes.of(like, code)}"
        count = self._alike[level, like] = self._alike.get((level, like), 0) + 1
        return count <= self._burst


def _fields(event: Event) -> dict[str, object]:
    found: dict[str, object] = {"event": type(event).__name__}
    for name in fields_dict(type(event)):
        value = getattr(event, name)
        if name == "tag":
            value = plain_tag(value)
        elif name in {"code", "down"} and value is not None:
            value = plain(value)
        elif isinstance(value, float) and not math.isfinite(value):
            value = None
        found[name] = value
    return found


def _refused(event: TaskRefused) -> _Line:
    arguments = (event.job_key, event.account, plain(event.code))
    return DEBUG, "task %r refused by %s: %s", arguments, None


def _looked(event: TasksLooked) -> _Line:
    arguments = (event.account, len(event.job_keys), event.pending, event.trouble or "ok")
    return DEBUG, "looked at %s for %d tasks, %d pending: %s", arguments, None


def _ended(event: TaskEnded) -> _Line:
    account = event.account or "no account"
    if event.ok:
        arguments = (event.job_key, account, event.elapsed, event.looks)
        return INFO, "task %r solved by %s in %.1f s, %d looks", arguments, None
    words = (event.job_key, account, event.error, plain(event.code) or "no code", event.charged)
    message = "task %r failed at %s: %s (%s), charged: %s"
    return WARNING, message, words, f"{account}: {event.error}"


def _gate(event: GateChanged) -> _Line:
    level, state = (INFO, "has room again") if event.open else (WARNING, "has no slot free")
    return level, "%s %s, limit %.0f", (event.account, state, event.limit), f"{event.account} gate"


def _breaker(event: BreakerChanged) -> _Line:
    level, state = {
        "closed": (INFO, "answers again"),
        "open": (WARNING, "does not answer properly and is left in peace"),
        "half-open": (DEBUG, "is probed"),
    }[event.state]
    return level, "%s %s", (event.account, state), f"{event.account} breaker"


def _account(event: AccountChanged) -> _Line:
    if event.down is None:
        return INFO, "%s is good again", (event.account,), f"{event.account} account"
    message = "%s is refused by its service: %s; no further submits"
    return ERROR, message, (event.account, plain(event.down)), f"{event.account} account"


_LINES: dict[type[Event], Callable[[Any], _Line]] = {
    TaskQueued: lambda one: (DEBUG, "task %r queued (%s)", (one.job_key, one.kind), None),
    TaskAdopted: lambda one: (
        INFO,
        "task %r taken up at %s (%s)",
        (one.job_key, one.account, one.kind),
        None,
    ),
    TaskWithdrawn: lambda one: (INFO, "task %r withdrawn, nothing sent", (one.job_key,), None),
    TaskSubmitted: lambda one: (DEBUG, "task %r sent to %s", (one.job_key, one.account), None),
    TaskAccepted: lambda one: (
        DEBUG,
        "task %r taken by %s in %.3f s",
        (one.job_key, one.account, one.seconds),
        None,
    ),
    TaskRefused: _refused,
    TasksLooked: _looked,
    TaskEnded: _ended,
    TaskTaken: lambda one: (DEBUG, "task %r handed over", (one.job_key,), None),
    GateChanged: _gate,
    BreakerChanged: _breaker,
    AccountChanged: _account,
}
