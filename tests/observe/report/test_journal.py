"""What the journal keeps for reports: samples, moments of looks, and files of schema 1."""

from __future__ import annotations

import sqlite3

import pytest
from attrs import evolve

from solvestream import Text
from solvestream._journal import store
from solvestream._journal.journal import Journal
from solvestream._journal.store import read_journal, read_samples
from solvestream._journal.values import Sample
from solvestream.errors import JournalError
from tests.journal.owner import owner

SAMPLE = Sample(
    at=1.0,
    account="a",
    queued=2,
    in_flight=3,
    limit=float("inf"),
    gate="open",
    breaker="half-open",
    submits=4,
    refused=5,
    throttled=6,
    looks=7,
    troubles=8,
    spent=0.5,
)


def test_samples_come_back_as_they_were(tmp_path):
    """In the order they were taken; an infinite limit and any name included."""
    samples = [SAMPLE, evolve(SAMPLE, at=2.0, account="\ud800 é", limit=5.0, gate="closed")]
    with owner(tmp_path / "run.db") as one:
        for sample in samples:
            one.journal.sampled(sample)
        one.flush()
        assert list(read_samples(tmp_path / "run.db")) == samples
    assert list(read_samples(tmp_path / "run.db")) == samples


def test_samples_are_bounded(tmp_path, monkeypatch):
    """The newest are kept, over the life of many processes."""
    monkeypatch.setattr(store, "SAMPLES", 10)
    for start in (0, 20):
        with owner(tmp_path / "run.db") as one:
            for number in range(start, start + 20):
                one.journal.sampled(evolve(SAMPLE, at=float(number)))
    assert [one.at for one in read_samples(tmp_path / "run.db")] == [
        float(n) for n in range(30, 40)
    ]


def test_samples_are_dropped_while_nothing_can_be_written(tmp_path):
    """They neither gather nor count as records of what is paid."""
    with owner(tmp_path / "run.db", retry=0.0) as one:
        connection = one.journal._writer.store.connection
        one.bought("paid")
        connection.execute("PRAGMA query_only = 1")
        for _ in range(3):
            one.journal.sampled(SAMPLE)
            assert one.flush() is not None
        assert one.journal._writer.owed[store.SAMPLE] == []
        connection.execute("PRAGMA query_only = 0")
        assert one.flush() is None
    assert list(read_samples(tmp_path / "run.db")) == []


def test_moments_of_looks_are_kept_to_the_millisecond(tmp_path):
    """And stay when the answer goes, as the task is taken."""
    with owner(tmp_path / "run.db") as one:
        row = one.bought("k")
        one.journal.ended(row, at=9.0, solution=Text("x"), looks=2, looked=(2.00049, 7.0))
        one.ack(row)
    (entry,) = read_journal(tmp_path / "run.db")
    assert (entry.looks, entry.looked, entry.solution) == (2, (2.0, 7.0), None)


def test_samples_fit_into_the_statements_of_an_old_sqlite(tmp_path, monkeypatch):
    """Which take 999 values, and a sample has thirteen."""
    connect = store._connect

    def limited(*arguments):
        connection = connect(*arguments)
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
        return connection

    monkeypatch.setattr(store, "_connect", limited)
    with owner(tmp_path / "run.db", pace=0.05) as one:
        for _ in range(500):
            one.journal.sampled(SAMPLE)
        assert one.flush() is None
    assert len(list(read_samples(tmp_path / "run.db"))) == 500


def old(path):
    """Write a journal as the releases before did."""
    with owner(path) as one:
        one.solved("k")
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE sample")
        connection.execute("ALTER TABLE job DROP COLUMN looked")
        connection.execute("PRAGMA user_version = 1")
    connection.close()


def test_a_journal_of_schema_1_is_read(tmp_path):
    """As it is, without a change: another release may be using it."""
    path = tmp_path / "run.db"
    old(path)
    before = path.read_bytes()
    (entry,) = read_journal(path)
    assert (entry.job_key, entry.looks, entry.looked) == ("k", 2, ())
    assert list(read_samples(path)) == []
    assert path.read_bytes() == before


def test_a_journal_of_schema_1_goes_on(tmp_path):
    """Opened for writing it becomes one of schema 2, and nothing that is paid is lost."""
    path = tmp_path / "run.db"
    old(path)
    with owner(path) as one:
        (left,) = one.journal.left()
        assert (left.job_key, left.solution) == ("k", Text("x"))
        one.journal.sampled(SAMPLE)
        row = one.bought("new")
        one.journal.ended(row, at=9.0, solution=Text("x"), looked=(2.0,))
    assert [entry.looked for entry in read_journal(path)] == [(), (2.0,)]
    assert list(read_samples(path)) == [SAMPLE]
    Journal.open(path).close()


@pytest.mark.parametrize(
    "change", ["account = NULL", "at = 'x'", '"limit" = NULL', "gate = x'ff'"], ids=str
)
def test_a_sample_that_was_never_written_so_is_told(tmp_path, change):
    """With the file and the row, as for jobs."""
    path = tmp_path / "run.db"
    with owner(path) as one:
        one.journal.sampled(SAMPLE)
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE sample SET {change}")
    connection.close()
    with pytest.raises(JournalError, match=r"row 1 cannot be read"):
        list(read_samples(path))
