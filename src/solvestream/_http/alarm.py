"""One timer for all deadlines of a pool.

It is set to the nearest of them, and since most exchanges end long before, it fires once in many
thousand exchanges (PERFORMANCE.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from attrs import define

NEVER: Final = float("inf")


@define(eq=False, repr=False)
class Alarm:
    """Calls `ring` with the seconds by which it is late, no later than the nearest deadline.

    Attributes:
        due: when it rings, on the loop's clock. Whoever has a nearer deadline calls `set`.
    """

    _loop: asyncio.AbstractEventLoop
    _ring: Callable[[float], None]
    due: float = NEVER
    _timer: asyncio.TimerHandle | None = None

    def set(self, deadline: float) -> None:
        """Ring no later than `deadline`."""
        if deadline < self.due:
            self.stop()
            self.due = deadline
            self._timer = self._loop.call_at(deadline, self._fire)

    def stop(self) -> None:
        """Ring no more, until it is set again."""
        self.due = NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        late = self._loop.time() - self.due
        self.stop()
        self._ring(late)
