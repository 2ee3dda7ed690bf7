"""The journal in single scenes, in virtual time; `test_simulation` has it in thousands."""

from __future__ import annotations

import pytest

from solvestream import SolvestreamError
from tests.simulation.stage import Stage
from tests.simulation.test_found import ended


def test_a_reader_that_comes_back_after_the_client_closed_gets_no_journal_error(tmp_path):
    """Reading on in a stream of a closed client ends the stream as without a journal."""
    stage = Stage()
    stage.weather.work = (1.0, 1.0)

    async def play(stage):
        client = await stage.client(journal=tmp_path / "run.db").start()
        stream = client.stream([stage.speech.task(1, False)])
        await anext(stream)
        await client.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    stage.run(play)


def test_a_journal_works_without_a_direct_transport(tmp_path):
    """A transport without `begin`, as httpx, and a journal: the task is submitted and solved."""
    stage = Stage(by_task=True)
    stage.weather.work = (1.0, 1.0)

    async def play(stage):
        async with stage.client(journal=tmp_path / "run.db") as client:
            task = stage.speech.task(1, False, deadline=60)
            return await ended(client.solve(task))

    assert not isinstance(stage.run(play), SolvestreamError)
