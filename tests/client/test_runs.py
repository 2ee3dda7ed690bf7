"""Whole runs in virtual time: what a user sees, and what the service saw."""

from __future__ import annotations

import anyio
import pytest

from solvestream import CaptchaAI, Client, ImageToText, Pacing, RecaptchaV2, Token
from tests.virtual import lost_reply, not_sent, uniform

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n"


def images(count: int):
    return (ImageToText(PNG + b"%d" % n, tag=n) for n in range(count))


async def test_one_task_follows_the_reference_schedule(service):
    """A task is first looked at after 10 s and then every 5 s."""
    service.solve = lambda: 18.0
    async with Client(CaptchaAI("key")) as client:
        start = anyio.current_time()
        result = await client.solve(ImageToText(PNG, tag="t"))
    assert result.solution.text == "text-1000"
    assert (result.tag, result.polls, result.account) == ("t", 3, "captchaai")
    assert [round(at - start) for at in service.requests_at] == [0, 10, 15, 20]


async def test_a_thousand_tasks_take_no_longer_than_the_slowest(service):
    """All tasks are in flight together, over no more than 64 exchanges at once."""
    service.solve = uniform(8, 16)
    async with Client(CaptchaAI("key")) as client:
        start = anyio.current_time()
        seen = [r.tag async for r in client.stream(images(1000), in_flight=1000)]
        took = anyio.current_time() - start
    assert sorted(seen) == list(range(1000))
    assert took < 22
    assert service.peak_on_wire <= 64
    assert service.submits == 1000


async def test_batches_ask_for_many_ids_in_one_request(service):
    """With `multi_id`, a thousand tasks need few look requests and the same looks."""
    service.solve = uniform(8, 16)
    async with Client(CaptchaAI("key", multi_id=True)) as client:
        seen = [r async for r in client.stream(images(1000), in_flight=1000)]
    assert all(r.ok for r in seen)
    assert {r.solution.text for r in seen} == {f"text-{n}" for n in range(1000, 2000)}
    assert service.look_requests <= 60


async def test_full_slots_lose_no_task(service):
    """Tasks beyond the slots are refused, wait as one, and all end solved."""
    service.slots = 20
    service.solve = uniform(2, 6)
    pacing = Pacing(first_look=1, interval=1)
    async with Client(CaptchaAI("key", pacing=pacing)) as client:
        seen = [r async for r in client.stream(images(300), in_flight=300)]
    assert all(r.ok for r in seen)
    assert len(seen) == 300
    assert service.refusals <= 0.2 * 300


async def test_ordered_results_come_in_the_order_of_the_tasks(service):
    """`ordered=True` yields input order whatever the order of completion."""
    service.solve = uniform(2, 60)
    async with Client(CaptchaAI("key")) as client:
        seen = [r.tag async for r in client.stream(images(100), in_flight=30, ordered=True)]
    assert seen == list(range(100))


async def test_a_lost_submit_reply_is_never_sent_again(service):
    """A submit whose reply was lost ends as SubmitUnknown, and the service saw one submit."""
    service.on_submit = lambda n: lost_reply()
    async with Client(CaptchaAI("key")) as client:
        (result,) = [r async for r in client.stream([ImageToText(PNG)])]
    assert type(result.error).__name__ == "SubmitUnknown"
    assert (result.error.charged, result.error.verdict) == ("maybe", "unknown")
    assert service.submits == 1


async def test_a_submit_that_never_left_is_sent_again(service):
    """Refused connections cost nothing: the task is submitted once one works."""
    service.on_submit = lambda n: not_sent() if n < 9 else None
    async with Client(CaptchaAI("key")) as client:
        result = await client.solve(ImageToText(PNG))
    assert result.ok
    assert service.submits == 9


async def test_tokens_expire(service):
    """A token carries the moment until which it is good."""
    async with Client(CaptchaAI("key")) as client:
        result = await client.solve(RecaptchaV2("site", "https://example.com"))
    assert isinstance(result.solution, Token)
    assert result.expires_at == pytest.approx(result.solved_at + 120)
