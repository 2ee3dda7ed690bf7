"""solvestream: one stream of all tasks."""

from __future__ import annotations

from typing import cast

from clients.task import Lost, image, number_of
from solvestream import CaptchaAI, Client, ImageToText, Pacing


async def warm_up(url: str, key: str) -> None:
    """Import what is imported when first used; the others do so before they are measured."""
    async with Client(CaptchaAI(key, base_url=url)):
        pass


async def solve_all(
    url: str,
    key: str,
    count: int,
    *,
    interval: float = 1.0,
    multi_id: bool = False,
) -> list[str | BaseException]:
    pacing = Pacing(first_look=interval, interval=interval)
    account = CaptchaAI(key, base_url=url, pacing=pacing, multi_id=multi_id)
    tasks = (ImageToText(image(n)) for n in range(count))
    outcomes: list[str | BaseException] = [Lost("no result")] * count
    async with Client(account) as client:
        async for result in client.stream(tasks, in_flight=count):
            task = cast("ImageToText", result.task)
            outcome = result.solution.text if result.ok else result.error
            outcomes[number_of(cast("bytes", task.image))] = outcome or Lost("no reason")
    return outcomes
