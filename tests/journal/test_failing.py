"""When the disk does not take it: nothing more is bought, nothing that is paid is forgotten."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys

import pytest

from solvestream import Text
from solvestream._journal.journal import Journal
from solvestream._journal.store import read_journal
from solvestream.errors import JournalError
from tests.journal.owner import WAIT, Owner, owner


def full(one, *, pages=None):
    """Let the file grow no more; or, with many pages, let it."""
    connection = one.journal._writer.store.connection
    connection.execute(f"PRAGMA max_page_count = {pages or 1}")  # as few as it has


def until_full(one):
    """Buy until an intent is refused; return what was noted, and the error."""
    rows = {}
    for number in range(10_000):
        row, error = one.intent(f"job-{number}", tag="x" * 500)
        if error is not None:
            return rows, error
        rows[row] = f"job-{number}"
    raise AssertionError("it was never full")


def test_a_full_disk_stops_buying_and_heals(tmp_path):
    """Faults N20: intents are refused with a remedy; it goes on when there is room again."""
    with owner(tmp_path / "run.db") as one:
        paid = one.bought("paid")
        full(one)
        noted, error = until_full(one)
        assert isinstance(error, JournalError)
        assert "make room" in str(error)
        assert str(one.journal.failure) == str(error)
        assert one.intent("refused")[1] is not None
        assert one.journal.row_of("refused") is None
        told = one.wait(lambda done: one.solve(paid, done, Text("y" * 20_000)))
        assert isinstance(told, JournalError), "it may be handed over, but is not written yet"
        full(one, pages=1_000_000)
        while (refusal := one.intent("again")[1]) is not None:
            assert isinstance(refusal, JournalError)
        assert one.journal.failure is None
    entries = {entry.row: entry for entry in read_journal(tmp_path / "run.db")}
    assert entries[paid].solution == Text("y" * 20_000), "what was paid is written after all"
    assert set(entries) == {paid, *noted, max(entries)}


def test_it_heals_by_itself_while_nothing_is_written(tmp_path):
    """`failure` goes away without a call, so that a client that stopped buying learns of it."""
    with owner(tmp_path / "run.db") as one:
        full(one)
        until_full(one)
        full(one, pages=1_000_000)
        for _ in range(2_000):
            if one.journal.failure is None:
                break
            one.journal._writer._thread.join(0.01)
        assert one.journal.failure is None


def test_closing_on_a_full_disk_tells_what_is_lost(tmp_path):
    """Never silently: how many records of what was paid could not be written."""
    one = Owner(tmp_path / "run.db")
    paid = one.bought("paid")
    full(one)
    until_full(one)
    one.solve(paid, solution=Text("y" * 20_000))
    with pytest.raises(JournalError, match=r"make room.*1 records of paid tasks"):
        one.close()
    with owner(tmp_path / "run.db") as one:
        assert one.journal.left()[0].state == "accepted"


def test_another_programs_lock_is_waited_for_and_told(tmp_path, monkeypatch):
    """As when somebody edits the file by hand; it goes on when they are done."""
    monkeypatch.setattr("solvestream._journal.store.BUSY", 0.01)
    with owner(tmp_path / "run.db") as one:
        row = one.bought("paid")
        other = sqlite3.connect(tmp_path / "run.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        _, error = one.intent("k")
        assert "end that program" in str(error)
        one.solve(row)
        other.execute("ROLLBACK")
        other.close()
        while one.intent("k")[1] is not None:
            pass
    assert [e.state for e in read_journal(tmp_path / "run.db")] == ["solved", "intent"]


def test_an_interrupt_in_the_writer_leaves_no_half_round(tmp_path, monkeypatch):
    """Faults X18: whatever is raised inside, a round is written whole or not at all."""
    with owner(tmp_path / "run.db") as one:
        store = one.journal._writer.store
        whole, blows = store._write_step, [KeyError("inside"), None]

        def write_step(step, rows):
            whole(step, rows)
            if rows and blows and (blow := blows.pop(0)):
                raise blow

        monkeypatch.setattr(type(store), "_write_step", lambda self, *args: write_step(*args))
        _, error = one.intent("first")
        assert isinstance(error, JournalError)
        assert list(read_journal(tmp_path / "run.db")) == []
        while one.intent("second")[1] is not None:
            pass
    assert [entry.job_key for entry in read_journal(tmp_path / "run.db")] == ["second"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes")
def test_a_write_that_the_system_refuses_is_the_same(tmp_path):
    """A real write error: the process may write no file beyond 200 kB."""
    script = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
from tests.journal.owner import owner
with owner(sys.argv[1]) as one:
    paid = one.bought("paid")
    number = 0
    while (error := one.intent(f"job-{number}", tag="x" * 900)[1]) is None:
        number += 1
    print(type(error).__name__, number > 10, one.journal.failure is not None)
    one.solve(paid)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    while one.intent("again")[1] is not None:
        pass
    print(one.journal.failure)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "run.db"],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["JournalError True True", "None"]
    entries = list(read_journal(tmp_path / "run.db"))
    assert (entries[0].state, entries[-1].job_key) == ("solved", "again")


def copy(source, target, *, wal):
    """Copy a journal as a killed process leaves it, with this for its log."""
    shutil.copyfile(source, target)
    target.with_name(target.name + "-wal").write_bytes(wal)


def test_a_torn_log_keeps_every_commit_before_the_tear(tmp_path):
    """Cut or spoiled anywhere: what is left is a prefix of the commits, and it can be written."""
    live = tmp_path / "live.db"
    chance = random.Random(7)
    with owner(live) as one:
        ends = [0]
        log = tmp_path / "live.db-wal"
        for number in range(12):
            one.solved(f"job-{number}")
            ends.append(log.stat().st_size)
        data = log.read_bytes()
        for trial in range(25):
            at = chance.randrange(len(data))
            torn = data[:at]
            if trial % 2:
                torn += bytes([data[at] ^ 0xFF]) + chance.randbytes(40) + data[at + 41 :]
            path = tmp_path / f"{trial}.db"
            copy(live, path, wal=torn)
            whole = sum(end <= at for end in ends[1:])
            found = [e.job_key for e in read_journal(path) if e.state == "solved"]
            assert found[:whole] == [f"job-{n}" for n in range(whole)]
            assert found == [f"job-{n}" for n in range(len(found))]
            with owner(path) as again:
                assert len(again.journal.left()) >= len(found)
                assert again.intent("next")[1] is None


def test_full_synchronous_is_an_option(tmp_path):
    """For those who must outlive the power too."""
    with owner(tmp_path / "run.db", synchronous="full") as one:
        one.bought("k")
        run = one.journal._writer.store.connection.execute
        assert run("PRAGMA synchronous").fetchone()[0] == 2
    with owner(tmp_path / "run.db") as one:
        run = one.journal._writer.store.connection.execute
        assert run("PRAGMA synchronous").fetchone()[0] == 1


def test_a_journal_that_was_not_started_can_be_closed(tmp_path):
    """As when opening the client fails after it."""
    one = Journal.open(tmp_path / "run.db")
    assert one.left() == ()
    one.close()
    Journal.open(tmp_path / "run.db").close()
