"""What mutation testing found untold: statements, row numbers, words, and moments."""

from __future__ import annotations

import errno
import math
import sqlite3

import pytest
from attrs import frozen

from solvestream import SolvestreamError, TaskFailed, Text, UsageError
from solvestream._journal import values
from solvestream._journal.journal import Journal
from solvestream._journal.store import ACCEPTED, INTENT, REFUSED, Step, explain, read_journal
from solvestream._journal.values import Entry
from solvestream.errors import JournalError
from solvestream.solutions import Solution
from tests.journal.owner import Owner, owner


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.db"


def only(path) -> Entry:
    """Return the one entry of a journal."""
    (entry,) = read_journal(path)
    return entry


# Statements


def test_a_step_is_a_statement_over_its_columns():
    """A mark for each column, and the end it was given."""
    assert vars_of(Step.into("a, b")) == ("INSERT INTO job (a, b) VALUES", "(?, ?)", "")
    assert Step.into("a", "AND SO ON").tail == "AND SO ON"


def test_a_later_step_fills_all_columns_but_the_first():
    """Only where the condition holds; the first column names the row."""
    step = Step.later("id, a, b", "a IS NULL")
    assert vars_of(step) == (
        "INSERT INTO job (id, a, b) VALUES",
        "(?, ?, ?)",
        "ON CONFLICT (id) DO UPDATE SET a = excluded.a, b = excluded.b WHERE a IS NULL",
    )


def test_the_steps_are_made_so():
    """As they stand in the module."""
    columns = "id, job_key, account, kind, tag, queued_at, submitted_at"
    assert vars_of(INTENT) == vars_of(Step.into(columns))
    assert "accepted_at IS NULL" in ACCEPTED.tail
    assert vars_of(REFUSED) == ("DELETE FROM job WHERE id IN (", "?", ")")


def vars_of(step: Step) -> tuple[str, str, str]:
    return step.head, step.each, step.tail


# Rows


@pytest.mark.parametrize("adopted", [False, True], ids=["bought", "taken up"])
def test_rows_keep_their_numbers_when_one_is_refused(path, adopted):
    """A number is not used twice, so what comes later finds its own row."""
    with owner(path) as one:
        first, _ = one.intent("first")
        one.journal.refused(first)
        for _ in range(2_000):
            if not list(read_journal(path)):
                break
            one.journal._writer._thread.join(0.01)
        if adopted:
            what = {"job_key": "k", "account": "a", "kind": "image", "task_id": "7"}
            second = one.journal.adopted(**what, accepted_at=3.0)
        else:
            second = one.bought("k")
        assert second == first + 1
        assert one.wait(lambda done: one.solve(second, done)) is None
    entry = only(path)
    assert (entry.row, entry.job_key, entry.state) == (second, "k", "solved")


def test_a_ticket_taken_up_has_the_moment_of_its_acceptance(path):
    """It was handed over, sent and accepted then, as far as is known; `done` is told."""
    with owner(path) as one:
        assert (
            one.wait(
                lambda done: one.journal.adopted(
                    job_key="k",
                    account="b",
                    kind="turnstile",
                    task_id="7",
                    accepted_at=9.0,
                    tag="t",
                    done=done,
                )
            )
            is None
        )
    entry = only(path)
    assert (entry.queued_at, entry.submitted_at, entry.accepted_at) == (9.0, 9.0, 9.0)
    assert (entry.account, entry.kind, entry.task_id, entry.tag) == ("b", "turnstile", "7", "t")


def test_an_answer_at_once_has_no_id(path):
    """It is accepted without one, and its ticket is its key."""
    with owner(path) as one:
        row, _ = one.intent("k")
        assert one.wait(lambda done: one.journal.accepted(row, at=3.0, done=done)) is None
    entry = only(path)
    assert (entry.state, entry.task_id, entry.ticket.task_id) == ("accepted", None, "k")


def test_an_end_has_what_is_known_of_it(path):
    """Looks, price and until when it is good; without them none, and no look."""
    with owner(path) as one:
        row = one.bought("all")
        one.journal.ended(row, at=4.0, solution=Text("x"), looks=3, cost=0.5, expires_at=7.0)
        one.journal.ended(one.bought("none"), at=4.0, solution=Text("x"))
    full, bare = read_journal(path)
    assert (full.looks, full.cost, full.expires_at, full.ended_at) == (3, 0.5, 7.0, 4.0)
    assert (bare.looks, bare.cost, bare.expires_at) == (0, None, None)


def test_a_key_that_is_open_and_a_row_that_is_not_are_refused_by_name(path):
    """Both are errors of the caller, and tell which."""
    with owner(path) as one:
        row, _ = one.intent("k")
        with pytest.raises(UsageError) as caught:
            one.intent("k")
        assert str(caught.value) == "journal: the job 'k' is open in it already"
        one.journal.refused(row)
        with pytest.raises(UsageError) as caught:
            one.journal.acked(row, at=1.0)
        assert str(caught.value) == f"journal: row {row} is not open"
        assert one.intent("k")[1] is None


def test_a_closed_journal_says_so(path):
    """Nothing can be noted any more, and the message names the file."""
    one = Owner(path)
    row, _ = one.intent("k")
    one.close()
    with pytest.raises(JournalError) as caught:
        one.accept(row)
    assert str(caught.value).startswith(f"journal {path}: it is closed")


def test_a_folder_is_no_journal(tmp_path):
    """It is refused before anything is made beside it."""
    with pytest.raises(JournalError, match="it is a directory; give the path of a file"):
        Journal.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


# Words


def test_what_is_left_can_be_read_alone(path):
    """Without what somebody has taken."""
    with owner(path) as one:
        one.ack(one.solved("taken"))
        one.solved("left")
    assert [entry.job_key for entry in read_journal(path, left=True)] == ["left"]
    assert [entry.job_key for entry in read_journal(path)] == ["taken", "left"]


def test_what_is_no_file_of_ours_is_told_apart(tmp_path):
    """A directory, a file too short for SQLite, and one that is long enough and is none."""
    with pytest.raises(JournalError) as caught:
        list(read_journal(tmp_path))
    words = "it is a directory; give the path of a file in a directory that can be written"
    assert str(caught.value) == f"journal {tmp_path}: {words}"
    for size, name in ((511, None), (512, "SQLITE_NOTADB")):
        file = tmp_path / "other"
        file.write_bytes(b"x" * size)
        with pytest.raises(JournalError, match="another kind of file") as caught:
            list(read_journal(file))
        assert ("SQLITE_NOTADB" in str(caught.value)) is (name is not None)


@pytest.mark.parametrize(
    ("pragma", "words"),
    [
        (
            "application_id = 7",
            "it is a database of another program, and was left as it is; choose another path",
        ),
        (
            "user_version = 99",
            (
                "its schema is version 99, this solvestream knows 2; "
                "use the release that wrote it, or another path; nothing was changed"
            ),
        ),
    ],
    ids=["another program's", "a newer release's"],
)
def test_a_database_that_is_not_ours_is_told_apart(path, pragma, words):
    """In whole sentences with a remedy."""
    with owner(path) as one:
        one.intent("k")
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA {pragma}")
    connection.close()
    with pytest.raises(JournalError) as caught:
        Journal.open(path)
    assert str(caught.value) == f"journal {path}: {words}"


def test_an_error_of_the_system_is_explained():
    """With its words, or else its kind, and what to do."""
    full = explain("run.db", OSError(errno.ENOENT, "No such file"))
    remedy = "give the path of a file in a directory that can be written"
    assert str(full) == f"journal run.db: No such file; {remedy}"
    assert str(explain("run.db", OSError())) == f"journal run.db: OSError; {remedy}"


def test_an_error_of_sqlite_is_explained():
    """In one line, with its name and a remedy; one that is not known is left for inspection."""
    error = sqlite3.OperationalError("disk\n is  full")
    error.sqlite_errorname = "SQLITE_FULL"
    remedy = "make room; it goes on by itself"
    assert str(explain("run.db", error)) == f"journal run.db: disk is full (SQLITE_FULL); {remedy}"
    odd = sqlite3.ProgrammingError("odd")
    broken = "move it away for inspection (sqlite3's .recover may help); it was left as it is"
    assert str(explain("run.db", odd)) == f"journal run.db: odd (ProgrammingError); {broken}"
    ours = JournalError("ours")
    assert explain("run.db", ours) is ours


def test_a_journal_that_is_missing_or_broken_is_named(path):
    """Reading names the file, and the row that cannot be read."""
    with pytest.raises(JournalError, match=rf"journal {path}: there is no such file; give"):
        list(read_journal(path))
    with owner(path) as one:
        one.intent("k")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE job SET tag = '{'")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match=rf"journal {path}: row 1 cannot be read \(Expecting"):
        list(read_journal(path))


# Values


def row(**columns):
    known = dict.fromkeys(
        ["tag", "accepted_at", "task_id", "ended_at", "looks", "cost", "expires_at"]
    )
    known |= dict.fromkeys(("error", "solution", "taken_at"))
    known |= {"id": 1, "job_key": b"k", "account": b"a", "kind": b"image"}
    return known | {"queued_at": 1.0, "submitted_at": 2.0} | columns


def test_an_error_of_a_kind_unknown_here_is_of_the_root_class():
    """A newer release may have written it; what it says is not lost."""
    error = values.decode(row(error=b'{"type":"NoSuchError","message":"m"}', ended_at=1.0)).error
    assert (type(error), str(error)) == (SolvestreamError, "m")


def test_a_result_has_its_account_and_moments():
    """Solved when it ended; a failure was never solved; a clock set back gives no time below 0."""
    solved = values.decode(
        row(
            solution=values.encode_solution(Text("x")).encode(),
            accepted_at=3.0,
            ended_at=5.0,
            task_id=b"7",
        )
    ).result()
    assert (solved.account, solved.solved_at, solved.elapsed) == ("a", 5.0, 4.0)
    said = values.encode_error(TaskFailed("no")).encode()
    failed = values.decode(row(error=said, accepted_at=3.0, ended_at=0.5)).result()
    assert (failed.account, failed.solved_at, failed.elapsed) == ("a", None, 0.0)
    assert values.decode(row()).result().elapsed == 0.0


def test_a_lone_surrogate_is_stored_as_bytes():
    """As SQLite takes no such text, and it is read back from them."""
    assert values.encode_text("k\ud800") == b"k\xed\xa0\x80"
    assert values.decode(row(job_key=b"k\xed\xa0\x80")).job_key == "k\ud800"


def test_what_cannot_be_read_says_why():
    """The kind of error and its words."""
    with pytest.raises(ValueError, match=r"^TypeError: list indices"):
        values.decode(row(solution=b"[]", ended_at=1.0))


def test_an_answer_of_ours_is_stored_as_it_is():
    """Even with a figure that is not equal to itself."""
    back = values.decode_solution(values.encode_solution(Text("x", math.nan)))
    assert type(back) is Text
    assert math.isnan(back.confidence)


@frozen
class Nested(Solution):
    """An answer of an own class, with tuples inside."""

    points: tuple[tuple[int, ...], ...]


def test_an_own_answer_comes_back_with_its_tuples():
    """Lists as JSON has them become the tuples they were, at every depth."""
    answer = Nested(((1, 2), ()))
    assert values.decode_solution(values.encode_solution(answer)) == answer
