from __future__ import annotations

import json
import socket

import pytest

from solvestream.server import Call, Fault, LocalService, Settings
from solvestream.server.faults import FaultPlan
from tests.server.support import KEY, PAGE, Caller, in_base64, picture

pytestmark = pytest.mark.anyio


def test_positions_count_only_requests_of_the_fault_s_kind():
    """A fault at look 1 strikes the second look, whatever came between."""
    plan = FaultPlan((Fault(kind="cut", on="look", at=(1,)),), seed=0)
    calls = [Call.LOOK, Call.SUBMIT, Call.BALANCE, Call.LOOK, Call.LOOK]
    assert [plan.draw(call) is not None for call in calls] == [False, False, False, True, False]
    assert plan.struck == {"cut": 1}


def test_a_fault_on_any_counts_every_request():
    """Positions of `any` run over all requests."""
    plan = FaultPlan((Fault(kind="cut", at=(2,)),), seed=0)
    calls = [Call.LOOK, Call.SUBMIT, Call.BALANCE]
    assert [plan.draw(call) is not None for call in calls] == [False, False, True]


def test_chance_is_seeded_and_near_its_probability():
    """The same seed strikes the same requests, about as often as asked."""
    faults = (Fault(kind="html", probability=0.2),)

    def strikes(seed):
        plan = FaultPlan(faults, seed)
        return [plan.draw(Call.LOOK) is not None for _ in range(2_000)]

    assert strikes(1) == strikes(1)
    assert sum(strikes(1)) == pytest.approx(400, abs=60)


def test_the_first_of_several_faults_wins():
    """Only one fault strikes a request."""
    plan = FaultPlan((Fault(kind="no_slot", at=(0,)), Fault(kind="html", at=(0,))), seed=0)
    assert plan.draw(Call.SUBMIT).kind == "no_slot"
    assert plan.struck == {"no_slot": 1}


ERRORS = [
    ({"kind": "no_slot"}, "ERROR_NO_SLOT_AVAILABLE", "ERROR_RATE_LIMIT", 429),
    ({"kind": "zero_balance"}, "ERROR_ZERO_BALANCE", "ERROR_ZERO_BALANCE", 402),
    ({"kind": "banned"}, "IP_BANNED", "ERROR_IP_BANNED", 403),
    ({"kind": "error"}, "ERROR_SERVER_ERROR", "ERROR_SERVER_ERROR", 400),
    ({"kind": "error", "code": "MAX_USER_TURN"}, "MAX_USER_TURN", "MAX_USER_TURN", 400),
]


@pytest.mark.parametrize(("fault", "php", "create", "solvora"), ERRORS)
async def test_each_protocol_tells_an_injected_error_its_own_way(fault, php, create, solvora):
    """The same fault is a text, a JSON code, or an HTTP status; nothing is accepted."""
    caller = Caller(faults=(Fault(**fault, on="submit", probability=1.0),))
    assert await caller.put_image() == php
    assert json.loads(await caller.put_image(json=1))["request"] == php
    assert (await caller.create()).json()["errorCode"] == create
    assert (await caller.upload()).status_code == solvora
    assert caller.ledger()["submitted"] == 0


@pytest.mark.parametrize("status", [200, 500, 502])
async def test_html_comes_with_the_status_asked_for(status):
    """A page instead of a reply, with 200 too."""
    caller = Caller(faults=(Fault(kind="html", status=status, probability=1.0),))
    reply = await caller.http.get("/res.php", params={"key": KEY, "action": "getbalance"})
    assert (reply.status_code, reply.headers["content-type"][:9]) == (status, "text/html")
    assert reply.text.startswith("<!DOCTYPE html>")


async def test_throttling_says_when_to_come_again():
    """HTTP 429 with Retry-After in seconds."""
    caller = Caller(faults=(Fault(kind="throttled", seconds=7, probability=1.0),))
    reply = await caller.http.get("/res.php", params={"key": KEY, "action": "getbalance"})
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")


async def test_a_status_may_hide_a_submit_that_was_carried_out():
    """With accept=True the task exists and is paid for; without, nothing happened."""
    caller = Caller(
        faults=(
            Fault(kind="status", status=503, at=(0,), accept=True),
            Fault(kind="status", status=503, at=(1,)),
        )
    )
    for accepted in (1, 1):
        assert await caller.put_image() == "Service trouble"
        assert caller.ledger()["accepted"] == accepted


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("get", "look"),
        ("get2", "look"),
        ("getbalance", "balance"),
        ("threadsinfo", "balance"),
        ("reportbad", "report"),
    ],
)
async def test_res_php_is_struck_by_what_it_is_asked(action, kind):
    """One path serves looks, balances and reports; a fault strikes its own."""
    for on in ("look", "balance", "report"):
        caller = Caller(faults=(Fault(kind="banned", on=on, probability=1.0),))
        struck = await caller.ask(action, id=1) == "IP_BANNED"
        assert struck == (on == kind)


async def test_a_body_that_cannot_be_parsed_counts_as_a_look():
    """Faults are drawn for malformed questions too."""
    caller = Caller(faults=(Fault(kind="banned", on="look", probability=1.0),))
    headers = {"content-type": "multipart/form-data; boundary=x"}
    reply = await caller.http.post("/res.php", content=b"no parts", headers=headers)
    assert reply.text == "IP_BANNED"


@pytest.mark.parametrize("kind", ["cut", "drop"])
async def test_in_process_a_broken_connection_is_an_exception(kind):
    """Without a transport under it the application can only raise."""
    caller = Caller(faults=(Fault(kind=kind, probability=1.0),))
    with pytest.raises(ConnectionResetError):
        await caller.ask("getbalance")


async def test_a_dripped_reply_arrives_whole():
    """Byte by byte, and complete in the end."""
    caller = Caller(faults=(Fault(kind="drip", seconds=0.02, probability=1.0),))
    assert await caller.ask("getbalance") == "1000.000000"


SCRIPT = (
    Fault(kind="cut", at=(0,)),
    Fault(kind="drop", at=(1,)),
    Fault(kind="drip", at=(2,), seconds=0.02),
    Fault(kind="hang", at=(3,), seconds=600.0),
    Fault(kind="cut", on="submit", at=(0,)),
)


@pytest.fixture(scope="module")
def broken_service():
    """Return a service over a real socket whose first four requests go wrong."""
    with LocalService(Settings(faults=SCRIPT)) as service:
        yield service


def exchange(service: LocalService, request: bytes, seconds: float = 5.0) -> bytes:
    """Send one request on a fresh connection and return what comes until it closes."""
    port = int(service.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as wire:
        wire.sendall(request)
        received = b""
        while chunk := wire.recv(4096):
            received += chunk
        return received


def test_over_a_socket_replies_are_cut_dropped_dripped_and_withheld(broken_service, capfd):
    """Each wire fault is what it says, the service survives it, and logs nothing."""
    ask = f"GET /res.php?key={broken_service.key}&action=getbalance HTTP/1.1\r\nHost: s\r\n"
    request = f"{ask}Connection: close\r\n\r\n".encode()
    head, _, body = exchange(broken_service, request).partition(b"\r\n\r\n")
    assert b"content-length: 11" in head.lower()
    assert body == b"1000."
    with pytest.raises(ConnectionResetError):
        exchange(broken_service, request)
    assert exchange(broken_service, request).endswith(b"\r\n\r\n1000.000000")
    with pytest.raises(TimeoutError):
        exchange(broken_service, request, seconds=0.1)
    told = broken_service.ledger()
    assert told["faults"] == {"cut": 1, "drop": 1, "drip": 1, "hang": 1}
    assert capfd.readouterr().err == ""


def test_a_submit_whose_reply_is_cut_was_paid_for(broken_service):
    """The task exists and is charged though its id never arrived whole."""
    body = f"key={broken_service.key}&method=turnstile&sitekey=s&pageurl={PAGE}".encode()
    head = (
        b"POST /in.php HTTP/1.1\r\nHost: s\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    )
    reply = exchange(broken_service, head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    assert reply.partition(b"\r\n\r\n")[2] == b"OK|7000"
    counts = broken_service.ledger()["accounts"]["local"]
    assert (counts["accepted"], counts["charged"]) == (1, 0.002)


async def test_a_hang_ends_with_the_reply_when_its_time_is_over():
    """After its seconds a hanging request is answered as if nothing had been."""
    caller = Caller(faults=(Fault(kind="hang", seconds=0.02, probability=1.0),))
    body = in_base64(picture())
    assert (await caller.put(method="base64", body=body)).startswith("OK|")
