"""`solvestream solve`: image tasks in, one line of JSON a result out, nothing paid is lost."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Generator, Sequence
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
from solvestream.cli.accounts import Account
from solvestream.cli.progress import Meter


def solve(
    tasks: Sequence[ImageToText], accounts: Sequence[Account], *, in_flight: int, ordered: bool
) -> int:
    """Read images and print their results; return the exit code.

    Whatever ends it early, a result that has come is printed, and tickets of what was paid and
    not printed go to standard error, a line of JSON each.
    """
    live = sys.stderr.isatty() and not sys.stdout.isatty()
    run = _Run(Meter({"images": len(tasks)}, live=live))
    try:
        with run.meter, _sigterm_as_ctrl_c():
            read = partial(run.read, tasks, accounts, in_flight=in_flight, ordered=ordered)
            anyio.run(read)
    finally:
        for ticket in run.tickets:
            print(ticket.to_json(), file=sys.stderr)
    return 1 if run.meter.failed else 0


@define
class _Run:
    """Where results go while they come.

    Attributes:
        tickets: of what was paid and could not be printed.
    """

    meter: Meter
    tickets: list[Ticket] = field(factory=list[Ticket])

    async def read(
        self,
        tasks: Sequence[ImageToText],
        accounts: Sequence[Account],
        *,
        in_flight: int,
        ordered: bool,
    ) -> None:
        """Read all images."""
        async with Client(*accounts) as client:
            results = client.stream(tasks, in_flight=in_flight, ordered=ordered)
            try:
                await self._print_all(results)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await client.aclose()  # ends the stream too: with answers, or with tickets
                    await self._save_all(results)
                raise

    async def _print_all(self, results: ResultStream[Text]) -> None:
        async for result in results:
            try:
                await anyio.to_thread.run_sync(_print, result)  # a slow pipe must not stop looks
            except OSError:
                self._save(result)
                raise
            self.meter.count("images", ok=result.ok)

    async def _save_all(self, results: ResultStream[Text]) -> None:
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

    def _save(self, result: Result[Text]) -> None:
        if result.ticket is not None:
            self.tickets.append(result.ticket)


def line(result: Result[Any]) -> dict[str, Any]:
    """Return a result as the object that is printed."""
    solution = result.solution
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
    }


def _print(result: Result[Text]) -> None:
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
