"""A bare asyncio loop without sockets, whose clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stuck(AssertionError):
    """Everything waits for ever."""


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop. What it runs takes no time; what it waits for comes at once.

    Attributes:
        moment: what `time()` says, seconds.
        until: when a run that goes on is taken to hang.
    """

    def __init__(self, moment: float = 1000.0, until: float = 1e6) -> None:
        super().__init__()
        self.moment = moment
        self.until = until
        self.errors: list[dict[str, Any]] = []
        self._selector = self
        self._clock_resolution = 1e-6
        self.set_exception_handler(lambda _, context: self.errors.append(context))

    def time(self) -> float:
        """Return the virtual moment."""
        return self.moment

    def select(self, timeout: float | None) -> list[Any]:
        """Let the time pass. Raises `Stuck` where nothing is left to wait for."""
        if timeout is None or self.moment > self.until:
            raise Stuck(f"at {self.moment:.1f} s everything waits")
        self.moment += timeout
        return []

    def _process_events(self, events: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run to the end."""
        return self.run_until_complete(main)

    def run_until_crash(self, main: Coroutine[Any, Any, None], seconds: float) -> bool:
        """Run for so long at most, and then drop everything; tells whether it came to that."""
        task = self.create_task(main)
        task.add_done_callback(self._end)
        crash = self.call_later(seconds, self.stop)
        self.run_forever()
        crash.cancel()
        task.remove_done_callback(self._end)
        return not task.done()

    def _end(self, _: object) -> None:
        self.stop()

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return what has not ended."""
        return [task for task in asyncio.all_tasks(self) if not task.done()]

    def bury(self) -> None:
        """End what a crash has left, where it can do no harm any more, and close the loop."""
        self.until = float("inf")
        for _ in range(20):
            if not (left := self.tasks()):
                break
            for task in left:
                task.cancel()
            self.run_until_complete(asyncio.wait(left, timeout=10))
        self.close()
        gc.collect()
