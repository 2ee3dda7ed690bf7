"""`solvestream report`: the page from the command line."""

from __future__ import annotations

import pytest

from solvestream.cli import main
from tests.journal.owner import owner


@pytest.fixture
def path(tmp_path):
    """A journal with a task in it."""
    with owner(tmp_path / "run.db") as one:
        one.solved("k")
    return tmp_path / "run.db"


def test_a_page_is_written_where_it_is_asked_for(path, tmp_path, capsys):
    """And its name, tasks and size are told."""
    page = tmp_path / "my page.html"
    assert main(["report", str(path), "-o", str(page)]) == 0
    assert page.read_bytes().startswith(b"<!doctype html>")
    out = capsys.readouterr().out
    assert out.startswith(f"{page}: 1 task, ")
    assert out.endswith(" kB\n")


def test_without_a_name_it_is_beside_the_journal(path):
    """`run.db` becomes `run.html`."""
    assert main(["report", str(path)]) == 0
    assert path.with_name("run.html").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["none.db"], 1, "none.db"),
        (["run.db", "-o", "run.db"], 2, "own file"),
        (["run.db", "-o", "nowhere/run.html"], 1, "nowhere/run.html: No such file or directory"),
        ([], 2, "PATH"),
    ],
    ids=["missing", "itself", "nowhere", "nothing"],
)
def test_what_cannot_be_done_is_told_in_a_line(path, monkeypatch, capsys, words, code, said):
    """With the file, what is wrong, and the exit code of its kind."""
    monkeypatch.chdir(path.parent)
    assert main(["report", *words]) == code
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1
