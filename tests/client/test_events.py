"""`on_event`: what is told, in which order, and that looking on harms nobody."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

import anyio
import pytest

from solvestream import (
    AccountError,
    CaptchaAI,
    Client,
    ImageToText,
    InvalidTask,
    Pacing,
    UsageError,
    events,
)
from tests.virtual import not_sent

pytestmark = pytest.mark.anyio

KEY = "canary-key-0123456789"
PNG = b"\x89PNG\r\n\x1a\n"
QUICK = Pacing(first_look=2.0, interval=2.0)


@pytest.fixture
def seen():
    return []


def client_of(seen, **options):
    return Client(CaptchaAI(KEY, pacing=QUICK), on_event=seen.append, **options)


def names(seen):
    return [type(one).__name__ for one in seen]


def only(seen, kind):
    return [one for one in seen if isinstance(one, kind)]


async def test_a_task_s_way_is_told_in_order(service, seen):
    """Queued, submitted, accepted, looked at until it is there, ended, taken."""
    service.solve = lambda: 3.0
    async with client_of(seen) as client:
        result = await client.solve(ImageToText(PNG, tag=7))
    assert names(seen) == [
        "TaskQueued",
        "TaskSubmitted",
        "TaskAccepted",
        "TasksLooked",
        "TasksLooked",
        "TaskEnded",
        "TaskTaken",
    ]
    (queued,) = only(seen, events.TaskQueued)
    assert (queued.tag, queued.kind) == (7, "image")
    (accepted,) = only(seen, events.TaskAccepted)
    assert (accepted.account, accepted.task_id) == ("captchaai", result.ticket.task_id)
    assert [one.pending for one in only(seen, events.TasksLooked)] == [1, 0]
    (ended,) = only(seen, events.TaskEnded)
    assert (ended.ok, ended.error, ended.charged, ended.looks) == (True, None, "yes", 2)
    assert ended.solving == pytest.approx(4, abs=0.1)
    assert {one.job_key for one in seen if hasattr(one, "job_key")} == {result.ticket.job_key}
    assert seen[0].at == pytest.approx(ended.at - ended.elapsed, abs=0.001)


async def test_each_task_is_queued_once_and_ends_once(service, seen):
    """Of 100 tasks with refusals on their way, each is told once at both ends."""
    service.slots = 10
    service.solve = lambda: 3.0
    async with client_of(seen) as client:
        async for _ in client.stream([ImageToText(PNG)] * 100):
            pass
    count = Counter(names(seen))
    assert count["TaskQueued"] == count["TaskAccepted"] == count["TaskEnded"] == 100
    assert count["TaskTaken"] == 100
    assert count["TaskSubmitted"] == 100 + count["TaskRefused"] == service.submits
    assert {one.code for one in only(seen, events.TaskRefused)} == {"ERROR_NO_SLOT_AVAILABLE"}


async def test_a_gate_is_told_when_it_closes_and_opens(service, seen):
    """A refusal closes it, a slot opens it; the limit is told with it."""
    service.on_submit = lambda n: "ERROR_NO_SLOT_AVAILABLE" if n == 2 else None
    async with client_of(seen) as client:
        async for _ in client.stream([ImageToText(PNG)] * 5):
            pass
    told = only(seen, events.GateChanged)
    assert [one.open for one in told[:2]] == [False, True]
    assert {one.account for one in told} == {"captchaai"}


async def test_a_breaker_is_told_through_all_its_states(service, seen):
    """A service that cannot be reached is left in peace, probed, and well again."""
    service.on_submit = lambda n: not_sent() if n < 7 else None
    async with client_of(seen) as client:
        assert (await client.solve(ImageToText(PNG))).ok
    states = [one.state for one in only(seen, events.BreakerChanged)]
    assert states[:2] == ["open", "half-open"]
    assert states[-1] == "closed"
    assert {one.code for one in only(seen, events.TaskRefused)} == {"connect"}


async def test_an_account_that_is_down_is_told_and_its_return_too(service, seen):
    """Refused for want of funds, then topped up: `balance()` brings it back."""
    service.on_submit = lambda n: "ERROR_ZERO_BALANCE"
    async with client_of(seen) as client:
        with pytest.raises(AccountError):
            await client.solve(ImageToText(PNG))
        await client.balance()
    told = [one.down for one in only(seen, events.AccountChanged)]
    assert told == ["ERROR_ZERO_BALANCE", None]


async def test_a_bad_task_ends_without_having_been_queued(service, seen):
    """It is told as ended, with its error's class and no charge."""
    async with client_of(seen) as client:
        with pytest.raises(InvalidTask):
            await client.solve(ImageToText(b""))
    (ended,) = seen[:1]
    assert (ended.error, ended.charged, ended.account) == ("InvalidTask", "no", None)


async def test_a_caller_that_goes_before_the_submit_is_told(service, seen):
    """Its task is withdrawn, and nothing was sent."""
    service.slots = 0
    async with client_of(seen) as client:
        with anyio.move_on_after(1):
            await client.solve(ImageToText(PNG))
    assert names(seen)[-1] == "TaskWithdrawn"


async def test_a_shared_task_is_told_once(service, seen):
    """Ten callers of one job_key are one purchase, and one task to look at."""
    async with client_of(seen) as client, anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(client.solve, ImageToText(PNG, job_key="one"))
    count = Counter(names(seen))
    assert count["TaskQueued"] == count["TaskAccepted"] == count["TaskEnded"] == 1
    assert count["TaskTaken"] == 10


async def test_a_ticket_is_adopted(service, seen):
    """What another client bought is told as taken up, not as queued."""
    async with Client(CaptchaAI(KEY, pacing=QUICK)) as first:
        ticket = await first.submit(ImageToText(PNG))
    async with client_of(seen) as client:
        await client.wait(ticket)
    assert names(seen)[0] == "TaskAdopted"
    assert "TaskQueued" not in names(seen)


@pytest.mark.usefixtures("inline")
async def test_what_a_journal_left_is_told(service, seen, path):
    """A paid task is adopted, an answer not taken is ended as redelivered."""
    service.solve = lambda: 5.0
    account = CaptchaAI(KEY, pacing=QUICK)
    async with Client(account, journal=path) as first:
        await first.submit(ImageToText(PNG, tag=1))
        stream = first.stream([ImageToText(PNG, tag=2)])
        await anext(stream)
        await first.submit(ImageToText(PNG, tag=3))
    async with client_of(seen, journal=path) as client:
        async for _ in client.resume():
            pass
    count = Counter(names(seen))
    assert count["TaskAdopted"] >= 1
    assert count["TaskEnded"] == count["TaskTaken"] == 3 - (count["TaskQueued"])
    assert any(one.redelivered for one in only(seen, events.TaskEnded))


async def test_a_callback_that_raises_harms_no_task(service, caplog):
    """All tasks are solved, the other callback sees all, and each type of error is logged once."""
    seen = []

    def broken(event):
        raise KeyError(event.at)

    account = CaptchaAI(KEY, pacing=QUICK)
    with caplog.at_level(logging.WARNING, "solvestream"):
        async with Client(account, on_event=[broken, seen.append]) as client:
            results = [one async for one in client.stream([ImageToText(PNG)] * 20)]
    assert all(one.ok for one in results)
    assert len(only(seen, events.TaskTaken)) == 20
    assert [record.getMessage() for record in caplog.records] == [
        "on_event raised KeyError; this is logged once"
    ]


@pytest.mark.parametrize(
    "kind", [events.TaskQueued, events.TaskAccepted, events.TaskEnded, events.TaskTaken]
)
async def test_a_callback_cancels_nothing(service, kind):
    """As one does that asks a cancelled future: no stream waits for ever, nothing paid is lost."""

    def cancelled(event):
        if isinstance(event, kind):
            raise asyncio.CancelledError

    async with Client(CaptchaAI(KEY, pacing=QUICK), on_event=cancelled) as client:
        with anyio.fail_after(1_000):
            found = [one async for one in client.stream(ImageToText(PNG) for _ in range(5))]
        assert [one.ok for one in found] == [True] * 5
        assert client.tickets() == ()


async def test_a_log_handler_that_raises_harms_no_task(service):
    """The callback raises, and so does the logging of that: all tasks are solved all the same."""

    def broken(event):
        raise KeyError(event.at)

    class Full(logging.Handler):
        def emit(self, record):
            raise OSError("disk full")

    handler = Full()
    logging.getLogger().addHandler(handler)
    try:
        async with Client(CaptchaAI(KEY, pacing=QUICK), on_event=broken) as client:
            results = [one async for one in client.stream([ImageToText(PNG)] * 20)]
    finally:
        logging.getLogger().removeHandler(handler)
    assert [one.ok for one in results] == [True] * 20


async def test_no_key_and_no_answer_is_in_any_event(service, seen):
    """Neither the account's key nor what was read is anywhere in what is told."""
    service.slots = 3
    async with client_of(seen) as client:
        results = [one async for one in client.stream([ImageToText(PNG)] * 10)]
    told = repr(seen)
    assert KEY not in told
    assert results[0].solution.text not in told


@pytest.mark.parametrize("wrong", [3, "print", [print, None]])
async def test_what_cannot_be_called_is_refused(wrong):
    """A wrong `on_event` is a UsageError at once."""
    with pytest.raises(UsageError, match="on_event"):
        Client(CaptchaAI(KEY), on_event=wrong)
