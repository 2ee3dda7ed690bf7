"""A run looked back on: one page of HTML from a journal, for people. Needs no extra.

`write_report` does it all; `read_run` and `page` are its two steps. The page shows throughput
and tasks in flight over time, how long each part of the way took, every task's own way, errors,
refusals with the state of gates and breakers, and money. It holds no key and no answer.
"""

from __future__ import annotations

import os
from datetime import tzinfo
from pathlib import Path

from solvestream.errors import UsageError
from solvestream.observe.report.page import page
from solvestream.observe.report.run import Run, read_run

__all__ = ["Run", "page", "read_run", "write_report"]


def write_report(
    journal: str | os.PathLike[str], output: str | os.PathLike[str], *, zone: tzinfo | None = None
) -> Run:
    """Write the report of a journal, also while a run is writing it; return what it shows. Blocks.

    Args:
        journal: path of the journal.
        output: path of the page, which is replaced; less than 2,000,000 bytes.
        zone: of its times; `None`: this machine's own.

    Raises `JournalError` for a file that is missing, broken or no journal, `UsageError` for an
    output that is the journal itself, and `OSError` where the page cannot be written.
    """
    source, target = Path(journal).resolve(), Path(output).resolve()
    own = [source.with_name(f"{source.name}{end}") for end in ("", "-wal", "-shm", "-lock")]
    if target in own:
        raise UsageError(f"report: {output} is the journal's own file; give another for the page")
    run = read_run(source)
    target.write_bytes(page(run, zone=zone))
    return run
