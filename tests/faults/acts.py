"""What a service may do with a request instead of answering it well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.faults.service import Act, Asked, Chooser, Visit, http


def first(act: Act, times: int = 1) -> Chooser:
    """Meet the first requests of a kind with an act."""
    return lambda number: act if number <= times else None


def always(act: Act) -> Chooser:
    """Meet every request of a kind with an act."""
    return lambda number: act


def says(body: str | bytes, status: int = 200, *headers: str, paid: bool = False) -> Act:
    """Give a well-framed reply; `paid`: take the money first."""

    async def act(visit: Visit, asked: Asked) -> bool:
        await visit.whole(asked)
        if paid:
            visit.service.accept(asked)
        await visit.send(http(body, status, *headers))
        return True

    return act


def paid(reply: Callable[[bytes], bytes], then: str = "end") -> Act:
    """Take the money, and make bytes on the wire of the good reply's body.

    `then`: `end` the connection, `reset` it, `hang`, or `keep` it.
    """

    async def act(visit: Visit, asked: Asked) -> bool:
        await visit.whole(asked)
        _, body = visit.service.answer(asked)
        await visit.send(reply(body.encode()))
        if then == "hang":
            await visit.hang()
        elif then == "reset":
            visit.reset()
        return then == "keep"

    return act


def raw(data: bytes, then: str = "end") -> Act:
    """Take the money, and send just these bytes."""
    return paid(lambda body: data, then)


def silent(then: str = "hang") -> Act:
    """Take the money and say nothing."""
    return paid(lambda body: b"", then)


async def refuse(visit: Visit, asked: Asked) -> None:
    """RST before anything is read."""
    visit.reset()


def reset_after(size: int) -> Act:
    """RST inside a body, after some of its bytes."""

    async def act(visit: Visit, asked: Asked) -> None:
        await visit.reader.readexactly(size)
        visit.reset()

    return act


async def stall(visit: Visit, asked: Asked) -> None:
    """Read the head only, and never the body."""
    visit.writer.transport.pause_reading()
    await asyncio.sleep(10_000)


def drip(data: bytes, seconds: float, *, count: int = 10_000) -> Act:
    """Take the money, and send the reply byte by byte for ever."""

    async def act(visit: Visit, asked: Asked) -> None:
        await visit.whole(asked)
        visit.service.answer(asked)
        for number in range(count):
            await visit.send(data[number : number + 1] or b"x")
            await asyncio.sleep(seconds)

    return act


def flood(head: bytes, piece: bytes, count: int) -> Act:
    """Send far more than anybody wants."""

    async def act(visit: Visit, asked: Asked) -> None:
        await visit.whole(asked)
        await visit.send(head)
        for _ in range(count):
            await visit.send(piece)
            await asyncio.sleep(0)

    return act
