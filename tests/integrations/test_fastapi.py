"""FastAPI for real: uvicorn in another process, two hundred HTTP clients at once."""

from __future__ import annotations

import asyncio
import io
import json
import signal

import aiohttp
import pytest

from solvestream.server import simulated_text
from tests.integrations.hosting import BAD, LATE, PICTURE, SLOW, serving

pytestmark = pytest.mark.anyio


def image(number):
    return PICTURE + b"%d" % number


@pytest.fixture(scope="module")
def url(service, tmp_path_factory):
    """The example under uvicorn."""
    log = tmp_path_factory.mktemp("fastapi") / "log"
    arguments = ("--port", "0", "--timeout-graceful-shutdown", "5")
    with serving(service, "uvicorn", "fastapi_app:app", *arguments, log=log) as url:
        yield url
    told = log.read_text()
    assert "Application shutdown complete" in told
    assert "Traceback" not in told
    assert service.key not in told


@pytest.fixture
async def web(url):
    """An HTTP client with as many connections as it likes."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as session:
        yield session


async def events(web, names, **headers):
    """Read a stream of events to its end; returns the jobs told of, in order."""
    query = [("id", name) for name in names]
    async with web.get("/jobs/events", params=query, headers=headers) as reply:
        assert reply.content_type == "text/event-stream"
        text = await reply.text()
    *blocks, end, rest = text.split("\n\n")
    assert (end, rest) == ("event: end\ndata:", "")
    jobs = []
    for block in blocks:
        name, data = block.split("\n")
        jobs.append(json.loads(data.removeprefix("data: ")))
        assert name == f"id: {jobs[-1]['id']}"
    return jobs


def bought(service):
    return service.ledger()["accounts"]["local"]["submitted"]


async def submit(web, data, **headers):
    async with web.post("/jobs", data=data, headers=headers) as reply:
        assert reply.status == 202, await reply.text()
        job = await reply.json()
        assert reply.headers["location"] == f"/jobs/{job['id']}"
        return job


async def test_two_hundred_callers_share_one_client(service, web):
    """Two hundred requests at once are answered with their own texts, each bought once."""

    async def read(number):
        async with web.post("/read", data=image(number)) as reply:
            assert reply.status == 200
            return await reply.json()

    before = bought(service)
    texts = await asyncio.gather(*map(read, range(200)))
    assert texts == [simulated_text(image(number)) for number in range(200)]
    assert bought(service) == before + 200


async def test_two_hundred_callers_submit_and_listen(service, web):
    """Two hundred jobs at once: each caller is told of its own by an event, and can ask again."""

    async def run(number):
        job = await submit(web, image(number))
        assert job["state"] in {"pending", "solved"}
        (told,) = await events(web, [job["id"]])
        assert told["state"] == "solved"
        assert told["solution"]["text"] == simulated_text(image(number))
        async with web.get(f"/jobs/{job['id']}") as reply:
            assert await reply.json() == told

    before = bought(service)
    await asyncio.gather(*map(run, range(1_000, 1_200)))
    assert bought(service) == before + 200


async def test_one_listener_hears_of_many_jobs(web):
    """One stream of events tells of every job asked for, exactly once."""
    jobs = await asyncio.gather(*(submit(web, image(number)) for number in range(50)))
    names = [job["id"] for job in jobs]
    told = await events(web, names + names)
    assert sorted(job["id"] for job in told) == sorted(names)


async def test_a_listener_that_comes_back_hears_the_rest(web):
    """`Last-Event-ID` leaves out what was told before; when all was told, 204 ends it."""
    jobs = await asyncio.gather(*(submit(web, image(number)) for number in range(9)))
    names = [job["id"] for job in jobs]
    told = await events(web, names)
    again = await events(web, names, **{"Last-Event-ID": told[5]["id"]})
    assert again == told[6:]
    query = [("id", name) for name in names]
    last = {"Last-Event-ID": told[-1]["id"]}
    async with web.get("/jobs/events", params=query, headers=last) as reply:
        assert reply.status == 204


async def test_a_repeated_request_is_not_bought_again(service, web):
    """The same `Idempotency-Key` is the same job, also when its first answer got lost."""
    before = bought(service)
    key = {"Idempotency-Key": "0123456789abcdef"}
    first, second = await asyncio.gather(*(submit(web, image(77), **key) for _ in range(2)))
    assert first["id"] == second["id"] == "0123456789abcdef"
    await events(web, [first["id"]])
    assert (await submit(web, image(77), **key))["state"] == "solved"
    assert bought(service) == before + 1


async def test_what_goes_wrong_is_told_without_secrets(service, web):
    """Bad requests are refused with a reason; a failed job has its error's name and code."""
    async with web.post("/jobs", data=b"") as reply:
        assert reply.status == 422
        assert "empty" in (await reply.json())["detail"]
    async with web.post("/jobs", data=io.BytesIO(bytes(1_048_577))) as reply:
        assert reply.status == 413
    async with web.get("/jobs/nobody") as reply:
        assert reply.status == 404
    async with web.get("/jobs/events", params={"id": "nobody"}) as reply:
        assert reply.status == 404
    async with web.get("/jobs/events") as reply:
        assert reply.status == 422
    async with web.post("/read", data=b"") as reply:
        assert reply.status == 422
        assert "bytes" in (await reply.json())["error"]["fix"]
    async with web.post("/read", data=BAD) as reply:
        assert reply.status == 502
        assert (await reply.json())["error"]["name"] == "TaskFailed"
    job = await submit(web, BAD)
    (told,) = await events(web, [job["id"]])
    assert told["state"] == "failed"
    error = {"name": "TaskFailed", "code": "ERROR_CAPTCHA_UNSOLVABLE", "charged": "no", "fix": None}
    assert told["error"] == error
    assert service.key not in json.dumps(told)


async def test_listeners_that_leave_harm_nothing(web):
    """Callers that hang up in the midst of it leave the worker as it was for all others."""
    slow = await submit(web, SLOW)

    async def leave():
        async with web.get("/jobs/events", params={"id": slow["id"]}) as reply:
            await reply.content.read(0)

    async def hang_up():
        async with asyncio.timeout(0.05):
            await web.post("/read", data=LATE)

    left = await asyncio.gather(
        *(leave() for _ in range(20)), *(hang_up() for _ in range(20)), return_exceptions=True
    )
    assert left[:20] == [None] * 20
    assert all(isinstance(one, TimeoutError) for one in left[20:])
    job = await submit(web, image(5))
    assert [told["state"] for told in await events(web, [job["id"]])] == ["solved"]


async def settled(service):
    """Wait until nothing more is bought; return how much was."""
    last = -1
    for _ in range(100):
        if last == (last := bought(service)):
            return last
        await asyncio.sleep(0.15)
    raise AssertionError(last)


ENDLESS = """
from itertools import count
from fastapi import FastAPI
from solvestream import ImageToText
from solvestream.integrations.fastapi import ClientDep, EventStream
from fastapi_app import app

def tasks():
    for number in count():
        yield ImageToText(b"\\x89PNG\\r\\n\\x1a\\nendless%d" % number, tag="x" * 100_000)

@app.post("/endless")
async def endless(client: ClientDep) -> EventStream:
    return EventStream(client.stream(tasks(), in_flight=10))
"""


async def test_a_listener_that_does_not_read_holds_the_source_back(service, tmp_path):
    """An endless source is read no further than buffers and `in_flight` reach; then it goes on."""
    (tmp_path / "endless_app.py").write_text(ENDLESS)
    arguments = ("uvicorn", "endless_app:app", "--port", "0", "--app-dir", str(tmp_path))
    before = bought(service)
    with serving(service, *arguments, log=tmp_path / "log") as url:
        async with aiohttp.ClientSession(url) as web, web.post("/endless") as reply:
            held = await settled(service)
            assert held - before < 500
            await reply.content.readexactly(20_000_000)
            assert bought(service) > held
        await settled(service)
    assert "Traceback" not in (tmp_path / "log").read_text()


JOURNALED = """
import os
from fastapi import FastAPI
from solvestream import CaptchaAI, Client, Pacing
from solvestream.integrations.fastapi import lifespan, router

def make():
    pacing = Pacing(first_look=float(os.environ["FIRST_LOOK"]), interval=0.05)
    account = CaptchaAI.from_env(base_url=os.environ["SOLVESTREAM_URL"], pacing=pacing)
    return Client(account, journal="jobs.db")

app = FastAPI(lifespan=lifespan(make, resume=True))
app.include_router(router(), prefix="/jobs")
"""


async def test_jobs_survive_the_death_of_their_worker(service, tmp_path):
    """After `kill -9` the next worker has their answers, under the same ids; none is bought again."""
    (tmp_path / "journaled_app.py").write_text(JOURNALED.replace("jobs.db", f"{tmp_path}/jobs.db"))
    command = ("uvicorn", "journaled_app:app", "--port", "0", "--app-dir", str(tmp_path))
    key = {"Idempotency-Key": "the-name-of-this-job"}
    before = bought(service)
    killed = {"log": tmp_path / "1", "stop": signal.SIGKILL, "FIRST_LOOK": "60"}
    with serving(service, *command, **killed) as url:
        async with aiohttp.ClientSession(url) as web:
            jobs = await asyncio.gather(*(submit(web, image(number)) for number in range(9)))
            names = [job["id"] for job in [*jobs, await submit(web, image(9), **key)]]
            await settled(service)
    with serving(service, *command, log=tmp_path / "2", FIRST_LOOK="0.05") as url:
        async with aiohttp.ClientSession(url) as web:
            found = [await look(web, name) for name in names]
            assert (await submit(web, image(9), **key))["state"] == "solved"
            async with web.get("/jobs/nobody") as reply:
                assert reply.status == 404
    texts = [simulated_text(image(number)) for number in range(10)]
    assert [job["solution"]["text"] for job in found] == texts
    assert bought(service) - before == 10


async def look(web, name):
    """Ask for a job as often as one is told to come back."""
    for _ in range(100):
        async with web.get(f"/jobs/{name}") as reply:
            if reply.status == 200:
                return await reply.json()
            assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        await asyncio.sleep(0.05)
    raise AssertionError(name)


async def test_it_is_documented_by_itself(web):
    """The paths and models are in the app's own OpenAPI."""
    async with web.get("/openapi.json") as reply:
        api = await reply.json()
    assert {"/jobs", "/jobs/events", "/jobs/{id}", "/read"} <= set(api["paths"])
    assert "JobState" in api["components"]["schemas"]
    assert "image/*" in api["paths"]["/jobs"]["post"]["requestBody"]["content"]
    told = api["paths"]["/jobs/events"]["get"]["responses"]["200"]["content"]
    assert list(told) == ["text/event-stream"]
