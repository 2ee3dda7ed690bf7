"""Who may do what, and what was done: keys, balances, slots, tasks, and the ledger.

Pure bookkeeping: the time comes in as an argument (seconds, monotonic), nothing here waits.
Money is counted in whole millionths of a USD, so that sums are exact.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from collections.abc import Iterable
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from attrs import define, field

from .work import Outcome, Reason, Refusal

if TYPE_CHECKING:
    from .settings import Account

_MICROS = 1_000_000
_RECORDS = 200_000  # tasks the ledger can list one by one; the counts go on


class Family(StrEnum):
    """The protocol a task came by; an id of one is unknown to the others."""

    INPHP = "inphp"
    SOLVORA = "solvora"
    CREATETASK = "createtask"


KEPT: dict[Family, float] = {Family.INPHP: 900.0, Family.SOLVORA: 30.0, Family.CREATETASK: 300.0}
"""Seconds from its submission until a task is deleted (PROTOCOLS.md 2 and 3)."""


@define(eq=False)
class Task:
    """One accepted task."""

    id: str
    holder: Holder
    family: Family
    kind: str
    subject: str
    submitted_at: float
    price: int
    """Millionths of a USD, or solves (Solvora)."""
    ready_at: float = math.inf
    outcome: Outcome | None = None
    charged: int = 0
    looks: int = 0
    taken_at: float | None = None
    """When its outcome was first handed out."""
    reported: str = ""

    def ready(self, now: float) -> Outcome | None:
        """Return the outcome if it is there by `now`."""
        return self.outcome if self.ready_at <= now else None

    @property
    def expires_at(self) -> float:
        """When the service deletes it."""
        return self.submitted_at + KEPT[self.family]

    def record(self) -> dict[str, Any]:
        """Return what the ledger tells of it."""
        return {
            "id": self.id,
            "account": self.holder.account.name,
            "family": self.family.value,
            "kind": self.kind,
            "subject": self.subject,
            "charged": _amount(self.charged, self.family),
            "looks": self.looks,
            "taken": self.taken_at is not None,
            "taken_after": None if self.taken_at is None else self.taken_at - self.ready_at,
            "reported": self.reported,
        }


def _amount(price: int, family: Family) -> float:
    return price if family is Family.SOLVORA else price / _MICROS


@define(eq=False)
class Holder:
    """The state of one account, and its counts."""

    account: Account
    micros: int
    solves: int
    reading: int = 0
    """Tasks in work whose end is not known yet."""
    due: list[float] = field(factory=list[float])
    """When each other task in work will be ready; a heap."""
    peak: int = 0
    spent_micros: int = 0
    spent_solves: int = 0
    counts: Counter[str] = field(factory=Counter[str])
    refused: Counter[str] = field(factory=Counter[str])

    def working(self, now: float) -> int:
        """Return the slots in use at `now`."""
        while self.due and self.due[0] <= now:
            heapq.heappop(self.due)
        return self.reading + len(self.due)

    def can_pay(self, price: int, family: Family) -> bool:
        """Say whether the balance covers `price`."""
        return (self.solves if family is Family.SOLVORA else self.micros) >= price

    def pay(self, price: int, family: Family) -> None:
        """Take `price` from the balance; a negative one gives it back."""
        if family is Family.SOLVORA:
            self.solves -= price
            self.spent_solves += price
        else:
            self.micros -= price
            self.spent_micros += price

    def summary(self, now: float) -> dict[str, Any]:
        """Return the ledger's counts; `submitted` = `accepted` + all `refused`."""
        return {
            **{name: self.counts[name] for name in _COUNTS},
            "refused": dict(self.refused),
            "charged": self.spent_micros / _MICROS,
            "charged_solves": self.spent_solves,
            "balance": self.micros / _MICROS,
            "solves": self.solves,
            "working": self.working(now),
            "peak_working": self.peak,
        }


_COUNTS = ("submitted", "accepted", "looks", "taken", "reported_good", "reported_bad")


class Book:
    """All accounts and tasks of one service."""

    def __init__(self, accounts: Iterable[Account], *, seed: int = 0) -> None:
        self._holders = {
            account.key: Holder(account, round(account.usd * _MICROS), account.solves)
            for account in accounts
        }
        self._tasks: dict[tuple[Family, str], Task] = {}
        self._oldest: dict[Family, deque[Task]] = {family: deque() for family in Family}
        self._records: deque[Task] = deque(maxlen=_RECORDS)
        self._chance = Random(seed)
        self._serial = 70_000_000_000

    def holder(self, key: str) -> Holder | Refusal:
        """Return the account of `key`; a key of the wrong shape and an unknown one differ."""
        holder = self._holders.get(key)
        if holder is not None:
            return holder
        well_formed = 0 < len(key) <= 128 and key.isascii() and key.isprintable()
        return Refusal(Reason.UNKNOWN_KEY if well_formed else Reason.MALFORMED_KEY)

    def refuse(self, holder: Holder, refusal: Refusal) -> Refusal:
        """Count a submit that was refused, and return the refusal."""
        holder.counts["submitted"] += 1
        holder.refused[str(refusal.code)] += 1
        return refusal

    def accept(
        self, holder: Holder, family: Family, *, kind: str, subject: str, usd: float, now: float
    ) -> Task | Refusal:
        """Take a task in and charge for it, if a slot is free and the balance covers it."""
        price = 1 if family is Family.SOLVORA else round(usd * _MICROS)
        if not holder.can_pay(price, family):
            return self.refuse(holder, Refusal(Reason.ZERO_BALANCE))
        if family is not Family.SOLVORA and holder.working(now) >= holder.account.slots:
            return self.refuse(holder, Refusal(Reason.NO_SLOT))
        self._drop_expired(family, now)
        task = Task(self._new_id(family), holder, family, kind, subject, now, price)
        self._charge(task, price)
        self._tasks[family, task.id] = task
        self._oldest[family].append(task)
        self._records.append(task)
        holder.counts.update(("submitted", "accepted"))
        return task

    def plan(self, task: Task, ready_at: float, outcome: Outcome, now: float) -> None:
        """Set when a task will be ready, and with what; only answers cost."""
        task.ready_at, task.outcome = ready_at, outcome
        if isinstance(outcome, Refusal):
            self._charge(task, -task.price)
        if task.family is not Family.SOLVORA and ready_at > now:
            heapq.heappush(task.holder.due, ready_at)
            self._note_peak(task.holder, now)

    def start(self, task: Task, now: float) -> None:
        """Hold a slot for a task whose end is not known."""
        if task.family is not Family.SOLVORA:
            task.holder.reading += 1
            self._note_peak(task.holder, now)

    def finish(self, task: Task, outcome: Outcome, now: float) -> None:
        """End a task that `start` began: its slot is free."""
        if task.family is not Family.SOLVORA:
            task.holder.reading -= 1
        self.plan(task, now, outcome, now)

    def look(self, holder: Holder, family: Family, task_id: str, now: float) -> Task | Refusal:
        """Return the task a look asks for, and count the look.

        Unknown, deleted and other accounts' tasks are all `UNKNOWN_TASK`.
        """
        holder.counts["looks"] += 1
        task = self.find(holder, family, task_id, now)
        if isinstance(task, Task):
            task.looks += 1
        return task

    def find(self, holder: Holder, family: Family, task_id: str, now: float) -> Task | Refusal:
        """Return a task without counting a look."""
        task = self._tasks.get((family, task_id))
        if task is None or task.holder is not holder or now >= task.expires_at:
            return Refusal(Reason.UNKNOWN_TASK)
        return task

    def take(self, task: Task, now: float) -> None:
        """Note that a task's outcome was handed out."""
        if task.taken_at is None:
            task.taken_at = now
            task.holder.counts["taken"] += 1

    def report(self, task: Task, *, good: bool) -> None:
        """Record the user's verdict on an answer; the last one counts."""
        task.reported = "good" if good else "bad"
        task.holder.counts[f"reported_{task.reported}"] += 1

    def ledger(self, now: float, *, tasks: bool = False) -> dict[str, Any]:
        """Return counts per account name, and on request every task (the last 200,000)."""
        counts = {h.account.name: h.summary(now) for h in self._holders.values()}
        listed = {"tasks": [task.record() for task in self._records]} if tasks else {}
        return {"accounts": counts, **listed}

    def _charge(self, task: Task, amount: int) -> None:
        task.charged += amount
        task.holder.pay(amount, task.family)

    @staticmethod
    def _note_peak(holder: Holder, now: float) -> None:
        holder.peak = max(holder.peak, holder.working(now))

    def _drop_expired(self, family: Family, now: float) -> None:
        oldest = self._oldest[family]
        while oldest and oldest[0].expires_at <= now:
            del self._tasks[family, oldest.popleft().id]

    def _new_id(self, family: Family) -> str:
        if family is Family.INPHP:
            self._serial += 1
            return str(self._serial)
        return str(UUID(int=self._chance.getrandbits(128), version=4))
