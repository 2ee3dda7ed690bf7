"""The offline checker: joins what users were told with the services' books.

It knows nothing of the client's inside. Each breach is one line that begins with the
guarantee of TRUST.md it breaks.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from attrs import define, field

from solvestream import (
    AccountError,
    Busy,
    ClientClosed,
    DeadlineExceeded,
    InvalidTask,
    SolvestreamError,
    SubmitUnknown,
    TaskFailed,
    TaskLost,
    TransportError,
    UsageError,
)
from tests.simulation.ledger import Attempt, Order
from tests.simulation.run import Run
from tests.simulation.story import Life, Told
from tests.simulation.wiring import COMMIT
from tests.simulation.world import Service

OPEN: tuple[re.Pattern[str], ...] = ()
"""What is known and not mended; each has its own test in `test_found`."""
ADOPTING = {"wait", "resume"}
"""Ways in which a client takes up what it did not buy itself."""
LATE = 0.3
"""Seconds a deadline may be noticed late: the calendar's slack, and a round of the loop."""
CLOSING = 2.0
"""Seconds that closing takes, in which no deadline is watched any more."""
FREE = {"not_sent", "incomplete", "rejected"}
KNOWN = (
    AccountError,
    Busy,
    DeadlineExceeded,
    InvalidTask,
    SubmitUnknown,
    TaskFailed,
    TaskLost,
    TransportError,
    UsageError,
)
"""The names an outcome may have; the root alone would be a bug of ours."""


@define(eq=False)
class Books:
    """A run's books, joined."""

    run: Run
    told: dict[int, list[Told]] = field(factory=lambda: defaultdict(list))
    attempts: dict[int, list[Attempt]] = field(factory=lambda: defaultdict(list))
    orders: dict[int, list[Order]] = field(factory=lambda: defaultdict(list))
    by_id: dict[tuple[str, str], Order] = field(factory=dict)
    service_of: dict[str, Service] = field(factory=dict)
    handed: dict[Order, list[Told]] = field(factory=lambda: defaultdict(list))

    def __attrs_post_init__(self) -> None:
        for service in self.run.services.values():
            account = service.speech.account().name
            self.service_of[account] = service
            for attempt in service.ledger.attempts:
                self.attempts[attempt.label].append(attempt)
            for order in service.ledger.orders.values():
                self.orders[order.label].append(order)
                self.by_id[account, order.task_id] = order
        for told in self.run.story.told:
            about = self.order_of(told)
            label = told.label if told.label is not None else about.label if about else 0
            self.told[label].append(told)
            if about is not None and told.how in {"result", "error"}:
                self.handed[about].append(told)

    def order_of(self, told: Told) -> Order | None:
        """Return the order that something told is about."""
        ticket = told.ticket
        for holder in (told.result, told.error):
            ticket = getattr(holder, "ticket", None) or ticket
        return None if ticket is None else self.by_id.get((ticket.account, ticket.task_id))


def check(run: Run) -> list[str]:
    """Return every breach of a run."""
    books = Books(run)
    found = list(run.story.breaches)
    for service in run.services.values():
        found += service.ledger.breaches
    for rule in (check_money, check_paid, check_told, check_deadlines, check_lives, check_figures):
        found += rule(books)
    return [line for line in found if not any(known.search(line) for known in OPEN)]


# G1


def check_money(books: Books) -> Iterator[str]:
    """No task is bought twice but where its user asked for it anew."""
    for label, attempts in books.attempts.items():
        allowed = allowance(books, label)
        risky = [one for one in attempts if one.fate in {"told", "unknown", "wire"}]
        bought = books.orders[label]
        if len(risky) > allowed or len(bought) > allowed:
            notes = [f"{one.at:.2f} {one.fate} {one.note}" for one in attempts]
            yield f"G1: task {label} was bought {len(bought)} times, {allowed} allowed: {notes}"


def allowance(books: Books, label: int) -> int:
    """Return how often a task may be bought: once, and by who asks after its end anew.

    A `job_key` is bought once while it is under way, and no longer. Its end may have been told to
    whoever waited on its ticket.
    """
    asked = [one for one in books.told[label] if one.way != "wait"]
    waited = [one.at for one in books.told[label] if one.way == "wait" and one.how == "result"]
    again = sum(one.excuse == "resubmit" for one in asked)
    for one in asked:
        ends = waited + [other.at for other in asked if other.how in {"result", "error"}]
        if books.run.journal is None:  # which remembers ends that nobody was told
            ends += [order.answered_at for order in books.orders[label]]
            ends += [tried.ended for tried in books.attempts[label] if tried.fate != "told"]
        again += any(end <= one.began for end in ends)
    return 1 + again + _calls_cut_by_crash(books, label)


def _calls_cut_by_crash(books: Books, label: int) -> int:
    """Return how many more callers of a key there may have been, of whom a crash left no word."""
    crashed = {life.number for life in books.run.story.lives if life.end == "crashed"}
    if label not in books.run.keyed or not crashed or books.run.journal is not None:
        return 0
    orders = books.orders[label]
    return sum(
        one.life in crashed and any(order.answered_at <= one.at for order in orders)
        for one in books.attempts[label]
    )


# G2 and G3


def check_paid(books: Books) -> Iterator[str]:
    """What was paid and whose id was seen is handed over, each exactly once."""
    crashed = {life.number for life in books.run.story.lives if life.end == "crashed"}
    safe = books.run.journal is not None
    for label, attempts in books.attempts.items():
        for attempt in attempts:
            order = attempt.order
            if attempt.fate != "told" or order is None:
                continue
            if attempt.life in crashed and not _told_in_time(books, order):
                if safe and not _is_told(books, label):
                    yield f"G2: task {label} was paid, and a crash left no trace of it"
            elif safe or attempt.life not in crashed:
                yield from _check_handed(books, label, order, attempt)
    for order, handed in books.handed.items():
        good = [one for one in handed if one.result and not one.result.redelivered]
        callers = len([one for one in books.told[order.label] if one.way != "wait"])
        if len(good) > max(1, callers if len({one.at for one in good}) == 1 else 1):
            yield f"G3: the answer of task {order.label} was handed over {len(good)} times"


def _told_in_time(books: Books, order: Order) -> bool:
    """Whether its id was committed to the journal before the crash."""
    lives = [life for life in books.run.story.lives if life.began <= order.told_at]
    return order.told_at < lives[-1].ended - 2 * COMMIT


def _is_told(books: Books, label: int) -> bool:
    return any(one.how in {"result", "error"} for one in books.told[label])


def _check_handed(books: Books, label: int, order: Order, attempt: Attempt) -> Iterator[str]:
    handed = books.handed[order]
    if any(one.result is not None for one in handed):
        return
    ends: list[SolvestreamError | None] = [
        one.error for one in handed if isinstance(one.error, TaskFailed | TaskLost)
    ]
    excused = any(one.excuse in {"drop", "resubmit"} for one in books.told[label])
    if attempt.note == "cut_open":  # its id may have been cut short, for all the client knows
        ends += [one.error for one in books.told[label] if isinstance(one.error, SubmitUnknown)]
    if not ends and not excused:
        ways = [f"{one.way} {one.how} {type(one.error).__name__}" for one in books.told[label]]
        yield f"G2: task {label} was paid at {order.at:.2f}, and nothing came of it: {ways}"


# G4


def check_told(books: Books) -> Iterator[str]:
    """What is told is true: answers, kinds of error, and money."""
    for label, all_told in books.told.items():
        for told in all_told:
            if told.result is not None:
                yield from _check_answer(books, label, told)
            elif told.error is not None:
                yield from _check_error(books, label, told, told.error)


def _check_answer(books: Books, label: int, told: Told) -> Iterator[str]:
    assert told.result is not None
    solution = told.result.solution
    text = getattr(solution, "text", None) or getattr(solution, "token", None)
    answers = [one.answer for one in books.orders[label]]
    if text not in answers:
        yield f"G4: task {label} was answered by {text!r}, the service read {answers}"
    order = books.order_of(told)
    if order is None or order.label != label:
        yield f"G4: the answer of task {label} has the ticket of another: {told.result.ticket}"


def _check_error(books: Books, label: int, told: Told, error: SolvestreamError) -> Iterator[str]:
    name, paid = type(error).__name__, books.orders[label]
    where = f"task {label}, {told.way}, {name}: {error}"
    if not isinstance(error, KNOWN):
        yield f"G4: an end without a name: {where}"
    if paid and error.charged == "no" and any(one.answer for one in _sold(books, told, paid)):
        yield f"G4: charged=no, and the ledger says it was: {where}"
    if paid and error.verdict in FREE and _sold(books, told, paid):
        yield f"G4: verdict={error.verdict}, and the ledger says it was taken: {where}"
    if label and not paid and error.charged == "yes":  # label 0: the ticket of an id cut short
        yield f"G4: charged=yes, and the ledger says it was not: {where}"
    if not _is_true(books, label, told, error):
        fates = [f"{one.at:.2f} {one.fate} {one.note}" for one in books.attempts[label]]
        yield f"G4: not what happened: {where}: {fates}"


def _sold(books: Books, told: Told, paid: list[Order]) -> list[Order]:
    """Orders of this very call: those that came about while it went on."""
    return [one for one in paid if told.way != "wait" and told.began <= one.at <= told.at]


def _is_true(books: Books, label: int, told: Told, error: SolvestreamError) -> bool:
    attempts, orders = books.attempts[label], books.orders[label]
    order = books.order_of(told)
    match error:
        case SubmitUnknown():
            cut = order is None and _any_fault(books, "cut_open")
            doubt = cut or told.way == "resume" or _was_resumed(books, label)
            return doubt or any(one.fate == "unknown" or one.note == "cut_open" for one in attempts)
        case TaskFailed():
            return any(one.answer is None for one in orders)
        case TaskLost():
            return any(one.gone_at <= told.at + 60 for one in orders) or order is None
        case InvalidTask():
            unread = error.field == "job_key" and books.run.journal is not None
            return unread or any(one.note == "refused_input" for one in attempts)
        case Busy():
            doubt = _any_fault(books, "broke")  # the deadline came before it was known which
            return doubt or _any_fault(books, "full") or _any_slots(books)
        case AccountError():
            return _any_fault(books, "broke")
        case ClientClosed():
            return books.run.story.lives[told.life - 1].closing <= told.at
        case _:
            return True


def _was_resumed(books: Books, label: int) -> bool:
    """Whether its end may be that of an intent that a crash has left."""
    return any(life.end == "crashed" for life in books.run.story.lives) and bool(books.run.journal)


def _any_fault(books: Books, *names: str) -> bool:
    services = books.run.services.values()
    return any(service.ledger.faults[name] for service in services for name in names)


def _any_slots(books: Books) -> bool:
    return any(service.weather.slots for service in books.run.services.values())


def check_deadlines(books: Books) -> Iterator[str]:
    """Every end comes by its deadline, and no deadline is called before it is there."""
    for label, all_told in books.told.items():
        for told in all_told:
            took = told.at - told.began
            closing = CLOSING if told.at >= books.run.story.lives[told.life - 1].closing else 0.0
            late = took - _latest(books, label, told) - LATE - closing
            if told.how in {"result", "error"} and late > 0:
                yield (
                    f"G4: task {label}, {told.way}, ended {took:.2f} s after it was handed over, "
                    f"deadline {told.deadline}: {type(told.error).__name__}"
                )
            early = told.deadline is not None and took < told.deadline - LATE
            if not early or told.way == "wait" or _own_end(books, label, told):
                continue
            if isinstance(told.error, DeadlineExceeded | Busy):
                yield f"G4: task {label}: {told.error} after {took:.2f} of {told.deadline} s"


def _latest(books: Books, label: int, told: Told) -> float:
    """Return the seconds by which a call must have ended."""
    if told.deadline is not None:
        return told.deadline
    if told.way == "wait":
        return 300.0
    # Without a deadline a task waits for a slot as long as it takes, and then 300 s at most.
    return math.inf


def _own_end(books: Books, label: int, told: Told) -> bool:
    """Whether the account's own deadline came before the task's."""
    return any(told.at - one.told_at > 25 for one in books.orders[label])


# G5: see `Network`, `Service` and `Reading`, which see each bound where it is broken.


def check_lives(books: Books) -> Iterator[str]:
    """Nothing is left of a closed client, and it has kept within its bounds."""
    for life in books.run.story.lives:
        if life.end == "closed" and life.leftovers:
            yield f"life {life.number} left {life.leftovers[:3]}"
    waits = sum(one.way == "wait" for one in books.run.story.told)
    for service in books.run.services.values():
        for order in service.ledger.orders.values():
            if order.looks > 60 * (1 + waits):
                yield f"G5: {order.looks} looks at task {order.label}"


# G7


def check_figures(books: Books) -> Iterator[str]:
    """The client's figures add up, and are the ledger's."""
    for life in books.run.story.lives:
        if life.statistics is None:
            continue
        if life.statistics.queued or life.statistics.in_flight:
            yield f"G7: a closed client has {life.statistics}"
        for name, figures in life.statistics.accounts.items():
            service = books.service_of[name]
            yield from _check_account(books, life, name, service, figures)


def _check_account(
    books: Books, life: Life, name: str, service: Service, figures: Any
) -> Iterator[str]:
    attempts = [one for one in service.ledger.attempts if one.life == life.number]
    told = sum(one.fate == "told" for one in attempts)
    cut = sum(one.note == "cut_open" and one.fate == "unknown" for one in attempts)
    if not told <= figures.accepted <= told + cut:
        yield f"G7: life {life.number}, {name}: accepted={figures.accepted}, the ledger says {told}"
    if figures.submits < len(attempts):
        yield f"G7: {name}: submits={figures.submits}, the ledger has {len(attempts)}"
    unknown = sum(one.fate == "unknown" or one.note == "cut_open" for one in attempts)
    if figures.unknown > unknown:
        yield f"G7: {name}: unknown={figures.unknown}, the ledger says {unknown}"
    waits = [one for one in books.run.story.told if one.way in ADOPTING and one.life == life.number]
    ended = figures.solved + figures.failed + figures.lost
    left = sum(ticket.account == name for ticket in life.tickets)
    paid = figures.accepted + len(waits)
    open_ends = figures.expired + figures.unknown + left
    if not figures.accepted - open_ends <= ended <= paid:
        yield f"G7: {name}: {figures} does not add up with {left} tickets and {len(waits)} waits"
