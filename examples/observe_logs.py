"""Log what happens to each task as JSON lines: `python observe_logs.py scans/`.

`pip install solvestream python-json-logger`. One line a task at INFO; set DEBUG for every step.
The key is in CAPSOLVER_API_KEY; SOLVESTREAM_URL is the service's address, if not its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

from pythonjsonlogger.json import JsonFormatter

from solvestream import CapSolver, Client, ImageToText
from solvestream.observe.logs import LogEvents

URL = os.environ.get("SOLVESTREAM_URL", "https://api.capsolver.com")


def configure() -> None:
    """Do what applications do once: say what is logged, how, and where."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


async def main(paths: list[Path]) -> None:
    """Read all images; how each ended is in the log."""
    log = LogEvents()
    async with Client(CapSolver.from_env(base_url=URL), on_event=log) as client:
        async for _ in client.stream(ImageToText(path) for path in paths):
            pass
    log.flush()


configure()
asyncio.run(main(sorted(Path(sys.argv[1]).glob("*.png"))))
