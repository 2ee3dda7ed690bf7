"""What a trace proves, event by event."""

from __future__ import annotations

from types import SimpleNamespace

import anyio
import pytest

from solvestream._http.evidence import Evidence
from solvestream._wire import Sent

pytestmark = pytest.mark.anyio
KINDS = "loops"
NEVER = float("inf")

CONNECT = ("connection.connect_tcp.started", "connection.connect_tcp.complete")
HEADERS = ("http11.send_request_headers.started", "http11.send_request_headers.complete")
BODY = ("http11.send_request_body.started", "http11.send_request_body.complete")
TUNNEL = tuple(f"CONNECT {name}" for name in (*HEADERS, *BODY))


def caused_by(*chain):
    """Build an exception as httpcore raises it, from its root up."""
    exc = None
    for kind in chain:
        below, exc = exc, kind("below")
        exc.__cause__ = below
    return exc


BROKEN = caused_by(BrokenPipeError, anyio.BrokenResourceError, RuntimeError)
CLOSED = caused_by(anyio.ClosedResourceError, RuntimeError)
LATE = caused_by(TimeoutError, RuntimeError)


async def told(*events, bodiless=False, begun=True):
    """Feed events: names, or pairs of a failed step and its exception."""
    evidence = Evidence(anyio.CancelScope(), 60.0, bodiless=bodiless, begun=begun)
    for event in events:
        name, exc = event if isinstance(event, tuple) else (event, None)
        method, _, name = name.rpartition(" ")
        request = SimpleNamespace(method=(method or "POST").encode())
        await evidence.trace(name, {"request": request, "exception": exc})
    return evidence


H_FAILED = "http11.send_request_headers.failed"
B_FAILED = "http11.send_request_body.failed"


@pytest.mark.parametrize(
    ("events", "sent"),
    [
        ((), Sent.UNKNOWN),
        (CONNECT, Sent.NOTHING),
        ((*CONNECT, *TUNNEL), Sent.NOTHING),
        ((*CONNECT, *TUNNEL, HEADERS[0]), Sent.UNKNOWN),
        (HEADERS[:1], Sent.UNKNOWN),
        (HEADERS, Sent.UNKNOWN),
        ((*HEADERS, BODY[0]), Sent.UNKNOWN),
        ((*HEADERS, *BODY), Sent.ALL),
        ((HEADERS[0], (H_FAILED, BROKEN)), Sent.PART),
        ((*HEADERS, BODY[0], (B_FAILED, BROKEN)), Sent.PART),
        ((*HEADERS, BODY[0], (B_FAILED, CLOSED)), Sent.UNKNOWN),
        ((*HEADERS, BODY[0], (B_FAILED, LATE)), Sent.UNKNOWN),
        ((*HEADERS, BODY[0], (B_FAILED, None)), Sent.UNKNOWN),
        ((*HEADERS, BODY[0], (B_FAILED.replace("http11", "http2"), BROKEN)), Sent.UNKNOWN),
        ((HEADERS[0], (H_FAILED, BROKEN), *CONNECT), Sent.PART),
        ((HEADERS[0], (H_FAILED, BROKEN), HEADERS[0]), Sent.UNKNOWN),
        ((*HEADERS, *BODY, HEADERS[0], (H_FAILED, BROKEN)), Sent.ALL),
        ((HEADERS[0], (H_FAILED, LATE), HEADERS[0], (H_FAILED, BROKEN)), Sent.UNKNOWN),
    ],
)  # fmt: skip
async def test_events_prove(events, sent):
    """Each row is what httpcore told, and the most that may be said of it."""
    assert (await told(*events)).sent() is sent


async def test_request_without_body_is_whole_with_its_headers():
    """Nothing that comes later makes it less."""
    evidence = await told(*HEADERS, BODY[0], (B_FAILED, BROKEN), bodiless=True)
    assert evidence.sent() is Sent.ALL


async def test_connect_failure_without_a_trace():
    """A layer known to raise before it writes proves by that; and so does never having begun."""
    assert (await told()).sent(never=True) is Sent.NOTHING
    assert (await told(*HEADERS)).sent(never=True) is Sent.UNKNOWN
    assert (await told(begun=False)).sent() is Sent.NOTHING


@pytest.mark.parametrize(
    ("event", "deadline"),
    [
        ("connection.connect_tcp.started", NEVER),
        ("connection.start_tls.complete", NEVER),
        ("socks.setup_socks5_connection.started", 60.0),
        ("socks.setup_socks5_connection.complete", NEVER),
        ("CONNECT http11.send_request_headers.started", 60.0),
        ("http2.send_connection_init.complete", 60.0),
        ("http11.send_request_headers.started", 60.0),
    ],
)
async def test_deadline_waits_only_for_what_is_bounded_below(event, deadline):
    """Connecting is never cut; what has no time-out of its own is."""
    evidence = await told("connection.connect_tcp.started")
    evidence.scope.deadline = 1.0
    method, _, name = event.rpartition(" ")
    await evidence.trace(name, {"request": SimpleNamespace(method=method.encode())})
    assert evidence.scope.deadline == deadline


async def test_tunnel_that_is_ready_goes_on_connecting():
    """After the proxy's answer comes the TLS handshake, which is not cut."""
    evidence = await told(*CONNECT, *TUNNEL)
    assert evidence.scope.deadline == 60.0
    await evidence.trace("http11.receive_response_headers.complete", {})
    assert evidence.scope.deadline == NEVER


async def test_hang_up_closes_only_what_is_being_opened():
    """Once the request starts, the connection belongs to httpcore."""
    closed = []

    async def aclose():
        closed.append(True)

    opened = {"return_value": SimpleNamespace(aclose=aclose)}
    evidence = await told()
    await evidence.hang_up()
    await evidence.trace(CONNECT[1], opened)
    await evidence.hang_up()
    assert closed == [True]
    await evidence.trace(HEADERS[0], {})
    await evidence.hang_up()
    assert closed == [True]
