"""Call-backs, with the real local service over loopback, and with whoever else may call."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
import uvicorn
from aiohttp import web
from fastapi import FastAPI

from solvestream import (
    CapSolver,
    CaptchaAI,
    Client,
    ImageToText,
    Pacing,
    RawTask,
    Text,
    UsageError,
)
from solvestream.integrations.pingback import MAX_BODY, aiohttp_handler, asgi, task_id_of
from solvestream.server import Latency, LocalService, Settings, simulated_text

pytestmark = pytest.mark.anyio

SECRET = "made-up-path-0123456789"
IMAGE = b"\x89PNG\r\n\x1a\npicture"
LATE = Pacing(first_look=100.0, interval=100.0)
"""Without a call, no look would come within this test."""


@pytest.fixture(scope="module")
def service():
    """A service in its own process, whose tasks take a moment, and which calls back."""
    with LocalService(Settings(latency=Latency(low=0.15), immediate=False)) as service:
        yield service


@asynccontextmanager
async def under_uvicorn(client, **options):
    """The ASGI app, mounted in FastAPI as its docstring says."""
    app = FastAPI()
    app.mount("/pingback", asgi(client, **options))
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, lifespan="on")
    server = uvicorn.Server(config)
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, [listener])
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await anyio.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/pingback"
        server.should_exit = True


@asynccontextmanager
async def under_aiohttp(client, **options):
    """The aiohttp handler, on a route as its docstring says."""
    app = web.Application()
    app.router.add_route("*", "/pingback/{_:.*}", aiohttp_handler(client, **options))
    runner = web.AppRunner(app, access_log=None, lingering_time=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/pingback"
    await runner.cleanup()


HOSTS = pytest.mark.parametrize("host", [under_uvicorn, under_aiohttp])


class Late:
    """Stands for a client that is opened after its receiver, as in a lifespan."""

    client: Client | None = None

    def hint(self, task_id, *, account=None):
        """Hand the hint on."""
        return self.client.hint(task_id, account=account)


@asynccontextmanager
async def running(service, host, of=CaptchaAI, **options):
    """A client, the receiver of its call-backs, and somebody else who can call."""
    late = Late()
    async with host(late, secret=SECRET) as url, httpx.AsyncClient(trust_env=False) as stranger:
        options = {"pacing": LATE, "pingback": f"{url}/{SECRET}", **options}
        account = of(service.key, base_url=service.url, **options)
        async with Client(account) as client:
            late.client = client
            yield client, stranger, f"{url}/{SECRET}"


@HOSTS
async def test_a_call_brings_the_answer_at_once(service, host):
    """With looks an eternity away, the service's call makes the client look."""
    async with running(service, host) as (client, _, _):
        with anyio.fail_after(20):
            result = await client.solve(ImageToText(IMAGE))
        assert result.unwrap() == Text(simulated_text(IMAGE))
        assert result.polls == 1
        assert client.statistics().accounts["captchaai"].hints == 1


@HOSTS
async def test_the_createtask_family_calls_back_too(service, host):
    """`callbackUrl` is posted JSON with the task's id."""
    task = {"type": "AntiTurnstileTaskProxyLess", "websiteURL": "https://a.b", "websiteKey": "k"}
    async with running(service, host, CapSolver) as (client, _, _):
        with anyio.fail_after(20):
            result = await client.solve(RawTask(task))
        assert (result.ok, result.polls) == (True, 1)


@HOSTS
async def test_forged_calls_change_nothing(service, host):
    """Calls with other ids and a claimed answer, and without the secret, bring nothing."""
    async with running(service, host) as (client, stranger, url):
        ticket = await client.submit(ImageToText(IMAGE))
        for reply in (
            await stranger.get(url, params={"id": "1" * 11, "code": "forged"}),
            await stranger.post(url, json={"taskId": 7, "solution": {"text": "forged"}}),
            await stranger.get(f"{url}x", params={"id": ticket.task_id}),
            await stranger.get(f"{url}/more", params={"id": ticket.task_id}),
        ):
            assert (reply.status_code, reply.content) == (200, b"")
        with anyio.fail_after(20):
            result = await client.wait(ticket)
        counts = client.statistics().accounts["captchaai"]
        assert result.unwrap() == Text(simulated_text(IMAGE))
        assert (result.polls, counts.hints, counts.stray_hints) == (1, 1, 2)


@HOSTS
async def test_a_true_id_with_a_forged_answer_brings_the_true_answer(service, host):
    """The claimed answer is not read; an early call costs one look that finds nothing yet."""
    async with running(service, host) as (client, stranger, url):
        ticket = await client.submit(ImageToText(IMAGE))
        await stranger.get(url, params={"id": ticket.task_id, "code": "forged"})
        with anyio.fail_after(20):
            result = await client.wait(ticket)
        assert result.unwrap() == Text(simulated_text(IMAGE))
        assert result.polls <= 2


@HOSTS
async def test_repeated_calls_bring_one_result(service, host):
    """However often it is called, a task ends once, and calls after its end are strays."""
    async with running(service, host) as (client, stranger, url):
        ticket = await client.submit(ImageToText(IMAGE))
        with anyio.fail_after(20):
            await client.wait(ticket)
        for _ in range(5):
            await stranger.post(url, data={"id": ticket.task_id, "code": "x"})
        counts = client.statistics().accounts["captchaai"]
        assert (counts.hints, counts.stray_hints) == (1, 5)
        assert client.tickets() == ()


async def test_calls_that_are_lost_cost_time_only(service):
    """Where nobody listens, the looks bring the answer as they would without call-backs."""
    nowhere = {
        "pingback": "http://127.0.0.1:1/done",
        "pacing": Pacing(first_look=0.2, interval=0.1),
    }
    async with running(service, under_aiohttp, **nowhere) as (client, _, _):
        with anyio.fail_after(20):
            result = await client.solve(ImageToText(IMAGE))
        assert result.ok
        assert client.statistics().accounts["captchaai"].hints == 0


async def test_a_call_that_comes_before_its_submit_s_reply_counts(service):
    """An id that is not known yet is remembered for a moment, and looked at once it is (B02)."""
    ledger = service.ledger(tasks=True)["tasks"]
    next_id = str(max(int(task["id"]) for task in ledger if task["family"] == "inphp") + 1)
    late = Pacing(first_look=100.0, interval=0.2)
    no_call = {"pingback": "http://127.0.0.1:1/done", "pacing": late}
    async with running(service, under_aiohttp, **no_call) as (client, stranger, url):
        await stranger.get(url, params={"id": next_id})
        ticket = await client.submit(ImageToText(IMAGE))
        assert ticket.task_id == next_id
        with anyio.fail_after(20):
            assert (await client.wait(ticket)).ok


class Recorder:
    """Takes hints, and may refuse them."""

    def __init__(self, error=None):
        self.hints = []
        self.error = error

    def hint(self, task_id, *, account=None):
        """Note it."""
        self.hints.append((task_id, account))
        if self.error:
            raise self.error
        return True


@HOSTS
async def test_a_body_that_is_too_long_is_no_call(host):
    """64 KiB are read, a byte more is not; the reply is the same."""
    recorder = Recorder()
    async with host(recorder, account="mine") as url, httpx.AsyncClient(trust_env=False) as http:
        for extra in (0, 1):
            body = b"id=%d&code=" % extra
            reply = await http.post(
                f"{url}/",
                content=body + b"x" * (MAX_BODY - len(body) + extra),
                headers={"content-type": "application/x-www-form-urlencoded"},
            )
            assert reply.status_code == 200
    assert recorder.hints == [("0", "mine")]


@HOSTS
async def test_a_body_that_does_not_come_is_not_waited_for(host, monkeypatch):
    """Who announces a body and sends none gets the reply after some seconds, as anybody."""
    monkeypatch.setattr("solvestream.integrations.pingback._SECONDS", 0.05)
    recorder = Recorder()
    async with host(recorder) as url:
        parts = httpx.URL(url)
        async with await anyio.connect_tcp(parts.host, parts.port) as wire:
            await wire.send(b"POST /pingback/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nid=")
            with anyio.fail_after(20):
                assert b" 200 " in await wire.receive()
    assert recorder.hints == []


async def test_a_client_that_is_closed_is_told_of_once_in_the_log(caplog):
    """A receiver that outlives its client answers on, and says so once."""
    app = asgi(Client(CaptchaAI("made-up-key")))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as http:
        with caplog.at_level(logging.WARNING, "solvestream"):
            for number in range(3):
                assert (await http.get("/", params={"id": number})).status_code == 200
    assert [record.getMessage()[:27] for record in caplog.records] == [
        "call-backs are of no use: t"
    ]


async def test_the_app_stands_alone_too():
    """Served by itself it answers the server's lifespan; other scopes are not its concern."""
    app, sent = asgi(Recorder()), []

    async def receive():
        return {"type": "lifespan"}

    async def send(message):
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    await app({"type": "websocket"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(
    ("query", "kind", "body", "found"),
    [
        ("id=70000000001&code=a%26b", "", b"", "70000000001"),
        ("code=x", "application/x-www-form-urlencoded", b"id=007&code=OK%7C1", "007"),
        ("", "application/json", b'{"errorId":0,"taskId":123,"solution":{}}', "123"),
        ("", "application/json; charset=utf-8", b'{"taskId":"a-b_c.d:e"}', "a-b_c.d:e"),
        ("", "text/plain", b' {"id":"5"}', "5"),
        ("", "", b"", None),
        ("id=", "", b"", None),
        ("id=a%0d%0ab", "", b"", None),
        ("id=../../x", "", b"", None),
        ("id=" + "1" * 129, "", b"", None),
        ("&".join(f"a{n}=1" for n in range(60)), "", b"", None),
        ("", "application/json", b"[" * 60_000, None),
        ("", "application/json", b'{"taskId":' + b"9" * 5_000 + b"}", None),
        ("", "application/json", b'{"taskId":true}', None),
        ("", "application/json", b'{"taskId":-1}', None),
        ("", "application/json", b'{"taskId":[1]}', None),
        ("", "application/json", b"[1]", None),
        ("", "application/json", b"\xff\xfe", None),
        ("", "multipart/form-data", b"\xff\x00", None),
    ],
)
def test_what_is_taken_for_a_call(query, kind, body, found):
    """Ids of the grammar, where the families put them; anything else is nothing."""
    assert task_id_of(query, kind, body) == found


def test_a_secret_that_is_no_part_of_a_path_is_refused():
    """It could never match."""
    with pytest.raises(UsageError, match="secret"):
        asgi(Recorder(), secret="a/b")
    with pytest.raises(UsageError, match="pingback"):
        CapSolver("made-up-key", pingback="example.com")


def test_the_example_runs(service, tmp_path):
    """A whole program with a receiver, as a user runs it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (tmp_path / "a.png").write_bytes(IMAGE)
    example = Path(__file__).parents[2] / "examples" / "pingback_receiver.py"
    done = subprocess.run(
        [sys.executable, example, tmp_path / "a.png"],
        env=os.environ
        | {"SOLVESTREAM_URL": service.url, "CAPTCHAAI_API_KEY": service.key, "PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert simulated_text(IMAGE) in done.stdout
    assert float(done.stdout.split()[-2]) < 9.0  # the first look would come after 10 s
