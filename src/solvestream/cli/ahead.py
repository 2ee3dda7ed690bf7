"""An iterator that blocks, read by a loop: it runs in a thread, some items ahead."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Generic, TypeVar

from attrs import define, field

T = TypeVar("T")

AHEAD = 64
"""Items that may be ready and not yet taken."""


@define(eq=False)
class Ahead(AsyncIterator[T], Generic[T]):
    """Runs an iterable in a thread of its own; what it raises is raised after its items.

    The thread begins with the first item that is asked for. It is a daemon: one that waits for
    a line that nobody types holds up neither `stop` nor the end of the process.
    """

    items: Iterable[T]
    _ready: deque[T] = field(factory=deque[T])
    _room: threading.Semaphore = field(factory=lambda: threading.Semaphore(AHEAD))
    _there: asyncio.Event = field(factory=asyncio.Event)
    _wake: Callable[[], object] | None = None
    _waiting: bool = False
    _stopped: bool = False
    _ended: bool = False
    _failure: Exception | None = None

    def stop(self) -> None:
        """Give no further item. To be called in the loop; idempotent."""
        self._stopped = True
        self._there.set()
        self._room.release()

    async def __anext__(self) -> T:
        if self._wake is None:
            loop = asyncio.get_running_loop()
            self._wake = lambda: loop.call_soon_threadsafe(self._there.set)
            threading.Thread(target=self._run, name="solvestream input", daemon=True).start()
        while not self._stopped:
            self._there.clear()
            self._waiting = True
            ended = self._ended  # before the look at what is ready, as it may come between
            if self._ready:
                self._waiting = False
                self._room.release()
                return self._ready.popleft()
            if ended:
                break
            await self._there.wait()
        failure, self._failure = self._failure, None
        if failure is not None and not self._stopped:
            raise failure
        raise StopAsyncIteration

    def _run(self) -> None:
        try:
            for item in self.items:
                self._room.acquire()
                if self._stopped:
                    return
                self._ready.append(item)
                self._tell()
        except Exception as error:  # noqa: BLE001 - raised where the items are read
            self._failure = error
        finally:
            self._ended = True
            self._tell()

    def _tell(self) -> None:
        """Wake the loop if it waits; it may be closed already."""
        if self._waiting and self._wake is not None:
            self._waiting = False
            try:
                self._wake()
            except RuntimeError:
                self._stopped = True
