"""`solvestream solve` and `resume`: one line of JSON a result, and nothing paid is lost."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from attrs import asdict, define, field

from solvestream import (
    Client,
    ClientClosed,
    ImageToText,
    Result,
    ResultStream,
    Text,
    Texts,
    Ticket,
)
from solvestream._journal.store import read_journal
from solvestream._journal.values import encode_solution
from solvestream.cli.accounts import Account
from solvestream.cli.progress import Meter
from solvestream.solutions import Solution

Open = Callable[[Client], ResultStream[Any]]


def solve(
    tasks: Sequence[ImageToText],
    accounts: Sequence[Account],
    *,
    in_flight: int,
    ordered: bool,
    journal: str | None = None,
) -> int:
    """Read images and print their results; return the exit code.

    Whatever ends it early, a result that has come is printed, and tickets of what was paid and
    not printed go to standard error, a line of JSON each. With a journal, both stay in it, and
    standard error says how to go on.
    """

    def results(client: Client) -> ResultStream[Text]:
        return client.stream(tasks, in_flight=in_flight, ordered=ordered)

    return _print_results(results, accounts, {"images": len(tasks)}, journal)


def resume(journal: str, accounts: Sequence[Account], *, in_flight: int) -> int:
    """Print what earlier runs left in a journal; return the exit code.

    Raises `JournalError` when there is no such journal, or another process uses it.
    """
    left = sum(1 for _ in read_journal(journal, left=True))

    def results(client: Client) -> ResultStream[Any]:
        return client.resume(in_flight=in_flight)

    return _print_results(results, accounts, {"tasks": left}, journal)


def _print_results(
    results: Open, accounts: Sequence[Account], totals: dict[str, int], journal: str | None
) -> int:
    live = sys.stderr.isatty() and not sys.stdout.isatty()
    run = _Run(Meter(totals, live=live), journal)
    try:
        with run.meter, _sigterm_as_ctrl_c():
            anyio.run(partial(run.read, results, accounts))
    finally:
        for ticket in run.tickets:
            print(ticket.to_json(), file=sys.stderr)
        if run.opened and journal is not None:
            _tell_how_to_go_on(journal)
    return 1 if run.meter.failed else 0


def _tell_how_to_go_on(journal: str) -> None:
    if left := sum(1 for _ in read_journal(journal, left=True)):
        what = "1 task is" if left == 1 else f"{left} tasks are"
        go_on = f"solvestream resume {shlex.quote(journal)}"
        print(f"{what} left in the journal; go on with: {go_on}", file=sys.stderr)


@define
class _Run:
    """Where results go while they come.

    Attributes:
        journal: the file that keeps what is not printed, if any.
        opened: the client was open, and its journal so.
        tickets: of what was paid and could not be printed, without a journal.
    """

    meter: Meter
    journal: str | None
    opened: bool = False
    tickets: list[Ticket] = field(factory=list[Ticket])

    async def read(self, results: Open, accounts: Sequence[Account]) -> None:
        """Read all results."""
        async with Client(*accounts, journal=self.journal) as client:
            self.opened = True
            stream = results(client)
            try:
                await self._print_all(stream)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await client.aclose()  # ends the stream too: with answers, or with tickets
                    if self.journal is None:
                        await self._save_all(stream)
                raise

    async def _print_all(self, results: ResultStream[Any]) -> None:
        (name,) = self.meter.totals
        async for result in results:
            try:
                await anyio.to_thread.run_sync(_print, result)  # a slow pipe must not stop looks
            except OSError:
                self._save(result)
                raise
            self.meter.count(name, ok=result.ok)

    async def _save_all(self, results: ResultStream[Any]) -> None:
        """Print what has come after all; of the rest keep the tickets."""
        with suppress(ClientClosed):  # the source is told so too
            async for result in results:
                if isinstance(result.error, ClientClosed):
                    self._save(result)
                    continue
                try:
                    _print(result)
                except OSError:
                    self._save(result)

    def _save(self, result: Result[Any]) -> None:
        if result.ticket is not None and self.journal is None:
            self.tickets.append(result.ticket)


def line(result: Result[Any]) -> dict[str, Any]:
    """Return a result as the object that is printed."""
    solution: Solution | None = result.solution
    text = solution.text if isinstance(solution, Text) else None
    return {
        "path": result.tag,
        "ok": result.ok,
        "text": " ".join(solution.answers) if isinstance(solution, Texts) else text,
        "confidence": solution.confidence if isinstance(solution, Text) else None,
        "error": None
        if result.error is None
        else {
            "type": type(result.error).__name__,
            "message": str(result.error),
            "code": result.error.code,
            "charged": result.error.charged,
            "resumable": result.error.resumable,
        },
        "account": result.account,
        "elapsed": round(result.elapsed, 3),
        "polls": result.polls,
        "cost": result.cost,
        "ticket": None if result.ticket is None else asdict(result.ticket),
        "redelivered": result.redelivered,
    } | _other(solution)


def _other(solution: Solution | None) -> dict[str, Any]:
    """Return an answer that is no text, as a journal may hold it, under a name of its own."""
    if solution is None or isinstance(solution, Text | Texts):
        return {}
    return {"solution": json.loads(encode_solution(solution))}


def _print(result: Result[Any]) -> None:
    print(json.dumps(line(result)), flush=True)


@contextmanager
def _sigterm_as_ctrl_c() -> Generator[None]:
    """Have SIGTERM end the run as cleanly as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
