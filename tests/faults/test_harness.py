"""The harness itself: what it is to see, it sees."""

from __future__ import annotations

import httpx
import pytest

from solvestream import Client
from solvestream._core import planner
from tests.faults import canary as canaries
from tests.faults.acts import first, silent
from tests.faults.canary import KEY
from tests.faults.relay import At, Relay, Wire
from tests.faults.world import STYLES, judge_naively, run_cancelled

pytestmark = pytest.mark.anyio


def test_the_canary_sees_the_key_in_every_form():
    """Raw, quoted, base64 at any offset, hex, any case."""
    canaries.self_test()


@pytest.mark.parametrize("service", ["captchaai", "solvora", "capsolver"])
async def test_good_service(wired, service):
    """Without a fault, three images are read and three are paid, on each service and transport."""
    report = await wired.run(wired.account(service))
    assert len(report.good) == 3
    assert sum(wired.service.charges.values()) == 3


async def test_a_naive_client_is_caught(world, monkeypatch):
    """A client that sends again whatever went wrong pays twice, and the audit says so."""
    monkeypatch.setattr(planner, "judge", judge_naively)
    world.service.on["submit"] = first(silent("end"))
    with pytest.raises(AssertionError):
        await world.run(count=1)


@pytest.mark.parametrize("style", STYLES)
async def test_an_orphan_is_caught(world, monkeypatch, style):
    """A client that forgets what its cancelled callers paid for is told of by the audit."""
    monkeypatch.setattr(Client, "tickets", lambda client: ())
    with pytest.raises(AssertionError, match="neither a ticket"):
        await run_cancelled(world, [world.account()], style, (5.0, 0))


async def test_a_key_in_a_log_is_caught(world, canary):
    """Httpx's own line of a request holds the key, and the canary hears it."""
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.get(f"http://127.0.0.1:{world.port}/res.php", params={"key": KEY})
    found, canary.found = canary.found, []
    assert "log of httpx" in found


async def test_the_relay_passes_everything(wired):
    """A relay without incidents changes nothing, whatever its slices."""
    await wired.through(Relay(wired.service.port, lambda n: Wire(slices=7, latency=0.001)))
    assert len((await wired.run()).good) == 3


async def test_the_relay_cuts_at_the_byte(wired):
    """Exactly so many bytes of a request reach the service."""
    relay = await wired.through(Relay(wired.service.port, lambda n: Wire(up=(At(50, "reset"),))))
    report = await wired.run(count=1)
    assert {relay.passed[n] for n in relay.passed if n > 0} == {50}
    assert not wired.service.charges
    assert report.bad
