"""pytest fixtures: a service in memory, and a client of it.

pytest loads this module in every run (entry point `pytest11`), so it imports nothing until a
fixture is asked for. Both fixtures may be overridden like any other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from solvestream.client import Client
    from solvestream.testing.service import FakeService


@pytest.fixture
def solvestream_service() -> FakeService:
    """A service in memory that answers at once; see `solvestream.testing.FakeService`."""
    from solvestream.testing.service import FakeService  # noqa: PLC0415 - only where it is used

    return FakeService()


@pytest.fixture
async def solvestream_client(
    solvestream_service: FakeService,
    anyio_backend: object,  # noqa: ARG001 - has anyio run this fixture
) -> AsyncIterator[Client]:
    """An open client of `solvestream_service`, for tests that anyio's pytest plugin runs."""
    async with solvestream_service.client() as client:
        yield client
