"""`solvestream report`: a run as one page of HTML, made from its journal."""

from __future__ import annotations

from pathlib import Path

from solvestream.cli.extras import CannotRun
from solvestream.observe.report import write_report


def report(path: str, *, output: str | None) -> int:
    """Write the page of a journal, beside it unless told where, and say so; return 0.

    Raises `JournalError` for a file that is missing, broken or no journal, `UsageError` for an
    output that is the journal itself, and `CannotRun` where the page cannot be written.
    """
    target = Path(path).with_suffix(".html") if output is None else Path(output)
    try:
        run = write_report(path, target)
    except OSError as error:
        why = error.strerror or type(error).__name__
    else:
        count = len(run.tasks)
        size = target.stat().st_size / 1000
        print(f"{target}: {count:,} task{'' if count == 1 else 's'}, {size:,.0f} kB")
        return 0
    raise CannotRun(f"report: {target}: {why}")
