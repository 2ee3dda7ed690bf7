"""`--input`: a file of tasks, one a line, as JSON lines or CSV.

A line holds `kind` (default `image`) and the fields of that task as `solvestream.tasks` has
them, with `tag`, `deadline`, `job_key` and `priority`; for an image also

* `image`: a data: URI, base64 of an image file, or else a path,
* `path`: a path; relative ones are of the working directory,

and `truth` (or `expected`): the right answer, by which accuracy is measured. In CSV the first line names the fields, and an
empty cell is a field that is not given. A `proxy` is a URL or an object; `images` are a list.
A line that cannot be read is a task that fails by itself, and says where.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, cast

from attrs import frozen

from solvestream import InvalidTask, UsageError
from solvestream.cli.fields import MAX_BYTES, NAMES, AnyTask, Place, Wrong, build
from solvestream.errors import shorten
from solvestream.tasks import Task

Record: TypeAlias = "Mapping[str, Any] | str"
"""The fields of a line, or what is wrong with it."""

_SUFFIXES: dict[str, Literal["jsonl", "csv"]] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}


@frozen(kw_only=True)
class BadLine(Task[Any]):
    """A line that is no task. It fails by itself, and costs nothing.

    Attributes:
        error: why.
    """

    kind = "line"

    error: str

    def check(self) -> None:
        """Raise `InvalidTask`, always."""
        raise InvalidTask(self.error, field="line", fix="mend the line")


def tasks_of(file: BinaryIO, name: str, **options: Any) -> Iterator[AnyTask]:
    """Yield a task for each line; its tag is its `Place`.

    Reads a line at a time. What is no CSV by its name is one if it does not begin with `{`.

    Args:
        file: where the lines are.
        name: of the file, for its suffix and for messages.
        options: defaults of the fields of images, and the `deadline` of all.

    Raises `UsageError` for a CSV whose first line names fields that no task has.
    """
    raw = _lines(file)
    first = next(raw, b"").removeprefix(b"\xef\xbb\xbf")
    form = _SUFFIXES.get(Path(name).suffix.lower())
    if form == "csv" or (form is None and not first.lstrip().startswith(b"{")):
        records = _csv(first, raw, name)
    else:
        records = _jsonl(first, raw)
    for number, record in records:
        place = Place(line=number)
        try:
            task = record if isinstance(record, str) else build(dict(record), place, options)
        except Wrong as error:
            task = str(error)
        if isinstance(task, str):
            task = BadLine(tag=place, error=f"line {number}: {task}")
        yield task


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of one that is too long, its beginning."""
    while line := file.readline(MAX_BYTES):
        yield line
        while len(line) == MAX_BYTES and not line.endswith(b"\n"):
            line = file.readline(MAX_BYTES)


def _jsonl(first: bytes, rest: Iterator[bytes]) -> Iterator[tuple[int, Record]]:
    for number, line in enumerate(_chained(first, rest), 1):
        if line.strip():
            yield number, _object(line)


def _object(line: bytes) -> Record:
    if len(line) == MAX_BYTES:
        return f"it is longer than {MAX_BYTES >> 20} MB"
    try:
        found: object = json.loads(line)
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as error:
        return f"it is no JSON ({getattr(error, 'msg', None) or 'not UTF-8'})"
    if not isinstance(found, dict):
        return 'it is no JSON object; give {"image": "a.png"}'
    fields = cast("dict[str, Any]", found)
    return {name: value for name, value in fields.items() if value is not None}


def _csv(first: bytes, rest: Iterator[bytes], name: str) -> Iterator[tuple[int, Record]]:
    csv.field_size_limit(MAX_BYTES)
    reader = csv.reader(line.decode(errors="surrogateescape") for line in _chained(first, rest))
    header = [field.strip() for field in next(reader, list[str]())]
    if unknown := [field for field in header if field not in NAMES]:
        names = ", ".join(shorten(field, 30) for field in unknown[:5])
        raise UsageError(
            f"{name}: its first line names no fields of tasks: {names}; "
            "give names as path,tag,truth and leave other columns out"
        )
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, f"it is no CSV ({error})"
            continue
        if cells and len(cells) != len(header):
            yield reader.line_num, f"it has {len(cells)} cells, the first line {len(header)}"
        elif cells:
            yield reader.line_num, {k: v for k, v in zip(header, cells, strict=True) if v}


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
