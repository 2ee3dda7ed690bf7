"""Where the tasks of a run come from: paths, a file, or standard input."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import frozen

from solvestream import UsageError
from solvestream.cli import paths as found
from solvestream.cli.extras import CannotRun
from solvestream.cli.fields import AnyTask
from solvestream.cli.lines import tasks_of

TASK_FILES = (".csv", ".jsonl", ".ndjson", ".json")
"""How names of files of tasks end; no image is named so."""


@frozen
class Input:
    """Tasks to be done.

    Attributes:
        tasks: iterating may block, as for a line that is not typed yet.
        total: how many there are, if that is known.
    """

    tasks: Iterable[AnyTask]
    total: int | None = None


@contextmanager
def open_input(paths: Sequence[str], name: str | None, **options: Any) -> Generator[Input]:
    """Open what `--input` names, `-` for standard input; by default, take images of paths.

    `options` are those of `lines.tasks_of`. Raises `UsageError` for a file that cannot be read,
    and for files of tasks in place of images.
    """
    if name is None:
        if paths and all(path.lower().endswith(TASK_FILES) for path in paths):
            raise UsageError(f"{paths[0]} is a file of tasks: --input {paths[0]}")
        images = found.tasks(paths, **options)
        yield Input(images, len(images))
        return
    try:  # standard input by a reader of its own, as a thread may wait in it until the very end
        file = os.fdopen(os.dup(0), "rb") if name == "-" else open(name, "rb")  # noqa: PTH123, SIM115 - closed below
    except OSError as error:
        raise UsageError(f"--input: {name}: {error.strerror or error}") from None
    try:
        yield Input(_explained(tasks_of(file, name, **options), name))
    finally:
        if name != "-":
            file.close()


def _explained(tasks: Iterator[AnyTask], name: str) -> Iterator[AnyTask]:
    try:
        yield from tasks
    except OSError as error:
        raise CannotRun(f"{name}: {error.strerror or error}") from None
