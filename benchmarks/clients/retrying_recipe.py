"""The aiohttp recipe with the usual decorator around it: whatever fails is tried five times."""

from __future__ import annotations

import asyncio

import aiohttp

from clients.task import Lost, at_once, image_base64

TRIES, PAUSE = 5, 0.5


async def solve_all(url: str, key: str, count: int) -> list[str | BaseException]:
    async def solve(n: int) -> str:
        for left in reversed(range(TRIES)):
            try:
                return await once(n)
            except (aiohttp.ClientError, Lost):
                if not left:
                    raise
            await asyncio.sleep(PAUSE)
        raise AssertionError

    async def once(n: int) -> str:
        form = {"key": key, "method": "base64", "body": image_base64(n)}
        async with session.post(f"{url}/in.php", data=form) as reply:
            text = await reply.text()
        if "ERROR" in text or not reply.ok:
            raise Lost(text)
        params = {"key": key, "action": "get", "id": text.removeprefix("OK|")}
        while True:
            await asyncio.sleep(1.0)
            async with session.get(f"{url}/res.php", params=params) as reply:
                text = await reply.text()
            if "ERROR" in text or not reply.ok:
                raise Lost(text)
            if text != "CAPCHA_NOT_READY":
                return text.removeprefix("OK|")

    async with aiohttp.ClientSession() as session:
        return await at_once(solve, count)
