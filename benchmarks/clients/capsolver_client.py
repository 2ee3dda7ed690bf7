"""capsolver, the vendor's own client: a thread a task."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import capsolver

from clients.task import at_once, image_base64


async def solve_all(url: str, key: str, count: int) -> list[str | BaseException]:
    capsolver.api_base, capsolver.api_key = url, key
    loop = asyncio.get_running_loop()

    async def solve(n: int) -> str:
        work = {"type": "ImageToTextTask", "body": image_base64(n)}
        return (await loop.run_in_executor(pool, lambda: capsolver.solve(work)))["text"]

    with ThreadPoolExecutor(count) as pool:
        return await at_once(solve, count)
