"""Virtual time: what waits comes at once, in order, and says that it took as long as it should.

Trio has `MockClock` for this. `VirtualLoop` is the same for asyncio: a loop of the standard
library whose clock jumps to the next timer as soon as nothing else is to be done. Sockets and
threads work in it, but take no virtual time; `grace` gives them real time.
"""

from __future__ import annotations

import asyncio
import selectors
from functools import partial
from typing import Any, Literal

from solvestream.errors import UsageError


class _Jump(selectors.DefaultSelector):
    """Waits for nothing that has a time: the time comes instead."""

    def __init__(self, grace: float) -> None:
        super().__init__()
        self.grace = grace
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(self.grace)
        if not ready:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on a virtual clock that starts at 0.

    Args:
        grace: real seconds to wait for sockets and threads before the clock jumps; default 0.
    """

    def __init__(self, grace: float = 0.0) -> None:
        self._jump = _Jump(grace)
        super().__init__(self._jump)

    def time(self) -> float:
        """Return the virtual moment, in seconds."""
        return self._jump.now


def virtual_time(
    backend: Literal["asyncio", "trio"] = "asyncio", *, grace: float = 0.0
) -> tuple[str, dict[str, Any]]:
    """Return a backend and its options on which waiting takes no time.

    It is what an `anyio_backend` fixture returns to run tests in virtual time, and what
    `anyio.run(main, backend=..., backend_options=...)` takes.

    Args:
        backend: `asyncio` (default) or `trio`, which must be installed.
        grace: real seconds to wait for threads and sockets before the clock jumps. Default 0,
            which is right unless files are read (`ImageToText(Path(...))`), a journal is
            written, or sockets are used: take 0.01 then.

    Raises `UsageError` for another backend.
    """
    if backend == "asyncio":
        return "asyncio", {"loop_factory": partial(VirtualLoop, grace)}
    if backend != "trio":  # pyright: ignore[reportUnnecessaryComparison] - public edge
        raise UsageError(f"virtual_time: expected asyncio or trio, got {backend!r}")
    from trio.testing import MockClock  # noqa: PLC0415 - an optional backend

    return "trio", {"clock": MockClock(autojump_threshold=grace)}
