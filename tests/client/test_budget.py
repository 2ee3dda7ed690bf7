"""max_spend: what is bought together never costs more, and the rest is told so."""

from __future__ import annotations

import anyio
import pytest

from solvestream import AccountError, CaptchaAI, Client, ImageToText, UsageError
from tests.virtual import lost_reply

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n"


def client_of(price=0.01, **options):
    return Client(CaptchaAI("key", price=price), **options)


async def outcome(client, count):
    results = [one async for one in client.stream([ImageToText(PNG)] * count)]
    return [type(one.error).__name__ for one in results if not one.ok], results


async def test_no_more_is_bought_than_may_be_spent(service):
    """Of ten tasks three are affordable; seven end unpaid, and the error names the bound."""
    async with client_of(max_spend=0.03) as client:
        errors, results = await outcome(client, 10)
    assert service.submits == 3
    assert errors == ["BudgetExceeded"] * 7
    error = next(one.error for one in results if not one.ok)
    assert "max_spend=0.03 USD" in str(error)
    assert error.charged == "no"


async def test_tasks_under_way_are_counted(service):
    """What is on the wire or at the service holds its price until it has ended."""
    service.solve = lambda: 50.0
    async with client_of(max_spend=0.02) as client, anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(client.solve, ImageToText(PNG))
        await anyio.sleep(1)
        with anyio.move_on_after(5):
            await client.solve(ImageToText(PNG))
        assert service.submits == 2


async def test_what_was_not_charged_may_be_spent_again(service):
    """Refused and unpaid failed tasks give their price back; answers that were charged do not."""
    service.on_submit = lambda n: "ERROR_NO_SLOT_AVAILABLE" if n < 3 else None
    async with client_of(max_spend=0.02) as client:
        errors, _ = await outcome(client, 3)
    assert errors == ["BudgetExceeded"]
    assert len(service.ready_at) == 2


async def test_a_doubt_counts_as_spent(service):
    """A submit whose reply was lost may have been paid, so its price is gone."""
    service.on_submit = lambda n: lost_reply() if n == 1 else None
    async with client_of(max_spend=0.02) as client:
        errors, _ = await outcome(client, 3)
    assert sorted(errors) == ["BudgetExceeded", "SubmitUnknown"]
    assert service.submits == 2


async def test_a_plan_paid_by_the_month_is_not_bounded(service):
    """Price 0 takes nothing from the bound."""
    async with client_of(price=0, max_spend=0) as client:
        errors, _ = await outcome(client, 5)
    assert errors == []


async def test_a_balance_too_low_for_a_task_stops_submits(service):
    """Once the balance is known to buy nothing, nothing is sent (faults.json N22)."""
    async with client_of(price=2.0) as client:
        assert (await client.balance())["captchaai"].amount == 1.5
        with pytest.raises(AccountError, match="no funds"):
            await client.solve(ImageToText(PNG))
    assert service.submits == 0


async def test_bounds_are_checked(service):
    """A bound needs a price, and both must be sums of money."""
    with pytest.raises(UsageError, match="captchaai costs; give it price="):
        Client(CaptchaAI("key"), max_spend=1)
    with pytest.raises(UsageError, match="max_spend=-1"):
        client_of(max_spend=-1)
    with pytest.raises(UsageError, match="price="):
        CaptchaAI("key", price=float("nan"))
