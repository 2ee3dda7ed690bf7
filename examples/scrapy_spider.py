"""Crawl a site of yours and read its images: `scrapy runspider scrapy_spider.py -a site=URL -O -:jsonl`.

Pages and images are fetched while earlier images are being read. The key is in
CAPSOLVER_API_KEY; SOLVESTREAM_URL is the service's address, if not its own.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from typing import Any

from scrapy import Request, Spider
from scrapy.http import HtmlResponse, Response

from solvestream import CapSolver, Client, ImageToText
from solvestream.events import Event
from solvestream.integrations.scrapy import client_of

URL = os.environ.get("SOLVESTREAM_URL", "https://api.capsolver.com")


def make_client(on_event: Callable[[Event], None]) -> Client:
    """Build the client that lives as long as the spider."""
    return Client(CapSolver.from_env(base_url=URL), on_event=on_event)


class Receipts(Spider):
    """Follows all links, and reads all images."""

    name = "receipts"
    site: str
    custom_settings: dict[str, Any] | None = {  # noqa: RUF012 - as Scrapy declares it
        "EXTENSIONS": {"solvestream.integrations.scrapy.Solving": 0},
        "SOLVESTREAM_CLIENT": make_client,
    }

    async def start(self) -> AsyncIterator[Request]:
        """Begin with the site given as `-a site=URL`."""
        yield Request(self.site, self.follow)

    async def follow(self, response: Response) -> AsyncIterator[Request]:
        """Follow what the page links to and shows."""
        assert isinstance(response, HtmlResponse)
        for request in response.follow_all(css="a", callback=self.follow):
            yield request
        for request in response.follow_all(css="img::attr(src)", callback=self.read):
            yield request

    async def read(self, response: Response) -> AsyncIterator[dict[str, str]]:
        """Yield the text in an image; other callbacks run meanwhile."""
        result = await client_of(self).solve(ImageToText(response.body))
        yield {"image": response.url, "text": result.solution.text}
