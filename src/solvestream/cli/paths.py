"""From what the user typed to image tasks: files, directories, patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from solvestream import ImageToText, InvalidTask

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"})
"""What is an image file in a directory, by name, in either case."""


@frozen
class NoImage(ImageToText):
    """A directory or pattern that holds nothing to read: a bad task, so it is told as one."""

    def check(self) -> None:
        """Raise `InvalidTask`, always."""
        fix = f"it holds no image file; there should be some of {', '.join(sorted(SUFFIXES))}"
        raise InvalidTask(field="path", value=str(self.image), fix=fix)


def tasks(paths: Iterable[str], **options: Any) -> list[ImageToText]:
    """Return a task for every image named, in order, each file once; its `tag` is the path.

    A directory stands for the image files in it at any depth, sorted, hidden ones left out. A
    pattern that the shell has not expanded is expanded. Whatever does not exist is a task too,
    and fails by itself.
    """
    found: dict[Path, bool] = {}
    for path in paths:
        images = list(_expand(path))
        found.update(dict.fromkeys(images, True) if images else {Path(path): False})
    return [
        (ImageToText if there else NoImage)(path, tag=str(path), **options)
        for path, there in found.items()
    ]


def _expand(path: str) -> Iterator[Path]:
    if Path(path).is_dir():
        yield from _images_in(path)
    elif os.path.lexists(path) or not glob.has_magic(path):
        yield Path(path)
    else:
        for match in sorted(glob.glob(path, recursive=True)):  # noqa: PTH207 - takes absolute ones too
            yield from _expand(match)


def _images_in(directory: str) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        yield Path(directory)  # fails by itself, and says why
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _images_in(entry.path)
        elif Path(entry.name).suffix.lower() in SUFFIXES:
            yield Path(entry.path)
