"""A web service that reads images: `python -m aiohttp.web aiohttp_app:app`.

    curl --data-binary @receipt.png http://127.0.0.1:8080/read

The key is in CAPSOLVER_API_KEY; SOLVESTREAM_URL is the service's address, if not its own.
"""

from __future__ import annotations

import os

from aiohttp import web

from solvestream import CapSolver, Client, ImageToText, InvalidTask, SolvestreamError
from solvestream.integrations.aiohttp import CLIENT, cleanup_ctx

URL = os.environ.get("SOLVESTREAM_URL", "https://api.capsolver.com")


async def read(request: web.Request) -> web.Response:
    """Answer with the text in an image."""
    client = request.config_dict[CLIENT]
    try:
        result = await client.solve(ImageToText(await request.read()))
    except SolvestreamError as error:
        status = 422 if isinstance(error, InvalidTask) else 502
        return web.json_response({"error": type(error).__name__}, status=status)
    return web.json_response({"text": result.solution.text})


def app(_: list[str]) -> web.Application:
    """Build the application; the client lives as long as it runs."""
    application = web.Application()
    application.cleanup_ctx.append(cleanup_ctx(lambda: Client(CapSolver.from_env(base_url=URL))))
    application.router.add_post("/read", read)
    return application
