"""2captcha-python: a thread a task, as its README has it.

It knows https only; the one thing changed is the scheme of its requests. (Its asyncio form makes
an `httpx.AsyncClient`, and so a TLS context, for every request.)
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from twocaptcha import TwoCaptcha

from clients.task import at_once, image_base64

_request = requests.Session.request


def _plain(session: requests.Session, method: str, url: str, **more: Any) -> requests.Response:
    return _request(session, method, url.replace("https://", "http://"), **more)


requests.Session.request = _plain  # type: ignore[method-assign]


async def solve_all(url: str, key: str, count: int) -> list[str | BaseException]:
    client = TwoCaptcha(key, server=url.removeprefix("http://"), pollingInterval=1)
    loop = asyncio.get_running_loop()

    async def solve(n: int) -> str:
        body = image_base64(n)
        return await loop.run_in_executor(
            pool, lambda: client.solve(method="base64", body=body)["code"]
        )

    with ThreadPoolExecutor(count) as pool:
        return await at_once(solve, count)
