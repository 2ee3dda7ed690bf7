"""Gate, breakers and back-pressure of the real client, in virtual time (issue 4, line 4)."""

from __future__ import annotations

import asyncio
import statistics

import pytest

from solvestream import AccountError
from tests.simulation.speech import CreateTaskSpeech, InPhpSpeech
from tests.simulation.stage import Stage
from tests.simulation.weather import Period

IDS = 5_000
OUTAGE = 60.0


async def read_all(stage: Stage, count: int, **options):
    """Read a stream to its end; each result with the moment it came."""
    in_flight = options.pop("in_flight", count)
    async with stage.client(**options) as client:
        tasks = (stage.speech.task(n, token=False) for n in range(1, count + 1))
        found = [
            (one, stage.loop.moment) async for one in client.stream(tasks, in_flight=in_flight)
        ]
        return found, client.statistics()


@pytest.mark.parametrize(
    ("kind", "multi", "longer"),
    [
        ("refusing", False, 0),
        ("refusing", True, 0),
        ("trouble", False, 0),
        ("dark", False, 12),  # seconds: a moment after a probe has left
        ("dark", True, 3),
    ],
)
def test_an_outage_loses_nothing_and_is_left_in_peace(kind, multi, longer):
    """60 s without the service, 5,000 ids: none lost, few requests, and all found soon after."""
    stage = Stage(InPhpSpeech(multi=multi))
    start = stage.loop.moment + 100
    end = start + OUTAGE + longer
    stage.weather.work = (60.0, 200.0)
    stage.weather.periods = [Period(kind, start, end)]
    found, _ = stage.run(lambda stage: read_all(stage, IDS))
    assert len(found) == IDS
    assert all(result.ok for result, _ in found)
    during = sum(start <= at < start + OUTAGE for at in stage.ledger.requests_at)
    orders = stage.ledger.orders
    late = [
        at - max(end, orders[result.ticket.task_id].ready_at)
        for result, at in found
        if start <= orders[result.ticket.task_id].ready_at < end
    ]
    p95 = statistics.quantiles(late, n=20)[-1]
    print(f"{kind}, multi={multi}: {during} requests in {OUTAGE} s, p95 {p95:.2f} s after it")
    assert during <= 250
    assert p95 <= 6.0


@pytest.mark.parametrize("seed", range(5))
def test_few_submits_are_refused_where_slots_are_few(seed):
    """1,000 tasks on 50 slots: at most 0.15 refusals for each that is taken."""
    stage = Stage(seed=seed)
    stage.weather.slots = [(0.0, 50)]
    stage.weather.work = (8.0, 16.0)
    found, figures = stage.run(lambda stage: read_all(stage, 1000))
    assert all(result.ok for result, _ in found)
    account = figures.accounts["captchaai"]
    took = max(at for _, at in found) - 1000
    print(f"seed {seed}: {account.refused} refused, {account.accepted} taken, {took:.0f} s")
    assert account.refused <= 0.15 * account.accepted


@pytest.mark.parametrize("before", [50, 5])
def test_slots_that_come_and_go_are_followed(before):
    """Slots that change under way cost few refusals, and free ones are soon taken."""
    stage = Stage()
    stage.weather.slots = [(0.0, before), (1060.0, 100), (1120.0, 20)]
    stage.weather.work = (8.0, 16.0)
    found, figures = stage.run(lambda stage: read_all(stage, 1000))
    assert all(result.ok for result, _ in found)
    account = figures.accounts["captchaai"]
    took = max(at for _, at in found) - 1000
    print(f"from {before}: {account.refused} refused of {account.accepted}, {took:.0f} s")
    assert account.refused <= 0.2 * account.accepted


@pytest.mark.parametrize("speech", [InPhpSpeech, CreateTaskSpeech])
def test_a_ban_is_sat_out_and_ended_by_one_probe(speech):
    """Nothing is sent while a ban lasts; then one request, and the others after its reply."""
    stage = Stage(speech())
    stage.weather.work = (20.0, 40.0)
    start = stage.loop.moment + 30
    stage.weather.periods = [Period("ban", start, start + 300)]
    token = isinstance(stage.speech, CreateTaskSpeech)

    async def play(stage):
        async with stage.client(max_in_flight=100) as client:
            tasks = (stage.speech.task(n, token=token) for n in range(1, 301))
            return [one async for one in client.stream(tasks)]

    found = stage.run(play)
    assert stage.ledger.breaches == []
    told = next(at for at in stage.ledger.requests_at if at >= start)
    quiet = [at for at in stage.ledger.requests_at if told + 1 < at < start + 300]
    after = [at for at in stage.ledger.requests_at if at >= start + 300]
    assert quiet == []
    assert after[1] - after[0] >= 0.02
    assert len(found) == 300
    assert max(len(stage.ledger.attempts) - 300, 0) <= stage.ledger.faults["ban"]


def test_an_empty_account_stops_the_flow_until_it_is_topped_up():
    """Out of funds, no submit follows the refusals on the wire; a balance opens the flow again."""
    stage = Stage()
    stage.weather.work = (1.0, 2.0)
    stage.weather.periods = [Period("broke", 1000.0, 1100.0)]

    async def play(stage):
        async with stage.client() as client:
            tasks = [stage.speech.task(n, token=False) for n in range(1, 501)]
            first = [one async for one in client.stream(tasks)]
            refused = len(stage.ledger.attempts)
            with pytest.raises(AccountError):
                await client.balance()
            with pytest.raises(AccountError):
                await client.solve(tasks[0])
            assert len(stage.ledger.attempts) == refused
            await asyncio.sleep(100)
            await client.balance()
            return first, refused, await client.solve(tasks[0])

    first, refused, last = stage.run(play)
    assert {type(one.error) for one in first} == {AccountError}
    assert refused <= 10
    assert last.ok


def test_a_slow_reader_stops_submits_and_not_looks():
    """Tasks not read yet never exceed the window, while what is paid is looked up in time."""
    stage = Stage()
    stage.weather.work = (5.0, 30.0)
    window, read = 50, 0

    async def play(stage):
        nonlocal read
        async with stage.client() as client:
            tasks = (stage.speech.task(n, token=False) for n in range(1, 201))
            async for result in client.stream(tasks, in_flight=window):
                assert result.ok
                read += 1
                assert len(stage.ledger.attempts) <= read + window
                await asyncio.sleep(8)

    stage.run(play)
    waits = [one.answered_at - one.ready_at for one in stage.ledger.orders.values()]
    assert read == 200
    assert max(waits) <= 10.5  # the first look comes after 10 s, the others every 5
