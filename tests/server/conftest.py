from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Run these tests on asyncio: the service is an asyncio program."""
    return "asyncio"
