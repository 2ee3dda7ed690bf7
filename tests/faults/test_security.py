"""Faults that would show the key (`faults.json`, phase "security"). The canary is in every test."""

from __future__ import annotations

import asyncio
import base64
import pickle
import re
import tomllib
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from solvestream import (
    CapSolver,
    CaptchaAI,
    Client,
    ImageToText,
    Proxy,
    RecaptchaV2,
    SolvestreamError,
    Solvora,
    UsageError,
)
from solvestream._http import open_transport
from solvestream._http.httpx_adapter import HttpxTransport
from tests.faults.acts import always, says, silent
from tests.faults.canary import KEY
from tests.faults.test_poll import read
from tests.faults.world import SERVICES, STYLES, cancelled, task

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parent.parent.parent

ECHOES = {
    "raw": lambda: KEY,
    "quoted": lambda: quote(KEY, safe=""),
    "url": lambda: f"http://x/res.php?key={quote(KEY, safe='')}&id=1",
    "base64": lambda: base64.b64encode(KEY.encode()).decode(),
    "hex": lambda: KEY.encode().hex(),
    "upper": KEY.upper,
    "lower": KEY.lower,
}
MISSED = {"base64", "hex", "upper", "lower"}
WORDS = {
    "captchaai": "{}",
    "captchaai-code": "ERROR_NEW {}",
    "captchaai-json": '{{"status":0,"request":"ERROR_NEW","error_text":"{}"}}',
    "solvora": '{{"detail":"{}"}}',
    "capsolver": '{{"errorId":1,"errorCode":"ERROR_NEW","errorDescription":"{}"}}',
}

WORDLESS = {
    *((kind, "captchaai") for kind in ("submit", "look", "balance", "report")),
    *((kind, "solvora") for kind in ("look", "report")),
}
"""Where no word of the reply is passed on."""


@pytest.mark.parametrize("how", ECHOES)
@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("kind", ["submit", "look", "balance", "report"])
async def test_k02_a_service_echoes_the_key(world, request, how, words, kind):
    """Whatever a service writes back, no error, log, traceback or pickle of ours holds the key."""
    service = words.partition("-")[0]
    world.service.at_once = False
    world.service.on[kind] = always(says(WORDS[words].format(ECHOES[how]()), 400))
    async with world.client(world.account(service)) as client:
        told: list[object] = []
        try:
            result = await client.solve(task(1, deadline=40.0))
            told.append(result)
            await client.report(result, correct=True)
        except SolvestreamError as error:
            told.append(error)
        try:
            told.append(await client.balance())
        except SolvestreamError as error:
            told.append(error)
        world.canary.look(*told, client, client.statistics(), *client.tickets())
    found, world.canary.found = world.canary.found, []
    assert found == []


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("service", SERVICES)
async def test_k03_cancelled_frames_show_nothing(world, style, service):
    """The traceback with locals of a call cut in mid-exchange holds no key, above or below us."""
    world.service.on["submit"] = always(silent())
    caught: list[BaseException] = []

    async def call():
        try:
            await client.solve(task(1))
        except BaseException as error:
            caught.append(error)
            raise

    async with world.client(world.account(service)) as client:
        for step in (0, 3, 20, 60):
            await cancelled(call, style, 0.0, step)
        await asyncio.sleep(100)
        for running in asyncio.all_tasks():
            world.canary.look(running, *map(str, running.get_stack()))
    assert caught
    world.canary.look(*caught)


@pytest.mark.parametrize("service", SERVICES)
async def test_k03_a_bug_below_shows_nothing(world, monkeypatch, service):
    """A failure inside a parser, with the request in its frames, shows no key."""

    def fails(*arguments, **more):
        raise LookupError(str(arguments))

    async with world.client(world.account(service)) as client:
        for name in ("_reply.decode", f"{'inphp' if service == 'captchaai' else service}.decode"):
            module = name.replace("capsolver", "createtask")
            monkeypatch.setattr(f"solvestream.providers.{module}", fails)
        with pytest.raises(SolvestreamError) as caught:
            await client.solve(task(1, deadline=30.0))
        with pytest.raises(SolvestreamError) as other:
            await client.balance()
        monkeypatch.undo()
    world.canary.look(caught.value, other.value)


async def test_k02_values_show_nothing(world):
    """Accounts, clients, keys and proxies hide what they hold, and keys are not pickled."""
    account = world.account()
    proxy = Proxy("http", "h", 1, "user", KEY)
    request = account.submit(task(1), task(1).image).request
    look = account.look([_Asked()]).request
    world.canary.look(account, account.key, repr(request), repr(look), repr(proxy), Client(account))


async def test_k02_a_request_is_never_pickled(world):
    """A plug-in that logs or pickles a request writes no key."""
    request = world.account().look([_Asked()]).request
    with pytest.raises(UsageError):
        pickle.dumps(request)


BAD_BUILDS = {
    "http": lambda: CaptchaAI(KEY, base_url="http://service.example"),
    "white-space": lambda: CaptchaAI(KEY + "\n"),
    "scheme": lambda: Solvora(KEY, base_url="ftp://x"),
    "slots": lambda: CapSolver(KEY, slots=0),
    "name": lambda: CapSolver(KEY, name=""),
}


@pytest.mark.parametrize("build", BAD_BUILDS)
def test_k03_refusing_an_account_shows_nothing(canary, build):
    """The traceback with locals of an account that was built wrongly holds no key."""
    with pytest.raises(UsageError) as caught:
        BAD_BUILDS[build]()
    canary.look(str(caught.value), repr(caught.value))
    assert canary.found == []
    canary.look(caught.value)
    found, canary.found = canary.found, []
    assert found == []


class _Asked:
    task_id = "1"
    kind = "image"


NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@pytest.fixture
async def trap(anyio_backend):
    """Give the port of a proxy that nobody should come to, and what came."""
    came: list[bytes] = []

    async def serve(reader, writer):
        came.append(await reader.read(65536))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nOK|99999999")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], came
    server.close()


@pytest.mark.parametrize("stock", [False, True], ids=["given", "stock"])
async def test_k08_environment_is_not_read(world, monkeypatch, tmp_path, trap, stock):
    """Proxies, key logs and certificates of the environment change nothing by default."""
    port, came = trap
    for name in NAMES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    client = world.client()
    if stock and world.transport == "httpx":  # what is used under trio
        monkeypatch.setattr(
            "solvestream.client.open_transport", lambda http, connections: HttpxTransport()
        )
    elif stock:
        monkeypatch.setattr("solvestream.client.open_transport", open_transport)
    async with client:
        assert (await client.solve(task(1))).ok
    assert came == []
    assert not keys.exists()


async def test_k08_key_log_stays_off(transport, canary, monkeypatch, tmp_path, certified, seeded):
    """No TLS session keys are written, whatever SSLKEYLOGFILE says."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    if transport == "pool":
        from solvestream._http.dial import secure_context

        assert secure_context().keylog_filename is None
    else:
        below = HttpxTransport()._transport
        assert below._pool._ssl_context.keylog_filename is None
        await below.aclose()


@pytest.mark.parametrize("transport", ["httpx"])
async def test_k08_an_explicit_proxy_is_used(world, trap):
    """A proxy that the user gives is gone through, and nothing else."""
    port, came = trap
    async with (
        httpx.AsyncClient(proxy=f"http://127.0.0.1:{port}", trust_env=False) as http,
        Client(world.account(), http=http) as client,
    ):
        ticket = await client.submit(task(1))
    assert ticket.task_id == "99999999"
    assert len(came) == 1
    assert not world.service.connections


REFUSED = ["http://ocr.captchaai.com", "http://10.0.0.1", "http://127.0.0.1.evil.example"]


@pytest.mark.parametrize("url", [*REFUSED, "ftp://x", "https://user@x", "https://x/?a=1", ""])
@pytest.mark.parametrize("service", SERVICES)
async def test_k09_plain_http_is_refused(world, service, url):
    """Off loopback the key would go in the open: refused unless asked for."""
    with pytest.raises(UsageError) as caught:
        SERVICES[service](KEY, base_url=url)
    world.canary.look(str(caught.value), repr(caught.value))
    if url in REFUSED:
        assert "allow_http=True" in str(caught.value)
        assert SERVICES[service](KEY, base_url=url, allow_http=True)


def test_k12_few_dependencies():
    """At most eight direct dependencies at run time, each with a lower bound or from the roots."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[a-z0-9-]+", one)[0] for one in project["dependencies"]]
    assert len(names) <= 8
    assert set(names) <= {
        "anyio", "attrs", "cattrs", "certifi", "httptools", "httpx", "sniffio", "typing-extensions"
    }  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
async def test_s21_redirects_are_not_followed(world, trap, service):
    """A 307 would post the key elsewhere: it is a doubtful reply, and nobody is called."""
    port, came = trap
    away = f"Location: http://127.0.0.1:{port}/in.php"
    for status in (301, 302, 303, 307, 308):
        world.service.on["submit"] = always(says("", status, away))
        async with world.client(world.account(service)) as client:
            (result,) = await read(client.stream([task(1)]))
        assert result.error.verdict == "unknown"
        world.canary.look(result, result.error)
    assert came == []


async def test_k02_a_token_task_with_a_proxy(world):
    """Passwords of a task's proxy are not the key, and the key shows in no result of it."""
    proxy = Proxy("http", "127.0.0.1", 8080, "user", "password")
    async with world.client() as client:
        tasks = [RecaptchaV2("site", "https://service.example/page/1", proxy=proxy)]
        results = await read(client.stream([*tasks, ImageToText(b"no image")]))
        world.canary.look(*results, *[one.error for one in results])
    assert [one.ok for one in results].count(True) == 1
