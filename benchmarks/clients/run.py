"""Run one client in this process: `python -m clients.run MODULE`, the rest on standard input.

Prints, as one line of JSON, what it took of this process alone: CPU time of all its threads, wall
time, memory, and what became of the tasks. Standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from clients.task import answers


def main() -> None:
    client = importlib.import_module(f"clients.{sys.argv[1]}")
    told = json.load(sys.stdin)
    key, count = told["key"], told["count"]
    asyncio.run(getattr(client, "warm_up", nothing)(told["url"], key))
    base = start_of_memory()
    cpu = time.process_time()
    outcomes, wall = asyncio.run(
        timed(client.solve_all(told["url"], key, count, **told["options"]))
    )
    cpu = time.process_time() - cpu
    memory = resident("VmHWM") - base
    why = Counter(reason(n, outcome, key) for n, outcome in enumerate(outcomes))
    right = why.pop("", 0)
    figures = {"cpu": cpu, "wall": wall, "memory": memory, "failed": count - right}
    print(json.dumps({**figures, "why": dict(why.most_common(3))}), flush=True)
    os._exit(0)  # some clients leave timer threads that would hold the process for minutes


async def nothing(url: str, key: str) -> None:
    """Most clients import all they need when they are imported."""


async def timed(solving: Any) -> tuple[list[str | BaseException], float]:
    start = time.perf_counter()
    outcomes = await solving
    return outcomes, time.perf_counter() - start


def reason(number: int, outcome: str | BaseException, key: str) -> str:
    """Say why a task was lost, in a few words and without the key; nothing if it was solved."""
    if isinstance(outcome, str):
        return "" if outcome in answers(number) else "wrong answer"
    said = str(outcome).replace(key, "***").partition("\n")[0]
    return f"{type(outcome).__name__}: {said}"[:80].rstrip(": ")


def start_of_memory() -> int:
    """Forget the peak so far, and return the memory in use, in bytes.

    (`getrusage` would not do: its peak is inherited from the process that started this one.)
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def resident(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
