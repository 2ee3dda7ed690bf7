"""What a user would keep on disk: one line for each answer, and one for each error.

`trial.py` says where; a client's module calls `answered` and `failed` as soon as it knows, so
that a killed process leaves what it had. Standard library only.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

place = Path()
"""The file."""


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Return the lines written so far, without one that a kill has cut."""
    text = path.read_text() if path.exists() else ""
    yield from (json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n")


def solved() -> set[int]:
    """Return the numbers of the jobs that have their answer."""
    return {line["job"] for line in read(place) if "answer" in line}


def answered(job: int, answer: str) -> None:
    _write({"job": job, "answer": answer})


def failed(job: int, error: BaseException) -> None:
    """Note an error with all that it shows."""
    shown = "".join(traceback.format_exception(error)) + repr(error)
    _write({"job": job, "error": type(error).__name__, "shown": shown})


def _write(line: dict[str, Any]) -> None:
    with place.open("a") as file:
        file.write(json.dumps(line) + "\n")


async def at_once(solve: Callable[[int], Awaitable[str]], count: int) -> list[str | BaseException]:
    """Do what `task.at_once` does, but note each end; jobs that were solved before are left out."""

    async def one(job: int) -> str | BaseException:
        try:
            answer = await solve(job)
        except Exception as error:  # noqa: BLE001 - whatever a client raises is its result
            failed(job, error)
            return error
        answered(job, answer)
        return answer

    return await asyncio.gather(*(one(n) for n in range(count) if n not in solved()))
