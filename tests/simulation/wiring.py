"""Where the real client meets the simulated world: transport, chance, clocks and threads.

All is the product's own but for four seams: the transport comes from `http=`, chance
is seeded, the wall clock follows the loop, and what goes to a thread runs at once. The
journal is the real one on a real file; only its writer's thread is replaced by the loop.
"""

from __future__ import annotations

import contextlib
import importlib
import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import anyio.to_thread

from solvestream._journal import lock
from solvestream._journal.writer import Post, Writer
from tests.simulation.loop import VirtualLoop

EPOCH = 1_700_000_000.0
"""Where the wall clock stands when the loop's stands at 0."""
COMMIT = 0.02
"""Seconds from a record to its commit."""


class LoopWriter(Writer):
    """The journal's writer, without its thread: commits come as timers of the loop."""

    dead = False
    loop: VirtualLoop
    _due = False

    def start(self, post: Post) -> None:
        """Take the loop's timers instead of a thread."""
        self._post = post

    def put(self, step: Any, row: Any, done: Any) -> None:
        """Queue a record, and commit it soon."""
        self.queue.append((step, row, done))
        self._later()

    def _later(self) -> None:
        if not self._due and not self.dead:
            self._due = True
            self.loop.call_later(COMMIT, self._flush)

    def _flush(self) -> None:
        self._due = False
        if self.dead or self._closing:
            return
        self._round()
        if self.queue or any(self.owed.values()):
            self._later()

    def close(self) -> None:
        """Write what is left; after a crash, nothing."""
        if self.dead:
            return
        self._closing = True
        while self.queue:
            self._round()
        self.store.close()

    def crash(self) -> None:
        """End as a killed process does: what is not committed is lost, and the lock is free."""
        if not self.dead and not self._closing:
            self.dead = True
            self.store.close()
            lock._forget()


async def _at_once(call: Callable[..., Any], *args: Any, **_: Any) -> Any:
    return call(*args)


@contextlib.contextmanager
def wired(seed: int, loop: Callable[[], VirtualLoop]) -> Iterator[list[LoopWriter]]:
    """Connect clients to the world given as `http=`; yields the writers that are opened."""
    chance = random.Random(seed)
    clock = SimpleNamespace(
        time=lambda: EPOCH + loop().moment, monotonic=lambda: loop().moment, sleep=lambda _: None
    )
    fakes: dict[str, Any] = {
        "random": SimpleNamespace(Random=lambda: random.Random(chance.random())),
        "secrets": SimpleNamespace(token_hex=lambda n: f"{chance.getrandbits(8 * n):x}"),
        "time": clock,
        "open_transport": lambda http, connections: http(connections),
    }
    writers: list[LoopWriter] = []

    def open_writer(*args: Any) -> LoopWriter:
        writers.append(LoopWriter(*args))
        writers[-1].loop = loop()
        return writers[-1]

    with contextlib.ExitStack() as stack:
        for name in ("client", "_admission", "_engine", "_recorder", "_journal.writer"):
            with contextlib.suppress(ImportError):
                module = importlib.import_module(f"solvestream.{name}")
                for seam in fakes.keys() & vars(module).keys():
                    stack.enter_context(patch.object(module, seam, fakes[seam]))
        journal = importlib.import_module("solvestream._journal.journal")
        stack.enter_context(patch.object(journal, "Writer", open_writer))
        stack.enter_context(patch.object(anyio.to_thread, "run_sync", _at_once))
        yield writers
