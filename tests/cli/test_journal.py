from __future__ import annotations

import os
import sys

import anyio
import pytest

from solvestream import CapSolver, Client, ImageToText, Text, Token, UsageError
from solvestream._journal.journal import Journal
from solvestream._journal.store import read_journal
from solvestream.cli import paths
from solvestream.cli.keys import Keyed
from solvestream.server import simulated_text
from tests.cli.conftest import picture

KEY = "made-up-key-never-shown-4711"
INTENT = {"account": "capsolver", "kind": "image", "queued_at": 1.0, "submitted_at": 2.0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "my run.db"


@pytest.fixture
def to(service, accounts):
    """Options that name the account at the service."""
    return ("--service", "capsolver", "--base-url", service.url)


def bought(path, service, *tasks):
    """Have a client buy tasks and end before anyone has read the answers."""

    async def buy():
        async with Client(CapSolver(service.key, base_url=service.url), journal=path) as client:
            return [await client.submit(task) for task in tasks]

    return anyio.run(buy)


def written(path, write):
    """Write a journal by hand."""
    journal = Journal.open(path)
    journal.start(lambda call: call())
    write(journal)
    journal.close()


def test_a_journal_of_a_whole_run_has_nothing_left(command, to, images, path):
    """Every image is in it as taken, and standard error does not ask to go on."""
    directory, texts = images
    done = command("solve", *to, "--journal", path, directory)
    assert done.code == 0
    assert {name: one["text"] for name, one in done.by_name.items()} == texts
    assert "resume" not in done.err
    assert [entry.state for entry in read_journal(path)] == ["solved"] * len(texts)
    assert list(read_journal(path, left=True)) == []


def test_resume_prints_what_was_left_and_buys_nothing(command, to, service, path):
    """Once; then there is nothing left, which is as good."""
    bought(path, service, *[ImageToText(picture(n), tag=f"{n}.png") for n in range(5)])
    before = service.ledger()["accounts"]["local"]["submitted"]
    done = command("resume", path, *to)
    assert done.code == 0
    assert {one["path"]: one["text"] for one in done.lines} == {
        f"{n}.png": simulated_text(picture(n)) for n in range(5)
    }
    assert done.err.splitlines()[-1] == "5/5 done, 0 failed"
    assert service.ledger()["accounts"]["local"]["submitted"] == before
    again = command("resume", path, *to)
    assert (again.code, again.out) == (0, "")


def test_the_same_images_again_are_not_bought_again(command, to, service, images, path):
    """What an earlier run paid for is printed by the next one of the same images."""
    directory, texts = images
    bought(path, service, *Keyed(set()).of(paths.tasks([str(directory)])))
    before = service.ledger()["accounts"]["local"]["submitted"]
    done = command("solve", *to, "--journal", path, directory)
    assert done.code == 0
    assert {name: one["text"] for name, one in done.by_name.items()} == texts
    assert service.ledger()["accounts"]["local"]["submitted"] == before


def test_resume_tells_doubts_and_fails(command, to, path):
    """What may have been bought is a line with `charged` maybe, and exit code 1."""
    written(path, lambda one: one.intent(job_key="k", tag="a.png", done=lambda _: None, **INTENT))
    done = command("resume", path, *to)
    assert done.code == 1
    (line,) = done.lines
    assert line["path"] == "a.png"
    assert (line["error"]["type"], line["error"]["charged"]) == ("SubmitUnknown", "maybe")


def test_resume_leaves_what_belongs_to_another_account(command, to, path):
    """It is named, and stays for a run with that account."""

    def write(one):
        row = one.intent(job_key="k", done=lambda _: None, **INTENT | {"account": "other"})
        one.accepted(row, at=3.0, task_id="77")

    written(path, write)
    done = command("resume", path, *to)
    assert done.code == 1
    assert done.lines[0]["error"]["type"] == UsageError.__name__
    assert "other" in done.lines[0]["error"]["message"]
    assert "1 task is left in the journal" in done.err
    assert [entry.task_id for entry in read_journal(path, left=True)] == ["77"]


def test_resume_prints_answers_that_are_no_text(command, to, path):
    """A journal of the library's may hold any, and printing takes them out of it."""

    def write(one):
        row = one.intent(job_key="k", tag=3, done=lambda _: None, **INTENT)
        one.accepted(row, at=3.0, task_id="77")
        one.ended(row, at=4.0, solution=Token("a-token"))

    written(path, write)
    (line,) = command("resume", path, *to).lines
    assert (line["tag"], line["text"], line["redelivered"]) == (3, "a-token", True)
    assert line["solution"]["fields"]["token"] == "a-token"


def test_resume_makes_no_journal(command, to, path):
    """A path with a slip in it is told, and nothing is created."""
    done = command("resume", path, *to)
    assert (done.code, done.out) == (1, "")
    assert str(path) in done.err
    assert len(done.err.splitlines()) == 1
    assert not path.exists()


@pytest.mark.parametrize("words", [["resume"], ["solve", "--journal"]], ids=" ".join)
def test_a_journal_in_use_is_told(command, to, path, words, images):
    """One line names file and process; nothing is bought."""
    journal = Journal.open(path)
    try:
        more = [images[0]] if words[0] == "solve" else []
        done = command(*words, path, *to, *more)
    finally:
        journal.close()
    assert (done.code, done.out) == (1, "")
    assert f"process {os.getpid()} is using it" in done.err
    assert len(done.err.splitlines()) == 1


def filled(one):
    """Write one of each: in doubt, paid, solved, taken."""
    rows = [
        one.intent(job_key=f"k{n}", tag=f"{n}.png", done=lambda _: None, **INTENT) for n in range(4)
    ]
    for row in rows[1:]:
        one.accepted(row, at=3.0, task_id=f"id-{row}")
    for row in rows[2:]:
        one.ended(row, at=4.0, solution=Text("[b]bold\x1b[2J", 0.9), looks=3)
    one.acked(rows[3], at=5.0)


def test_a_journal_as_lines(command, path):
    """A line of JSON each, oldest first; how many are in which state is on standard error."""
    written(path, filled)
    done = command("journal", path)
    assert done.code == 0
    assert [(one["state"], one["tag"]) for one in done.lines] == [
        ("intent", "0.png"),
        ("accepted", "1.png"),
        ("solved", "2.png"),
        ("solved", "3.png"),
    ]
    assert done.err == "4 in all: 1 accepted; 1 intent; 1 solved; 1 solved, taken\n"
    assert [one["tag"] for one in command("journal", path, "--left").lines] == [
        *("0.png", "1.png", "2.png")
    ]


def test_a_journal_as_a_table(command, path, monkeypatch):
    """On a terminal: a row each, no control character of anybody's, the states below."""
    written(path, filled)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    done = command("journal", path)
    assert done.code == 0
    assert "id-2" in done.out
    assert "[b]bold" in done.out
    assert "\x1b[2J" not in done.out
    assert done.out.splitlines()[-1].startswith("4 in all: ")
    assert command("journal", path, "--json").lines[0]["state"] == "intent"


@pytest.mark.parametrize("text", ["\\[link=https://x.example]y[/link]", "\\[/no]", ":smile: [b]"])
def test_no_answer_is_markup(command, path, monkeypatch, text):
    """A table shows it letter by letter: no style, no link, no picture, and no traceback."""

    def far(journal):
        values = {"task_id": text, "accepted_at": 1e18}  # as an outside ticket may say
        row = journal.adopted(job_key="k", account="capsolver", kind="image", **values)
        journal.ended(row, at=3.0, solution=Text(text))

    written(path, far)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    done = command("journal", path)
    assert done.code == 0
    assert done.out.count(text) == 2


def test_a_journal_is_read_while_it_is_written(command, path):
    """A run that is going on is neither stopped nor waited for."""
    journal = Journal.open(path)
    journal.start(lambda call: call())
    try:
        filled(journal)
        journal._writer.close()  # everything is written, and the lock held
        assert len(command("journal", path).lines) == 4
    finally:
        journal.close()


@pytest.mark.parametrize("content", [None, b"hello " * 200])
def test_what_is_no_journal_is_told(command, path, content):
    """Missing, or another kind of file, which is left as it is."""
    if content is not None:
        path.write_bytes(content)
    done = command("journal", path)
    assert (done.code, done.out) == (1, "")
    assert str(path) in done.err
    assert (path.read_bytes() if path.exists() else None) == content


def test_the_key_is_nowhere(command, service, path, monkeypatch, images):
    """Neither in the file nor in what any command prints of it."""
    monkeypatch.setenv("CAPSOLVER_API_KEY", KEY)
    to = ("--service", "capsolver", "--base-url", service.url)
    told = [command("solve", *to, "--journal", path, images[0])]
    told += [command("resume", path, *to), command("journal", path)]
    assert all(KEY not in one.out + one.err for one in told)
    assert all(KEY.encode() not in file.read_bytes() for file in path.parent.glob("*run.db*"))
