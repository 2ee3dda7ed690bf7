"""Progress on standard error: bars on a terminal, a plain line for each tenth elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from attrs import define, field
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)


@define
class Meter:
    """Counts tasks as they end, and shows it.

    Attributes:
        totals: how many tasks there will be, by name of the bar.
        live: draw bars; else print lines.
    """

    totals: Mapping[str, int]
    live: bool
    done: int = 0
    failed: int = 0
    _bars: Progress = field(init=False)
    _ids: dict[str, TaskID] = field(init=False, factory=dict[str, TaskID])

    def __attrs_post_init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[failed]} failed"),
            console=Console(stderr=True),
            disable=not self.live,
        )

    @property
    def total(self) -> int:
        """All tasks of all bars."""
        return sum(self.totals.values())

    def __enter__(self) -> Self:
        for name, total in self.totals.items():
            self._ids[name] = self._bars.add_task(name, total=total, failed=0)
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def count(self, name: str, *, ok: bool) -> None:
        """Count one task that ended."""
        self.done += 1
        self.failed += not ok
        bar = self._bars.tasks[self._ids[name]]
        failed: int = bar.fields["failed"] + (not ok)
        self._bars.update(bar.id, advance=1, failed=failed)
        tenth = max(1, self.total // 10)
        if not self.live and (self.done % tenth == 0 or self.done == self.total):
            print(f"{self.done}/{self.total} done, {self.failed} failed", file=sys.stderr)
