"""`sync`: a client for code that does not await, as scripts, Flask, Django or a thread pool."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
from concurrent.futures import CancelledError
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from anyio.from_thread import start_blocking_portal

from solvestream.client import Client
from solvestream.errors import ClientClosed, UsageError, WrongLoop
from solvestream.results import Balance, Result, Statistics, Threads, Ticket
from solvestream.solutions import S_co, Solution
from solvestream.stream import ResultStream, Stale
from solvestream.tasks import Task

S = TypeVar("S", bound=Solution)
T = TypeVar("T")


def sync(client: Client) -> SyncClient:
    """Give a client methods that block: `with solvestream.sync(Client(...)) as s:`.

    The client runs in an event loop of its own, in a thread of its own, for as long as the block.
    """
    return SyncClient(client)


class SyncClient:
    """A client's methods, each blocking until it is done; made by `sync`.

    It may be shared by threads. Interrupting a call, as Ctrl-C does, is what cancelling it is to
    `Client`: what was not sent is dropped, what was paid goes on.

    Every method raises what the client's raises, `ClientClosed` when the facade is not open, and
    `WrongLoop` in a process that was forked after it was opened, or in the client's own loop, as
    from a source of tasks or an `on_event` callback.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._exit = ExitStack()
        self._loop: asyncio.AbstractEventLoop
        self._open = False
        self._thread = self._process = 0
        self._turn = threading.RLock()  # no call goes to the loop once closing has begun

    def __repr__(self) -> str:
        return f"<SyncClient of {self._client!r}>"

    # Life

    def start(self) -> Self:
        """Start the thread and open the client in it; `with` does it for you.

        Raises what `Client.start` raises.
        """
        if self._open:
            raise UsageError("sync: it is open already")
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal(name="solvestream"))
            stack.enter_context(portal.wrap_async_context_manager(self._client))
            self._loop = portal.call(asyncio.get_running_loop)
            self._thread = portal.call(threading.get_ident)
            self._exit = stack.pop_all()
        self._process = os.getpid()
        self._open = True
        atexit.register(self.close)
        return self

    def close(self) -> tuple[Ticket, ...]:
        """Close the client, within about a second, and end its thread; idempotent.

        Returns tickets of all that was paid and not handed over.
        """
        with self._turn:
            if self._open and self._thread == threading.get_ident():
                raise WrongLoop("this runs in the client's own loop, which cannot end itself")
            was_open, self._open = self._open, False
        atexit.unregister(self.close)
        if was_open and self._process == os.getpid():
            self._exit.close()
        return self._client.tickets()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # Tasks

    def solve(self, task: Task[S]) -> Result[S]:
        """Have one task solved, and return its result; see `Client.solve`."""
        return self.run(partial(self._client.solve, task))

    def stream(
        self,
        tasks: Iterable[Task[S]] | AsyncIterable[Task[S]],
        *,
        in_flight: int = 1_000,
        ordered: bool = False,
        stale: Stale = "keep",
        auto_ack: bool = True,
    ) -> SyncResultStream[S]:
        """Have many tasks solved, and iterate over their results; see `Client.stream`.

        The tasks are read in the client's thread, not in yours, and only as far as there is room.
        A source that blocks keeps the client from its work meanwhile; what is bound to your
        thread, as an SQLite connection, must be read into a list first.
        """
        stream = partial(
            self._client.stream,
            tasks,
            in_flight=in_flight,
            ordered=ordered,
            stale=stale,
            auto_ack=auto_ack,
        )
        return SyncResultStream(self, self._ask(stream))

    def resume(
        self, *, in_flight: int = 1_000, auto_ack: bool = True
    ) -> SyncResultStream[Solution]:
        """Iterate over what earlier processes left in the journal; see `Client.resume`."""
        stream = partial(self._client.resume, in_flight=in_flight, auto_ack=auto_ack)
        return SyncResultStream(self, self._ask(stream))

    def submit(self, task: Task[Any]) -> Ticket:
        """Have a task accepted, and return its ticket; see `Client.submit`."""
        return self.run(partial(self._client.submit, task))

    def wait(self, ticket: Ticket, *, deadline: float | None = None) -> Result[Solution]:
        """Wait for the answer to a ticket, `deadline` seconds at most; see `Client.wait`."""
        return self.run(partial(self._client.wait, ticket, deadline=deadline))

    def ack(self, result: Result[Any]) -> None:
        """Acknowledge a result of a stream with `auto_ack=False`; see `Client.ack`."""
        self._ask(partial(self._client.ack, result))

    def tickets(self) -> tuple[Ticket, ...]:
        """Return tickets of all that was paid and not handed over; see `Client.tickets`."""
        return self._ask(self._client.tickets)

    # Accounts

    def report(self, result: Result[Any] | Ticket, *, correct: bool) -> None:
        """Tell the service whether an answer was right; see `Client.report`."""
        self.run(partial(self._client.report, result, correct=correct))

    def balance(self, *names: str) -> dict[str, Balance]:
        """Ask accounts what is left; see `Client.balance`."""
        return self.run(partial(self._client.balance, *names))

    def threads(self) -> dict[str, Threads]:
        """Ask accounts how many tasks they may have under way; see `Client.threads`."""
        return self.run(self._client.threads)

    def hint(self, task_id: str, *, account: str | None = None) -> bool:
        """Look at a task now, as a call-back says that it is done; see `Client.hint`."""
        return self._ask(partial(self._client.hint, task_id, account=account))

    def statistics(self) -> Statistics:
        """Return a frozen snapshot; see `Client.statistics`."""
        return self._ask(self._client.statistics)

    # Inside

    def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await a function in the client's loop. Interrupted, it cancels the call."""
        with self._turn:
            self._check_open()
            future = asyncio.run_coroutine_threadsafe(function(), self._loop)
        try:
            return future.result()
        except CancelledError:
            raise ClientClosed("the facade was closed by another thread") from None
        finally:
            future.cancel()  # nothing to a call that is done

    def _ask(self, function: Callable[[], T]) -> T:
        async def asked() -> T:
            return function()

        return self.run(asked)

    def let_go(self, stream: ResultStream[Any]) -> None:
        """Close a stream soon; waits for nothing, as garbage may be collected under any lock."""
        with self._turn:
            if self._open and self._process == os.getpid():
                asyncio.run_coroutine_threadsafe(stream.aclose(), self._loop)

    def _check_open(self) -> None:
        if not self._open:
            raise ClientClosed("the facade is not open; use `with sync(client) as s` or `start()`")
        if self._process != os.getpid():
            raise WrongLoop("the facade was opened before a fork; open one in each process")
        if self._thread == threading.get_ident():
            raise WrongLoop("this runs in the client's own loop, where nothing may block")


class SyncResultStream(Generic[S_co]):
    """Results as they come; made by `SyncClient.stream`.

    It is an iterator, and a context manager that lets go at the end of its block; a `break` out
    of a loop that alone holds it lets go too.
    """

    def __init__(self, client: SyncClient, stream: ResultStream[S_co]) -> None:
        self._client = client
        self._stream = stream
        self._started = False

    def __repr__(self) -> str:
        return f"<Sync{repr(self._stream)[1:]}"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Result[S_co]:
        """Return the next result. Raises the source's own exception after the last one."""
        self._started = True
        try:
            return self._client.run(self._stream.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ClientClosed):
            self._client.run(partial(self._stream.__aexit__, kind, error, traceback))

    def close(self) -> None:
        """Let go of the source and of what was not submitted. Idempotent; waits for nothing."""
        self.__exit__(None, None, None)

    def __del__(self) -> None:
        if self._started:  # else the stream itself warns
            self._client.let_go(self._stream)
