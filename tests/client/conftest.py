"""Every test of the client runs on asyncio and on trio, in virtual time."""

from __future__ import annotations

import pytest

from solvestream._journal.writer import Writer


@pytest.fixture
def anyio_backend(virtual_backend):
    """Both backends, on virtual clocks."""
    return virtual_backend


@pytest.fixture
def inline(monkeypatch):
    """Write in the loop's own thread: virtual time does not wait for another."""

    def put(self, step, row, done):
        self.queue.append((step, row, done))
        self._round()

    monkeypatch.setattr(Writer, "put", put)


@pytest.fixture
def path(tmp_path):
    """Where a journal is to be."""
    return tmp_path / "run.db"
