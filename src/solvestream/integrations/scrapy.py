"""Scrapy: a client that lives as long as the spider, and its counts among the crawl's stats.

In the settings, or a spider's `custom_settings`::

    EXTENSIONS = {"solvestream.integrations.scrapy.Solving": 0}
    SOLVESTREAM_CLIENT = "project.solving.make_client"

where `make_client(on_event)` returns `Client(..., on_event=on_event)`. A callback then awaits
`client_of(self).solve(...)`. It takes the asyncio reactor, which is Scrapy's default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from scrapy import Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured
from scrapy.statscollectors import StatsCollector
from scrapy.utils.misc import load_object

from solvestream.client import Client
from solvestream.errors import UsageError
from solvestream.events import Event, TaskAccepted, TaskEnded, TaskRefused


class Solving:
    """The extension: opens a client with the spider and closes it with the spider.

    Stats: `solvestream/accepted`, `solvestream/refused`, `solvestream/solved`,
    `solvestream/failed/<error>`, `solvestream/elapsed_max` (seconds), and where the service tells
    it `solvestream/spent_usd`.

    Args:
        make: builds the client; it is given what to pass on as `on_event`.
        stats: the crawl's.
    """

    def __init__(
        self, make: Callable[[Callable[[Event], None]], Client], stats: StatsCollector
    ) -> None:
        self.client = make(self.on_event)
        self._stats = stats

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build it from the settings; without `SOLVESTREAM_CLIENT` it stays away."""
        make = crawler.settings.get("SOLVESTREAM_CLIENT")
        if make is None:
            raise NotConfigured("SOLVESTREAM_CLIENT is not set")
        assert crawler.stats is not None
        extension = cls(load_object(make), crawler.stats)
        crawler.signals.connect(extension.spider_opened, signals.spider_opened)
        crawler.signals.connect(extension.spider_closed, signals.spider_closed)
        return extension

    async def spider_opened(self) -> None:
        """Open the client, before the first request."""
        await self.client.start()

    async def spider_closed(self) -> None:
        """Close the client, after the last callback."""
        await self.client.aclose()

    def on_event(self, event: Event) -> None:
        """Count what happens."""
        stats = self._stats
        match event:
            case TaskAccepted():
                stats.inc_value("solvestream/accepted")
            case TaskRefused():
                stats.inc_value("solvestream/refused")
            case TaskEnded():
                how = "solved" if event.ok else f"failed/{event.error}"
                stats.inc_value(f"solvestream/{how}")
                stats.max_value("solvestream/elapsed_max", event.elapsed)
                if event.cost is not None:
                    spent = stats.get_value("solvestream/spent_usd", 0.0)
                    stats.set_value("solvestream/spent_usd", spent + event.cost)
            case _:
                pass


def client_of(spider: Spider) -> Client:
    """Return the client of a spider's crawl. Raises `UsageError` where there is none."""
    extension = spider.crawler.get_extension(Solving)
    if extension is None:
        raise UsageError("scrapy: there is no client; set EXTENSIONS and SOLVESTREAM_CLIENT")
    return extension.client
