"""The journal as its owner sees it: order, redelivery, bounds, one process, no secret."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import threading

import pytest
import trio

from solvestream import InvalidTask, Proxy, TaskFailed, Text, Ticket, UsageError
from solvestream._journal import journal
from solvestream._journal.journal import Journal
from solvestream._journal.store import read_journal
from solvestream.errors import JournalError
from tests.journal.owner import WAIT, owner, unprivileged


def states(path):
    return [(entry.job_key, entry.state) for entry in read_journal(path)]


def test_a_job_goes_from_intent_to_acknowledged(tmp_path):
    """Each step can be read by another program as soon as `done` was called."""
    path = tmp_path / "run.db"
    with owner(path) as one:
        row, error = one.intent("k", tag=[1])
        assert error is None
        assert states(path) == [("k", "intent")]
        assert one.wait(lambda done: one.accept(row, done)) is None
        assert states(path) == [("k", "accepted")]
        assert one.wait(lambda done: one.solve(row, done)) is None
        (entry,) = read_journal(path)
        assert (entry.state, entry.solution, entry.tag) == ("solved", Text("x"), [1])
        assert one.wait(lambda done: one.ack(row, done)) is None
        (entry,) = read_journal(path)
        assert (entry.state, entry.solution, entry.taken_at) == ("solved", None, 5.0)
        assert (entry.queued_at, entry.submitted_at, entry.looks) == (1.0, 2.0, 2)


def test_what_an_earlier_process_left_is_there_in_order(tmp_path):
    """Answers not acknowledged, ids, intents; not what was acknowledged or refused."""
    path = tmp_path / "run.db"
    with owner(path) as one:
        one.intent("intent")
        one.bought("accepted")
        solved = one.solved("solved")
        one.ack(one.solved("acked"))
        one.journal.refused(one.intent("refused")[0])
        failed = one.bought("failed")
        one.journal.ended(failed, at=4.0, error=TaskFailed("no", code="E"))
    with owner(path) as one:
        left = one.journal.left()
        assert [(entry.job_key, entry.state) for entry in left] == [
            ("intent", "intent"),
            ("accepted", "accepted"),
            ("solved", "solved"),
            ("failed", "failed"),
        ]
        ticket = Ticket(
            account="a", task_id="id-2", job_key="accepted", kind="image", submitted_at=3.0
        )
        assert left[1].ticket == ticket
        with pytest.raises(TaskFailed) as caught:
            left[3].result().unwrap()
        assert caught.value.code == "E"
        assert one.journal.row_of("solved") == solved == left[2].row
        one.solve(left[1].row)
        for entry in left[1:]:
            one.ack(entry.row)
    with owner(path) as one:
        assert [entry.job_key for entry in one.journal.left()] == ["intent"]


def test_an_attempt_that_was_refused_leaves_nothing(tmp_path):
    """The next attempt of the job is a row of its own, and no doubt is left of the first."""
    with owner(tmp_path / "run.db") as one:
        first, _ = one.intent("k")
        one.journal.refused(first)
        second, error = one.intent("k")
        assert error is None
        assert second != first
    assert states(tmp_path / "run.db") == [("k", "intent")]


def test_a_job_key_is_open_once_across_processes(tmp_path):
    """What an earlier process left under a key is not bought again under it."""
    path = tmp_path / "run.db"
    with owner(path) as one:
        row = one.bought("k")
        with pytest.raises(UsageError, match="'k' is open"):
            one.intent("k")
    with owner(path) as one:
        assert one.journal.row_of("k") == row
        with pytest.raises(UsageError, match="'k' is open"):
            one.intent("k")
        one.solve(row)
        one.ack(row)
        assert one.journal.row_of("k") is None
        assert one.intent("k")[1] is None


def test_of_two_answers_the_first_stands(tmp_path):
    """Faults P14: ready twice with different texts."""
    with owner(tmp_path / "run.db") as one:
        row = one.bought("k")
        one.solve(row, solution=Text("first"))
        one.solve(row, solution=Text("second"))
    (entry,) = read_journal(tmp_path / "run.db")
    assert entry.solution == Text("first")


def test_a_number_of_any_size_is_taken(tmp_path):
    """A service's nonsense does not stop the journal."""
    with owner(tmp_path / "run.db") as one:
        for cost in (10**30, 10**400, float("nan")):
            row = one.bought(str(cost)[:40])
            told = one.wait(
                lambda done, row=row, cost=cost: one.journal.ended(
                    row, at=4.0, solution=Text("x"), cost=cost, done=done
                )
            )
            assert told is None
    costs = [entry.cost for entry in read_journal(tmp_path / "run.db")]
    assert costs == [1e30, float("inf"), None]


def test_a_row_that_is_not_open_is_a_usage_error(tmp_path):
    """No step makes a row out of nothing, or changes a closed one."""
    with owner(tmp_path / "run.db") as one:
        row = one.solved("k")
        one.ack(row)
        for step in (one.accept, one.solve, one.ack, one.journal.refused):
            with pytest.raises(UsageError, match="not open"):
                step(row)


def test_a_ticket_taken_up_is_in_it_with_its_id(tmp_path):
    """Its answer is looked for in any process of the same journal."""
    with owner(tmp_path / "run.db") as one:
        one.journal.adopted(
            job_key="k", account="a", kind="image", task_id="007", accepted_at=3.0, tag="t"
        )
    (entry,) = read_journal(tmp_path / "run.db")
    assert (entry.state, entry.task_id, entry.tag) == ("accepted", "007", "t")


def test_a_batch_is_told_in_one_call(tmp_path):
    """Hundreds of commits a second wake the loop once each, not once a record."""
    posted, told, there = [], [], threading.Event()
    one = Journal.open(tmp_path / "run.db", pace=0.0)

    def post(call):
        posted.append(call)
        call()
        if len(told) == 500:
            there.set()

    options = {"account": "a", "kind": "image", "queued_at": 1.0, "submitted_at": 2.0}
    for number in range(500):
        one.intent(job_key=str(number), done=told.append, **options)
    one.start(post)
    assert there.wait(WAIT)
    one.close()
    assert len(posted) == 1
    assert told == [None] * 500


def test_too_much_waiting_refuses_what_would_be_bought(tmp_path, monkeypatch):
    """Records of what is paid are taken; an intent is told why not, and its key is free again."""
    monkeypatch.setattr(journal, "BOUND", 1)
    one = Journal.open(tmp_path / "run.db")
    told, calls = [], []
    options = {"account": "a", "kind": "image", "queued_at": 1.0, "submitted_at": 2.0}
    one._post = calls.append  # not started: nothing is written
    row = one.intent(job_key="a", done=told.append, **options)
    one.intent(job_key="b", done=told.append, **options)
    one.accepted(row, at=3.0, task_id="7")
    assert one.waiting == 2
    for call in calls:
        call()
    (error,) = told
    assert isinstance(error, JournalError)
    assert "submit more slowly" in str(error)
    assert one.row_of("b") is None
    one.close()


def test_acknowledged_jobs_are_kept_to_a_bound(tmp_path):
    """The newest stay for reports; what is open stays whatever its age."""
    with owner(tmp_path / "run.db", keep=50) as one:
        one.intent("open")
        for _ in range(5):
            rows = [
                one.journal.adopted(
                    job_key=str(n), account="a", kind="image", task_id="1", accepted_at=1.0
                )
                for n in range(500)
            ]
            for row in rows:
                one.journal.ended(row, at=2.0, solution=Text("x"))
                one.ack(row)
            assert one.flush() is None
    entries = list(read_journal(tmp_path / "run.db"))
    assert len(entries) <= 1 + 50 + 1_000
    assert entries[0].job_key == "open"
    assert entries[-1].row > 2_500


def test_files_are_for_their_owner_alone(tmp_path):
    """Mode 0600, under any umask, and for a file made before."""
    loose = os.umask(0)
    try:
        path = tmp_path / "run.db"
        path.touch(0o666)
        with owner(path) as one:
            one.bought("k")
            modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
            list(read_journal(path))
        with owner(tmp_path / "new.db") as one:
            one.bought("k")
            modes |= {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    finally:
        os.umask(loose)
    assert {"run.db", "run.db-wal", "run.db-shm", "run.db-lock", "new.db-wal"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_no_secret_is_in_any_byte(tmp_path):
    """Not in file, log, index or lock: no field's value, no proxy, no image, no odd tag."""
    canary = "CANARY-5up3r-s3cret"
    with owner(tmp_path / "run.db") as one:
        odd = Proxy("http", canary, 80, canary, canary)
        row, _ = one.intent("k", tag=(odd, canary.encode()))
        error = InvalidTask(field="image", value=canary, fix="give a picture", code="E")
        one.journal.ended(row, at=4.0, error=error)
        assert one.flush() is None
        during = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    after = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert b"give a picture" in during + after
    for text in (canary, canary.encode().hex(), canary[::-1]):
        assert text.encode() not in during + after


def test_an_acknowledged_answer_is_no_longer_stored(tmp_path):
    """A token is kept no longer than it takes to hand it over."""
    with owner(tmp_path / "run.db") as one:
        one.ack(one.solved("k", solution=Text("the answer")))
    (entry,) = read_journal(tmp_path / "run.db")
    assert entry.solution is None


# One process at a time


def test_a_second_owner_is_refused_and_told_who_has_it(tmp_path):
    """Faults X15: in the same process, by another name of the file, and from another process."""
    path = tmp_path / "run.db"
    (tmp_path / "link.db").symlink_to(path)
    code = (
        "import sys; from solvestream._journal.journal import Journal\n"
        "try: Journal.open(sys.argv[1])\n"
        "except Exception as e: print(type(e).__name__, e)"
    )
    with owner(path) as one:
        one.bought("k")
        for name in (path, tmp_path / "link.db"):
            with pytest.raises(JournalError, match=f"process {os.getpid()} is using it"):
                Journal.open(name)
        done = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith(f"JournalError journal {path}: process {os.getpid()}")
        assert one.intent("still")[1] is None
    Journal.open(path).close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_neither_has_the_lock_nor_keeps_it(tmp_path):
    """Faults X10: the child is refused, the parent goes on, and its end frees the journal."""
    path = tmp_path / "run.db"
    script = """
import os, sys, time
from solvestream._journal.journal import Journal
from solvestream.errors import JournalError
one = Journal.open(sys.argv[1]); one.start(lambda call: call())
child = os.fork()
if not child:
    try:
        one.adopted(job_key="child", account="a", kind="image", task_id="1", accepted_at=1.0)
    except JournalError as error:
        print("child:", error, flush=True)
    one.close()
    sys.stdin.read()
    os._exit(0)
one.adopted(job_key="parent", account="a", kind="image", task_id="1", accepted_at=1.0)
time.sleep(0.1)
os.kill(os.getpid(), 9)
"""
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        child.wait(WAIT)
        assert "open in a parent process" in child.stdout.readline()
        with owner(path) as one:  # while the grandchild lives
            assert [entry.job_key for entry in one.journal.left()] == ["parent"]
    finally:
        child.stdin.close()
        child.stdout.close()


# Files that are none


@pytest.mark.parametrize("content", [b"x", b"not a database" * 500, b"SQLite format 3\0" * 300])
def test_a_file_of_another_kind_is_left_as_it_is(tmp_path, content):
    """The error names the file; not a byte of it changes."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    for look in (Journal.open, lambda p: list(read_journal(p))):
        with pytest.raises(JournalError, match=r"notes\.txt.*left as it (is|was)"):
            look(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_left_as_it_is(tmp_path):
    """No table is added to it."""
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (x)")
    other.commit()
    other.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="another program"):
        Journal.open(path)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused_and_not_written(tmp_path):
    """Faults X16: both versions are named; file and log stay as a killed process left them."""
    live, path = tmp_path / "live.db", tmp_path / "run.db"
    with owner(live) as one:
        one.bought("k")
        one.journal._writer.store.connection.execute("PRAGMA user_version = 99")
        for end in ("", "-wal"):
            (tmp_path / f"run.db{end}").write_bytes((tmp_path / f"live.db{end}").read_bytes())
    before = {end: (tmp_path / f"run.db{end}").read_bytes() for end in ("", "-wal")}
    assert before["-wal"]
    with pytest.raises(JournalError, match=r"version 99, this solvestream knows 2"):
        Journal.open(path)
    with pytest.raises(JournalError, match="version 99"):
        list(read_journal(path))
    assert before == {end: (tmp_path / f"run.db{end}").read_bytes() for end in ("", "-wal")}


def test_a_broken_page_is_found_and_left_as_it_is(tmp_path):
    """Nothing is opened that would overwrite what may still be saved."""
    path = tmp_path / "run.db"
    with owner(path) as one:
        for number in range(200):
            one.journal.adopted(
                job_key=f"{number}", account="a", kind="image", task_id="1" * 99, accepted_at=1.0
            )
    data = bytearray(path.read_bytes())
    data[8192:12288] = b"\x5a" * 4096
    path.write_bytes(data)
    with pytest.raises(JournalError, match=r"run\.db: .*it was left as it is"):
        Journal.open(path)
    assert path.read_bytes() == data


def test_a_broken_row_is_named(tmp_path):
    """Whoever reads learns which row it is."""
    path = tmp_path / "run.db"
    with owner(path) as one:
        row = one.solved("k")
        one.journal._writer.store.connection.execute("UPDATE job SET solution = '{'")
    for look in (Journal.open, lambda p: list(read_journal(p))):
        with pytest.raises(JournalError, match=f"row {row} cannot be read"):
            look(path)


def test_a_place_that_cannot_hold_a_journal_is_refused(tmp_path):
    """Faults N21: a directory, a missing one, one that is read-only, a read-only file."""
    for path in (tmp_path, tmp_path / "no" / "run.db"):
        with pytest.raises(JournalError, match="journal /"):
            Journal.open(path)
        with pytest.raises(JournalError, match="journal /"):
            list(read_journal(path))
    assert not (tmp_path / "no").exists()


def test_a_read_only_directory_is_refused():
    """The error says what to do; a journal that was written there can still be told from it."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with unprivileged(folder):
            folder.chmod(0o500)
            with pytest.raises(JournalError, match="can be written"):
                Journal.open(folder / "run.db")
            folder.chmod(0o700)
            assert list(folder.iterdir()) == []


def test_an_empty_file_becomes_a_journal(tmp_path):
    """A process killed while it made one leaves no more than that."""
    path = tmp_path / "run.db"
    path.touch()
    assert list(read_journal(path)) == []
    with owner(path) as one:
        one.bought("k")
    half = tmp_path / "half.db"
    connection = sqlite3.connect(half)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert half.stat().st_size
    with owner(half) as one:
        one.bought("k")
    assert states(half) == states(path)


def test_a_closed_journal_says_so(tmp_path):
    """Closing twice is fine; writing after it is not."""
    one = Journal.open(tmp_path / "run.db")
    one.start(lambda call: call())
    one.close()
    one.close()
    with pytest.raises(JournalError, match="it is closed"):
        one.adopted(job_key="k", account="a", kind="image", task_id="1", accepted_at=1.0)
    assert not (tmp_path / "run.db-wal").exists()


# Its loops


def test_it_calls_back_in_an_asyncio_loop(tmp_path):
    """`call_soon_threadsafe` is all it needs of the loop."""

    async def main():
        loop, told = asyncio.get_running_loop(), asyncio.Queue()
        one = await asyncio.to_thread(Journal.open, tmp_path / "run.db")
        one.start(loop.call_soon_threadsafe)
        me = threading.get_ident()
        options = {"account": "a", "kind": "image", "queued_at": 1.0, "submitted_at": 2.0}
        one.intent(
            job_key="k", done=lambda e: told.put_nowait((e, threading.get_ident())), **options
        )
        assert await asyncio.wait_for(told.get(), WAIT) == (None, me)
        await asyncio.to_thread(one.close)

    asyncio.run(main())


def test_it_calls_back_in_a_trio_loop(tmp_path):
    """`run_sync_soon` is all it needs of the token."""

    async def main():
        told = trio.Event()
        one = await trio.to_thread.run_sync(Journal.open, tmp_path / "run.db")
        one.start(trio.lowlevel.current_trio_token().run_sync_soon)
        options = {"account": "a", "kind": "image", "queued_at": 1.0, "submitted_at": 2.0}
        one.intent(job_key="k", done=lambda error: told.set(), **options)
        with trio.fail_after(WAIT):
            await told.wait()
        await trio.to_thread.run_sync(one.close)

    trio.run(main)


def test_a_loop_that_is_closed_costs_no_record(tmp_path):
    """Faults X08: what was noted is written though nobody is left to be told."""
    loop = asyncio.new_event_loop()
    one = Journal.open(tmp_path / "run.db", pace=0.0)
    one.start(loop.call_soon_threadsafe)
    loop.close()
    for key in ("a", "b"):
        one.adopted(
            job_key=key, account="a", kind="image", task_id="1", accepted_at=1.0, done=print
        )
    one.close()
    assert [key for key, _ in states(tmp_path / "run.db")] == ["a", "b"]


def test_a_reader_does_not_hold_up_the_writer(tmp_path):
    """It may stop half-way for as long as it likes."""
    path = tmp_path / "run.db"
    with owner(path) as one:
        for number in range(2_500):
            one.journal.adopted(
                job_key=str(number), account="a", kind="image", task_id="1", accepted_at=1.0
            )
        assert one.flush() is None
        reader = read_journal(path)
        assert next(reader).job_key == "0"
        one.bought("later")
        folded = one.journal._writer.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert folded.fetchone()[0] == 0, "the reader kept the log from being folded in"
        assert [entry.job_key for entry in reader][-1] == "later"
