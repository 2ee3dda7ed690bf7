"""A relay between client and service that does things to a connection at exact bytes.

It knows nothing of HTTP or TLS: end-to-end encrypted bytes are cut as well as plain ones.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Literal

from attrs import define, field, frozen

from tests.faults.service import cut

Do = Literal["reset", "end", "hang", "insert", "flip", "wait"]


@frozen
class At:
    """What happens when so many bytes have passed in one direction.

    `reset` and `end` (an orderly FIN) close both sides; `hang` passes nothing more in this
    direction; `insert` adds `data`; `flip` inverts the next byte; `wait` pauses for `seconds`.
    """

    byte: int
    do: Do
    data: bytes = b""
    seconds: float = 0.0


@frozen(kw_only=True)
class Wire:
    """One connection: incidents towards the service (`up`) and the client (`down`).

    `slices`: bytes written at once at most; `latency`: seconds each piece takes.
    """

    up: tuple[At, ...] = ()
    down: tuple[At, ...] = ()
    slices: int = 1 << 16
    latency: float = 0.0


CLEAN = Wire()


@define(eq=False, repr=False)
class Relay:
    """Listens on loopback and passes on to a port.

    Attributes:
        wire: what the n-th connection (from 1) is like.
        passed: bytes that went to the service, by connection.
        whole: set while bytes pass; clear it for a partition of the net.
    """

    target: int
    wire: Callable[[int], Wire] = lambda number: CLEAN
    port: int = 0
    connections: int = 0
    passed: dict[int, int] = field(factory=dict)
    whole: asyncio.Event = field(factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self.whole.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1000)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut everything."""
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        writers = [writer]
        pumps: list[asyncio.Task[None]] = []
        try:
            await self.whole.wait()
            there, upwards = await asyncio.open_connection("127.0.0.1", self.target)
            writers.append(upwards)
            wire = self.wire(number)
            for one in writers:
                one.transport.set_write_buffer_limits(high=0)
            up = Pump(self, number, reader, upwards, wire, wire.up, writers)
            down = Pump(self, -number, there, writer, wire, wire.down, writers)
            pumps = [asyncio.ensure_future(pump.run()) for pump in (up, down)]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for pump in pumps:
                pump.cancel()
            for one in writers:
                with contextlib.suppress(OSError):
                    one.close()


@define(eq=False, repr=False)
class Pump:
    """One direction of one connection. It returns when the connection is to end."""

    relay: Relay
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    wire: Wire
    left: tuple[At, ...]
    both: list[asyncio.StreamWriter]

    async def run(self) -> None:
        """Pass bytes on, and let happen what is to happen."""
        count = 0
        with contextlib.suppress(OSError):
            while True:
                while self.left and self.left[0].byte <= count:
                    at, self.left = self.left[0], self.left[1:]
                    if not await self._happen(at):
                        return
                stop = self.left[0].byte - count if self.left else 1 << 20
                data = await self.reader.read(min(self.wire.slices, stop))
                if not data:
                    return
                await self._pass(data)
                count += len(data)
                self.relay.passed[self.number] = count

    async def _pass(self, data: bytes) -> None:
        if self.wire.latency:
            await asyncio.sleep(self.wire.latency)
        await self.relay.whole.wait()
        self.writer.write(data)
        await self.writer.drain()

    async def _happen(self, at: At) -> bool:
        if at.do == "wait":
            await asyncio.sleep(at.seconds)
        elif at.do == "insert":
            await self._pass(at.data)
        elif at.do == "flip":
            data = await self.reader.readexactly(1)
            await self._pass(bytes([data[0] ^ 0xFF]))
        elif at.do == "hang":
            await asyncio.Event().wait()
        elif at.do == "reset":
            for writer in self.both:
                cut(writer)
        return at.do not in {"reset", "end"}
