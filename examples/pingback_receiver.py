"""A program that is called back when its images are read: `python pingback_receiver.py a.png ...`."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from pathlib import Path

from aiohttp import web

from solvestream import CaptchaAI, Client, ImageToText
from solvestream.integrations.pingback import aiohttp_handler

SERVICE = os.environ.get("SOLVESTREAM_URL", "https://ocr.captchaai.com")
PORT = int(os.environ.get("PORT", "8099"))
SECRET = secrets.token_urlsafe()


async def main(paths: list[str]) -> None:
    """Print what each image says, without waiting for the next look."""
    url = f"http://127.0.0.1:{PORT}/pingback/{SECRET}"  # in real life: https, and your own host
    async with Client(CaptchaAI.from_env(base_url=SERVICE, pingback=url)) as client:
        app = web.Application()
        app.router.add_route("*", "/pingback/{_}", aiohttp_handler(client, secret=SECRET))
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", PORT).start()
        async for result in client.stream(ImageToText(Path(path), tag=path) for path in paths):
            print(result.tag, result.unwrap().text, f"after {result.elapsed:.1f} s")
        await runner.cleanup()


asyncio.run(main(sys.argv[1:]))
