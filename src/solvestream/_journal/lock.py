"""One process at a time: a lock that dies with its process, on a file beside the journal.

SQLite's own `locking_mode=EXCLUSIVE` would shut out readers too, and a POSIX record lock on
the journal itself is lost when anybody in the process closes another handle of it. `flock`
on a file of its own has neither fault. The file stays when the lock is gone: to remove it
could take away a lock that another process has just got.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from weakref import WeakSet

from solvestream.errors import JournalError

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # a locked byte cannot be read on Windows, and the owner's id shall be

    def _try(handle: int) -> None:
        os.lseek(handle, _FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)
else:
    import fcntl

    def _try(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class ProcessLock:
    """Holds the journal at `path` for this process until `release`; `held` tells.

    Raises `JournalError`, naming the process that holds it where known. A forked child does
    not have it, and does not keep it alive.
    """

    def __init__(self, path: Path) -> None:
        beside = path.with_name(path.name + "-lock")
        handle = -1
        try:
            handle = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
            if not _locked(handle):
                why = f"{_owner(handle)} is using it; wait for its end, or use another file"
            else:
                os.ftruncate(handle, 0)
                os.write(handle, b"%d\n" % os.getpid())
                self._handle = handle
                self.held = True
                _LOCKS.add(self)
                return
        except OSError as error:
            why = f"{error.strerror} ({beside.name}); choose a directory that can be written"
        if handle >= 0:
            os.close(handle)
        raise JournalError(f"journal {path}: {why}")

    def release(self) -> None:
        """Let another process have the journal. Idempotent."""
        if self.held:
            self.held = False
            os.close(self._handle)


def _locked(handle: int) -> bool:
    try:
        _try(handle)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _owner(handle: int) -> str:
    os.lseek(handle, 0, os.SEEK_SET)
    text = os.read(handle, 20).strip()
    return f"process {int(text)}" if text.isdigit() else "another process"


_LOCKS: WeakSet[ProcessLock] = WeakSet()


def _forget() -> None:
    """Close a forked child's handles, which would keep the lock alive after its parent."""
    for lock in list(_LOCKS):
        lock.release()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget)
