"""The recipe everybody writes on aiohttp: one coroutine a task, one session, defaults.

With `retry` it is greedy: a submit that finds no slot is repeated after so many seconds.
"""

from __future__ import annotations

import asyncio

import aiohttp

from clients.task import Lost, at_once, image_base64


async def solve_all(
    url: str,
    key: str,
    count: int,
    *,
    interval: float = 1.0,
    retry: float | None = None,
) -> list[str | BaseException]:
    async def solve(n: int) -> str:
        form = {"key": key, "method": "base64", "body": image_base64(n)}
        while True:
            async with session.post(f"{url}/in.php", data=form) as reply:
                text = await reply.text()
            if text != "ERROR_NO_SLOT_AVAILABLE" or retry is None:
                break
            await asyncio.sleep(retry)
        if not text.startswith("OK|"):
            raise Lost(text)
        params = {"key": key, "action": "get", "id": text.removeprefix("OK|")}
        while True:
            await asyncio.sleep(interval)
            async with session.get(f"{url}/res.php", params=params) as reply:
                text = await reply.text()
            if text != "CAPCHA_NOT_READY":
                return text.removeprefix("OK|")

    async with aiohttp.ClientSession() as session:
        return await at_once(solve, count)
