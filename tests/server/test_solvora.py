from __future__ import annotations

import pytest

from solvestream.server import Latency, Scripted, simulated_text
from tests.server.support import KEY, Caller, picture

pytestmark = pytest.mark.anyio


async def test_an_image_is_in_process_and_then_ok():
    """Submit and result as PROTOCOLS.md 2 has them; time is null until the task is done."""
    caller = Caller(account={"solves": 950}, latency=Latency(low=1.5))
    accepted = (await caller.upload()).json()
    task_id = accepted.pop("task_id")
    assert accepted == {"status": "ok", "result": "in_process", "solves": 949}
    pending = (await caller.fetch(task_id)).json()
    assert (pending["result"], pending["time"]) == ("in_process", None)
    caller.clock.now += 1.5
    assert (await caller.fetch(task_id)).json() == {
        "status": "ok",
        "result": simulated_text(picture()),
        "task_id": task_id,
        "time": 1.5,
        "solves": 949,
    }


async def test_an_image_that_says_in_process_is_told_apart_by_time():
    """The answer `in_process` comes with a time that is not null."""
    caller = Caller(script={"image": "in_process"})
    task_id = (await caller.upload()).json()["task_id"]
    answer = (await caller.fetch(task_id)).json()
    assert (answer["result"], answer["time"]) == ("in_process", 0.0)


async def test_a_task_is_deleted_30_seconds_after_its_submission():
    """A second before it is there, at 30 s it is 404 and its credit stays spent."""
    caller = Caller(account={"solves": 5})
    task_id = (await caller.upload()).json()["task_id"]
    caller.clock.now += 29.9
    assert (await caller.fetch(task_id)).status_code == 200
    caller.clock.now += 0.1
    gone = await caller.fetch(task_id)
    assert (gone.status_code, gone.json()) == (404, {"detail": "Task not found or expired"})
    assert caller.ledger()["charged_solves"] == 1


async def test_the_balance_counts_solves():
    """/api/balance tells solves left and used."""
    caller = Caller(account={"solves": 2})
    await caller.upload()
    reply = await caller.http.get("/api/balance", params={"api": KEY})
    assert reply.json() == {"status": "ok", "solves": 1, "24h": 1}


async def test_a_wrong_key_is_401_on_every_call():
    """401 with a detail, whatever is asked."""
    caller = Caller()
    balance = await caller.http.get("/api/balance", params={"api": "unknown"})
    missing = await caller.http.get("/api/balance")
    crowded = await caller.http.get("/api/balance?" + "a=1&" * 300)
    replies = [balance, missing, crowded, await caller.upload(key="unknown")]
    replies.append(await caller.fetch("any", key="unknown"))
    assert {reply.status_code for reply in replies} == {401}
    assert balance.json() == {"detail": "Invalid API key"}


async def test_no_solves_left_is_402():
    """402 with a detail, and nothing is accepted."""
    caller = Caller(account={"solves": 0})
    reply = await caller.upload()
    assert (reply.status_code, reply.json()) == (402, {"detail": "No solves remaining"})
    assert caller.ledger()["accepted"] == 0


@pytest.mark.parametrize(
    ("image", "status"),
    [(b"", 400), (b"words", 400), (b"GIF89a....", 400), (picture() + bytes(102_400), 413)],
)
async def test_what_is_no_image_is_refused_and_free(image, status):
    """PNG, JPG and BMP only, and no larger than allowed."""
    caller = Caller(account={"solves": 5})
    reply = await caller.upload(image)
    assert reply.status_code == status
    assert "detail" in reply.json()
    assert caller.ledger()["solves"] == 5


async def test_a_submit_without_its_image_is_refused():
    """The multipart field is `image`; a body without it, or none at all, is 400."""
    caller = Caller()
    for sent in ({"files": {"file": ("a.png", picture())}}, {"content": b""}):
        reply = await caller.http.post("/api/ocr/solve", params={"api": KEY}, **sent)
        assert reply.status_code == 400
    headers = {"content-type": "multipart/form-data"}
    query = {"api": KEY}
    reply = await caller.http.post("/api/ocr/solve", params=query, content=b"-", headers=headers)
    assert reply.status_code == 400


@pytest.mark.parametrize(
    ("error", "message"),
    [("Too blurred", "Too blurred"), (None, "Could not read the image")],
)
async def test_a_failed_task_says_fail_with_a_message_and_gives_its_solve_back(error, message):
    """Status is `fail`, the message is in result."""
    caller = Caller(
        account={"solves": 5},
        script={"image": Scripted(error=error)},
        failure_rate=1.0,
    )
    task_id = (await caller.upload()).json()["task_id"]
    told = (await caller.fetch(task_id)).json()
    assert (told["status"], told["result"], told["time"]) == ("fail", message, 0.0)
    assert told["solves"] == 5


async def test_slots_do_not_bound_solvora():
    """Slots belong to the other two families."""
    caller = Caller(account={"slots": 0}, latency=Latency(low=9.0))
    assert (await caller.upload()).status_code == 200
    assert caller.ledger()["working"] == 0
