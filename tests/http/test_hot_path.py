"""What one exchange costs, in counts that do not depend on the machine (PERFORMANCE.md)."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import Counter

import pytest

from tests.http.scripted import answering, get

pytestmark = pytest.mark.anyio
KINDS = "pool"
ROUNDS = 50
MOST_CALLS = 30
"""Python functions of ours that one exchange may run, with a callback for each of four headers."""
REPLY = (
    b"HTTP/1.1 200 OK\r\nServer: raw\r\nDate: Sun, 22 Nov 2026 04:29:27 GMT\r\n"
    b"Content-Type: text/html; charset=utf-8\r\nContent-Length: 16\r\n\r\nCAPCHA_NOT_READY"
)


async def exchange(pool, origin):
    """Carry out one exchange as the engine does."""
    answer = asyncio.get_running_loop().create_future()
    pool.begin(get(origin), answer.set_result)
    return await answer


async def test_calls_per_exchange(transport, servers):
    """A look-up on an open connection runs a bounded number of our functions, however warm it is."""
    calls = Counter()

    def profile(frame, event, arg):
        if event == "call":
            name = frame.f_code.co_filename
            if "solvestream" in name or name.startswith("<attrs generated"):
                calls[frame.f_code.co_qualname] += 1

    with servers.serving(answering(REPLY)) as server:
        await exchange(transport, server.origin)
        sys.setprofile(profile)
        try:
            for _ in range(ROUNDS):
                await exchange(transport, server.origin)
        finally:
            sys.setprofile(None)
    assert sum(calls.values()) / ROUNDS <= MOST_CALLS, calls
    assert calls["ReplyReader.feed"] == ROUNDS  # one read, or the counts say nothing


async def test_nothing_is_left_of_an_exchange(transport, servers):
    """A thousand exchanges leave no more objects behind than one does."""
    with servers.serving(answering(REPLY)) as server:
        await exchange(transport, server.origin)
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(1000):
            await exchange(transport, server.origin)
        gc.collect()
        assert len(gc.get_objects()) - before < 50


async def test_headers_nobody_asks_for_are_not_read(transport, servers):
    """A reply's headers stay bytes until somebody looks at them."""
    with servers.serving(answering(REPLY)) as server:
        got = await exchange(transport, server.origin)
    assert got.header("content-length") == "16"
    assert got._headers is None
    assert got.headers[0] == ("server", "raw")
    assert got.header("content-length") == "16"
    assert got.header("x") is None
