"""The journal's file: schema, SQL, and what may be wrong with a file. No thread, no clock.

One row is one attempt to buy one job. Its steps fill its columns, once and in this order::

    intent -> accepted -> ended -> acked        refused: the row goes

A round of steps is one transaction, and each kind of step in it a few statements of many
rows: SQLite then works without the interpreter lock. A statement a row would ask for that
lock at every row, and beside a busy event loop wait up to 5 ms for it each time (measured:
470 us of CPU a task instead of 15).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from attrs import define, frozen

from solvestream._journal.lock import ProcessLock
from solvestream._journal.values import Entry, Sample, decode, decode_sample
from solvestream.errors import JournalError

APPLICATION = 0x50_1E_57_4A
SCHEMA = 2
CREATE = """
CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    job_key TEXT, account TEXT, kind TEXT, tag TEXT, queued_at REAL, submitted_at REAL,
    accepted_at REAL, task_id TEXT,
    ended_at REAL, looks INTEGER, looked TEXT, cost REAL, expires_at REAL, error TEXT,
    solution TEXT, taken_at REAL
)"""
CREATE_SAMPLE = """
CREATE TABLE sample (
    id INTEGER PRIMARY KEY,
    at REAL, account TEXT, queued INTEGER, in_flight INTEGER, "limit" REAL, gate TEXT,
    breaker TEXT, submits INTEGER, refused INTEGER, throttled INTEGER, looks INTEGER,
    troubles INTEGER, spent REAL
)"""
FROM_1 = ("ALTER TABLE job ADD COLUMN looked TEXT", CREATE_SAMPLE)
"""What makes a file of schema 1 one of schema 2."""
SAMPLES = 100_000
"""Samples kept, the newest."""
PAGE = 1_000
"""Rows read at once, so that a reader never holds the journal's log open for long."""
SLACK = 1_000
"""Acknowledged rows over the bound that are removed together."""
BUSY = 1.0
"""Seconds to wait while another program holds a lock on the file."""

ROWS = 512
"""Rows of one statement at most; fewer where SQLite is of before 2020 and takes 999 values."""

_LEFT = "taken_at IS NULL AND"

T = TypeVar("T")
Value = str | bytes | float | None
Synchronous = Literal["normal", "full"]


@frozen(eq=False)
class Step:
    """One kind of step: a statement over many rows."""

    head: str
    each: str
    tail: str

    @classmethod
    def into(cls, columns: str, then: str = "", table: str = "job") -> Step:
        """Return the step that fills these columns of a row."""
        marks = ", ".join("?" * (columns.count(",") + 1))
        return cls(f"INSERT INTO {table} ({columns}) VALUES", f"({marks})", then)

    @classmethod
    def later(cls, columns: str, where: str) -> Step:
        """Return the step that fills further columns of a row, where that holds."""
        names = columns.split(", ")[1:]
        filled = ", ".join(f"{name} = excluded.{name}" for name in names)
        then = f"ON CONFLICT (id) DO UPDATE SET {filled} WHERE {where}"
        return cls.into(columns, then)


@cache
def _sql(step: Step, rows: int) -> str:
    return f"{step.head} {', '.join([step.each] * rows)} {step.tail}"


_INTENT = "id, job_key, account, kind, tag, queued_at, submitted_at"
INTENT = Step.into(_INTENT)
ADOPTED = Step.into(f"{_INTENT}, accepted_at, task_id")
ACCEPTED = Step.later("id, accepted_at, task_id", "accepted_at IS NULL")
ENDED = Step.later(
    "id, ended_at, looks, looked, cost, expires_at, error, solution",
    "ended_at IS NULL OR error IS NOT NULL AND excluded.error IS NULL",
)
ACKED = Step.later("id, taken_at, solution", "taken_at IS NULL")
REFUSED = Step("DELETE FROM job WHERE id IN (", "?", ")")
SAMPLE = Step.into(
    'at, account, queued, in_flight, "limit", gate, breaker, '
    "submits, refused, throttled, looks, troubles, spent",
    table="sample",
)
STEPS = (INTENT, ADOPTED, ACCEPTED, ENDED, ACKED, REFUSED, SAMPLE)
"""In the order of a job's life, in which they may so be written whatever order rows came in."""
_MARKS = max(step.each.count("?") for step in STEPS)

Round = Mapping[Step, Sequence[tuple[Value, ...]]]


@define(eq=False)
class Store:
    """An open journal file and the lock on it; one thread uses it at a time.

    Attributes:
        path: of the file.
        lock: held until it is closed.
        keep: acknowledged rows kept at most, to within 1,000.
        left: rows that were not acknowledged when it was opened.
        last: the highest row number then; 0 for none.
    """

    path: Path
    lock: ProcessLock
    keep: int
    connection: sqlite3.Connection
    left: tuple[Entry, ...] = ()
    last: int = 0
    _acked: int = 0
    _most: int = ROWS
    _file: tuple[int, int] | None = None

    @classmethod
    def open(cls, path: Path, *, keep: int, synchronous: Synchronous) -> Store:
        """Open or create a journal. Raises `JournalError`; a file that is none is not touched."""
        lock = ProcessLock(path)
        try:
            fresh = _create(path) or _inspect(path, check=True)
            for one in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
                if one.exists():
                    one.chmod(0o600)
            connection = _connect(path, "rw")
            try:
                store = cls(path, lock, keep, connection)
                store._prepare(fresh, synchronous)
            except BaseException:
                connection.close()
                raise
        except BaseException as error:
            lock.release()
            if not isinstance(error, OSError | sqlite3.Error):
                raise
            problem = explain(path, error)
        else:
            return store
        raise problem

    def _prepare(self, fresh: bool, synchronous: Synchronous) -> None:
        run = self.connection.execute
        self._file = _file(self.path)
        run("PRAGMA journal_mode = WAL")
        run(f"PRAGMA synchronous = {synchronous}")
        run("PRAGMA journal_size_limit = 67108864")
        run("PRAGMA wal_autocheckpoint = 4000")
        most = self.connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        self._most = min(ROWS, most // _MARKS)
        if run("PRAGMA user_version").fetchone()[0] != SCHEMA:
            run("BEGIN IMMEDIATE")
            for statement in (CREATE, CREATE_SAMPLE) if fresh else FROM_1:
                run(statement)
            run(f"PRAGMA application_id = {APPLICATION}")
            run(f"PRAGMA user_version = {SCHEMA}")
            run("COMMIT")
        self._acked = run("SELECT count(*) FROM job WHERE taken_at IS NOT NULL").fetchone()[0]
        self.last = run("SELECT coalesce(max(id), 0) FROM job").fetchone()[0]
        self.left = tuple(_entries(self.path, self.connection, _LEFT))

    def write(self, steps: Round, *, probe: bool = False) -> None:
        """Write a round, all or nothing; raises `sqlite3.Error`, `OSError` or `JournalError`.

        With `probe`, write some pages more and take them back: there is room for new rows.
        """
        run = self.connection.execute
        if _file(self.path) != self._file:  # what went into it would be found by nobody
            why = "it was moved or removed while in use; put it back, and it goes on by itself"
            raise JournalError(f"journal {self.path}: {why}")
        try:
            run("BEGIN IMMEDIATE")
            for step in STEPS:
                self._write_step(step, steps.get(step, ()))
            acked = self._acked + len(steps.get(ACKED, ()))
            if acked > self.keep + SLACK:
                acked -= self._trim(acked - self.keep)
            if steps.get(SAMPLE):
                run("DELETE FROM sample WHERE id <= (SELECT max(id) FROM sample) - ?", (SAMPLES,))
            if probe:
                run("INSERT INTO job (id, tag) VALUES (-1, zeroblob(16384))")
                run("DELETE FROM job WHERE id = -1")
            run("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self.connection.rollback()
            raise
        self._acked = acked

    def _write_step(self, step: Step, rows: Sequence[tuple[Value, ...]]) -> None:
        done = 0
        while left := len(rows) - done:
            size = min(self._most, 1 << left.bit_length() - 1)  # few sizes: few to prepare
            values = tuple(chain.from_iterable(rows[done : done + size]))
            self.connection.execute(_sql(step, size), values)
            done += size

    def _trim(self, count: int) -> int:
        oldest = "SELECT id FROM job WHERE taken_at IS NOT NULL ORDER BY id LIMIT ?"
        return self.connection.execute(f"DELETE FROM job WHERE id IN ({oldest})", (count,)).rowcount  # noqa: S608 - no outside text

    def close(self) -> None:
        """Fold the log into the file, close it, and let another process have it."""
        with contextlib.suppress(sqlite3.Error):  # what is written stays in the log
            self.connection.close()
        self.lock.release()


def read_journal(path: str | os.PathLike[str], *, left: bool = False) -> Iterator[Entry]:
    """Yield all that a journal holds, oldest first, while a run may be going on.

    With `left`, only what nobody has acknowledged. It takes no lock that a writer would notice, and reads 1,000 rows at a time. Blocks on the
    disk. Raises `JournalError` for a file that is missing, broken or no journal.
    """
    where = _LEFT if left else ""
    yield from _reading(Path(path).absolute(), partial(_entries, where=where))


def read_samples(path: str | os.PathLike[str]) -> Iterator[Sample]:
    """Yield how accounts stood over time, oldest first; a journal of schema 1 has none.

    As `read_journal` does, it reads while a run may be going on, and raises what that raises.
    """
    yield from _reading(Path(path).absolute(), _samples)


def _reading(place: Path, read: Callable[[Path, sqlite3.Connection], Iterator[T]]) -> Iterator[T]:
    problem: JournalError | None = None
    try:
        if _inspect(place):
            return
        with contextlib.closing(_connect(place, "ro")) as connection:
            yield from read(place, connection)
    except FileNotFoundError:
        problem = JournalError(f"journal {place}: there is no such file; give the path a run had")
    except (OSError, sqlite3.Error) as error:
        problem = explain(place, error)
    if problem is not None:
        raise problem


def explain(path: Path, error: Exception) -> JournalError:
    """Return the error that names the file, what is wrong, and the remedy."""
    if isinstance(error, JournalError):
        return error
    if isinstance(error, OSError):
        what, remedy = error.strerror or type(error).__name__, "give the path of a file"
        return JournalError(f"journal {path}: {what}; {remedy} in a directory that can be written")
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    broken = "move it away for inspection (sqlite3's .recover may help); it was left as it is"
    hint = next((text for word, text in _REMEDIES if word in name), broken)
    return JournalError(f"journal {path}: {' '.join(str(error).split())} ({name}); {hint}")


_OTHER_KIND = "it is another kind of file, and was left as it is; choose another path"
_REMEDIES = (
    ("FULL", "make room; it goes on by itself"),
    ("IOERR", "see whether the disk is full or broken; it goes on by itself when it can"),
    ("BUSY", "another program holds a lock on it; end that program"),
    ("LOCKED", "another program holds a lock on it; end that program"),
    ("READONLY", "make file and directory writable"),
    ("CANTOPEN", "give the path of a file in a directory that can be written"),
    ("PERM", "make file and directory writable"),
    ("NOTADB", _OTHER_KIND),
)


def _create(path: Path) -> bool:
    """Create the file for its owner alone; `False` when there is one."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


def _file(path: Path) -> tuple[int, int] | None:
    """Return which file a path leads to."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _inspect(path: Path, *, check: bool = False) -> bool:
    """Look without writing: `True` for an empty file, `JournalError` for what is no journal.

    With `check`, every page is looked at; what is broken is a `sqlite3.Error`.
    """
    if path.is_dir():
        raise IsADirectoryError(0, "it is a directory")
    if not (size := path.stat().st_size):
        return True
    if size < 512:  # which SQLite would take for empty
        raise JournalError(f"journal {path}: {_OTHER_KIND}")
    with contextlib.closing(_connect(path, "ro")) as connection:
        run = connection.execute
        application = run("PRAGMA application_id").fetchone()[0]
        version = run("PRAGMA user_version").fetchone()[0]
        tables = run("SELECT count(*) FROM sqlite_master").fetchone()[0]
        found = run("PRAGMA quick_check(1)").fetchone()[0] if check else b"ok"
    if found != b"ok":
        raise sqlite3.DatabaseError(found.decode(errors="replace"))
    if not application and not version and not tables:
        return True  # created, and killed before the first transaction
    if application != APPLICATION:
        what = "it is a database of another program, and was left as it is; choose another path"
        raise JournalError(f"journal {path}: {what}")
    if version not in {1, SCHEMA}:
        raise JournalError(
            f"journal {path}: its schema is version {version}, this solvestream knows {SCHEMA}; "
            "use the release that wrote it, or another path; nothing was changed"
        )
    return False


def _connect(path: Path, mode: Literal["ro", "rw"]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = bytes  # JSON reads them, and says where they are broken
    return connection


def _entries(path: Path, connection: sqlite3.Connection, where: str) -> Iterator[Entry]:
    return _decoded(path, _rows(connection, "job", where), decode)


def _samples(path: Path, connection: sqlite3.Connection) -> Iterator[Sample]:
    known = "SELECT count(*) FROM sqlite_master WHERE name = 'sample'"
    if connection.execute(known).fetchone()[0]:
        yield from _decoded(path, _rows(connection, "sample", ""), decode_sample)


def _rows(connection: sqlite3.Connection, table: str, where: str) -> Iterator[sqlite3.Row]:
    after = 0
    sql = f"SELECT * FROM {table} WHERE {where} id > ? ORDER BY id LIMIT {PAGE}"  # noqa: S608 - no outside text
    connection.row_factory = sqlite3.Row
    while rows := connection.execute(sql, (after,)).fetchall():
        yield from rows
        after = rows[-1]["id"]


def _decoded(
    path: Path, rows: Iterator[sqlite3.Row], read: Callable[[Mapping[str, Any]], T]
) -> Iterator[T]:
    for row in rows:
        try:
            yield read(cast("Mapping[str, Any]", row))
        except ValueError as error:
            reason = str(error)
        else:
            continue
        raise JournalError(
            f"journal {path}: row {row['id']} cannot be read ({reason}); move the file away "
            "for inspection; it was left as it is"
        )
