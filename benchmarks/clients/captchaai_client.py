"""captchaai, the vendor's own client: one for all tasks, as its README has it."""

from __future__ import annotations

from captchaai import AsyncCaptchaAI

from clients.task import at_once, image


async def solve_all(url: str, key: str, count: int) -> list[str | BaseException]:
    async def solve(n: int) -> str:
        return (await client.normal(image(n))).solution

    async with await AsyncCaptchaAI.create(key, base_url=url) as client:
        return await at_once(solve, count)
