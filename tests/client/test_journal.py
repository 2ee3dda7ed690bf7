"""The client with a journal: what is noted when, and what the next process is given."""

from __future__ import annotations

import math

import anyio
import pytest

from solvestream import (
    CaptchaAI,
    Client,
    ImageToText,
    InvalidTask,
    JournalError,
    Pacing,
    SubmitUnknown,
    UsageError,
)
from solvestream._journal.store import Store, read_journal
from tests.virtual import lost_reply, not_sent

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("inline")]

PNG = b"\x89PNG\r\n\x1a\n"


def client_on(path, **options):
    account = CaptchaAI("key", pacing=Pacing(first_look=2.0, interval=2.0))
    return Client(account, journal=path, **options)


def states(path):
    return [entry.state for entry in read_journal(path)]


async def test_an_intent_is_noted_before_a_byte_leaves(service, path):
    """When the service gets a submit, the journal has its intent on disk."""
    seen = []
    service.on_submit = lambda n: seen.append(states(path))
    async with client_on(path) as client:
        await client.solve(ImageToText(PNG))
    assert seen == [["intent"]]


async def test_a_result_is_noted_before_it_is_handed_over_and_acked_after(service, path):
    """A stream's result is acknowledged when its reader comes back for the next."""
    async with client_on(path) as client:
        stream = client.stream([ImageToText(PNG, tag=n) for n in range(3)])
        taken = []
        async for result in stream:
            rows = {entry.tag: entry for entry in read_journal(path)}
            assert rows[result.tag].solution == result.solution
            assert rows[result.tag].taken_at is None
            assert all(rows[tag].taken_at is not None for tag in taken)
            taken.append(result.tag)
    assert all(entry.taken_at is not None for entry in read_journal(path))


async def test_what_a_process_leaves_is_resumed(service, path):
    """Answers, ids and doubts of one life are the next one's, each once."""
    service.solve = iter([1.0, 1.0, 100.0, 100.0]).__next__
    service.on_submit = lambda n: lost_reply() if n == 4 else None
    async with client_on(path) as client:
        stream = client.stream([ImageToText(PNG, tag=n) for n in range(4)])
        await anext(stream)
        await anyio.sleep(5)
    async with client_on(path) as client:
        left = {result.tag: result async for result in client.resume()}
        assert [one async for one in client.resume()] == []
    assert set(left) == set(range(4))
    assert [type(one.error) for one in left.values() if not one.ok] == [SubmitUnknown]
    assert sum(one.redelivered for one in left.values()) == 3
    assert sum(one.ok for one in left.values()) == 3
    assert service.submits == 4
    async with client_on(path) as client:
        assert [one async for one in client.resume()] == []


async def test_an_intent_without_an_id_is_never_sent_again(service, path, monkeypatch):
    """A process that died in its submit leaves a doubt, and a doubt is not bought twice."""
    client = await client_on(path).start()
    service.latency = math.inf
    async with anyio.create_task_group() as group:
        group.start_soon(client.submit, ImageToText(PNG, job_key="k", tag="t"))
        await anyio.sleep(1)
        client._engine.recorder.journal.close()
        group.cancel_scope.cancel()
    service.latency = 0.01
    async with client_on(path) as second:
        result = await anext(second.resume())
        assert isinstance(result.error, SubmitUnknown)
        assert (result.tag, result.error.job_key, result.error.charged) == ("t", "k", "maybe")
    assert service.submits == 0
    with anyio.CancelScope(shield=True):
        await client._engine.aclose()


async def test_a_job_key_of_an_earlier_process_is_not_bought_again(service, path):
    """Handing the same tasks over again after a stop buys only what was not bought."""
    service.solve = iter([1.0, 100.0, 1.0]).__next__
    async with client_on(path) as client:
        await client.submit(ImageToText(PNG, job_key="a"))
        await client.submit(ImageToText(PNG, job_key="b"))
        await anyio.sleep(5)
    async with client_on(path) as client:
        tasks = [ImageToText(PNG, job_key=key, tag=key) for key in "abc"]
        found = {result.tag: result.unwrap().text async for result in client.stream(tasks)}
    assert found == {"a": "text-1000", "b": "text-1001", "c": "text-1002"}
    assert service.submits == 3


async def test_a_failed_task_may_be_tried_again_under_its_key_at_once(service, path):
    """The result in hand does not stand in the way of a second try."""
    service.answer = lambda task_id: "ERROR_CAPTCHA_UNSOLVABLE" if task_id == "1000" else "yes"
    async with client_on(path) as client:
        async for result in client.stream([ImageToText(PNG, job_key="k")]):
            assert not result.ok
            again = await client.solve(ImageToText(PNG, job_key="k"))
    assert again.solution.text == "yes"


async def test_an_unread_result_holds_its_key(service, path):
    """A key whose result waits to be read is not bought a second time."""
    async with client_on(path) as client, client.stream([ImageToText(PNG, job_key="k")]) as stream:
        await anyio.sleep(30)
        with pytest.raises(InvalidTask, match="read it first"):
            await client.solve(ImageToText(PNG, job_key="k"))
        assert (await anext(stream)).ok


async def test_refused_submits_leave_no_doubt(service, path):
    """Whatever certainly bought nothing is taken back from the journal."""
    service.on_submit = lambda n: ["ERROR_NO_SLOT_AVAILABLE", not_sent(), None][min(n, 3) - 1]
    async with client_on(path) as client:
        ticket = await client.submit(ImageToText(PNG))
        assert [entry.ticket for entry in read_journal(path)] == [ticket]
    assert states(path) == ["accepted"]


async def test_a_kept_answer_survives_until_somebody_waits(service, path):
    """An answer nobody waited for is in the journal, and a wait acknowledges it."""
    async with client_on(path) as client:
        ticket = await client.submit(ImageToText(PNG))
        await anyio.sleep(30)
        assert states(path) == ["solved"]
    async with client_on(path) as client:
        assert (await client.wait(ticket)).solution.text == "text-1000"
        assert [one async for one in client.resume()] == []
    assert service.look_requests == 6
    assert [entry.taken_at is not None for entry in read_journal(path)] == [True]


async def test_what_cannot_be_noted_is_not_bought(service, path, monkeypatch):
    """A full disk ends new tasks with JournalError; what is paid is still looked up."""
    async with client_on(path) as client:
        ticket = await client.submit(ImageToText(PNG))
        write = Store.write

        def full(self, rows, *, probe):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Store, "write", full)
        with pytest.raises(JournalError, match="No space left"):
            await client.solve(ImageToText(PNG))
        assert (await client.wait(ticket)).solution.text == "text-1000"
        assert service.submits == 1
        monkeypatch.setattr(Store, "write", write)


async def test_two_clients_of_one_journal_are_refused(service, path):
    """The second is told which file is in use."""
    async with client_on(path):
        with pytest.raises(JournalError, match=r"run\.db"):
            await client_on(path).start()


async def test_resume_needs_a_journal(service):
    """Without one, it says how to get one."""
    async with Client(CaptchaAI("key")) as client:
        with pytest.raises(UsageError, match="journal=PATH"):
            client.resume()


async def test_a_result_is_held_until_it_is_acknowledged_by_hand(service, path):
    """With auto_ack=False reading on acknowledges nothing; what was not is given again."""
    async with client_on(path) as client:
        stream = client.stream([ImageToText(PNG, tag=n) for n in range(3)], auto_ack=False)
        results = [result async for result in stream]
        assert [entry.taken_at for entry in read_journal(path)] == [None] * 3
        client.ack(results[0])
        client.ack(results[0])
        assert [entry.tag for entry in read_journal(path, left=True)] != [0, 1, 2]
    async with client_on(path) as client:
        again = [result async for result in client.resume(auto_ack=False)]
        assert {one.tag for one in again} == {one.tag for one in results[1:]}
        assert all(one.redelivered and one.ok for one in again)
        for one in again:
            client.ack(one)
    async with client_on(path) as client:
        assert [result async for result in client.resume()] == []
    assert service.submits == 3
