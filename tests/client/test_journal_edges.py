"""The journal at the edges: closing, cancelling, deadlines, shared keys, doubts.

Every test was a defect once: of what the journal said, or of what it let go of.
"""

from __future__ import annotations

import anyio
import pytest

from solvestream import (
    CaptchaAI,
    Client,
    ClientClosed,
    DeadlineExceeded,
    ImageToText,
    JournalError,
    Pacing,
    SubmitUnknown,
    Text,
)
from solvestream._journal.store import INTENT, Store, read_journal
from solvestream._journal.writer import Writer
from solvestream._outcomes import Solved
from solvestream.providers._protocol import Call
from tests.virtual import lost_reply

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("inline")]

PNG = b"\x89PNG\r\n\x1a\n"


def client_on(path, **options):
    pacing = Pacing(first_look=2.0, interval=2.0, deadline=options.pop("patience", 300.0))
    return Client(CaptchaAI("key", pacing=pacing), journal=path, **options)


def image(**options):
    return ImageToText(PNG, **options)


def entries(path):
    return {entry.job_key: entry for entry in read_journal(path)}


async def read(stream):
    return [result async for result in stream]


# Deadlines


async def test_a_deadline_told_during_the_submit_leaves_its_id_in_the_journal(service, path):
    """The reader has gone on long before the paid id comes; the journal has it all the same."""
    service.latency = 10.0
    client = await client_on(path).start()
    (late,) = await read(client.stream([image(job_key="k", deadline=1.0)]))
    assert isinstance(late.error, DeadlineExceeded)
    assert late.ticket is None
    await anyio.sleep(10)
    assert entries(path)["k"].task_id == "1000"
    assert entries(path)["k"].taken_at is None
    await client.aclose()
    service.latency = 0.01
    async with client_on(path) as client:
        (found,) = await read(client.resume())
        assert isinstance(found.error, DeadlineExceeded)
        assert (await client.wait(found.ticket)).solution.text == "text-1000"
    assert service.submits == 1


async def test_a_late_answer_is_not_let_go_of_with_the_deadline_that_was_told(service, path):
    """Who reads on after a deadline has acknowledged the deadline, and not the answer behind it."""
    service.solve = lambda: 1.0
    async with client_on(path) as client:
        async with client.stream([image(job_key="k", deadline=3.0)]) as stream:
            await anyio.sleep(1)
            service.latency = 5.0
            late = await anext(stream)
            assert isinstance(late.error, DeadlineExceeded)
            await anyio.sleep(20)  # the answer comes while the reader holds the deadline
            assert await read(stream) == []
        assert entries(path)["k"].state == "solved"
        assert entries(path)["k"].taken_at is None
    service.latency = 0.01
    async with client_on(path) as client:
        (found,) = await read(client.resume())
    assert found.ok
    assert found.redelivered


async def test_an_answer_replaces_the_deadline_that_was_noted(service, path):
    """Waiting again on the ticket of a deadline writes the answer down before it is given."""
    service.solve = lambda: 30.0
    async with client_on(path, patience=10.0) as client:
        stream = client.stream([image(job_key="k")])
        late = await anext(stream)
        assert isinstance(late.error, DeadlineExceeded)
        await anyio.sleep(30)
        result = await client.wait(late.ticket)
        assert entries(path)["k"].solution is None  # given and acknowledged by now
        assert entries(path)["k"].error is None
    assert result.solution.text == "text-1000"


# Closing


async def test_reading_on_after_closing_gives_up_no_ticket(service, path):
    """A reader is told of closing with a ticket; the next process still has it."""
    service.solve = lambda: 100.0
    client = await client_on(path).start()
    stream = client.stream([image(job_key=key) for key in "abc"])
    async with anyio.create_task_group() as group:
        results = []

        async def reader():
            async for result in stream:
                assert isinstance(result.error, ClientClosed)
                results.append(result)
            results.append(None)

        async with stream:
            group.start_soon(reader)
            await anyio.sleep(5)
            tickets = await client.aclose()
            await anyio.sleep(1)
            assert results[-1] is None
    assert {ticket.job_key for ticket in tickets} == set("abc")
    assert {entry.state for entry in entries(path).values()} == {"accepted"}
    assert all(entry.taken_at is None for entry in entries(path).values())


async def test_what_is_read_after_closing_is_given_again(service, path):
    """A result read from a closed client cannot be acknowledged; it comes again, marked so."""
    client = await client_on(path).start()
    stream = client.stream([image(job_key="k")])
    async with stream:
        await anyio.sleep(30)
        await client.aclose()
        (result,) = await read(stream)
    async with client_on(path) as client:
        (again,) = await read(client.resume())
    assert (again.redelivered, again.solution) == (True, result.solution)


async def test_what_closing_kept_from_being_sent_is_bought_by_the_next_process(
    service, path, monkeypatch
):
    """An intent that was written, and not sent as the client closed, is taken back."""
    client = await client_on(path).start()
    put = Writer.put

    def late(self, step, row, done):
        if done is not None:
            client._engine.closing = True  # between the intent and its commit
        put(self, step, row, done)

    monkeypatch.setattr(Writer, "put", late)
    with pytest.raises(ClientClosed):
        await client.solve(image(job_key="k"))
    await client.aclose()
    monkeypatch.setattr(Writer, "put", put)
    assert entries(path) == {}
    async with client_on(path) as client:
        assert (await client.solve(image(job_key="k"))).ok


# Cancelling


async def test_a_cancelled_task_that_found_no_slot_leaves_no_doubt(service, path):
    """It was certainly not bought, so the next process is not told that it may have been."""
    service.slots = 0
    service.latency = 1.0
    async with client_on(path) as client:
        with anyio.move_on_after(0.5):
            await client.solve(image())
        await anyio.sleep(3)
        assert service.submits == 1
        assert entries(path) == {}


# Doubts


async def test_a_doubt_outlives_a_refused_second_submit(service, path):
    """With `resubmit_unknown`, "no slot" for the second submit says nothing of the first."""
    service.on_submit = lambda n: lost_reply() if n == 1 else "ERROR_NO_SLOT_AVAILABLE"
    client = await client_on(path, resubmit_unknown=True).start()
    stream = client.stream([image(job_key="k")])
    async with stream:
        async with anyio.create_task_group() as group:
            group.start_soon(anext, stream)
            await anyio.sleep(10)
            assert service.submits > 1
            group.cancel_scope.cancel()
        await client.aclose()
    assert [entry.state for entry in entries(path).values()] == ["intent"]
    async with client_on(path) as client:
        (found,) = await read(client.resume())
    assert isinstance(found.error, SubmitUnknown)


async def test_waiting_at_once_for_what_was_answered_at_once(service, path):
    """Its ticket has no id of the service's, and leads to the answer that is being written."""

    class AtOnce(CaptchaAI):
        def submit(self, task, image):
            call = super().submit(task, image)
            return Call(call.request, lambda response: Solved(Text("here")))

    async with Client(AtOnce("key"), journal=path) as client:
        ticket = await client.submit(image())
        assert (await client.wait(ticket)).solution.text == "here"
    assert service.look_requests == 0


# Keys


async def test_a_second_reader_of_a_key_does_not_acknowledge_a_later_purchase(service, path):
    """Two tasks share a key and its result; the second reader comes back while a new one runs."""
    async with client_on(path) as client:
        first = client.stream([image(job_key="k")])
        second = client.stream([image(job_key="k")])
        async with first, second, anyio.create_task_group() as group:
            group.start_soon(first.__anext__)
            await anext(second)
        async with first:
            pass
    del first, second
    async with client_on(path) as client:
        one, two = client.stream([image(job_key="k")]), client.stream([image(job_key="k")])
        got = []

        async def take(stream):
            got.append(await anext(stream))

        async with anyio.create_task_group() as group:
            group.start_soon(take, one)
            group.start_soon(take, two)
        one._outbox.acknowledge()
        service.solve = lambda: 100.0
        ticket = await client.submit(image(job_key="k"))  # a new purchase of the same key
        two._outbox.acknowledge()
        assert entries(path)["k"].ticket == ticket
        assert entries(path)["k"].taken_at is None


async def test_what_could_not_be_noted_is_an_error_for_each_task(service, path, monkeypatch):
    """Each has an exception of its own, with its own key."""

    def full(self, rows, *, probe):
        raise OSError(28, "No space left on device")

    async with client_on(path) as client:
        monkeypatch.setattr(Store, "write", full)
        results = await read(client.stream([image(job_key=key) for key in "ab"]))
        monkeypatch.undo()
    assert {type(result.error) for result in results} == {JournalError}
    assert {result.error.job_key for result in results} == {"a", "b"}


# Buying without waiting


async def test_a_submit_that_raises_has_told_its_end(service, path):
    """Its caller has the error, so the key is free again and the next process is not told."""
    service.on_submit = lambda n: lost_reply() if n == 1 else None
    async with client_on(path) as client:
        with pytest.raises(SubmitUnknown):
            await client.submit(image(job_key="k"))
        assert (await client.solve(image(job_key="k"))).ok
    async with client_on(path) as client:
        assert await read(client.resume()) == []


@pytest.mark.parametrize("solved", [False, True])
async def test_a_submit_of_a_key_that_was_left_gives_its_ticket_at_once(service, path, solved):
    """Its answer is kept for `wait`, whether it is there already or not."""
    service.solve = lambda: 60.0
    async with client_on(path) as client:
        first = await client.submit(image(job_key="k"))
        await anyio.sleep(90 if solved else 1)
    async with client_on(path) as client:
        started = anyio.current_time()
        ticket = await client.submit(image(job_key="k"))
        assert anyio.current_time() == started
        assert ticket.task_id == first.task_id
        await anyio.sleep(90)
        assert (await client.wait(ticket)).solution.text == "text-1000"
    assert service.submits == 1
    async with client_on(path) as client:
        assert await read(client.resume()) == []


async def test_waiting_on_the_ticket_of_a_noted_deadline_looks_again(service, path):
    """As it does within one process: the deadline was told, and the answer may be there by now."""
    service.solve = lambda: 30.0
    async with client_on(path, patience=10.0) as client:
        ticket = await client.submit(image(job_key="k"))
        await anyio.sleep(20)
        assert entries(path)["k"].state == "expired"
    await anyio.sleep(30)
    async with client_on(path) as client:
        assert (await client.wait(ticket)).solution.text == "text-1000"


async def test_a_ticket_is_listed_while_its_answer_is_being_written(service, path, monkeypatch):
    """Between its last look and the commit, a paid task is not forgotten."""
    async with client_on(path) as client:
        ticket = await client.submit(image())
        monkeypatch.setattr(Writer, "put", lambda self, *record: self.queue.append(record))
        await anyio.sleep(30)
        assert client.tickets() == (ticket,)


@pytest.fixture
def slow_disk(monkeypatch):
    """Intents are written when the test says so; all else at once."""
    held = []

    def put(self, step, row, done):
        if step is INTENT:
            held.append((self, (step, row, done)))
        else:
            self.queue.append((step, row, done))
            self._round()

    def release():
        for writer, record in held:
            writer.queue.append(record)
        if held:
            held[0][0]._round()
        held.clear()

    monkeypatch.setattr(Writer, "put", put)
    return release


async def test_submits_that_wait_for_the_disk_hold_no_exchange(service, slow_disk, path):
    """While intents wait for a slow disk, a client of two connections looks up what is paid."""
    results = []
    async with client_on(path, connections=2) as client, anyio.create_task_group() as group:
        group.start_soon(read_into, results, client.stream([image()]))
        await anyio.sleep(0.1)
        slow_disk()
        for _ in range(3):
            group.start_soon(read_into, results, client.stream([image()]))
        await anyio.sleep(30)
        assert [one.ok for one in results] == [True]
        assert service.submits == 1
        slow_disk()
    assert [one.ok for one in results] == [True] * 4


async def test_so_many_submits_wait_for_the_disk_at_most(service, slow_disk, path, monkeypatch):
    """What a killed process leaves in doubt is bounded."""
    monkeypatch.setattr("solvestream._engine.NOTING", 3)
    async with client_on(path) as client, anyio.create_task_group() as group:
        results = []
        group.start_soon(read_into, results, client.stream([image()] * 10))
        await anyio.sleep(1)
        slow_disk()
        assert len(entries(path)) == 3
        for _ in range(10):
            await anyio.sleep(1)
            slow_disk()
    assert [one.ok for one in results] == [True] * 10


async def test_closing_sends_nothing_that_still_waits_for_the_disk(service, slow_disk, path):
    """Their intents are taken back, and nothing is left in doubt."""
    results = []
    async with anyio.create_task_group() as group:
        client = await client_on(path).start()
        group.start_soon(read_into, results, client.stream([image()] * 4))
        await anyio.sleep(1)
        group.start_soon(client.aclose)
        await anyio.sleep(0.1)
        slow_disk()
    assert service.submits == 0
    assert entries(path) == {}
    assert [type(one.error) for one in results] == [ClientClosed] * 4


async def test_closing_sends_nothing_that_waits_for_an_exchange(service, slow_disk, path):
    """An intent that is written, and found both connections busy, is taken back."""
    service.latency = 10.0
    results = []
    async with anyio.create_task_group() as group:
        client = await client_on(path, connections=2).start()
        group.start_soon(read_into, results, client.stream([image()] * 4))
        await anyio.sleep(1)
        slow_disk()
        await anyio.sleep(1)
        assert service.on_wire == 2
        await client.aclose()
        slow_disk()
    assert service.peak_on_wire == 2
    assert [entry.state for entry in entries(path).values()] == ["unknown"] * 2


async def test_tasks_of_one_key_share_what_an_earlier_process_left(service, path):
    """Three tasks of a key that was paid get its answer, each with its own tag."""
    first = await client_on(path).start()
    stream = first.stream([image(job_key="k")])
    with anyio.move_on_after(1):
        await anext(stream)
    await first.aclose()
    results = []
    async with client_on(path) as client, anyio.create_task_group() as group:
        for tag in range(3):
            again = client.stream([image(job_key="k", tag=tag)])
            group.start_soon(read_into, results, again)
    assert sorted((one.tag, one.ok) for one in results) == [(0, True), (1, True), (2, True)]
    assert service.submits == 1


async def read_into(results, stream):
    async for result in stream:
        results.append(result)
