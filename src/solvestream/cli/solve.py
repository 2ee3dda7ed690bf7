"""`solvestream solve`, `stream` and `resume`: a row for each result, and nothing paid is lost."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import AsyncIterable, Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from attrs import define, field, frozen

from solvestream import Client, ClientClosed, Result, ResultStream
from solvestream._journal.store import read_journal
from solvestream.cli.accounts import Account
from solvestream.cli.ahead import Ahead
from solvestream.cli.extras import CannotRun
from solvestream.cli.inputs import Input
from solvestream.cli.keys import Keyed
from solvestream.cli.output import Output, Printed, open_output
from solvestream.cli.rows import row
from solvestream.cli.screen import Screen
from solvestream.cli.thresholds import Threshold, broken
from solvestream.events import Event, TaskEnded, TaskWithdrawn
from solvestream.observe.tally import Tally

Open = Callable[[Client], ResultStream[Any]]

_UNSENT = ("ClientClosed", "TransportError")
"""How tasks end that were on their way to a submit when the run was stopped."""
STUCK = 1.0
"""Seconds that who leaves waits for a row that is being written."""


@frozen(kw_only=True)
class Plan:
    """How a run is to be done.

    Attributes:
        accounts: where.
        in_flight: tasks taken and not yet written at most.
        ordered: results in the order of the tasks.
        journal: file that keeps what is paid, if any.
        output: file for the results; default: lines of JSON on standard output.
        limit: tasks at most, finished ones not counted.
        thresholds: when the run has failed; none: when a task has.
    """

    accounts: Sequence[Account] = ()
    in_flight: int = 1_000
    ordered: bool = False
    journal: str | None = None
    output: Path | None = None
    limit: int | None = None
    thresholds: tuple[Threshold, ...] = ()


def solve(tasks: Input, plan: Plan) -> int:
    """Have tasks solved and write their results; return the exit code.

    With a journal or an output file, what an earlier run has finished is left out. Whatever ends
    it early, a result that has come is written. Answers that could not be written, and tickets
    of what else was paid, go to standard error, a line of JSON each. With a journal, they stay in
    it, and standard error says how to go on.

    Args:
        tasks: read as far as there is room; may block.
        plan: how.
    """
    output = open_output(plan.output)
    keys = Keyed(output.finished)
    keyed = plan.journal is not None or plan.output is not None
    some = itertools.islice(keys.of(tasks.tasks) if keyed else tasks.tasks, plan.limit)
    source = Ahead(some)

    def results(client: Client) -> ResultStream[Any]:
        taken, left = _kept(plan.journal)  # the journal is ours now: no other run adds to it
        keys.finished = (output.finished | taken) - left  # what is left is handed over, not bought
        return client.stream(source, in_flight=plan.in_flight, ordered=plan.ordered)

    screen = _screen(tasks.total if plan.limit is None else None, lambda: keys.skipped)
    try:
        return _Run(plan, output, screen).run(results)
    finally:
        source.stop()


def resume(plan: Plan) -> int:
    """Write what earlier runs left in a journal; return the exit code.

    Raises `JournalError` when there is no such journal, or another process uses it.
    """
    assert plan.journal is not None
    left = sum(1 for _ in read_journal(plan.journal, left=True))

    def results(client: Client) -> ResultStream[Any]:
        return client.resume(in_flight=plan.in_flight)

    return _Run(plan, open_output(None), _screen(left, lambda: 0)).run(results)


def _screen(total: int | None, skipped: Callable[[], int]) -> Screen:
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return Screen(tally=Tally(), total=total, skipped=skipped, live=live)


def _kept(journal: str | None) -> tuple[set[str], set[str]]:
    """Return the keys of a journal that are done with, and of what nobody has taken yet.

    What was handed over is done with, unless it failed and cost nothing.
    """
    taken, left = set[str](), set[str]()
    if journal is not None:
        for entry in read_journal(journal):
            if entry.taken_at is None:
                left.add(entry.job_key)
            elif entry.error is None or entry.error.charged != "no":
                taken.add(entry.job_key)
    return taken, left


@define(eq=False)
class _Run:
    """Where results go while they come.

    Attributes:
        opened: the client was open, and its journal so.
        stopped: somebody wants it to end.
        stuck: a write to the output does not end, as nobody reads the pipe.
        unwritten: lines of JSON, without a journal: rows of answers that could not be written,
            and tickets of what else was paid.
    """

    plan: Plan
    output: Output
    screen: Screen
    opened: bool = False
    stopped: bool = False
    stuck: bool = False
    unwritten: list[str] = field(factory=list[str])

    def run(self, results: Open) -> int:
        """Run to the end, and tell how it went; return the exit code."""
        if isinstance(self.output, Printed) and self.screen.live and sys.stdout.isatty():
            self.output.write = self.screen.print_row
        try:
            with self.screen:
                anyio.run(partial(self._read, results))
            self.screen.finish()
        finally:
            for line in self.unwritten:
                print(line, file=sys.stderr)
            if self.opened and self.plan.journal is not None:
                self._tell_how_to_go_on(self.plan.journal)
            if (
                self.stuck
            ):  # a thread that waits for the pipe would keep the interpreter from ending
                sys.stderr.flush()
                os._exit(130)
            self.output.close()
        return self._code()

    def _code(self) -> int:
        if self.stopped:
            return 130
        found = broken(self.plan.thresholds, self.screen.tally)
        for line in found:
            print(line, file=sys.stderr)
        if self.plan.thresholds:
            return 2 if found else 0
        return 1 if self.screen.tally.failed else 0

    def _tell_how_to_go_on(self, journal: str) -> None:
        if left := sum(1 for _ in read_journal(journal, left=True)):
            what = "1 task is" if left == 1 else f"{left} tasks are"
            how = f"solvestream resume {shlex.quote(journal)}"
            if self.plan.output is not None:
                how = "the same command again"
            print(f"{what} left in the journal; go on with: {how}", file=sys.stderr)

    async def _read(self, results: Open) -> None:
        """Write all results."""
        plan = self.plan
        async with Client(*plan.accounts, journal=plan.journal, on_event=self._take) as client:
            self.opened = True
            stream = results(client)
            self.screen.watch(client.statistics)
            done = False
            leave = anyio.CancelScope()
            try:
                with _interrupts(partial(self._interrupt, stream, leave)), leave:
                    await self._write_all(stream)
                    done = True
            except BrokenPipeError:
                raise
            except OSError as error:
                name = "standard output" if plan.output is None else plan.output
                raise CannotRun(f"{name}: {error.strerror or error}") from None
            finally:
                if not done:
                    with anyio.CancelScope(shield=True):
                        await client.aclose()  # ends the stream too: with answers, or with tickets
                        if plan.journal is None:
                            await self._save_all(stream)

    def _take(self, event: Event) -> None:
        """Take an event in; what was kept from being sent, or left, has not failed."""
        if self.stopped and isinstance(event, TaskEnded) and event.error in _UNSENT:
            event = TaskWithdrawn(at=event.at, job_key=event.job_key)
        self.screen.tally(event)

    async def _write_all(self, results: AsyncIterable[Result[Any]]) -> None:
        async for result in results:
            if self.stopped and type(result.error).__name__ in _UNSENT:
                continue
            await self._write_in_thread(result)  # a slow pipe stops no look

    async def _write_in_thread(self, result: Result[Any]) -> None:
        """Write a result; who leaves does not wait for ever for a pipe that nobody reads."""
        written, ended = threading.Event(), threading.Event()

        def write() -> None:
            try:
                self._write(result)
                written.set()
            finally:
                ended.set()

        try:
            await anyio.to_thread.run_sync(write, abandon_on_cancel=True)
        except BaseException:
            with anyio.CancelScope(shield=True), anyio.move_on_after(STUCK):
                while not ended.is_set():  # noqa: ASYNC110 - a thread sets it
                    await anyio.sleep(0.02)
            self.stuck = not ended.is_set()
            if not written.is_set():
                self._save(result)
            raise

    def _write(self, result: Result[Any]) -> None:
        told = row(result)
        self.output.write(told)
        if told["correct"] is not None:
            self.screen.tally.grade(correct=told["correct"])

    async def _save_all(self, results: ResultStream[Any]) -> None:
        """Write what has come after all; of the rest keep the tickets."""
        with suppress(ClientClosed):  # the source is told so too
            async for result in results:
                if self.stuck or isinstance(result.error, ClientClosed):
                    self._save(result)
                    continue
                with suppress(OSError), anyio.move_on_after(STUCK):
                    await self._write_in_thread(result)

    def _save(self, result: Result[Any]) -> None:
        if self.plan.journal is not None:
            return
        if result.ok:
            self.unwritten.append(json.dumps(row(result)))
        elif result.ticket is not None:
            self.unwritten.append(result.ticket.to_json())

    # Ctrl-C

    def _interrupt(self, results: ResultStream[Any], leave: anyio.CancelScope, number: int) -> None:
        """Come to an end: the first Ctrl-C waits for what is paid, the second and SIGTERM leave."""
        if self.stopped or number != signal.SIGINT:
            self.stopped = True
            leave.cancel()
            return
        self.stopped = True
        left = results.stop()
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + left.seconds))
        where = f"stay in {self.plan.journal}" if self.plan.journal else "are printed"
        self.screen.say(
            f"stopping: no more is submitted; waiting for {left.tasks} paid tasks, until {until} "
            f"at the latest. Ctrl-C again leaves at once, and their tickets {where}"
        )


@contextmanager
def _interrupts(interrupt: Callable[[int], None]) -> Generator[None]:
    """Have the loop call a function at Ctrl-C and SIGTERM."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def soon(number: int, _: object) -> None:
        loop.call_soon_threadsafe(interrupt, number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, soon) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
