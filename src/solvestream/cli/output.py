"""Where results go: lines on standard output, or a file that a later run goes on with.

A file holds one row for each task. What failed and cost nothing is not finished: a later run
takes its row out and tries again; everything else is left out of that run. Rows are written
and flushed as they come, so that a run that is killed loses none that was acknowledged.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TextIO

from attrs import define, field

from solvestream import UsageError
from solvestream.cli.claim import claimed, lock
from solvestream.cli.extras import CannotRun, need
from solvestream.cli.rows import COLUMNS, flat

SUFFIXES = (".jsonl", ".csv", ".parquet")
"""Of the files that can be written."""

Row = Mapping[str, Any]
"""As `rows.row` makes them, or flat as a file has them."""


class Output(Protocol):
    """What a run writes to; `write` may be called in a thread."""

    @property
    def finished(self) -> set[str]:
        """Keys of what earlier runs have finished."""
        ...

    def write(self, row: Row, /) -> None:
        """Write a row; when it returns, the row outlives the process. Raises `OSError`."""
        ...

    def close(self) -> None:
        """Complete the file."""
        ...


def print_row(row: Row) -> None:
    """Print a row on standard output."""
    print(json.dumps(row), flush=True)


@define
class Printed:
    """Lines of JSON on standard output.

    Attributes:
        write: prints a row.
        finished: nothing, as nobody knows what became of what was printed.
    """

    write: Callable[[Row], None] = print_row
    finished: set[str] = field(factory=set[str])

    def close(self) -> None:
        """Leave standard output open: it is not ours."""


@define
class JsonLines:
    """A file of JSON lines.

    Attributes:
        path: of the file.
        finished: keys of what earlier runs have finished; their rows are not written again.
    """

    path: Path
    finished: set[str] = field(factory=set[str])
    _file: TextIO = field(init=False)

    HEADER: ClassVar[str] = ""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file, or go on with one. Raises `UsageError` for one that is none of ours."""
        output = cls(path)
        output.start(path)
        return output

    def start(self, named: Path) -> None:
        """Go on with what is there; `named` is what the user calls the file."""
        try:
            self._begin()
        except OSError as error:
            raise CannotRun(f"{named}: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError, csv.Error):
            why = "there is a file that is no output of solvestream; it was left as it is"
            raise UsageError(f"--output: {named}: {why}; choose another name") from None

    def _begin(self) -> None:
        """Copy the rows of what is finished, put the copy in the place of the file, and go on in it.

        Both are locked: two runs that write to one file would lose each other's rows.
        """
        fresh = self.path.with_name(f"{self.path.name}.new")
        with claimed(self.path):
            try:
                self._copy(fresh)
                fresh.replace(self.path)
            finally:
                fresh.unlink(missing_ok=True)
                if not self.path.stat().st_size:  # it was made for the lock
                    self.path.unlink()
            self._file = _opened(self.path, "a")
            lock(self._file.fileno())

    def _copy(self, fresh: Path) -> None:
        with _opened(fresh, "w") as copy:
            copy.write(self.HEADER)
            for row in self.earlier():
                if _is_finished(row):
                    self.finished.add(row["key"])
                    copy.write(self.encode(row))

    def earlier(self) -> Iterator[Row]:
        """Yield the rows of earlier runs. Raises `ValueError` for what is no row."""
        if self.path.stat().st_size:
            with _opened(self.path, "r") as file:
                yield from self.decode(file)

    def write(self, row: Row) -> None:
        """Write a row, unless an earlier run did."""
        if row["key"] not in self.finished:
            self._file.write(self.encode(self.shape(row)))
            self._file.flush()

    def close(self) -> None:
        """Close the file. Raises `CannotRun` where its last rows do not go into it."""
        try:
            self._file.close()
        except OSError as error:
            raise CannotRun(f"{self.path}: {error.strerror or error}") from None

    def shape(self, row: Row) -> Row:
        """Return a row as the file has it."""
        return row

    def encode(self, row: Row) -> str:
        """Return a row of the file as a line."""
        return json.dumps(row) + "\n"

    def decode(self, file: TextIO) -> Iterator[Row]:
        """Yield the rows of a file, but for one at its end that was not written to its end."""
        yield from map(json.loads, _whole(file, '{"line"'))


@define
class Csv(JsonLines):
    """A file of comma-separated values, with the names of the columns in the first line."""

    HEADER: ClassVar[str] = ",".join(COLUMNS) + "\n"

    def shape(self, row: Row) -> Row:
        """Return a row in columns; true and false are words, as in JSON."""
        return {name: _cell(value) for name, value in flat(row).items()}

    def encode(self, row: Row) -> str:
        """Return a row of the file as a line; what is not known is an empty cell."""
        text = io.StringIO()
        cells = [row[name] for name in COLUMNS]
        csv.writer(text, lineterminator="\r\n").writerow(cells)  # so that it quotes both in a cell
        return text.getvalue().removesuffix("\r\n") + "\n"

    def decode(self, file: TextIO) -> Iterator[Row]:
        """Yield the rows of a file, as text but for what is empty."""
        csv.field_size_limit(sys.maxsize)
        if file.readline() != self.HEADER:
            raise ValueError(self.HEADER)
        for cells in csv.reader(_whole(file, "")):
            if len(cells) == len(COLUMNS):  # the last may be cut off
                yield {name: cell or None for name, cell in zip(COLUMNS, cells, strict=True)}


def check_output(path: Path | None) -> None:
    """Raise `UsageError` for a suffix that is not known, `MissingExtra` where packages are missing."""
    suffix = ".jsonl" if path is None else path.suffix.lower()
    if suffix not in SUFFIXES:
        why = f"give a name that ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise UsageError(f"--output: {path}: {why}")
    if suffix == ".parquet":
        need("parquet")


def open_output(path: Path | None) -> Output:
    """Open what `--output` names; standard output by default.

    Raises what `check_output` does, `UsageError` for a file that is none of ours, and `CannotRun`
    where it cannot be written.
    """
    check_output(path)
    if path is None:
        return Printed()
    match path.suffix.lower():
        case ".parquet":
            from solvestream.cli.parquet import Parquet  # noqa: PLC0415 - an extra

            return Parquet.open(path)
        case ".csv":
            return Csv.open(path)
        case _:
            return JsonLines.open(path)


def _opened(path: Path, mode: str) -> TextIO:
    """Open a file of rows; a carriage return ends no line, as a cell may hold one."""
    return path.open(mode, encoding="utf-8", errors="surrogatepass", newline="\n")  # type: ignore[return-value]


def _whole(lines: Iterable[str], start: str) -> Iterator[str]:
    """Yield lines but for one at the end that was not written to its end.

    Raises `ValueError` for one at the end that does not start as ours do.
    """
    for line in lines:
        if line.endswith("\n"):
            yield line
        elif not line.startswith(start[: len(line)]):
            raise ValueError(start)


def _is_finished(row: Row) -> bool:
    """Whether a task need not be done again: it was solved, or may have cost something."""
    error = row["error"]
    charged = row.get("charged") if error is None or isinstance(error, str) else error["charged"]
    return row["key"] is not None and (row["ok"] in {True, "true"} or charged != "no")


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
