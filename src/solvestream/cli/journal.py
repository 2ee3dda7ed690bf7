"""`solvestream journal`: what is in a journal, also while a run is writing it."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text as Plain

from solvestream import Text, Texts
from solvestream._journal.store import read_journal
from solvestream._journal.values import Entry
from solvestream.errors import shorten

SHOWN = 200
"""Rows of the table at most, the newest; JSON lines have no bound."""


def journal(path: str, *, left: bool, as_json: bool) -> int:
    """Print what a journal holds, and its states; return 0.

    A table on a terminal, unless `as_json`; else a line of JSON each, and the states on standard
    error. Raises `JournalError` for a file that is missing, broken or no journal.
    """
    states: Counter[str] = Counter()
    entries = _counted(read_journal(path, left=left), states)
    if as_json or not sys.stdout.isatty():
        for entry in entries:
            print(entry.to_json())
        print(_summary(states), file=sys.stderr)
        return 0
    newest = deque(entries, SHOWN)
    Console().print(_table(newest), end="")
    if (older := states.total() - len(newest)) > 0:
        print(f"{older} older ones are not shown; --json shows all")
    print(_summary(states))
    return 0


def _counted(entries: Iterable[Entry], states: Counter[str]) -> Iterator[Entry]:
    for entry in entries:
        states[_state(entry)] += 1
        yield entry


def _state(entry: Entry) -> str:
    return entry.state if entry.taken_at is None else f"{entry.state}, taken"


def _summary(states: Counter[str]) -> str:
    found = "; ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return f"{states.total()} in all: {found}" if found else "nothing is in it"


def _table(entries: Iterable[Entry]) -> Table:
    table = Table(box=SIMPLE, header_style="bold")
    for name in ("since", "state", "tag or key", "account", "id"):
        table.add_column(name, no_wrap=True)
    table.add_column("looks", justify="right")
    table.add_column("answer or error", overflow="fold")
    for entry in entries:
        name = entry.job_key if entry.tag is None else entry.tag
        cells = (name, entry.account, entry.task_id or "", entry.looks, _outcome(entry))
        shown = (Plain(shorten(cell)) for cell in cells)  # a string would be read as markup
        table.add_row(_moment(entry.submitted_at), _state(entry), *shown)
    return table


def _moment(at: float) -> str:
    try:
        return f"{datetime.fromtimestamp(at).astimezone():%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):  # as a ticket of elsewhere may say
        return "-"


def _outcome(entry: Entry) -> object:
    if entry.error is not None:
        return entry.error
    match entry.solution:
        case None:
            return ""
        case Text(text=text):
            return text
        case Texts(answers=answers):
            return " ".join(answers)
        case other:
            return other
