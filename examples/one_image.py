"""Read one image: `python one_image.py receipt.png`.

The key is in CAPSOLVER_API_KEY; SOLVESTREAM_URL is the service's address, if not its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from solvestream import CapSolver, Client, ImageToText

URL = os.environ.get("SOLVESTREAM_URL", "https://api.capsolver.com")


async def main(path: Path) -> None:
    """Print the text in the image; raises what went wrong."""
    async with Client(CapSolver.from_env(base_url=URL)) as client:
        result = await client.solve(ImageToText(path))
        print(result.unwrap().text)


asyncio.run(main(Path(sys.argv[1])))
