"""Crawl a site of yours and read its images: `python crawlee_crawler.py URL`.

The client is around `crawler.run()`, so it serves all handlers and is closed after the last. Crawlee
runs a handler again after an error or a time-out; `job_key` then joins the task under way.
The key is in CAPSOLVER_API_KEY; SOLVESTREAM_URL is the service's address, if not its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from urllib.parse import urljoin

from crawlee.crawlers import ParselCrawler, ParselCrawlingContext
from crawlee.storage_clients import MemoryStorageClient

from solvestream import CapSolver, Client, ImageToText

URL = os.environ.get("SOLVESTREAM_URL", "https://api.capsolver.com")


async def main(site: str) -> None:
    """Follow all links, and print the text in each image."""
    crawler = ParselCrawler(storage_client=MemoryStorageClient())

    async with Client(CapSolver.from_env(base_url=URL)) as client:

        @crawler.router.default_handler
        async def read(context: ParselCrawlingContext) -> None:
            await context.enqueue_links()
            for src in context.selector.css("img::attr(src)").getall():
                url = urljoin(context.request.url, src)
                image = await context.send_request(url)
                result = await client.solve(ImageToText(await image.read(), job_key=url))
                print(f"{src}: {result.solution.text}")

        await crawler.run([site])


asyncio.run(main(sys.argv[1]))
