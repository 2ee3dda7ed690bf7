"""aiohttp: one client for all requests of an application.

Opened at startup, closed at cleanup, reached from every handler::

app.cleanup_ctx.append(cleanup_ctx(lambda: Client(CapSolver.from_env())))

async def handler(request: web.Request) -> web.Response:
    client = request.config_dict[CLIENT]
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from aiohttp import web

from solvestream.client import Client

CLIENT = web.AppKey("solvestream", Client)
"""Where the client is: `request.app[CLIENT]`, or `request.config_dict[CLIENT]` in sub-apps too."""


def cleanup_ctx(make: Callable[[], Client]) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return a cleanup context that opens a client when the app starts and closes it at its end.

    Args:
        make: builds the client, once for each start of the app.
    """

    async def live(app: web.Application) -> AsyncIterator[None]:
        async with make() as client:
            app[CLIENT] = client
            yield

    return live
