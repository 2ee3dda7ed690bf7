"""The book of jobs, in virtual time: bounded, bought once, told to whoever listens."""

from __future__ import annotations

import gc
import weakref

import anyio
import pytest

from solvestream import (
    Busy,
    CaptchaAI,
    Client,
    ClientClosed,
    ImageToText,
    InvalidTask,
    Pacing,
    UsageError,
)
from solvestream._journal.store import read_journal
from solvestream.integrations.jobs import Jobs
from tests.virtual import ASYNCIO, FakeService

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return ASYNCIO


@pytest.fixture
def service(monkeypatch):
    """Tasks take 1 s, 2 s, ... in the order in which they came."""
    seconds = iter(range(1, 1_000))
    fake = FakeService(solve=lambda: float(next(seconds)))
    monkeypatch.setattr("solvestream.client.open_transport", lambda http, connections: fake)
    return fake


@pytest.fixture
async def client(service):
    async with Client(CaptchaAI("key")) as client:
        yield client


@pytest.fixture
async def jobs(client):
    async with anyio.create_task_group() as group:
        jobs = Jobs(client, limit=3, keep=3)
        group.start_soon(jobs.run)
        yield jobs
        group.cancel_scope.cancel()


IMAGE = ImageToText(b"\x89PNG\r\n\x1a\n", tag="mine")


async def until(true):
    """Wait until something is true, for ten seconds at most."""
    for _ in range(2_000):
        if true():
            return
        await anyio.sleep(0.005)
    raise AssertionError("it never came true")


async def names(feed):
    return [result.tag async for result in feed]


async def test_a_job_is_taken_in_at_once_and_solved_later(jobs):
    """Its id is there before anything is sent; the result comes under it, without the image."""
    name = jobs.add(IMAGE)
    assert len(name) >= 20
    assert jobs.result(name) is None
    assert repr(jobs) == "<Jobs 1 under way, 0 ended>"
    assert await names(jobs.feed([name])) == [name]
    result = jobs.result(name)
    assert result.ok
    assert result.task is None
    assert repr(jobs) == "<Jobs 0 under way, 1 ended>"


async def test_too_many_are_refused_and_room_comes_back(jobs):
    """Beyond the limit a job is refused before it costs anything."""
    first, *_ = [jobs.add(IMAGE) for _ in range(3)]
    with pytest.raises(Busy, match="3 jobs are under way"):
        jobs.add(IMAGE)
    await names(jobs.feed([first]))
    jobs.add(IMAGE)


async def test_bad_tasks_are_refused_at_once(jobs):
    """A task that cannot be sent never becomes a job."""
    with pytest.raises(InvalidTask):
        jobs.add(ImageToText(b""))
    assert repr(jobs) == "<Jobs 0 under way, 0 ended>"


async def test_a_known_name_is_the_same_job(service, jobs):
    """Under way or ended, full or not, it is not bought again."""
    named = [jobs.add(IMAGE, name) for name in "abc"]
    assert [jobs.add(IMAGE, name) for name in "abc"] == named
    await names(jobs.feed(named))
    assert [jobs.add(IMAGE, name) for name in "abc"] == named
    assert service.submits == 3


async def test_only_so_many_ended_jobs_are_remembered(jobs):
    """The oldest is forgotten first, and asking for it says so."""
    for _ in range(2):
        await names(jobs.feed([jobs.add(IMAGE) for _ in range(2)]))
    known = [jobs.add(IMAGE, "last")]
    await names(jobs.feed(known))
    assert repr(jobs) == "<Jobs 0 under way, 3 ended>"
    with pytest.raises(KeyError):
        jobs.result("never")
    with pytest.raises(KeyError):
        jobs.feed(["last", "never"])


async def test_a_feed_tells_each_in_the_order_of_its_end_from_where_one_left(jobs):
    """What ended before comes first, each once; `after` leaves out what was told."""
    for name in "abc":
        jobs.add(IMAGE, name)
    assert await names(jobs.feed("cab")) == ["a", "b", "c"]
    assert await names(jobs.feed("ccbaa")) == ["a", "b", "c"]
    assert await names(jobs.feed("cab", after="b")) == ["c"]
    assert await names(jobs.feed("cab", after="unknown")) == ["a", "b", "c"]
    assert jobs.feed("ab", after="c").finished


async def test_a_listener_that_is_cancelled_loses_nothing(jobs):
    """A cancelled wait takes no result along."""
    jobs.add(IMAGE, "a")
    feed = jobs.feed("a")
    with anyio.move_on_after(0.001):
        await anext(feed)
    assert (await anext(feed)).tag == "a"
    with pytest.raises(StopAsyncIteration):
        await anext(feed)


async def test_a_listener_that_leaves_is_forgotten(jobs):
    """A closed feed hangs on no job, and costs no memory."""
    jobs.add(IMAGE, "a")
    async with jobs.feed("a") as feed:
        gone = weakref.ref(feed)
    del feed
    gc.collect()
    assert gone() is None
    assert await names(jobs.feed("a")) == ["a"]


async def test_jobs_that_are_left_fail_when_the_client_closes(service, client):
    """Nobody waits for ever: listeners are told, and no further job is taken."""
    jobs = Jobs(client)
    async with anyio.create_task_group() as group:
        group.start_soon(jobs.run)
        jobs.add(IMAGE, "a")
        await anyio.sleep(0.1)
        jobs.add(IMAGE, "b")
        await client.aclose()
        results = [result async for result in jobs.feed("ab")]
    assert {type(result.error) for result in results} == {ClientClosed}
    with pytest.raises(ClientClosed):
        jobs.add(IMAGE)


async def test_jobs_that_are_left_fail_when_the_work_is_cancelled(client):
    """What was paid stays with the client, by its ticket."""
    jobs = Jobs(client)
    async with anyio.create_task_group() as group:
        group.start_soon(jobs.run)
        jobs.add(IMAGE, "a")
        await anyio.sleep(0.1)
        group.cancel_scope.cancel()
    assert type(jobs.result("a").error) is ClientClosed
    (ticket,) = client.tickets()
    assert (await client.wait(ticket)).ok


async def test_wrong_options_are_refused_at_once(client):
    """An app that cannot work does not start: no journal to resume from, no room."""
    with pytest.raises(UsageError, match="journal"):
        Jobs(client, resume=True)
    with pytest.raises(UsageError, match="limit"):
        Jobs(client, limit=0)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the journal keeps real time
async def test_what_an_earlier_process_left_is_a_job_again(service, tmp_path):
    """Under its id, as soon as it is known; until then nobody is told that there is no such job."""
    service.solve = lambda: 0.0

    def open_client(first_look):
        pacing = Pacing(first_look=first_look, interval=0.01)
        return Client(CaptchaAI("key", pacing=pacing), journal=tmp_path / "jobs.db")

    async with open_client(60.0) as client, anyio.create_task_group() as group:
        group.start_soon((jobs := Jobs(client)).run)
        jobs.add(IMAGE, "a")
        await until(client.tickets)
        group.cancel_scope.cancel()
    async with open_client(0.01) as client, anyio.create_task_group() as group:
        group.start_soon((jobs := Jobs(client, resume=True)).run)
        for ask in (jobs.result, jobs.feed, lambda name: jobs.add(IMAGE, name)):
            with pytest.raises(Busy, match="earlier process"):
                ask("a")
        assert await names(jobs.feed([jobs.add(IMAGE)]))
        await until(lambda: "2 ended" in repr(jobs))
        await anyio.sleep(0.01)
        assert jobs.result("a").ok
        assert jobs.add(IMAGE, "a") == "a"
        with pytest.raises(KeyError):
            jobs.result("b")
        group.cancel_scope.cancel()
    assert service.submits == 2


@pytest.mark.usefixtures("inline")
async def test_an_id_is_the_same_job_after_a_restart(service, tmp_path):
    """A worker that ends and begins anew knows its last ended jobs, and buys none of them again."""
    path = tmp_path / "jobs.db"
    for _ in range(3):
        client = Client(CaptchaAI("key"), journal=path)
        async with client, anyio.create_task_group() as group:
            jobs = Jobs(client, keep=2, resume=True)
            group.start_soon(jobs.run)
            await anyio.sleep(1)
            for name in ("first", "second"):
                assert jobs.add(IMAGE, name) == name
                await anyio.sleep(30)
                assert jobs.result(name).ok
            group.cancel_scope.cancel()
    assert service.submits == 2


@pytest.mark.usefixtures("inline")
async def test_a_job_that_is_forgotten_leaves_the_journal(service, tmp_path):
    """Of five jobs the last two are kept, in memory and in the journal."""
    path = tmp_path / "jobs.db"
    client = Client(CaptchaAI("key"), journal=path)
    async with client, anyio.create_task_group() as group:
        jobs = Jobs(client, keep=2, resume=True)
        group.start_soon(jobs.run)
        await anyio.sleep(1)
        for number in range(5):
            jobs.add(IMAGE, f"job-{number}")
            await anyio.sleep(30)
        group.cancel_scope.cancel()
    assert [entry.tag for entry in read_journal(path, left=True)] == ["job-3", "job-4"]
