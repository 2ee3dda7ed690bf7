"""A local service in another process, for all tests of a module."""

from __future__ import annotations

import hashlib

import pytest

from solvestream.server import Latency, LocalService, Scripted, Settings
from tests.integrations.hosting import BAD, LATE, SLOW


@pytest.fixture(scope="module")
def service():
    """A service whose answers take 20 ms, a second for one, for ever for another."""
    unsolved = Scripted(error="ERROR_CAPTCHA_UNSOLVABLE")
    images = {SLOW: Scripted(latency=600.0), LATE: Scripted(latency=1.0), BAD: unsolved}
    script = {hashlib.sha256(data).hexdigest(): what for data, what in images.items()}
    with LocalService(Settings(script=script, latency=Latency(low=0.02))) as service:
        yield service
