"""The service calls back: what it says, whom it calls, and when it does not."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from solvestream.server import Latency, pingback, simulated_text, simulated_token
from solvestream.server.pingback import Message, call
from tests.server.support import KEY, PAGE, Caller, picture

pytestmark = pytest.mark.anyio


@pytest.fixture
def calls(monkeypatch):
    """What would be called, instead of calling it."""
    made = []

    async def note(message):
        made.append(message)

    monkeypatch.setattr("solvestream.server.desk.call", note)
    return made


async def served(**settings) -> Caller:
    """A service that was told by its server that it is being served."""
    caller = Caller(**settings)
    started, ended = asyncio.Event(), asyncio.Event()

    async def receive():
        if started.is_set():
            await ended.wait()

    async def send(message):
        started.set()

    caller.life = asyncio.create_task(caller.app({"type": "lifespan"}, receive, send))
    caller.end = ended.set
    await started.wait()
    return caller


async def leave(caller) -> None:
    """End the service as its server does."""
    caller.end()
    await caller.life


async def test_a_submit_with_pingback_is_called_back_with_id_and_answer(calls):
    """A GET of the URL as it was given, with `id` and `code` beside what it has."""
    caller = await served()
    said = await caller.put_image(pingback="http://localhost/done?x=1")
    await asyncio.sleep(0.01)
    assert len(calls) == 1
    query = parse_qs(urlsplit(calls[0].url).query)
    assert query == {"x": ["1"], "id": [said[3:]], "code": [simulated_text(picture())]}
    assert calls[0].body == b""
    await leave(caller)


async def test_a_failed_task_is_called_back_too(calls):
    """The code is the error then."""
    caller = await served(failure_rate=1.0)
    await caller.put_image(pingback="http://localhost/done")
    await asyncio.sleep(0.01)
    assert calls[0].url.endswith("&code=ERROR_CAPTCHA_UNSOLVABLE")
    await leave(caller)


async def test_the_createtask_family_posts_what_a_look_would_get(calls):
    """JSON with the task's id and solution."""
    caller = await served()
    task = {"type": "AntiTurnstileTaskProxyLess", "websiteURL": PAGE, "websiteKey": "site"}
    made = await caller.post("/createTask", task=task, callbackUrl="http://localhost/done")
    await asyncio.sleep(0.01)
    told = json.loads(calls[0].body)
    assert (told["taskId"], told["errorId"], told["status"]) == (made.json()["taskId"], 0, "ready")
    assert told["solution"]["token"] == simulated_token("site")
    await leave(caller)


async def test_nobody_is_called_who_did_not_ask_or_while_nothing_is_served(calls):
    """Without a URL, and in an application that no server runs, there are no calls."""
    caller = await served()
    await caller.put_image()
    await leave(caller)
    await Caller().put_image(pingback="http://localhost/done")
    await asyncio.sleep(0.01)
    assert calls == []


async def test_the_end_of_the_service_ends_its_calls(calls):
    """A task that is not done when the service stops is not waited for."""
    caller = await served(latency=Latency(low=600.0))
    await caller.put_image(pingback="http://localhost/done")
    await leave(caller)
    assert calls == []


@pytest.mark.parametrize("body", [b"", b'{"taskId":"1"}'])
async def test_a_call_is_plain_http(body):
    """What arrives is a whole request of HTTP/1.1 without a key."""
    heard = asyncio.get_running_loop().create_future()

    async def listen(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        heard.set_result((head, await reader.readexactly(len(body))))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await call(Message(f"http://{place}/done?id=1", body))
        head, got = await heard
    assert head.startswith(b"%s /done?id=1 HTTP/1.1\r\n" % (b"POST" if body else b"GET"))
    assert b"Host: " + place.encode() in head
    assert got == body
    assert KEY.encode() not in head


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/done",
        "http://example.com/done",
        "https://127.0.0.1/done",
        "ftp://127.0.0.1/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\r\nX: y",
        "http://127.0.0.1:99999/",
        "http://[::1",
        "http://127.0.0.1:1/refused",
        "",
    ],
)
async def test_whoever_is_not_on_this_machine_is_not_called(url, monkeypatch):
    """Only plain http to loopback is opened, and nothing is raised whatever the URL is."""
    opened, connect = [], asyncio.open_connection

    async def note(host, port):
        opened.append(host)
        return await connect(host, port)

    monkeypatch.setattr(pingback.asyncio, "open_connection", note)
    await call(Message(url))
    assert opened == (["127.0.0.1"] if url.endswith("refused") else [])
