from __future__ import annotations

import io
from pathlib import Path

import pytest

from solvestream import UsageError
from solvestream.cli import inputs
from solvestream.cli.extras import CannotRun
from solvestream.cli.inputs import open_input


def test_paths_are_counted(tmp_path):
    """How many there are is known before the first is read."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"x")
    with open_input([str(tmp_path)], None, numeric=1) as found:
        assert found.total == 2
        assert [task.numeric for task in found.tasks] == [1, 1]


def test_a_file_is_read_while_it_is_open(tmp_path):
    """Nobody knows how many lines there will be."""
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"image": "a.png"}\n')
    with open_input([], str(path), deadline=5.0) as found:
        assert found.total is None
        assert [(task.image, task.deadline) for task in found.tasks] == [(Path("a.png"), 5.0)]


@pytest.mark.parametrize("name", ["tasks.csv", "tasks.JSONL", "tasks.ndjson"])
def test_a_file_of_tasks_is_no_image(name):
    """Who names it as one is told of `--input`; beside images, as `*` has it, it fails alone."""
    with (
        pytest.raises(UsageError, match=f"{name} is a file of tasks: --input {name}"),
        open_input([name], None),
    ):
        pass
    with open_input(["a.png", name], None) as found:
        assert found.total == 2


@pytest.mark.parametrize("name", ["gone.csv", "."])
def test_what_cannot_be_opened_is_a_wrong_call(name, tmp_path, monkeypatch):
    """A file that is missing, or a directory."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"--input: {name}: "), open_input([], name):
        pass


def test_a_disk_that_fails_is_told(tmp_path, monkeypatch):
    """By the name of the file, after the tasks that were read."""

    class Broken(io.BytesIO):
        def readline(self, size=-1):
            return super().readline(size) or _fail()

    def _fail():
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(inputs, "open", lambda *_: Broken(b'{"image": "a.png"}\n'), raising=False)
    with open_input([], "tasks.jsonl") as found:
        tasks = iter(found.tasks)
        assert next(tasks).image == Path("a.png")
        with pytest.raises(CannotRun, match=r"tasks\.jsonl: Input/output error"):
            next(tasks)
