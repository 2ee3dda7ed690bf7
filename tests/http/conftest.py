from __future__ import annotations

import importlib.util

import pytest

from solvestream._http.httpx_adapter import HttpxTransport
from solvestream._http.pool import Pool
from tests.http.scripted import Loop

ASYNCIO = ("asyncio", {"use_uvloop": False})
UVLOOP = ("asyncio", {"use_uvloop": True})
TRIO = ("trio", {})

POOLS = [("pool", ASYNCIO)]
if importlib.util.find_spec("uvloop") is not None:
    POOLS.append(("pool", UVLOOP))
ADAPTERS = [("httpx", ASYNCIO), ("httpx", TRIO)]


def _name(kind):
    return f"{kind[0]}-{'uvloop' if kind[1] == UVLOOP else kind[1][0]}"


def pytest_generate_tests(metafunc):
    """Run each test with every kind of transport and loop its module asks for."""
    if "kind" in metafunc.fixturenames:
        wanted = getattr(metafunc.module, "KINDS", "all")
        kinds = {"all": POOLS + ADAPTERS, "pool": POOLS, "httpx": ADAPTERS}[wanted]
        metafunc.parametrize("kind", kinds, ids=_name, scope="function")


@pytest.fixture
def anyio_backend(kind):
    """Tell anyio's plugin which loop to run."""
    return kind[1]


@pytest.fixture(scope="session")
def servers():
    """Give the loop in which scripted servers run."""
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def make(kind):
    """Give a builder of transports of the kind under test."""

    def build(**options):
        if kind[0] == "pool":
            return Pool(**options)
        if "ssl_context" in options:
            import httpx

            transport = httpx.AsyncHTTPTransport(
                verify=options["ssl_context"], limits=httpx.Limits(keepalive_expiry=1.0)
            )
            return HttpxTransport(transport, owns=True)
        return HttpxTransport(max_exchanges=options.get("max_connections", 16))

    return build


@pytest.fixture
async def transport(make, anyio_backend):
    """Give an open transport of the kind under test."""
    made = make()
    yield made
    await made.aclose()
