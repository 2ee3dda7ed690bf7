"""Things that go wrong on purpose: which request is struck, and what its client then sees.

Most faults are ordinary replies. A cut reply announces its full length, sends half and closes;
a dropped one resets the connection. Both need the transport under ASGI, which our own server
puts into the scope (`EXTENSION`, see process.py); without it, in-process, they raise
`ConnectionResetError`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from random import Random
from typing import Any, TypeAlias

import anyio
from attrs import define, field

from .settings import Call, Fault, FaultKind
from .wire import Reply
from .work import Reason

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

EXTENSION = "solvestream.transport"
"""Name in `scope["extensions"]` of `{"transport": the connection's asyncio transport}`."""

CARRIED_OUT = {FaultKind.CUT, FaultKind.DROP, FaultKind.DRIP, FaultKind.HANG}
"""Kinds that strike the reply of a request that was carried out."""

CODES: dict[FaultKind, Reason] = {
    FaultKind.NO_SLOT: Reason.NO_SLOT,
    FaultKind.ZERO_BALANCE: Reason.ZERO_BALANCE,
    FaultKind.BANNED: Reason.BANNED,
}

_RESET = struct.pack("ii", 1, 0)
"""Linger of no seconds: closing sends a reset, not an orderly end."""

_PAGE = b"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Bad gateway</h1></body>"


class FaultPlan:
    """Decides which request is struck; the same seed and requests give the same faults."""

    def __init__(self, faults: tuple[Fault, ...], seed: int) -> None:
        self._faults = faults
        self._chance = Random(seed)
        self._seen: Counter[Call] = Counter()
        self.struck: Counter[str] = Counter()

    def __bool__(self) -> bool:
        """Say whether there are faults at all."""
        return bool(self._faults)

    def draw(self, call: Call) -> Fault | None:
        """Return the fault that strikes this request, if any."""
        positions = {call: self._seen[call], Call.ANY: self._seen[Call.ANY]}
        self._seen.update((call, Call.ANY))
        struck = [fault for fault in self._faults if self._strikes(fault, positions)]
        if not struck:
            return None
        self.struck[struck[0].kind] += 1
        return struck[0]

    def _strikes(self, fault: Fault, positions: dict[Call, int]) -> bool:
        position = positions.get(fault.on)
        if position is None:
            return False
        by_chance = fault.probability > 0.0 and self._chance.random() < fault.probability
        return by_chance or position in fault.at


def stand_in(fault: Fault) -> Reply | None:
    """Return the reply a fault puts in place of the real one, if it is one of plain HTTP."""
    if fault.kind is FaultKind.THROTTLED:
        wait = f"{fault.seconds:g}".encode()
        return Reply(b"Too Many Requests", 429, headers=((b"retry-after", wait),))
    if fault.kind is FaultKind.STATUS:
        return Reply(b"Service trouble", fault.status)
    if fault.kind is FaultKind.HTML:
        return Reply(_PAGE, fault.status, b"text/html; charset=utf-8")
    return None


@define
class Line:
    """The three ends of one ASGI exchange."""

    scope: Scope = field(repr=False)
    receive: Receive
    send: Send


async def answer(line: Line, reply: Reply) -> None:
    """Send a reply whole."""
    await _start(line, reply)
    await line.send({"type": "http.response.body", "body": reply.body})


async def answer_badly(line: Line, reply: Reply, fault: Fault) -> None:
    """Send a reply the way `fault` has it."""
    if fault.kind is FaultKind.HANG:
        await _hang(line, fault.seconds)
        await answer(line, reply)
    elif fault.kind is FaultKind.DRIP:
        await _drip(line, reply, fault.seconds)
    elif fault.kind is FaultKind.DROP:
        await _hang_up(line, abruptly=True)
    elif fault.kind is FaultKind.CUT:
        await _start(line, reply)
        half = reply.body[: len(reply.body) // 2]
        await line.send({"type": "http.response.body", "body": half, "more_body": True})
        await _hang_up(line, abruptly=False)
    else:
        await answer(line, reply)


async def _start(line: Line, reply: Reply) -> None:
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", b"%d" % len(reply.body)),
        *reply.headers,
    ]
    await line.send({"type": "http.response.start", "status": reply.status, "headers": headers})


async def _drip(line: Line, reply: Reply, seconds: float) -> None:
    await _start(line, reply)
    pause = seconds / max(1, len(reply.body))
    for position in range(len(reply.body)):
        byte = reply.body[position : position + 1]
        await line.send({"type": "http.response.body", "body": byte, "more_body": True})
        await anyio.sleep(pause)
    await line.send({"type": "http.response.body", "body": b""})


async def _hang(line: Line, seconds: float) -> None:
    """Wait; a client that leaves ends it early."""
    with anyio.move_on_after(seconds):
        while (await line.receive())["type"] != "http.disconnect":
            pass


async def _hang_up(line: Line, *, abruptly: bool) -> None:
    extension = line.scope.get("extensions", {}).get(EXTENSION)
    if extension is None:
        raise ConnectionResetError("the service hung up, as its settings say")
    transport: asyncio.Transport = extension["transport"]
    if abruptly:
        wire: socket.socket = transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    else:
        transport.close()
    await _hang(line, 5.0)
