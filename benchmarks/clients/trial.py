"""Run one client as a user who debugs: `python -m clients.trial clients.MODULE`, the rest on stdin.

Everything that the process logs, at level DEBUG, goes to standard error. A second run in the same
place goes on where the first ended. Standard library only.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import sys
from pathlib import Path

from clients import notes, task


def main() -> None:
    logging.basicConfig(level=logging.DEBUG)
    logging.captureWarnings(True)
    told = json.load(sys.stdin)
    notes.place = Path(told["notes"])
    task.at_once = notes.at_once
    client = importlib.import_module(sys.argv[1])
    asyncio.run(client.solve_all(told["url"], told["key"], told["count"], **told["options"]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # some clients leave timer threads that would hold the process for minutes


if __name__ == "__main__":
    main()
