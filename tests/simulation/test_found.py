"""What the simulation found, each as its smallest scene; all are mended."""

from __future__ import annotations

import asyncio
import gc

import pytest

from solvestream import AccountError, Busy, SolvestreamError
from solvestream._wire import Response
from tests.simulation.speech import CreateTaskSpeech
from tests.simulation.stage import Stage
from tests.simulation.weather import Period
from tests.simulation.world import Service


async def ended(call):
    """Return the error a call ends with, or its result."""
    try:
        return await call
    except SolvestreamError as error:
        return error


def test_a_second_caller_of_a_key_has_its_own_deadline():
    """Who joins a task under way by its `job_key` is told by its own deadline."""
    stage = Stage()
    stage.weather.work = (60.0, 60.0)

    async def play(stage):
        async with stage.client() as client:
            first = asyncio.ensure_future(client.solve(stage.speech.task(1, False, job_key="k")))
            await asyncio.sleep(1)
            began = stage.loop.moment
            await ended(client.solve(stage.speech.task(1, False, job_key="k", deadline=5)))
            took = stage.loop.moment - began
            await first
            return took

    assert stage.run(play) <= 5.3


def test_a_first_caller_s_deadline_is_its_own():
    """Who joins a task under way, and has no deadline, gets the answer."""
    stage = Stage()
    stage.weather.work = (20.0, 20.0)

    async def play(stage):
        async with stage.client() as client:
            task = stage.speech.task(1, False, job_key="k", deadline=5)
            first = asyncio.ensure_future(ended(client.solve(task)))
            await asyncio.sleep(1)
            second = await ended(client.solve(stage.speech.task(1, False, job_key="k")))
            await first
            return second

    assert not isinstance(stage.run(play), SolvestreamError)


def test_a_key_is_held_while_its_submit_is_on_the_wire():
    """A task whose caller's deadline passed is not bought again under its key before its reply."""
    stage = Stage(CreateTaskSpeech())
    stage.weather.work = (20.0, 20.0)

    async def play(stage):
        async with stage.client() as client:
            task = stage.speech.task(1, False, job_key="k", deadline=5)
            await ended(client.solve(task))
            await ended(client.solve(stage.speech.task(1, False, job_key="k")))

    stage.run(play)
    assert len(stage.ledger.orders) == 1


def test_an_old_answer_is_not_another_task_s():
    """A reply given out twice, with answer and taskId of an earlier task, answers no other."""
    stage = Stage(CreateTaskSpeech())
    stage.weather.work = (1.0, 1.0)

    async def play(stage):
        async with stage.client() as client:
            first = await client.solve(stage.speech.task(1, False))
            stage.weather.old_answers, stage.weather.submits = True, 1.0
            stage.weather.submit_faults = ("old_id",)
            second = await ended(client.solve(stage.speech.task(2, False)))
            return first.solution, getattr(second, "solution", None)

    first, second = stage.run(play)
    assert first != second


def test_a_submit_accepted_while_closing_is_not_called_free():
    """A caller of `submit` whose reply comes while the client closes gets the ticket."""
    stage = Stage()

    async def play(stage):
        client = await stage.client().start()
        buying = asyncio.ensure_future(ended(client.submit(stage.speech.task(1, False))))
        await asyncio.sleep(0.001)
        tickets = await client.aclose()
        assert len(tickets) == 1
        return await buying

    assert getattr(stage.run(play), "charged", "yes") != "no"


def test_a_ban_is_not_called_busy():
    """A task that met a ban and not a full service is not told that no slot was free."""
    stage = Stage()
    stage.weather.periods = [Period("ban", 0.0, 2000.0)]

    async def play(stage):
        async with stage.client() as client:
            return await ended(client.solve(stage.speech.task(1, False, deadline=10)))

    assert not isinstance(stage.run(play), Busy)


def test_a_ban_told_to_a_balance_is_heard():
    """After `balance()` was answered by a ban, nothing more is sent."""
    stage = Stage()
    stage.weather.work = (5.0, 5.0)

    async def play(stage):
        async with stage.client() as client:
            await client.submit(stage.speech.task(1, False))
            stage.weather.periods = [Period("ban", 0.0, 1300.0)]
            with pytest.raises(AccountError):
                await client.balance()
            before = len(stage.ledger.requests_at)
            await asyncio.sleep(100)
            return len(stage.ledger.requests_at) - before

    assert stage.run(play) == 0


def test_an_answer_that_may_be_cut_short_is_not_handed_over_as_whole(monkeypatch):
    """A plain look reply ended by the end of the connection only is looked for again."""
    stage = Stage()
    stage.weather.work = (1.0, 1.0)

    async def play(stage):
        async with stage.client() as client:
            ticket = await client.submit(stage.speech.task(1, False))
            order = stage.ledger.orders[ticket.task_id]
            arrive = Service.arrive

            def cut(service, exchange):
                monkeypatch.undo()
                whole, wait = arrive(service, exchange)
                return Response(200, body=whole.body[:7], delimited=False), wait

            monkeypatch.setattr(Service, "arrive", cut)
            result = await client.wait(ticket)
            return result.solution.text, order.answer

    text, answer = stage.run(play)
    assert text == answer


def test_a_stream_collected_in_a_callback_lets_go():
    """Garbage collected while a callback runs drops what was not sent, as anywhere else."""
    stage = Stage()
    stage.weather.work = (5.0, 5.0)

    async def play(stage):
        async with stage.client(max_in_flight=1) as client:
            stream = client.stream(stage.speech.task(n, False) for n in range(1, 11))
            await anext(stream)
            circle = [stream]
            circle.append(circle)
            del stream, circle
            stage.loop.call_soon(gc.collect)
            await asyncio.sleep(200)

    stage.run(play)
    assert len(stage.ledger.orders) <= 2


def test_a_second_caller_without_a_deadline_breaks_nothing():
    """Two callers share a key, neither has a deadline: the client still works 300 s later."""
    stage = Stage()
    stage.weather.work = (1.0, 1.0)

    async def play(stage):
        async with stage.client() as client:
            first = asyncio.ensure_future(client.solve(stage.speech.task(1, False, job_key="k")))
            await asyncio.sleep(1)
            await client.solve(stage.speech.task(1, False, job_key="k"))
            await first
            await asyncio.sleep(400)
            return await ended(client.solve(stage.speech.task(2, False)))

    assert not isinstance(stage.run(play), SolvestreamError)
