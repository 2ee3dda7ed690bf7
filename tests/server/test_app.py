from __future__ import annotations

import asyncio

import pytest

from solvestream.server import Latency, createtask, inphp
from solvestream.server.work import Reason
from tests.server.support import KEY, Caller, in_base64, picture

pytestmark = pytest.mark.anyio


async def test_other_paths_and_methods_are_refused():
    """404 for what no protocol has, 405 for a GET where only POST is spoken."""
    caller = Caller()
    assert (await caller.http.get("/")).status_code == 404
    assert (await caller.http.get("/createTask")).status_code == 405
    assert (await caller.http.get("/solve.php")).status_code == 405


async def test_a_body_beyond_16_mib_is_refused():
    """413, before it is parsed."""
    caller = Caller()
    reply = await caller.http.post("/in.php", content=bytes(16 * 1024 * 1024 + 1))
    assert reply.status_code == 413


async def test_a_client_that_leaves_within_its_request_has_submitted_nothing():
    """Half a body is not a task: nothing is accepted, nothing charged."""
    caller = Caller()
    body = f"key={KEY}&method=turnstile&sitekey=s&pageurl=https://a.example".encode()
    inbox = iter(
        [
            {"type": "http.request", "body": body, "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive():
        return next(inbox)

    async def send(message):
        pass

    scope = {"type": "http", "method": "POST", "path": "/in.php", "query_string": b""}
    await caller.app({**scope, "headers": []}, receive, send)
    assert caller.ledger()["submitted"] == 0


async def test_the_ledger_is_served():
    """/_ledger tells requests and counts; tasks=1 adds the tasks."""
    caller = Caller()
    await caller.put_image()
    told = (await caller.http.get("/_ledger")).json()
    assert told["requests"] == 2
    assert told["accounts"]["mine"]["accepted"] == 1
    assert "tasks" not in told
    told = (await caller.http.get("/_ledger?tasks=1")).json()
    assert [task["account"] for task in told["tasks"]] == ["mine"]


async def test_an_answer_at_once_does_not_stop_other_requests():
    """While one /createTask waits for its answer, others are served."""
    caller = Caller(latency=Latency(low=0.05))
    slow = asyncio.ensure_future(caller.create())
    for _ in range(20):
        await asyncio.sleep(0)
    assert caller.ledger()["accepted"] == 1
    assert await caller.ask("getbalance") == "999.999500"
    assert not slow.done()
    assert (await slow).json()["status"] == "ready"


async def test_one_call_longer_than_the_service_waits_is_unsolvable():
    """/solve.php gives up after its 15 s (here: none) and says so."""
    caller = Caller(latency=Latency(low=5.0))
    task = caller.app.desk.submit(caller.app.book.holder(KEY), "inphp", _work(picture()))
    outcome = await caller.app.desk.wait(task, 0.0)
    assert outcome.code == "unsolvable"


@pytest.mark.parametrize("codes", [inphp.CODES, createtask.CODES])
def test_the_families_have_a_code_for_every_reason(codes):
    """The tables of error codes are total, and hold nothing else."""
    assert set(codes) == set(Reason)


async def test_the_lifespan_is_answered():
    """Startup and shutdown are completed, as a server expects."""
    caller = Caller()
    inbox = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    outbox = []

    async def receive():
        return next(inbox)

    async def send(message):
        outbox.append(message["type"])

    await caller.app({"type": "lifespan"}, receive, send)
    assert outbox == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def _work(image):
    from solvestream.server.inphp_tasks import read_task
    from solvestream.server.wire import Form

    return read_task(Form({"method": "base64", "body": in_base64(image)}, {}))
