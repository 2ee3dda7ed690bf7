"""The service in a process of its own, which cannot outlive the one that started it.

The child gets its settings as the first line of its standard input, which then stays open:
when the parent dies, however it dies, the pipe ends and the child leaves (serving.py). The child
answers on its standard output with one line of JSON, `{"url": ...}` or `{"error": ...}`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.to_thread

from .settings import Settings

_STOP_SECONDS = 3.0


class LocalService:
    """The service in another process, on a free loopback port.

    A context manager, sync and async: entering starts the process and returns when the service
    answers; leaving stops it, whatever was raised. `url` and `key` are what a client needs.

    Raises `RuntimeError` with the service's own message when it cannot start.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.url = ""
        self._child: subprocess.Popen[bytes] | None = None
        self._turn = threading.RLock()  # a stop during a start waits for it, and undoes it

    def __repr__(self) -> str:
        return f"<LocalService {self.url or 'stopped'} {self.settings.engine}>"

    @property
    def key(self) -> str:
        """The first account's key."""
        return self.settings.accounts[0].key

    @property
    def pid(self) -> int | None:
        """The service's process id, while it runs."""
        return self._child.pid if self._child else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        try:
            await anyio.to_thread.run_sync(self.start)
        except BaseException:
            self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.stop)

    def start(self) -> None:
        """Start the process and wait until the service answers."""
        with self._turn:
            if self._child is not None:
                raise RuntimeError("this LocalService runs already")
            self._start()

    def stop(self) -> None:
        """Stop the process: SIGTERM, and after 3 s SIGKILL. Stopping twice is fine."""
        with self._turn:
            child, self._child, self.url = self._child, None, ""
        if child is not None:
            _end(child)

    def _start(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "solvestream.server", "--settings-from-stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the parent's to handle
        )
        try:
            self.url = self._greet(self._child)
        except BaseException:
            self.stop()
            raise

    def ledger(self, *, tasks: bool = False) -> dict[str, Any]:
        """Return the service's ledger (blocking): counts per account, with `tasks` each task too."""
        url = f"{self.url}/_ledger{'?tasks=1' if tasks else ''}"
        with urllib.request.urlopen(url, timeout=10.0) as reply:  # noqa: S310 - loopback http
            told: dict[str, Any] = json.load(reply)
        return told

    def _greet(self, child: subprocess.Popen[bytes]) -> str:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(self.settings.to_json().encode() + b"\n")
            child.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError("the local service ended before it began") from None
        told: dict[str, str] = json.loads(child.stdout.readline() or b"{}")
        if "url" not in told:
            reason = told.get("error", "its process ended without a word; see standard error")
            raise RuntimeError(f"the local service did not start: {reason}")
        return told["url"]


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
