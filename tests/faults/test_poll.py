"""Faults of looks and small calls that need more than a row of a table (`faults.json`, "poll")."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from solvestream import (
    AccountError,
    CaptchaAI,
    Client,
    DeadlineExceeded,
    Pacing,
    ProtocolError,
    TaskLost,
    TransportError,
)
from solvestream._wire import Broken, Sent, Trouble
from tests.faults.acts import always, paid, says, silent
from tests.faults.canary import KEY
from tests.faults.relay import Relay
from tests.faults.service import FIRST_ID, http
from tests.faults.test_submit import now, read, stream_of
from tests.faults.world import STYLES, cancelled, task, until
from tests.virtual import FakeService

pytestmark = pytest.mark.anyio


async def test_p01_five_percent_are_dropped(world):
    """5 % of the looks are cut: every answer comes, for at most 10 % more looks."""
    draw = random.Random(1)
    world.service.on["look"] = lambda n: silent("reset") if draw.random() < 0.05 else None
    async with world.client() as client:
        report = await stream_of(world, client, 100)
    assert len(report.good) == 100
    assert world.service.begun["look"] <= 1.1 * 200


@pytest.mark.parametrize("service", ["captchaai", "capsolver"])
async def test_p02_partition_of_the_net(world, service):
    """Nothing passes for 60 s, with all ids in flight: none is lost, and few requests are made."""
    world.service.at_once = False
    world.service.solve = 40.0
    relay = await world.through(Relay(world.service.port))
    async with world.client(world.account(service)) as client:
        stream = client.stream([task(n) for n in range(100)])
        reading = asyncio.ensure_future(read(stream))
        await until(lambda: len(world.service.tasks) >= 100)
        relay.whole.clear()
        before, requests = now(), client.statistics().accounts[service].requests
        await asyncio.sleep(60)
        assert client.statistics().accounts[service].requests - requests <= 250
        relay.whole.set()
        results = await reading
    assert all(one.ok for one in results)
    late = sorted(one.solved_at - one.submitted_at for one in results)
    assert late[int(0.95 * len(late))] <= now() - before + 60
    assert set(world.service.charges.values()) == {1}


@pytest.mark.parametrize("broken", [Trouble.TIMEOUT, Trouble.CONNECT])
async def test_p02_five_thousand_ids(monkeypatch, broken, seeded):
    """5,000 ids in memory, cut off for 60 s: none lost, at most 250 requests, 95 % within 6 s."""
    service = FakeService(latency=0.02, solve=lambda: 40.0)
    monkeypatch.setattr("solvestream.client.open_transport", lambda http, connections: service)
    fast = Pacing(first_look=20.0, interval=10.0)
    wall = time.time() - now()
    async with Client(CaptchaAI(KEY, pacing=fast)) as client:
        stream = client.stream([task(n) for n in range(5_000)], in_flight=5_000)
        reading = asyncio.ensure_future(read(stream))
        await until(lambda: len(service.ready_at) >= 5_000)
        service.always = Broken(broken, Sent.ALL, "cut off")
        count = len(service.requests_at)
        await asyncio.sleep(60)
        assert len(service.requests_at) - count <= 250
        service.always = None
        healed = wall + now()
        results = await reading
    assert all(one.ok for one in results)
    waits = sorted(one.solved_at - healed for one in results)
    assert waits[int(0.95 * 5_000)] <= 6
    seconds = [int(at) for at in service.requests_at]
    assert max(map(seconds.count, set(seconds[-5_000:]))) <= 64 / 0.02


async def test_p03_partition_longer_than_the_answers_are_kept(world):
    """Answers deleted after 30 s and cut off for 60: each task is told lost, none failed."""
    relay = await world.through(Relay(world.service.port))
    async with world.client(world.account("solvora")) as client:
        stream = client.stream([task(n) for n in range(50)])
        reading = asyncio.ensure_future(read(stream))
        await until(lambda: len(world.service.tasks) >= 50)
        relay.whole.clear()
        await asyncio.sleep(60)
        relay.whole.set()
        results = await reading
        await asyncio.sleep(60)
        lost = client.statistics().accounts["solvora"].lost
        for error in [one.error for one in results]:  # a look was on the wire at the deadline
            if isinstance(error, DeadlineExceeded):
                with pytest.raises(TaskLost):
                    await client.wait(error.ticket)
    assert {type(one.error) for one in results} <= {TaskLost, DeadlineExceeded}
    assert {one.error.charged for one in results} == {"maybe"}
    assert lost == 50


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_p04_five_minutes_of_5xx(world, status):
    """The breaker opens, looks stay few, and a single probe finds the service well again."""
    patient = Pacing(first_look=10.0, interval=5.0, max_looks=1_000, deadline=1_000.0)
    service = world.service
    async with world.client(world.account(pacing=patient)) as client:
        stream = client.stream([task(n) for n in range(40)])
        reading = asyncio.ensure_future(read(stream))
        await until(lambda: len(service.tasks) >= 40)
        service.on["look"] = always(says("<html>bad gateway</html>", status))
        count = len(service.moments)
        await asyncio.sleep(300)
        assert client.statistics().accounts["captchaai"].breaker != "closed"
        assert len(service.moments) - count <= 1.1 * 300
        service.on.clear()
        results = await reading
    assert all(one.ok for one in results)


async def test_p05_looks_are_throttled(world):
    """A 429 with Retry-After 10 holds all looks for 10 s."""
    service = world.service
    service.on["look"] = lambda n: says("", 429, "Retry-After: 10") if n == 20 else None
    async with world.client() as client:
        report = await stream_of(world, client, 50)
    assert len(report.good) == 50
    looks = [moment for moment, kind in service.moments if kind == "look"]
    held = [moment for moment in looks[20:] if moment < looks[19] + 10]
    assert len(held) <= 64
    assert all(moment - looks[19] < 0.5 for moment in held)


async def test_p05_perishing_answers_come_first(world):
    """After a pause, answers that are deleted soonest are looked at before all others."""
    service = world.service
    accounts = [world.account("captchaai"), world.account("solvora", name="soon")]
    service.solve = 11.0
    service.on["look"] = lambda n: says("", 429, "Retry-After: 3") if n == 3 else None
    async with world.client(*accounts) as client:
        report = await stream_of(world, client, 40)
    assert len(report.good) == 40


async def test_p06_late_answers_are_still_had(world):
    """A task that was not ready by its deadline is resumable: its ticket brings the answer."""
    world.service.solve = 400.0
    async with world.client() as client:
        with pytest.raises(DeadlineExceeded) as caught:
            await client.solve(task(1))
        assert caught.value.resumable
        world.canary.look(caught.value, caught.value.ticket)
        await asyncio.sleep(200)
        assert (await client.wait(caught.value.ticket)).solution.text == "text 1"
    assert world.service.charges == {1: 1}


async def test_p14_the_first_answer_stands(world):
    """An answer that changes afterwards is not asked for again, and comes once."""
    words = iter(f"answer {n}" for n in range(100))
    world.service.words = lambda label: next(words)
    async with world.client() as client:
        results = await read(client.stream([task(1)]))
        assert [one.solution.text for one in results] == ["answer 0"]
        await asyncio.sleep(100)
    assert world.service.looks.total() == 2


@pytest.mark.parametrize("style", ["none", *STYLES])
async def test_p26_banned_with_paid_ids_in_flight(world, style):
    """A ban during looks: all stop at once, one probe after it is over, and every answer comes."""
    service, count = world.service, 500 if world.transport == "pool" else 100
    service.solve = 30.0
    patient = Pacing(first_look=10.0, interval=5.0, deadline=2_000.0, max_looks=1_000)
    async with world.client(world.account(pacing=patient)) as client:
        stream = client.stream([task(n) for n in range(count)])
        reading = asyncio.ensure_future(read(stream))
        await until(lambda: len(service.tasks) >= count)
        service.on["look"] = always(says("IP_BANNED"))
        await until(lambda: service.begun["look"], 0.01)
        seen = now()
        if style != "none":
            await cancelled(lambda: client.solve(task(999, deadline=50)), style, 20.0, 0)
        await asyncio.sleep(seen + 290 - now())
        banned = [at for at, kind in service.moments if kind == "look" and at >= seen - 0.01]
        assert len(banned) <= 64
        service.on.clear()
        results = await reading
    assert all(one.ok for one in results)
    assert set(service.charges.values()) == {1}
    after = [at for at, _ in service.moments if at > seen + 1]
    assert after[0] >= seen + 299
    assert len(after) >= count


async def test_p26_answers_that_perish_in_a_ban_are_told_lost(world):
    """Solvora deletes after 30 s: what was banned for longer is lost, and says so."""
    world.service.on["look"] = always(says('{"detail":"slow down"}', 429, "Retry-After: 100"))
    async with world.client(world.account("solvora")) as client:
        report = await stream_of(world, client, 5)
    assert {type(one) for one in report.bad} == {TaskLost}


AMOUNTS = ["nan", "inf", "1_0", "٣", "-1", "1e309", "", "<html>1.5</html>", "1,5", "0x1", "1.5 USD"]


@pytest.mark.parametrize("text", AMOUNTS, ids=range(len(AMOUNTS)))
@pytest.mark.parametrize("service", ["captchaai", "capsolver", "solvora"])
async def test_p28_no_balance(world, service, text):
    """What is no amount is an error, and never a number that compares false with everything."""
    reply = {
        "captchaai": text,
        "capsolver": f'{{"errorId":0,"balance":"{text}"}}',
        "solvora": f'{{"status":"ok","solves":"{text}"}}',
    }[service]
    world.service.on["balance"] = always(says(reply))
    async with world.client(world.account(service)) as client:
        with pytest.raises(ProtocolError) as caught:
            await client.balance()
        world.canary.look(caught.value)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-1", "1e999", "null", "[]", "true"])
async def test_p28_no_json_balance(world, text):
    """The same for bare JSON values."""
    world.service.on["balance"] = always(says(f'{{"errorId":0,"balance":{text}}}'))
    async with world.client(world.account("capsolver")) as client:
        with pytest.raises(ProtocolError):
            await client.balance()


async def test_p28_a_bad_key_is_an_account_error(world):
    """A refusal is told by its code."""
    world.service.on["balance"] = always(says("ERROR_WRONG_USER_KEY"))
    async with world.client() as client:
        with pytest.raises(AccountError) as caught:
            await client.balance()
        world.canary.look(caught.value)


@pytest.mark.parametrize("then", ["hang", "reset", "end"])
@pytest.mark.parametrize("service", ["captchaai", "capsolver"])
async def test_p29_reports_are_sent_once(world, service, then):
    """A report that gets no reply may have arrived: told so, and not repeated."""
    async with world.client(world.account(service)) as client:
        result = await client.solve(task(1))
        world.service.on["report"] = always(silent(then))
        with pytest.raises(TransportError) as caught:
            await client.report(result, correct=False)
        world.canary.look(caught.value)
    assert caught.value.verdict == "unknown"
    assert world.service.begun["report"] == 1


@pytest.mark.parametrize("style", STYLES)
async def test_p29_a_cancelled_report_goes_on(world, style):
    """Cutting the caller does not cut the exchange, and nothing is sent again."""
    async with world.client() as client:
        result = await client.solve(task(1))
        for step in range(12):
            await cancelled(lambda: client.report(result, correct=True), style, 0.0, step)
            await asyncio.sleep(1)
    assert world.service.begun["report"] == len(world.service.reports) <= 12


async def test_s10_a_cut_answer_is_no_answer(world):
    """An answer that only the connection's end ends may be cut short: it is looked at again."""
    bare = b"HTTP/1.1 200 OK\r\n\r\n"
    world.service.words = lambda label: "a long text"

    def act(number):
        return paid(lambda b: bare + (b[:-5] if b.startswith(b"OK") else b)) if number < 4 else None

    world.service.on["look"] = act
    async with world.client() as client:
        result = await client.solve(task(1))
    assert result.solution.text == "a long text"


async def test_p12_answers_of_a_batch_are_told_apart(world):
    """A reply to several ids that does not fit them is not dealt out: each is looked at singly."""
    world.service.on["look"] = lambda n: says("text 0|text 1|text 2|x") if n == 1 else None
    async with world.client(world.account(multi_id=True)) as client:
        report = await stream_of(world, client, 3)
    assert len(report.good) == 3
    assert http("")  # the raw reply is what the act above sends


async def test_b01_a_forged_call_back(world):
    """An id that was never submitted is counted and changes nothing; no code in it is believed."""
    async with world.client() as client:
        ticket = await client.submit(task(1))
        before = world.service.begun["look"]
        assert not client.hint("999")
        assert not client.hint("999", account="captchaai")
        await asyncio.sleep(1)
        assert world.service.begun["look"] == before
        assert client.statistics().accounts["captchaai"].stray_hints == 2
        result = await client.wait(ticket)
    assert result.ok


async def test_b01_a_call_back_is_only_a_hint(world):
    """It leads to one look with the account's key at once, whose answer is the one that counts."""
    world.service.solve = 1.0
    async with world.client() as client:
        ticket = await client.submit(task(1))
        await asyncio.sleep(2)
        assert client.hint(ticket.task_id)
        await asyncio.sleep(0.5)
        assert world.service.begun["look"] == 1
        result = await client.wait(ticket)
        assert result.ok
        assert client.statistics().accounts["captchaai"].hints == 1


async def test_b02_a_call_back_before_the_submits_reply(world):
    """It is remembered, and the look follows as soon as the id is known."""
    world.service.solve = 0.0
    async with world.client() as client:
        for number in range(40):
            assert not client.hint(str(FIRST_ID + number))
        ticket = await client.submit(task(1))
        await asyncio.sleep(0.5)
        assert world.service.begun["look"] == 1
        assert (await client.wait(ticket)).ok


async def test_b02_the_memory_is_bounded(world):
    """A flood of ids is forgotten again."""
    async with world.client() as client:
        for number in range(5_000):
            client.hint(str(number))
        assert len(client._scheduler.planners["captchaai"]._hints) == 1_000


async def test_b03_call_backs_repeated(world):
    """However often it comes, one task has one result."""
    world.service.solve = 1.0
    async with world.client() as client:
        ticket = await client.submit(task(1))
        await asyncio.sleep(2)
        for _ in range(5):
            client.hint(ticket.task_id)
        result = await client.wait(ticket)
        assert result.ok
        assert not client.hint(ticket.task_id)
    assert world.service.begun["look"] <= 2


async def test_b03_a_call_back_that_never_comes(world):
    """The service is asked to call back, and does not: the looks bring the answer, once."""
    account = world.account(pingback="https://service.example/done")
    async with world.client(account) as client:
        report = await stream_of(world, client, 3)
    assert len(report.good) == 3
    assert b"pingback=https%3A%2F%2Fservice.example%2Fdone" in world.service.asked[0].body
