"""`--output results.parquet` (extra `parquet`): columns, typed and compressed.

A Parquet file cannot be added to, and is nothing before its end. So rows go to a file of JSON
lines beside it, `results.parquet.jsonl`, and become the Parquet file when the run ends; after
a crash the next run goes on with the lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Self

from attrs import define, field

from solvestream.cli.extras import CannotRun
from solvestream.cli.output import JsonLines, Row
from solvestream.cli.rows import COLUMNS, flat

pa: Any = import_module("pyarrow")  # without types
pq: Any = import_module("pyarrow.parquet")

GROUP = 10_000
"""Rows that are in memory at once, and in a group of the file."""

_TYPES = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
SCHEMA = pa.schema([(name, _TYPES[kind]) for name, kind in COLUMNS.items()])


@define
class Parquet(JsonLines):
    """A Parquet file, by way of lines beside it.

    Attributes:
        target: the Parquet file; `path` is that of the lines.
    """

    target: Path = field(kw_only=True)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file, or go on with one. Raises `UsageError` for one that is none of ours."""
        output = cls(path.with_name(f"{path.name}.jsonl"), target=path)
        output.start(path)
        return output

    def earlier(self) -> Iterator[Row]:
        """Yield the rows of the lines if an earlier run left some, or else of the Parquet file."""
        if self.path.stat().st_size or not self.target.exists():
            yield from super().earlier()
            return
        with pq.ParquetFile(self.target) as file:
            if file.schema_arrow.names != SCHEMA.names:
                raise ValueError(self.target)
            for batch in file.iter_batches(GROUP):
                yield from batch.to_pylist()

    def shape(self, row: Row) -> Row:
        """Return a row in columns."""
        return flat(row)

    def close(self) -> None:
        """Make the Parquet file of the lines, and remove them."""
        fresh = self.target.with_name(f"{self.target.name}.new")
        try:
            rows = super().earlier()
            with pq.ParquetWriter(fresh, SCHEMA) as file:
                while group := [_clean(row) for row in islice(rows, GROUP)]:
                    file.write_table(pa.Table.from_pylist(group, SCHEMA))
            fresh.replace(self.target)
            self.path.unlink()
        except OSError as error:
            why = f"{error.strerror or error}; its rows are in {self.path}"
            raise CannotRun(f"{self.target}: {why}") from None
        finally:
            super().close()
            fresh.unlink(missing_ok=True)


def _clean(row: Row) -> dict[str, Any]:
    """Return a row whose texts are Unicode: a lone surrogate, as in odd file names, becomes `?`."""
    return {
        name: value.encode(errors="replace").decode() if isinstance(value, str) else value
        for name, value in row.items()
    }
