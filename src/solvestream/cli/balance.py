"""`solvestream balance`: what is left on each account."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial

import anyio

from solvestream import Balance, Client, SolvestreamError
from solvestream.cli.accounts import Account


def balance(accounts: Sequence[Account], *, as_json: bool) -> int:
    """Print what is left on each account; return 1 if one does not tell, else 0."""
    told = anyio.run(partial(_ask_all, accounts))
    if as_json:
        print(json.dumps({name: _entry(what) for name, what in told.items()}))
    for name, what in told.items():
        if isinstance(what, SolvestreamError):
            print(f"{name}: {str(what).removeprefix(f'{name}: ')}", file=sys.stderr)
        elif not as_json:
            print(f"{name}: {what.amount:g} {what.unit}")
    return 1 if any(isinstance(what, SolvestreamError) for what in told.values()) else 0


async def _ask_all(accounts: Sequence[Account]) -> dict[str, Balance | SolvestreamError]:
    """Ask every account, each by a client of its own: one that fails hides no other."""
    told: dict[str, Balance | SolvestreamError] = {}
    for account in accounts:
        async with Client(account) as client:
            try:
                told |= await client.balance()
            except SolvestreamError as error:
                told[account.name] = error
    return told


def _entry(what: Balance | SolvestreamError) -> dict[str, float | str | None]:
    if isinstance(what, Balance):
        return {"amount": what.amount, "unit": what.unit, "error": None}
    return {"amount": None, "unit": None, "error": str(what)}
