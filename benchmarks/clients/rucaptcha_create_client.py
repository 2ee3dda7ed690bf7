"""python-rucaptcha in its own mode, createTask: an object a task, which makes its own session.

The pause between its five tries of a submit is cut from 5 s to 1 s, so that they fit into a run.
"""

from __future__ import annotations

from python_rucaptcha.core.config import ASYNC_RETRIES
from python_rucaptcha.image_captcha import ImageCaptcha
from tenacity import wait_fixed

from clients.task import Lost, at_once, image

ASYNC_RETRIES.wait = wait_fixed(1)


async def solve_all(url: str, key: str, count: int) -> list[str | BaseException]:
    async def solve(n: int) -> str:
        client = ImageCaptcha(rucaptcha_key=key, service_type="rucaptcha", sleep_time=1)
        client.params.url_request = f"{url}/createTask"
        client.params.url_response = f"{url}/getTaskResult"
        told = await client.aio_captcha_handler(captcha_base64=image(n))
        if not told["solution"]:
            raise Lost(str(told["errorDescription"] or told["errorCode"]))
        return told["solution"]["text"]

    return await at_once(solve, count)
