"""What the public edge refuses at once: accounts, bounds, tickets, deadlines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve

from solvestream.errors import UsageError, shorten
from solvestream.providers._protocol import Provider
from solvestream.results import Ticket
from solvestream.tasks import Task

if TYPE_CHECKING:
    from solvestream.events import Event


def check_wait(ticket: object, deadline: object) -> None:
    """Raise `UsageError` unless these are a ticket and seconds greater than 0, or `None`."""
    if not isinstance(ticket, Ticket):
        raise UsageError(f"ticket: expected a Ticket, got {shorten(ticket)}")
    if deadline is not None and not (isinstance(deadline, int | float) and 0 < deadline < math.inf):
        raise UsageError(f"deadline={shorten(deadline)}: give seconds greater than 0, or None")


def same(one: Task[Any], other: Task[Any]) -> bool:
    """Whether two tasks ask for the same, tags and urgency aside."""
    aside: dict[str, Any] = {"tag": None, "deadline": None, "priority": 0}
    return type(one) is type(other) and evolve(one, **aside) == evolve(other, **aside)


def check_accounts(accounts: tuple[Provider, ...]) -> None:
    """Raise `UsageError` for none, for what is no account, and for two of one name."""
    if not accounts:
        raise UsageError("client: give at least one account, as CaptchaAI(key)")
    for account in accounts:
        if isinstance(account, type) or not isinstance(account, Provider):  # pyright: ignore[reportUnnecessaryIsInstance] - public edge
            # its value may be the key, handed over without an account around it
            what = type(account).__name__
            fix = "pass accounts one by one, as Client(CaptchaAI(key), CapSolver(key))"
            raise UsageError(f"client: a {what} is no account; {fix}")
    names = [account.name for account in accounts]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"client: two accounts are named {name!r}; give one another name=")


def check_callbacks(on_event: object) -> tuple[Callable[[Event], None], ...]:
    """Return the callbacks; raise `UsageError` for what cannot be called."""
    if on_event is None:
        return ()
    several = isinstance(on_event, list | tuple)
    given = cast("Iterable[object]", on_event if several else [on_event])
    for one in given:
        if not callable(one):
            raise UsageError(f"on_event: {shorten(one)} cannot be called; give a function")
    return tuple(cast("Iterable[Callable[[Event], None]]", given))


def at_least_one(name: str, value: object) -> None:
    """Raise `UsageError` unless an option is a whole number of 1 or more, or `None`."""
    if value is not None and (not isinstance(value, int) or value < 1):
        raise UsageError(f"{name}: expected a whole number of 1 or more, got {shorten(value)}")


def check_spend(max_spend: object, accounts: tuple[Provider, ...]) -> None:
    """Raise `UsageError` for a bad bound, and where an account's price is not known."""
    if max_spend is None:
        return
    if not isinstance(max_spend, int | float) or not 0 <= max_spend < math.inf:
        raise UsageError(f"max_spend={shorten(max_spend)}: give USD, 0 or more, or None")
    for account in accounts:
        if account.capabilities.price is None:
            fix = "give it price=USD a task (0 on a plan that is paid by the month)"
            raise UsageError(f"max_spend: nobody knows what a task of {account.name} costs; {fix}")
