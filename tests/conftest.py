"""Shared by all tests: backends, and virtual time."""

from __future__ import annotations

import pytest

from solvestream._journal.writer import Writer
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
def inline(monkeypatch: pytest.MonkeyPatch):
    """Have journals written in the loop's own thread: virtual time does not wait for another."""

    def put(self, step, row, done):
        self.queue.append((step, row, done))
        self._round()

    monkeypatch.setattr(Writer, "put", put)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    """A service in memory that every client of the test is connected to."""
    fake = FakeService()
    monkeypatch.setattr("solvestream.client.open_transport", lambda http, connections: fake)
    return fake
