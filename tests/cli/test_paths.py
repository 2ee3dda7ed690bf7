from __future__ import annotations

import os

import pytest

from solvestream import InvalidTask
from solvestream.cli.paths import NoImage, tasks


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with some files."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "b.png",
        "a.JPG",
        "d/c.gif",
        "d/e/a.webp",
        "notes.txt",
        ".hidden.png",
        ".git/x.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def names(*paths: str) -> list[str]:
    """Return what is found, with `/` between its parts."""
    return [task.tag.replace(os.sep, "/") for task in tasks(paths)]


def test_a_directory_is_its_images_at_any_depth(here):
    """Sorted, by name in either case; hidden files and other files are left out."""
    assert names(".") == ["a.JPG", "b.png", "d/c.gif", "d/e/a.webp"]


def test_a_pattern_is_expanded(here):
    """For shells that do not, and for quoted ones; matches may be directories."""
    assert names("*.png") == ["b.png"]
    assert names("**/*.gif") == ["d/c.gif"]
    assert names("d*") == ["d/c.gif", "d/e/a.webp"]
    assert names(f"{here}/*.png") == [f"{here}/b.png".replace(os.sep, "/")]


def test_a_file_is_taken_whatever_its_name(here):
    """Who names a file means it, a pattern's signs in it or not."""
    (here / "odd[1].png").write_bytes(b"x")
    assert names("notes.txt", "odd[1].png") == ["notes.txt", "odd[1].png"]


def test_a_file_named_twice_is_read_once(here):
    """Nothing is paid for twice."""
    assert names("b.png", "./b.png", ".", "b.png") == ["b.png", "a.JPG", "d/c.gif", "d/e/a.webp"]


def test_what_does_not_exist_is_a_task_that_fails(here):
    """It is told of in its place, and stops nothing."""
    missing, good = tasks(["gone.png", "b.png"])
    with pytest.raises(InvalidTask, match=r"gone\.png.*No such file"):
        missing.load(100)
    assert good.load(100) == b"x"


@pytest.mark.parametrize("path", ["*.tiff", "empty"])
def test_nothing_found_is_a_task_that_fails(here, path):
    """An empty directory or a pattern without a match is said to be one."""
    (here / "empty").mkdir()
    (task,) = tasks([path])
    assert isinstance(task, NoImage)
    with pytest.raises(InvalidTask, match="no image file"):
        task.check()


def test_a_link_to_nothing_is_a_task(here):
    """It is an image by its name."""
    (here / "d" / "link.png").symlink_to(here / "gone.png")
    assert "d/link.png" in names("d")


def test_options_go_to_every_task(here):
    """All images are read alike."""
    assert [task.numeric for task in tasks(["."], numeric=1)] == [1, 1, 1, 1]
