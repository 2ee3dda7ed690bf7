"""Sinks and reports are tested on asyncio and on trio, in virtual time."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend(virtual_backend):
    """Both backends, on virtual clocks."""
    return virtual_backend
