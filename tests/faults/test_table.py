"""Every row of the tables, on both transports, left alone and with its callers cancelled."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.faults.case import Case
from tests.faults.cases_poll import POLL
from tests.faults.cases_submit import SUBMIT
from tests.faults.world import STYLES, World, opened, run_cancelled

pytestmark = pytest.mark.anyio
CASES = [*SUBMIT, *POLL]
FEW = 3


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_fault(world, case):
    """Three images: verdict, money, requests and error of the one struck; the others are read."""
    account = case.set_up(world)
    report = await world.run(account, size=case.size, **case.client)
    case.on_transport(world.transport).verify(world, report)


def few(cases: list[Case]) -> list[Case]:
    """Return the first rows of each fault: variants of a reply do not differ under cancellation."""
    taken: Counter[str] = Counter()
    return [case for case in cases if not taken.update([case.id]) and taken[case.id] <= FEW]


def moments(case: Case) -> list[tuple[float, int]]:
    """Draw moments of cancelling: amid the submits, and amid the first looks."""
    chance = random.Random(str(case))
    amid_submits = (0.0, chance.randrange(60))
    return [amid_submits] if case.size else [amid_submits, (10.0, chance.randrange(30))]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("case", few(CASES), ids=str)
async def test_fault_cancelled(transport, style, case, canary, monkeypatch, seeded):
    """The callers are cancelled amid the fault: what was paid is told, or among the tickets."""
    for moment in moments(case):
        async with opened(World(transport, canary, monkeypatch)) as world:
            account = case.set_up(world)
            await run_cancelled(world, [account], style, moment, size=case.size, **case.client)
