"""Faults of the journal and of processes that end (`faults.json`: N20, N21, D03, X01-X18, C03).

A kill is a copy of the journal's files at that moment: what the operating system has then is what
`kill -9` leaves. (tests/journal kills real processes.) The journal writes in a thread, so the time
of these tests is real, and their tasks take hundredths of a second.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from solvestream import Client, Pacing, SubmitUnknown
from solvestream._journal.journal import Journal
from solvestream._journal.store import read_journal
from solvestream.errors import JournalError
from tests.faults.canary import KEY
from tests.faults.service import Service
from tests.faults.test_poll import read
from tests.faults.world import World, task

pytestmark = pytest.mark.anyio
QUICK = Pacing(first_look=0.02, interval=0.02, deadline=5.0, max_looks=1_000)


@pytest.fixture
def transport():
    """Our pool; through httpx no task gets as far with a journal (see the last test)."""
    return "pool"


class Books:
    """A world with a journal, and copies of it."""

    def __init__(self, world: World, place: Path) -> None:
        self.world = world
        self.place = place
        self.path = place / "run.db"
        self.copies = 0

    def client(self, path: Path | None = None) -> Client:
        """Return a client with the journal, or with a copy of it."""
        account = self.world.account(pacing=QUICK)
        return self.world.client(account, journal=path or self.path)

    def kill(self) -> Path:
        """Return a copy of the journal as a process killed now would leave it."""
        self.copies += 1
        there = self.place / f"killed-{self.copies}.db"
        for end in ("", "-wal"):
            source = self.path.with_name(self.path.name + end)
            if source.exists():
                shutil.copy(source, there.with_name(there.name + end))
        return there

    async def resume(self, path: Path | None = None) -> list:
        """Return what a new process is given."""
        async with self.client(path) as client:
            results = await read(client.resume())
            self.world.canary.look(*results, *[one.error for one in results])
        return results


@pytest.fixture
async def books(world, tmp_path):
    """Give a world with a journal in real time; its files are searched for the key."""
    loop = asyncio.get_running_loop()
    loop.threads = True
    world.service.solve = 0.03
    yield Books(world, tmp_path)
    for file in tmp_path.iterdir():
        world.canary.look(file.read_bytes().decode("latin-1"))
    loop.threads = False


async def test_n20_disk_full(books):
    """Without room for the intent nothing is bought; what is paid is looked up; then it goes on."""
    service = books.world.service
    async with books.client() as client:
        ticket = await client.submit(task(1))
        writer = client._engine.recorder.journal._writer
        writer.retry = 0.02
        limit = writer.store.connection.execute
        pages = limit("PRAGMA page_count").fetchone()[0]
        limit(f"PRAGMA max_page_count = {pages}")
        errors = []
        for label in range(10, 200):
            try:
                await client.submit(task(label))
            except JournalError as error:
                errors.append((label, error))
                break
        assert errors, "the disk was never full"
        label, error = errors[0]
        books.world.canary.look(error)
        assert error.charged == "no"
        assert not service.charges[label]
        assert (await client.wait(ticket)).ok
        limit("PRAGMA max_page_count = 100000")
        for _ in range(100):
            if writer.failure is None:
                break
            writer._wake.set()
            await asyncio.sleep(0.01)
        assert (await client.solve(task(1_000))).ok
    assert max(service.charges.values()) == 1


@pytest.mark.parametrize("what", ["missing", "directory", "locked", "foreign", "read-only"])
async def test_n21_no_journal_no_submit(books, what):
    """A journal that cannot be used is refused at the start, with the remedy; nothing is sent."""
    path = {
        "missing": books.place / "none" / "run.db",
        "directory": books.place,
        "locked": books.path,
        "foreign": books.place / "text.db",
        "read-only": Path("/proc/solvestream.db"),
    }[what]
    (books.place / "text.db").write_text("hello " * 1_000)
    holder = books.client() if what == "locked" else None
    if holder is not None:
        await holder.start()
    client = books.client(path)
    with pytest.raises(JournalError) as caught:
        await client.start()
    books.world.canary.look(caught.value)
    assert str(path) in str(caught.value)
    if holder is not None:
        await holder.aclose()
    assert not books.world.service.connections


async def test_d03_consumer_raises(books):
    """A result whose reader failed is given again, marked so; those read before are not."""
    async with books.client() as client:
        with pytest.raises(LookupError):
            async for result in client.stream([task(n, job_key=f"k{n}") for n in range(5)]):
                if result.tag == 2:
                    failed = result
                    raise LookupError
    again = await books.resume()
    found = [one for one in again if one.ticket.job_key == failed.ticket.job_key]
    assert [one.redelivered for one in found] == [True]
    assert found[0].solution == failed.solution
    assert await books.resume() == []
    assert set(books.world.service.charges.values()) == {1}


async def test_x01_killed_before_the_first_byte(books):
    """An intent without an id is told as unknown, once, and is never sent again."""
    service = books.world.service
    killed: list[Path] = []

    async def act(visit, asked):
        killed.append(books.kill())
        return await service.usual(visit, asked)

    service.on["submit"] = lambda n: act if n == 1 else None
    async with books.client() as client:
        assert (await client.solve(task(1))).ok
    submits = service.begun["submit"]
    results = await books.resume(killed[0])
    assert [type(one.error) for one in results] == [SubmitUnknown]
    assert results[0].error.charged == "maybe"
    assert await books.resume(killed[0]) == []
    assert service.begun["submit"] == submits


async def test_x03_killed_while_polling(books):
    """Every id is looked up again at once, and gives its answer without being bought again."""
    service = books.world.service
    service.solve = 0.5
    async with books.client() as client:
        tickets = await asyncio.gather(*[client.submit(task(n)) for n in range(50)])
        await asyncio.sleep(0.05)
        killed = books.kill()
        await client.aclose()
    for deal in service.tasks.values():
        deal.ready = 0.0
    looks = service.begun["look"]
    started = asyncio.get_running_loop().time()
    results = await books.resume(killed)
    assert min(at for at, _ in service.moments[-(service.begun["look"] - looks) :]) <= started + 1
    assert {one.ticket.task_id for one in results if one.ok} == {one.task_id for one in tickets}
    assert set(service.charges.values()) == {1}


async def test_x04_killed_before_the_acknowledgement(books):
    """An answer that was handed over and not acknowledged comes once more, marked so."""
    killed = None
    async with books.client() as client:
        async for result in client.stream([task(1, job_key="mine")]):
            killed = books.kill()
            first = result
    again = await books.resume(killed)
    assert [(one.ticket.job_key, one.redelivered) for one in again] == [("mine", True)]
    assert again[0].solution == first.solution
    assert await books.resume(killed) == []
    assert set(books.world.service.charges.values()) == {1}


@pytest.mark.parametrize(("mode", "pragma"), [("normal", 1), ("full", 2)])
def test_x06_power_loss(tmp_path, mode, pragma):
    """The journal can be written such that it survives the loss of power."""
    journal = Journal.open(tmp_path / "run.db", synchronous=mode)
    found = journal._writer.store.connection.execute("PRAGMA synchronous").fetchone()[0]
    journal.close()
    assert found == pragma


async def test_x10_a_fork_does_not_hold_the_lock(books):
    """A forked child neither writes the journal nor keeps it locked after its parent."""
    import os

    async with books.client() as client:
        await client.solve(task(1))
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            held = client._engine.recorder.journal._lock.held
            os.read(reader, 1)
            os._exit(int(held))
    again = books.client()
    await again.start()
    await again.aclose()
    os.write(writer, b"x")
    _, status = os.waitpid(child, 0)  # noqa: ASYNC222 - it has ended
    os.close(reader)
    os.close(writer)
    assert os.waitstatus_to_exitcode(status) == 0


async def test_x15_two_processes(books):
    """The second process is refused, names the first, and asks the service nothing."""
    async with books.client() as client:
        await client.submit(task(1))
        code = (
            f"from solvestream._journal.journal import Journal; Journal.open({str(books.path)!r})"
        )
        program = [sys.executable, "-c", code]
        done = await asyncio.to_thread(subprocess.run, program, capture_output=True, text=True)
        assert done.returncode == 1
        assert "JournalError" in done.stderr
        assert "is using it" in done.stderr
        await client.aclose()
    assert len(await books.resume()) == 1


@pytest.mark.parametrize("version", [0, 99])
async def test_x16_another_version(books, version):
    """A journal of another version is refused, and not a byte of it is changed."""
    async with books.client() as client:
        await client.submit(task(1))
    with sqlite3.connect(books.path) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    before = books.path.read_bytes()
    with pytest.raises(JournalError, match="version"):
        await books.client().start()
    assert books.path.read_bytes() == before


PROGRAM = """
import asyncio
from solvestream import CaptchaAI, Client, ImageToText, Pacing

async def main():
    quick = Pacing(first_look=0.02, interval=0.02)
    account = CaptchaAI({key!r}, base_url="http://127.0.0.1:{port}", pacing=quick)
    async with Client(account, journal={path!r}) as client:
        tasks = (ImageToText(b"\\x89PNG\\r\\n\\x1a\\nimage %d " % n) for n in range(100_000))
        async for _ in client.stream(tasks, in_flight=50):
            pass

asyncio.run(main())
"""


def test_x18_storm_of_ctrl_c(tmp_path, canary):
    """Ctrl-C again and again, wherever it lands: the journal is whole and knows each paid id."""
    loop = asyncio.new_event_loop()
    service = Service(solve=0.03)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(call):
        return asyncio.run_coroutine_threadsafe(call, loop).result(10)

    run(service.start())
    path = tmp_path / "run.db"
    program = PROGRAM.format(key=KEY, port=service.port, path=str(path))
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        while len(service.tasks) < 100 and child.poll() is None:
            time.sleep(0.005)
        for _ in range(20):
            child.send_signal(signal.SIGINT)
            time.sleep(0.002)
        _, told = child.communicate(timeout=20)
    finally:
        child.kill()
        child.wait()
        run(service.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    entries = list(read_journal(path))
    known = {one.task_id for one in entries if one.task_id}
    open_intents = sum(one.state == "intent" for one in entries)
    assert len(set(service.tasks) - known) <= open_intents
    canary.look(told.decode(), path.read_bytes().decode("latin-1"))


async def test_c03_rows_from_the_future(books):
    """A row whose times lie in the future counts as new: its answer comes, in time."""
    service = books.world.service
    async with books.client() as client:
        await client.submit(task(1))
    with sqlite3.connect(books.path) as connection:
        connection.execute(
            "UPDATE job SET queued_at = queued_at + 1e7, submitted_at = submitted_at + 1e7, "
            "accepted_at = accepted_at + 1e7"
        )
    connection.close()
    results = await books.resume()
    assert [one.ok for one in results] == [True]
    assert set(service.charges.values()) == {1}
