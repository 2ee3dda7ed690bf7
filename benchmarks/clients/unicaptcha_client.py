"""unicaptcha: its Capsolver client, one for all tasks."""

from __future__ import annotations

from unicaptcha import TimeConfig
from unicaptcha.provider.capsolver import AsyncCapsolverClient

from clients.task import at_once, image


async def solve_all(url: str, key: str, count: int) -> list[str | BaseException]:
    pace = TimeConfig(poll_delay=1.0, poll_interval=1.0, total_timeout=600.0)

    async def solve(n: int) -> str:
        return (await client.solve_image(image(n))).solution.text

    async with AsyncCapsolverClient(key, base_url=url, time=pace) as client:
        return await at_once(solve, count)
