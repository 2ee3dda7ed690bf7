"""python3-capsolver: an object a task, which makes a session for each of its two steps."""

from __future__ import annotations

from python3_capsolver.image_to_text import ImageToText

from clients.task import Lost, at_once, image_base64


async def solve_all(url: str, key: str, count: int) -> list[str | BaseException]:
    async def solve(n: int) -> str:
        client = ImageToText(api_key=key, request_url=url, sleep_time=1)
        told = await client.aio_captcha_handler({"body": image_base64(n)})
        if not told["solution"]:
            raise Lost(str(told["errorCode"]))
        return told["solution"]["text"]

    return await at_once(solve, count)
