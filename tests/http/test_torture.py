"""Odd replies, for our pool and for httpx: the value or the clean error, and no harm to the next.

The same table runs for our pool below an httpx client in `test_pool_transport.py`.
"""

from __future__ import annotations

import anyio
import pytest

from solvestream._http.pool import Pool
from solvestream._wire import Broken, Sent
from tests.http.scripted import OK, get, until
from tests.http.torture import (
    CASES,
    CHUNKS,
    CODED,
    COUNTED,
    HEAD,
    LAST,
    LIMITS,
    RESET,
    odd_first,
)

pytestmark = pytest.mark.anyio


WAYS = [
    pytest.param(name, drip, id=f"{name}-{'dripped' if drip else 'whole'}")
    for name, case in CASES.items()
    for drip in (False, True)
    if not drip or len(case.reply) < 1000
]


def read(got):
    """Take what came of an exchange; all of the request had left."""
    assert got.sent is Sent.ALL
    return got.trouble if isinstance(got, Broken) else got.body


@pytest.mark.parametrize(("name", "drip"), WAYS)
async def test_odd_reply(transport, servers, name, drip):
    """An odd reply has its value or its error, whatever pieces it comes in, and harms no other."""
    case = CASES[name]
    ours = isinstance(transport, Pool)
    expected, keeps = (case.ours, case.keeps[0]) if ours else (case.theirs, case.keeps[1])
    with servers.serving(odd_first(case, drip=drip)) as server:
        got = await transport.send(get(server.origin, limits=LIMITS))
        assert read(got) == expected
        if isinstance(expected, bytes):
            closes = name.startswith(("until", "coding-behind"))
            assert got.delimited is not closes
        if not drip:  # bytes behind the reply may come as late as they like
            if case.end:
                await until(lambda: not server.open)
                await anyio.sleep(0.01)  # its end takes a moment to arrive
            after = await transport.send(get(server.origin, limits=LIMITS))
            assert read(after) == b"next"
            assert server.accepted == (1 if keeps else 2)


@pytest.mark.parametrize("reply", [COUNTED, CODED + CHUNKS], ids=["length", "chunked"])
async def test_close_at_every_byte(transport, servers, reply):
    """A reply cut at any byte is `RESET` with all sent, and the next one is right."""

    async def script(visit):
        await visit.request()
        await visit.send(cuts.pop(0) if visit.number % 2 else LAST)

    cuts = [reply[:cut] for cut in range(len(reply))]
    with servers.serving(script) as server:
        while cuts:
            assert read(await transport.send(get(server.origin, limits=LIMITS))) is RESET
            assert read(await transport.send(get(server.origin, limits=LIMITS))) == b"next"


async def test_second_reply_up_to_every_byte(transport, servers):
    """Whatever part of a second reply comes with the first, the next request has its own."""

    async def script(visit):
        await visit.request()
        if visit.number % 2:
            await visit.send(OK + extras.pop(0))
            await visit.request()
        await visit.send(LAST)

    extras = [OK[:size] for size in range(1, len(OK) + 1)]
    with servers.serving(script) as server:
        while extras:
            assert read(await transport.send(get(server.origin, limits=LIMITS))) == b"hello"
            costly = get(server.origin, limits=LIMITS, fresh=True)
            assert read(await transport.send(costly)) == b"next"
    assert server.accepted == 2 * len(OK)


@pytest.mark.parametrize("body", [b"", b"hello"], ids=["none", "some"])
async def test_head_with_a_body(transport, servers, body):
    """A body that follows the answer to HEAD never becomes another answer."""

    async def script(visit):
        head, _ = await visit.request()
        while head.startswith(b"HEAD"):
            await visit.send(HEAD + b"Content-Length: 5\r\n\r\n" + body)
            head, _ = await visit.request()
        await visit.send(LAST)

    with servers.serving(script) as server:
        for _ in range(3):
            request = get(server.origin, limits=LIMITS)
            request.method = "HEAD"
            assert read(await transport.send(request)) == b""
            assert read(await transport.send(get(server.origin, limits=LIMITS))) == b"next"
