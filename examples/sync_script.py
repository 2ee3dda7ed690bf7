"""Read images without a line of asyncio: `python sync_script.py a.png b.png ...`.

The client works in a thread of its own; the loop below runs in this one, as slowly as it likes.
The key is in CAPSOLVER_API_KEY; SOLVESTREAM_URL is the service's address, if not its own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import solvestream
from solvestream import CapSolver, Client, ImageToText

URL = os.environ.get("SOLVESTREAM_URL", "https://api.capsolver.com")

with solvestream.sync(Client(CapSolver.from_env(base_url=URL))) as client:
    tasks = (ImageToText(Path(path), tag=path) for path in sys.argv[1:])
    for result in client.stream(tasks, ordered=True):
        print(f"{result.tag}: {result.solution.text if result.ok else result.error}")
    print(f"left: {client.balance()['capsolver'].amount:.4f} USD")
