"""An asyncio loop whose time is virtual while its sockets are real.

As soon as no socket is ready, the clock jumps to the next timer. Client, relay and service share the
loop, and the kernel's loopback hands bytes over at once, so minutes of network trouble pass in
milliseconds and without chance.
"""

from __future__ import annotations

import asyncio
import selectors
import time

HANG = 10.0
"""Real seconds after which a loop in which everything waits for ever is a failure."""


class _Selector(selectors.DefaultSelector):
    loop: VirtualLoop

    def select(self, timeout=None):
        """Look at the sockets without waiting; where none is ready, let the time pass."""
        for _ in range(3):  # the kernel may need a moment
            if (events := super().select(0)) or timeout == 0:
                return events
        if timeout is None:
            if not (events := super().select(HANG)):
                raise AssertionError("everything in the loop waits for ever")
            return events
        if timeout > 0 and self.loop.threads:
            started = time.monotonic()
            events = super().select(min(timeout, 0.01))
            self.loop.moment += time.monotonic() - started
            return events
        self.loop.moment += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop.

    Attributes:
        moment: what `time()` says.
        threads: something runs in a thread, so the time is real until this is false again.
    """

    def __init__(self) -> None:
        self.moment = 1000.0
        self.threads = False
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Return the virtual moment."""
        return self.moment

    def stall(self, seconds: float) -> None:
        """Let time pass as if the host application had blocked the loop."""
        self.moment += seconds


VIRTUAL = ("asyncio", {"loop_factory": VirtualLoop})
