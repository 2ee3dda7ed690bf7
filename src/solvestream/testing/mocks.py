"""A fake service behind respx, for tests that mock at HTTP level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvestream.providers._account import Account
from solvestream.testing.service import FakeService

if TYPE_CHECKING:
    import respx


def respx_routes(
    router: respx.MockRouter, service: FakeService, *accounts: Account
) -> dict[str, respx.Route]:
    """Let respx answer the requests of accounts with a fake service.

    A client that is opened while respx is active sends through httpx by itself, so the code
    under test needs no change; it only has to use `service.key`. A reply of your own goes on a
    route that you add before.

    Args:
        router: to add the routes to: what `respx.mock()` gives, the fixture `respx_mock`, or
            `respx.mock` itself under the bare decorator.
        service: what answers.
        accounts: whose addresses to answer for, built as the code under test builds them.

    Returns a route for each account by its name, to ask what was called.
    """
    return {
        account.name: router.route(url__startswith=account.base_url.rstrip("/") + "/").mock(
            side_effect=service.handle
        )
        for account in accounts
    }
