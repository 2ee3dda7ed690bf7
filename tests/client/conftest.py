"""Every test of the client runs on asyncio and on trio, in virtual time."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend(virtual_backend):
    """Both backends, on virtual clocks."""
    return virtual_backend


@pytest.fixture
def path(tmp_path):
    """Where a journal is to be."""
    return tmp_path / "run.db"
