from __future__ import annotations

import importlib.util
import ssl
from types import SimpleNamespace

import httpx
import httpx2
import pytest
import trustme

from solvestream._http.httpx_adapter import HttpxTransport
from solvestream._http.pool import Pool
from tests.http.scripted import Loop

ASYNCIO = ("asyncio", {"use_uvloop": False})
UVLOOP = ("asyncio", {"use_uvloop": True})
TRIO = ("trio", {})

POOLS = [("pool", ASYNCIO)]
if importlib.util.find_spec("uvloop") is not None:
    POOLS.append(("pool", UVLOOP))
ADAPTERS = [(name, loop) for name in ("httpx", "httpx2") for loop in (ASYNCIO, TRIO)]
LIBRARIES = {"httpx": httpx, "httpx2": httpx2}
KINDS = {
    "all": POOLS + ADAPTERS,
    "pool": POOLS,
    "httpx": ADAPTERS,
    "asyncio": POOLS[:1],  # for what runs on asyncio and needs no transport
    "loops": ADAPTERS[:2],  # for what runs on both
}


def _name(kind):
    return f"{kind[0]}-{'uvloop' if kind[1] == UVLOOP else kind[1][0]}"


def pytest_generate_tests(metafunc):
    """Run each test with every kind of transport and loop its module asks for."""
    if "kind" in metafunc.fixturenames:
        wanted = getattr(metafunc.module, "KINDS", "all")
        metafunc.parametrize("kind", KINDS[wanted], ids=_name, scope="function")


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


@pytest.fixture(scope="session")
def authority():
    """Give a certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def certified(authority):
    """Give the TLS contexts of a server on loopback and of a client that trusts it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return SimpleNamespace(server=server, client=client)


@pytest.fixture
def library(kind):
    """Give httpx or httpx2, whichever is under test."""
    return LIBRARIES[kind[0]]


@pytest.fixture
async def make(kind, anyio_backend):
    """Give a builder of transports of the kind under test. All are closed in the end."""
    made = []

    def build(*, max_connections=16, **options):
        if kind[0] == "pool":
            transport = Pool(max_connections=max_connections, **options)
        elif kind[0] == "httpx" and not options:
            transport = HttpxTransport(max_exchanges=max_connections)
        else:
            library = LIBRARIES[kind[0]]
            below = library.AsyncClient if options else library.AsyncHTTPTransport
            transport = HttpxTransport(
                below(
                    verify=options.get("ssl_context", True),
                    limits=library.Limits(keepalive_expiry=1.0),
                    trust_env=False,
                ),
                owns=True,
                max_exchanges=max_connections,
            )
        made.append(transport)
        return transport

    yield build
    for transport in made:
        await transport.aclose()


@pytest.fixture
def transport(make):
    """Give an open transport of the kind under test."""
    return make()
