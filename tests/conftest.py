"""Shared by all tests: backends, and virtual time."""

from __future__ import annotations

import pytest

from tests.virtual import ASYNCIO, FakeService, trio_backend


@pytest.fixture
def anyio_backend():
    """Asyncio on a real clock, unless a module asks for more."""
    return "asyncio"


@pytest.fixture(params=["asyncio", "trio"])
def virtual_backend(request: pytest.FixtureRequest):
    """Both backends on virtual clocks; a module uses it as its `anyio_backend`."""
    return ASYNCIO if request.param == "asyncio" else trio_backend()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    """A service in memory that every client of the test is connected to."""
    fake = FakeService()
    monkeypatch.setattr("solvestream.client.open_transport", lambda http, connections: fake)
    return fake
