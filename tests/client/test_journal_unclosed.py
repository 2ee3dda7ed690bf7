"""A journal that nobody closes, or that is taken away: in real time, with its real thread."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys

import pytest

from solvestream import CaptchaAI, Client, ImageToText, JournalError, Pacing
from solvestream._journal.journal import Journal
from solvestream._journal.store import read_journal
from tests.client.kill import serving
from tests.faults.service import picture

QUICK = Pacing(first_look=0.02, interval=0.02)

PROGRAM = """
import asyncio
from solvestream import CaptchaAI, Client, ImageToText, Pacing

async def buy():
    account = CaptchaAI("made-up", base_url="http://127.0.0.1:{port}", pacing=Pacing(first_look=9))
    client = await Client(account, journal={path!r}).start()
    await asyncio.gather(*[
        client.submit(ImageToText(b"\\x89PNG\\r\\n\\x1a\\nimage %d " % n)) for n in range(20)
    ])
    return client

async def cancelled():
    task = asyncio.create_task(buy())
    client = await task
    asyncio.current_task().cancel()
    await client.solve(ImageToText(b"\\x89PNG\\r\\n\\x1a\\nimage 20 "))

try:
    client = asyncio.run({how}())
except asyncio.CancelledError:
    pass
"""


@pytest.fixture
def anyio_backend():
    """Threads and sockets are real here, and so is time."""
    return "asyncio"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.db"


@pytest.mark.parametrize("how", ["buy", "cancelled"])
def test_the_end_of_the_interpreter_writes_what_is_left(path, how):
    """A loop that is closed, or cancelled, under a client leaves every paid id in the journal."""
    with serving() as service:
        program = PROGRAM.format(port=service.port, path=str(path), how=how)
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        entries = list(read_journal(path))
    assert {entry.task_id for entry in entries} >= set(service.tasks)
    assert len(service.tasks) >= 20


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # as the client is not closed
def test_a_client_that_is_garbage_lets_go_of_its_journal(path):
    """The same process can open the journal again, and finds every paid id."""

    async def buy(service):
        account = CaptchaAI("made-up", base_url=f"http://127.0.0.1:{service.port}")
        client = await Client(account, journal=path).start()
        await asyncio.gather(*[client.submit(ImageToText(picture(n))) for n in range(20)])
        return client._engine.recorder.journal._writer._thread

    with serving() as service:
        thread = asyncio.run(buy(service))
        for _ in range(100):  # a round of the writer that is under way holds on to the journal
            gc.collect()
            thread.join(0.1)
            if not thread.is_alive():
                break
        assert not thread.is_alive()
        journal = Journal.open(path)
        assert {entry.task_id for entry in journal.left()} == set(service.tasks)
        journal.close()


@pytest.mark.anyio
async def test_nothing_is_bought_once_the_file_is_gone(path):
    """A journal that was moved away says so; put back, it goes on; what is paid is looked up."""
    with serving() as service:
        account = CaptchaAI("made-up", base_url=f"http://127.0.0.1:{service.port}", pacing=QUICK)
        async with Client(account, journal=path) as client:
            ticket = await client.submit(ImageToText(picture(1)))
            client._engine.recorder.journal._writer.retry = 0.01
            away = path.rename(path.with_name("away.db"))
            with pytest.raises(JournalError, match="moved or removed"):
                await client.solve(ImageToText(picture(2)))
            assert (await client.wait(ticket)).ok
            away.rename(path)
            for _ in range(1_000):
                if client._engine.recorder.journal.failure is None:
                    break
                await asyncio.sleep(0.01)
            assert (await client.solve(ImageToText(picture(3)))).ok
        assert dict(service.charges) == {1: 1, 3: 1}
    assert [entry.taken_at is not None for entry in read_journal(path)] == [True, True]
