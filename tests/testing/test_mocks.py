"""respx routes to a fake service, for code that knows nothing of tests."""

from __future__ import annotations

import pytest
import respx

from solvestream import (
    CapSolver,
    CaptchaAI,
    Client,
    ImageToText,
    Pacing,
    Solvora,
    SubmitUnknown,
    TransportError,
)
from solvestream.testing import FakeService, respx_routes, virtual_time

pytestmark = pytest.mark.anyio

IMAGE = b"\x89PNG\r\n\x1a\npicture"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    """Both backends in virtual time."""
    return virtual_time(request.param)


def accounts(key: str):
    """Accounts as in production."""
    return [
        CaptchaAI(key),
        CapSolver(key, base_url="https://api.capsolver.com/prefix"),
        Solvora(key, base_url="https://ocr.example:8443"),
    ]


@pytest.mark.parametrize("number", [0, 1, 2])
@respx.mock
async def test_code_under_test_needs_no_change(number):
    """An account with the real address is answered by the fake, at its real pace."""
    service = FakeService(answers="W9h5K", latency=2.0)
    account = accounts(service.key)[number]
    routes = respx_routes(respx.mock, service, account)
    async with Client(account) as client:
        assert (await client.solve(ImageToText(IMAGE))).unwrap().text == "W9h5K"
    assert routes[account.name].call_count == service.ledger.requests


async def test_a_router_of_ones_own_and_replies_of_ones_own_go_together():
    """Routes added before come first; the rest is the fake's."""
    service = FakeService()
    quick = Pacing(first_look=0.1, interval=0.1)
    account = CaptchaAI(service.key, pacing=quick)
    async with respx.mock() as router:
        replies = [(502, ""), (200, "CAPCHA_NOT_READY"), (200, "OK|mine")]
        pages = router.get(url__regex=r".*/res\.php.*action=get&").mock(
            side_effect=[respx.MockResponse(status, text=text) for status, text in replies]
        )
        respx_routes(router, service, account)
        async with Client(account) as client:
            result = await client.solve(ImageToText(IMAGE))
    assert result.unwrap().text == "mine"
    assert pages.call_count == 3


@respx.mock
async def test_faults_come_through_respx_too():
    """A reply that is lost behind respx is in doubt, as on a real wire."""
    service = FakeService()
    service.fail("drop")
    account = CaptchaAI(service.key)
    respx_routes(respx.mock, service, account)
    async with Client(account) as client:
        with pytest.raises(SubmitUnknown):
            await client.solve(ImageToText(IMAGE))
    assert service.ledger.accepted == 1


@respx.mock
async def test_a_refused_connection_behind_respx_cost_nothing():
    """It is known that nothing was sent, as on a real wire."""
    service = FakeService()
    service.down = True
    account = CaptchaAI(service.key)
    respx_routes(respx.mock, service, account)
    async with Client(account) as client:
        with pytest.raises(TransportError) as caught:
            await client.balance()
    assert caught.value.verdict == "not_sent"
    assert service.ledger.requests == 0
