"""A local service for the run of one command."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from solvestream.cli.extras import CannotRun
from solvestream.server import LocalService, Settings

MAX_IMAGE_BYTES = 10 << 20
"""More than the services take: on one's own machine nothing is paid by the byte."""


@contextmanager
def local_service() -> Generator[LocalService]:
    """Run a service that reads images. Raises `CannotRun` when it does not start."""
    service = LocalService(Settings(engine="read", max_image_bytes=MAX_IMAGE_BYTES))
    try:
        service.start()
    except RuntimeError as error:
        raise CannotRun(str(error)) from None
    try:
        yield service
    finally:
        service.stop()
