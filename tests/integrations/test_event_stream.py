"""Server-sent events by themselves: the bytes, the ping, the browser that is slow or leaves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import anyio
import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient

from solvestream import CapSolver, CaptchaAI, Client, ImageToText, UsageError, WrongLoop, errors
from solvestream.integrations.fastapi import (
    ClientDep,
    EventStream,
    JobState,
    answer_error,
    lifespan,
    router,
)
from solvestream.server import LocalService
from tests.virtual import ASYNCIO, FakeService

IMAGE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def anyio_backend():
    return ASYNCIO


@pytest.fixture
def service(monkeypatch):
    fake = FakeService(solve=lambda: 40.0)
    monkeypatch.setattr("solvestream.client.open_transport", lambda http, connections: fake)
    return fake


@pytest.fixture
async def client(service):
    async with Client(CaptchaAI("key")) as client:
        yield client


class Browser:
    """Takes what an ASGI application sends, as slowly as it likes, until it leaves."""

    def __init__(self, pause=0.0):
        self.pause = pause
        self.left = anyio.Event()
        self.start = None
        self.got = []

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        await anyio.sleep(self.pause)
        if message["type"] == "http.response.start":
            self.start = dict(message["headers"])
        else:
            self.got.append(message["body"])

    async def open(self, response):
        await response({"type": "http"}, self.receive, self.send)


def tasks(count):
    return (ImageToText(IMAGE, tag=number) for number in range(count))


@pytest.mark.anyio
async def test_results_are_events_and_silence_is_a_comment(client):
    """Each result is one event with its tag as id; while nothing comes, a comment does."""
    browser = Browser()
    await browser.open(EventStream(client.stream(tasks(2), ordered=True), ping=15.0))
    assert browser.start[b"content-type"].startswith(b"text/event-stream")
    assert b"content-length" not in browser.start
    silence = [body for body in browser.got if body == b":\n\n"]
    assert len(silence) in {2, 3}
    first, second, end = (body for body in browser.got if body != b":\n\n")
    assert first.startswith(b'id: 0\ndata: {"id":"0","state":"solved"')
    assert second.startswith(b"id: 1\n")
    assert end == b"event: end\ndata:\n\n"


@pytest.mark.anyio
async def test_a_tag_that_is_no_unicode_ends_no_stream(client):
    """As the name of a file may be: it is told escaped, and the others come too."""
    browser = Browser()
    odd = [ImageToText(IMAGE, tag=tag) for tag in ("odd\udcff.png", "b.png")]
    await browser.open(EventStream(client.stream(odd, ordered=True), ping=60.0))
    first, second, _ = browser.got
    assert first.startswith(rb"id: odd\udcff.png")
    assert second.startswith(b"id: b.png")


@pytest.mark.anyio
async def test_a_slow_browser_holds_new_submits_back(service, client):
    """It is read from no faster than it takes: at most `in_flight` are bought ahead of it."""
    browser = Browser(pause=100.0)
    async with anyio.create_task_group() as group:
        group.start_soon(browser.open, EventStream(client.stream(tasks(100), in_flight=5)))
        for _ in range(5):
            await anyio.sleep(300)
            told = sum(body.startswith(b"id") for body in browser.got)
            assert told
            assert service.submits <= told + 5 + 1
        group.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_browser_that_leaves_stops_the_source_and_loses_nothing_paid(service, client):
    """What was not sent is dropped at once; what was paid goes on and is listed."""
    service.slots = 3
    browser = Browser()
    async with anyio.create_task_group() as group:
        group.start_soon(browser.open, EventStream(client.stream(tasks(50))))
        await anyio.sleep(5)
        browser.left.set()
    await anyio.sleep(100)
    assert browser.got == []
    assert service.submits == service.refusals + 3
    assert client.statistics().queued == 0
    assert len(client.tickets()) == 3


@pytest.mark.anyio
async def test_what_the_source_raises_reaches_the_server(client):
    """It is not wrapped in a group, and the response does not end as if it were whole."""

    def source():
        yield ImageToText(IMAGE, tag="a\r\n\r\nb")
        raise LookupError("the disk is gone")

    browser = Browser()
    with pytest.raises(LookupError, match="disk"):
        await browser.open(EventStream(client.stream(source()), ping=1_000))
    (event,) = browser.got
    assert event.startswith(b"id: ab\ndata: {")


def quick(service):
    """A worker's client at the local service."""
    return lambda: Client(CapSolver(service.key, base_url=service.url))


@pytest.fixture
def local():
    with LocalService() as service:
        yield service


def test_a_lifespan_of_ones_own_takes_ours_in(local):
    """State of both is there; each start of the app opens a client of its own."""
    solving = lifespan(quick(local))
    seen = []

    @asynccontextmanager
    async def whole(app):
        async with solving(app) as state:
            yield {**state, "database": "mine"}

    app = FastAPI(lifespan=whole)

    @app.websocket("/live")
    async def live(socket: WebSocket, client: ClientDep):
        seen.append(client)
        await socket.accept()
        result = await client.solve(ImageToText(await socket.receive_bytes()))
        await socket.send_text(f"{socket.state.database} {result.ok}")
        await socket.close()

    for _ in range(2):
        with TestClient(app) as web, web.websocket_connect("/live") as socket:
            socket.send_bytes(IMAGE)
            assert socket.receive_text() == "mine True"
    assert len(set(map(id, seen))) == 2
    assert all("closed" in repr(client) for client in seen)


def test_without_the_lifespan_the_error_says_what_to_do(local):
    """The most common mistake has a remedy in its message."""
    app = FastAPI()
    app.include_router(router(), prefix="/jobs")
    with pytest.raises(UsageError, match="lifespan=lifespan"):
        TestClient(app).get("/jobs/1")


def test_a_task_of_ones_own_kind_is_read_by_a_dependency(local):
    """The router takes whatever a dependency makes of the request."""

    def told(code: str):
        return ImageToText(IMAGE + code.encode(), tag="not the id")

    app = FastAPI(lifespan=lifespan(quick(local), limit=1))
    app.include_router(router(told), prefix="/jobs")
    with TestClient(app) as web:
        job = JobState.model_validate(web.post("/jobs", params={"code": "a"}).json())
        assert "solved" in web.get("/jobs/events", params={"id": job.id}).text
        assert web.get(f"/jobs/{job.id}").json()["state"] == "solved"
        assert web.post("/jobs").status_code == 422


def test_a_task_that_proves_bad_later_tells_what_to_do(local):
    """What is found out only later is told with the job."""
    app = FastAPI(lifespan=lifespan(quick(local)))
    app.include_router(router(lambda: ImageToText(b"a")), prefix="/jobs")
    with TestClient(app) as web:
        job = web.post("/jobs").json()
        web.get("/jobs/events", params={"id": job["id"]})
        error = web.get(f"/jobs/{job['id']}").json()["error"]
        assert error["name"] == "InvalidTask"
        assert "no image" in error["fix"]


def test_too_many_jobs_are_refused_with_a_time_to_come_back(service):
    """503 with `Retry-After` is what load balancers and clients understand."""
    app = FastAPI(lifespan=lifespan(lambda: Client(CaptchaAI("key")), limit=1))
    app.include_router(router(), prefix="/jobs")
    with TestClient(app) as web:
        assert web.post("/jobs", content=IMAGE).status_code == 202
        refused = web.post("/jobs", content=IMAGE)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")


@pytest.mark.anyio
async def test_every_error_has_a_status(client):
    """No error of a task is the server's own fault, but wrong use of the library is."""
    abstract = {errors.SolvestreamError, errors.UsageError}
    for kind in vars(errors).values():
        if not isinstance(kind, type) or not issubclass(kind, errors.SolvestreamError):
            continue
        error = kind("no")
        if kind in abstract or kind is errors.WrongLoop:
            with pytest.raises(kind):
                await answer_error(None, error)
        else:
            assert (await answer_error(None, error)).status_code in {422, 502, 503, 504}
    with pytest.raises(LookupError):
        await answer_error(None, LookupError())


def test_an_endpoint_in_a_thread_is_told_where_the_client_belongs(local):
    """A plain `def` endpoint runs in another thread: `WrongLoop` names the remedy."""
    app = FastAPI(lifespan=lifespan(quick(local)))

    @app.get("/")
    def wrong(client: ClientDep) -> str:
        with pytest.raises(WrongLoop, match="one client per loop") as caught:
            asyncio.run(client.solve(ImageToText(IMAGE)))
        return str(caught.value)

    with TestClient(app) as web:
        assert web.get("/").status_code == 200
