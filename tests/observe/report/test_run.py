"""From a journal to what is shown of it."""

from __future__ import annotations

from itertools import pairwise

import anyio
import pytest

from solvestream import (
    CaptchaAI,
    Client,
    DeadlineExceeded,
    ImageToText,
    Pacing,
    ProtocolError,
    SubmitUnknown,
    TaskFailed,
    Text,
    TransportError,
    UsageError,
)
from solvestream._journal.store import read_journal, read_samples
from solvestream._journal.values import Entry
from solvestream.errors import JournalError
from solvestream.observe.report import read_run, write_report
from solvestream.observe.report.run import task_of
from tests.journal.owner import owner

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n"
KEY = "made-up-key-never-shown-4711"
ANSWER = "made-up-answer-never-shown"


def client_on(path):
    account = CaptchaAI(KEY, pacing=Pacing(first_look=2.0, interval=5.0))
    return Client(account, journal=path)


@pytest.mark.usefixtures("inline")
async def test_a_run_is_in_the_report_with_its_looks(service, tmp_path):
    """A task that took 12 s was looked at after 2, 7 and 12 s, and then taken."""
    path = tmp_path / "run.db"
    async with client_on(path) as client:
        await client.solve(ImageToText(PNG, tag="a.png"))
    (task,) = read_run(path).tasks
    assert (task.name, task.state, task.looks) == ("a.png", "solved", 3)
    offsets = [moment - task.accepted for moment in task.looked]
    assert offsets == pytest.approx([2.0, 7.0, 12.0], abs=0.2)
    assert task.queued <= task.submitted < task.accepted < task.ended <= task.taken


@pytest.mark.usefixtures("inline")
async def test_accounts_are_sampled_once_a_second_and_when_something_changed(service, tmp_path):
    """Asked a hundred times a second for ten seconds, of which nothing happens in most."""
    path = tmp_path / "run.db"
    service.slots = 2
    service.solve = lambda: 6.0
    async with client_on(path) as client, anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(client.solve, ImageToText(PNG, tag=number))
        for _ in range(1_000):
            await anyio.sleep(0.01)
            client._engine.recorder.sample(client._scheduler, client._engine.now())
    samples = list(read_samples(path))
    assert 3 <= len(samples) <= 12
    gaps = [after.at - before.at for before, after in pairwise(samples[:-1])]
    assert min(gaps) >= 1.0
    assert samples[-1].submits >= 5
    assert samples[-1].refused >= 1
    assert {sample.gate for sample in samples} == {"open", "closed"}
    assert max(sample.in_flight for sample in samples) <= 5
    assert samples[-1].in_flight == 0, "closing takes the last one"
    assert read_run(path).samples == tuple(samples)


@pytest.mark.usefixtures("inline")
async def test_many_looks_keep_the_first_ones_and_the_last(service, tmp_path, monkeypatch):
    """What is remembered of a task is bounded, however often it is asked for."""
    monkeypatch.setattr("solvestream._recorder.LOOKED", 4)
    service.solve = lambda: 60.0
    async with client_on(tmp_path / "run.db") as client:
        await client.solve(ImageToText(PNG))
        assert client._engine.recorder._looked == {}
    (entry,) = read_journal(tmp_path / "run.db")
    assert entry.looks == 13
    assert entry.looked == pytest.approx((2.0, 7.0, 12.0, 62.0), abs=0.3)


@pytest.mark.usefixtures("inline")
async def test_neither_key_nor_answer_is_in_the_page(service, tmp_path):
    """Not in what is seen, and not in what is packed."""
    service.answer = lambda _: ANSWER
    path = tmp_path / "run.db"
    async with client_on(path) as client:
        ticket = await client.submit(ImageToText(PNG))
        await anyio.sleep(20)
        run = write_report(path, tmp_path / "run.html")
        assert (await client.wait(ticket)).solution == Text(ANSWER)
    content = (tmp_path / "run.html").read_text()
    assert len(run.tasks) == 1
    assert ANSWER not in content + repr(run)
    assert KEY not in content + repr(run)


def entry(**options):
    known = {"row": 1, "state": "failed", "job_key": "k", "account": "a", "kind": "image"}
    return Entry(**known | {"queued_at": 1.0, "submitted_at": 2.0} | options)


def test_words_of_an_error_are_shown_where_they_are_ours():
    """Those that may quote a reply are not: an answer could be in it."""
    broken = task_of(entry(error=TransportError("no connection", verdict="not_sent")))
    assert (broken.error, broken.code, broken.why) == ("TransportError", "", "no connection")
    for kind in (ProtocolError, TaskFailed, SubmitUnknown, DeadlineExceeded):
        assert ANSWER not in repr(task_of(entry(error=kind(f"an unexpected reply: {ANSWER}"))))


def test_moments_that_no_clock_gives_are_left_out():
    """As a ticket from outside may have them."""
    task = task_of(entry(accepted_at=1e308, ended_at=-1.0, queued_at=float("nan")))
    assert (task.accepted, task.ended, task.queued) == (None, None, 2.0)


@pytest.mark.parametrize("cost", [-1.0, 1e308, float("inf"), float("nan")])
def test_a_price_that_no_task_has_is_not_said(cost):
    """A service may say anything."""
    assert task_of(entry(cost=cost)).cost is None


def test_a_task_taken_up_by_an_old_ticket_does_not_stretch_the_page(tmp_path):
    """The run begins with what happened in it."""
    with owner(tmp_path / "run.db") as one:
        old = one.journal.adopted(
            job_key="old", account="a", kind="image", task_id="1", accepted_at=1e9
        )
        one.journal.ended(old, at=1e9 + 5e6, solution=Text("x"))
        new = {"account": "a", "kind": "image", "queued_at": 1e9 + 5e6 + 1}
        one.journal.intent(job_key="k", submitted_at=1e9 + 5e6 + 2, done=lambda _: None, **new)
    run = read_run(tmp_path / "run.db")
    assert (run.begin, run.end) == (1e9 + 5e6, 1e9 + 5e6 + 2)


def test_a_journal_in_use_is_read(tmp_path):
    """The run that writes it is neither stopped nor waited for."""
    path = tmp_path / "run.db"
    with owner(path) as one:
        one.solved("k")
        assert len(write_report(path, tmp_path / "run.html").tasks) == 1
        assert one.intent("after")[1] is None


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-lock"])
def test_the_journal_itself_is_never_overwritten(tmp_path, end):
    """An output that is one of its files is refused, whatever way leads there."""
    path = tmp_path / "run.db"
    with owner(path) as one:
        one.solved("k")
        with pytest.raises(UsageError, match="own file"):
            write_report(path, tmp_path / "." / f"run.db{end}")
    assert len(read_run(path).tasks) == 1


def test_what_is_no_journal_makes_no_page(tmp_path):
    """A path with a slip in it is told."""
    with pytest.raises(JournalError):
        write_report(tmp_path / "none.db", tmp_path / "run.html")
    assert not (tmp_path / "run.html").exists()
