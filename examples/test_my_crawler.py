"""A crawler, and how it is tested without network, key, money or waiting: `pytest test_my_crawler.py`."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from solvestream import Client, ImageToText
from solvestream.testing import UNSOLVABLE, FakeService, virtual_time

# The crawler


async def read_prices(client: Client, images: Mapping[str, bytes]) -> dict[str, str]:
    """Return the price on the image of each page; a page that nobody can read has none."""
    tasks = (ImageToText(image, tag=page) for page, image in images.items())
    return {result.tag: result.unwrap().text async for result in client.stream(tasks) if result.ok}


# Its tests

pytestmark = pytest.mark.anyio
IMAGES = {f"page-{number}": b"\x89PNG\r\n\x1a\n%d" % number for number in range(100)}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Run the tests of this module in virtual time, on both backends."""
    return virtual_time(request.param)


async def test_prices_are_read() -> None:
    """Each page gets the answer to its own image."""
    answers = {image: f"{page}: 9.95" for page, image in IMAGES.items()}
    async with FakeService(answers=answers).client() as client:
        prices = await read_prices(client, IMAGES)
    assert prices == {page: f"{page}: 9.95" for page in IMAGES}


async def test_a_page_that_nobody_can_read_is_left_out() -> None:
    """The service fails at one image, at no charge."""
    service = FakeService(answers={IMAGES["page-7"]: UNSOLVABLE})
    async with service.client() as client:
        assert "page-7" not in await read_prices(client, IMAGES)
    assert sum(task.charged > 0 for task in service.ledger.tasks) == 99


async def test_a_busy_service_is_paid_once_for_each_page() -> None:
    """Ten slots, 20 to 60 s a task, refusals: minutes that pass in an instant."""
    service = FakeService(slots=10, latency=(20, 60))
    service.fail("no_slot", times=5)
    async with service.client(service.account(pacing=None)) as client:
        assert len(await read_prices(client, IMAGES)) == 100
    assert service.ledger.peak_working <= 10
    assert not service.ledger.bought_twice
    assert not service.ledger.not_taken
