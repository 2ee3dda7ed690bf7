"""solvestream as a user runs it who cannot afford to pay twice: with a journal, or without."""

from __future__ import annotations

from typing import cast

from clients import notes
from clients.task import Lost, image
from solvestream import CaptchaAI, Client, ImageToText, Pacing, Solution
from solvestream.stream import ResultStream


async def solve_all(url: str, key: str, count: int, *, journal: str | None = None) -> None:
    account = CaptchaAI(key, base_url=url, pacing=Pacing(first_look=1.0, interval=1.0))
    async with Client(account, journal=journal) as client:
        met = notes.solved()
        if journal is not None:
            met |= await note(client.resume())
        left = (n for n in range(count) if n not in met)
        await note(client.stream(ImageToText(image(n), tag=n, job_key=f"job-{n}") for n in left))


async def note(results: ResultStream[Solution]) -> set[int]:
    """Note results as they come; return whose they are."""
    met: set[int] = set()
    async for result in results:
        job = cast("int", result.tag)
        met.add(job)
        if result.ok:
            notes.answered(job, str(getattr(result.solution, "text", "")))
        else:
            notes.failed(job, result.error or Lost("no reason"))
    return met
