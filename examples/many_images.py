"""Read all images of a directory, however many: `python many_images.py scans/`.

The directory is read only as far as there is room: at most 500 images are under way or
unread, so a slow `store` holds new submits back, and memory stays flat.
The key is in CAPSOLVER_API_KEY; SOLVESTREAM_URL is the service's address, if not its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from solvestream import CapSolver, Client, ImageToText

URL = os.environ.get("SOLVESTREAM_URL", "https://api.capsolver.com")


def images(directory: Path) -> Iterator[ImageToText]:
    """Yield a task for each image; its tag comes back on its result."""
    for path in directory.rglob("*.png"):
        yield ImageToText(path, tag=path.name)


async def store(name: str, text: str) -> None:
    """Stand for a database: as slow as it likes."""
    await asyncio.sleep(0.001)
    print(f"{name}: {text}")


async def main(directory: Path) -> None:
    """Store each text as it comes; one bad image does not stop the others."""
    async with (
        Client(CapSolver.from_env(base_url=URL)) as client,
        client.stream(images(directory), in_flight=500) as results,
    ):
        async for result in results:
            if result.ok:
                await store(result.tag, result.solution.text)
            else:
                print(f"{result.tag}: {result.error}", file=sys.stderr)


asyncio.run(main(Path(sys.argv[1])))
