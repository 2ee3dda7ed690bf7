"""One process at a time writes to a file: a lock on the file itself, which dies with its process.

On Windows there is none: a file that is open cannot be replaced there anyway.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from solvestream.cli.extras import CannotRun

if sys.platform == "win32":

    def lock(handle: int) -> None:
        """Do nothing."""

    @contextmanager
    def claimed(path: Path) -> Generator[None]:
        """Create a file if it is not there."""
        path.touch()
        yield
else:
    import fcntl

    def lock(handle: int) -> None:
        """Take the lock on an open file. Raises `BlockingIOError` where another process has it."""
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @contextmanager
    def claimed(path: Path) -> Generator[None]:
        """Hold the lock on a file, which is created if it is not there.

        Raises `CannotRun` where another process has it, `OSError` where there can be no file.
        """
        handle = _claim(path)
        try:
            yield
        finally:
            os.close(handle)

    def _claim(path: Path) -> int:
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                lock(handle)
                if _is(path, handle):
                    return handle
            except BlockingIOError:
                os.close(handle)
                raise CannotRun(f"{path}: another process is writing to it") from None
            os.close(handle)  # it was replaced before the lock was ours

    def _is(path: Path, handle: int) -> bool:
        try:
            return os.path.samestat(path.stat(), os.fstat(handle))
        except FileNotFoundError:
            return False
