"""Both transports, virtual time over real sockets, and a canary in every test."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from types import SimpleNamespace

import pytest
import sniffio
import trustme

from tests.faults.canary import Canary
from tests.faults.clock import VIRTUAL
from tests.faults.world import TRANSPORTS, Certified, World

LOGGERS = ("httpx", "httpcore", "asyncio", "solvestream", "anyio")


@pytest.fixture
def anyio_backend():
    """Asyncio, as our pool and native cancellation are."""
    return VIRTUAL


@pytest.fixture(autouse=True)
def canary():
    """Search all that is logged in the test, and what it shows the canary, for the key."""
    heard = Canary()
    loggers = [logging.getLogger(), *map(logging.getLogger, LOGGERS)]
    levels = [one.level for one in loggers]
    logging.getLogger().addHandler(heard)
    for one in loggers:
        one.setLevel(logging.DEBUG)
    yield heard
    logging.getLogger().removeHandler(heard)
    for one, level in zip(loggers, levels, strict=True):
        one.setLevel(level)
    assert heard.found == []
    assert heard.alarms == []


@pytest.fixture(scope="session")
def certified() -> Certified:
    """Give TLS contexts."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Certified(server, client)


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    """Run the test on both transports."""
    return request.param


@pytest.fixture
def seeded(monkeypatch):
    """Make the client's jitter repeatable, and httpcore's clock virtual as the loop's."""
    clock = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    monkeypatch.setattr("httpcore._async.http11.time", clock)
    chance = SimpleNamespace(Random=lambda: random.Random(20261122))
    monkeypatch.setattr("solvestream.client.random", chance)


def as_in_a_program() -> None:
    """Take back what anyio's plugin sets for tests: callbacks of sockets then have no backend."""
    sniffio.current_async_library_cvar.set(None)


@pytest.fixture
async def world(transport, canary, monkeypatch, seeded, anyio_backend):
    """Give a service and clients of it, over plain connections."""
    as_in_a_program()
    one = World(transport, canary, monkeypatch)
    await one.open()
    yield one
    await one.close()


@pytest.fixture(params=["plain", "tls"])
async def wired(request, transport, canary, monkeypatch, seeded, certified, anyio_backend):
    """Give the same over plain connections and over TLS."""
    as_in_a_program()
    tls = certified if request.param == "tls" else None
    one = World(transport, canary, monkeypatch, tls)
    await one.open()
    yield one
    await one.close()
