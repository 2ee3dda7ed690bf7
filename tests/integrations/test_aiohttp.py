"""aiohttp for real: an application in another process, two hundred HTTP clients at once."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from solvestream import CapSolver, Client, ImageToText, WrongLoop
from solvestream.integrations.aiohttp import CLIENT, cleanup_ctx
from solvestream.server import simulated_text
from tests.integrations.hosting import BAD, PICTURE, serving

pytestmark = pytest.mark.anyio


async def test_two_hundred_callers_share_one_client(service, tmp_path):
    """Two hundred requests at once are answered with their own texts, each bought once."""

    async def read(number):
        async with caller.post("/read", data=PICTURE + b"%d" % number) as reply:
            assert reply.status == 200
            return (await reply.json())["text"]

    arguments = ("aiohttp.web", "-H", "127.0.0.1", "-P", "0", "aiohttp_app:app")
    with serving(service, *arguments, log=tmp_path / "log") as url:
        async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as caller:
            texts = await asyncio.gather(*map(read, range(200)))
            async with caller.post("/read", data=BAD) as reply:
                assert (reply.status, await reply.json()) == (502, {"error": "TaskFailed"})
            async with caller.post("/read", data=b"no image") as reply:
                assert (reply.status, await reply.json()) == (422, {"error": "InvalidTask"})
    assert texts == [simulated_text(PICTURE + b"%d" % number) for number in range(200)]
    assert service.ledger()["accounts"]["local"]["submitted"] == 201
    assert service.key not in (tmp_path / "log").read_text()


async def test_it_is_open_as_long_as_the_app_and_there_for_sub_apps(service):
    """Each start of the app opens a client; `config_dict` finds it from below."""

    async def read(request):
        client = request.config_dict[CLIENT]
        result = await client.solve(ImageToText(await request.read()))
        return web.Response(text=result.solution.text)

    async def wrong(request):
        call = request.config_dict[CLIENT].solve(ImageToText(PICTURE))
        with pytest.raises(WrongLoop, match="one client per loop"):
            await asyncio.to_thread(asyncio.run, call)
        return web.Response()

    app, below = web.Application(), web.Application()
    below.router.add_post("/read", read)
    below.router.add_post("/wrong", wrong)
    app.add_subapp("/below", below)
    app.cleanup_ctx.append(
        cleanup_ctx(lambda: Client(CapSolver(service.key, base_url=service.url)))
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as caller:
        async with caller.post("/below/read", data=PICTURE) as reply:
            assert await reply.text() == simulated_text(PICTURE)
        async with caller.post("/below/wrong") as reply:
            assert reply.status == 200
    assert "open" in repr(app[CLIENT])
    await runner.cleanup()
    assert "closed" in repr(app[CLIENT])
