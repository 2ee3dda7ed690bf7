"""Faults before anything is submitted (`faults.json`, phase "before_submit")."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import socket
import ssl
import threading

import pytest
import trustme

from solvestream import (
    AccountError,
    BudgetExceeded,
    DeadlineExceeded,
    ImageToText,
    InvalidTask,
    TransportError,
    UsageError,
)
from solvestream._http import open_transport
from solvestream._wire import Broken, Origin, Request, Sent
from solvestream.providers._multipart import multipart
from tests.faults.canary import KEY
from tests.faults.service import PNG, picture
from tests.faults.world import STYLES, Certified, Report, World, cancelled, opened, task

pytestmark = pytest.mark.anyio


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


async def given_up(world: World, error: type, **facts) -> Report:
    """Run three images in vain: all end with one error, for free."""
    report = await world.run()
    assert [type(one) for one in report.bad] == [error] * 3
    for one in report.bad:
        assert (one.verdict, one.charged, one.resumable) == ("not_sent", "no", False)
        for name, value in facts.items():
            assert getattr(one, name) == value
    assert not world.service.seen
    return report


async def test_n01_refused_is_free_and_tried_again(world):
    """A closed port costs nothing; attempts are few, spread out, and told after half a minute."""
    world.port = closed_port()
    report = await given_up(world, TransportError)
    assert 5 <= report.account().submits <= 60
    assert "onnect" in str(report.bad[0])


async def test_n01_refused_until_it_is_not(world):
    """A service that comes up after ten seconds gets every image, once."""
    world.port = closed_port()
    server: list[asyncio.Server] = []

    async def come_up():
        await asyncio.sleep(10)
        serve = world.service._serve
        server.append(await asyncio.start_server(serve, "127.0.0.1", world.port))

    coming = asyncio.ensure_future(come_up())
    report = await world.run()
    await coming
    server[0].close()
    assert len(report.good) == 3
    assert sum(world.service.charges.values()) == 3


async def test_n01_deadline_of_the_task_holds(world):
    """With a deadline of its own, a task ends by it, for free, and says what was wrong."""
    world.port = closed_port()
    async with world.client() as client:
        with pytest.raises((DeadlineExceeded, TransportError)) as caught:
            await client.solve(task(1, deadline=20.0))
        world.canary.look(caught.value)
    assert caught.value.charged == "no"


@pytest.fixture
def no_name(monkeypatch):
    """Let look-ups of names fail as asked; tells how many were under way at once."""
    state = {"now": 0, "most": 0, "all": 0}

    def patch(outcome):
        async def getaddrinfo(*place, **more):
            state["now"] += 1
            state["all"] += 1
            state["most"] = max(state["most"], state["now"])
            try:
                return await outcome()
            finally:
                state["now"] -= 1

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        return state

    return patch


@pytest.mark.parametrize("code", [socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL])
async def test_n02_no_such_name(world, no_name, code):
    """A name that does not resolve is free; the error names the host, and the breaker opens."""

    async def fails():
        raise socket.gaierror(code, "Name or service not known")

    state = no_name(fails)
    async with world.client(world.account(base_url="https://service.invalid")) as client:
        with pytest.raises(TransportError, match="service.invalid") as caught:
            await client.solve(task(1))
        assert client.statistics().accounts["captchaai"].breaker != "closed"
        world.canary.look(caught.value)
    assert (caught.value.verdict, caught.value.charged) == ("not_sent", "no")
    assert state["all"] <= 60


def unbounded_on_httpx(request, world: World) -> None:
    if world.transport == "httpx":
        why = "httpx looks names up without a bound of ours: 5 at once, not 4"
        request.applymarker(pytest.mark.xfail(strict=True, reason=why))


async def test_n03_names_that_hang(world, no_name, request):
    """Look-ups that hang for 30 s are few at a time, so the application's threads stay free."""
    unbounded_on_httpx(request, world)
    state = no_name(lambda: asyncio.sleep(30, []))
    async with world.client(world.account(base_url="https://service.invalid")) as client:
        results = [one async for one in client.stream([task(n, deadline=60) for n in range(40)])]
        started = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started <= 11  # connect time-out and 1 s
    assert not any(one.ok or one.error.charged == "yes" for one in results)
    assert state["most"] <= 4
    assert not world.service.connections


async def test_n03_threads_of_the_application_stay_free(world, monkeypatch, request):
    """With real threads: `run_in_executor` gets its turn while names hang."""
    unbounded_on_httpx(request, world)
    free = threading.Event()
    hanging = []

    def getaddrinfo(*place, **more):
        hanging.append(place)
        free.wait(5)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    loop = asyncio.get_running_loop()
    loop.threads = True
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with world.client(world.account(base_url="https://service.invalid")) as client:
        calls = [asyncio.ensure_future(client.solve(task(n))) for n in range(40)]
        await asyncio.sleep(0.05)
        got = asyncio.ensure_future(asyncio.to_thread(lambda: "free"))
        await asyncio.wait_for(got, 1)
        most = len(hanging)
        free.set()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    loop.threads = False
    assert 1 <= most <= 4


async def test_n04_black_hole(world):
    """A connect that nobody answers ends at the connect time-out, for free."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        world.port = sock.getsockname()[1]
        fill = [socket.socket() for _ in range(4)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(sock.getsockname())
        await given_up(world, TransportError)
        for one in fill:
            one.close()


def certificate(fault: str) -> ssl.SSLContext:
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    name = "elsewhere.example" if fault == "wrong-host" else "127.0.0.1"
    expired = {"not_before": past, "not_after": past.replace(month=2)}
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = AUTHORITY.issue_cert(name, **(expired if fault == "expired" else {}))
    issued.configure_cert(server)
    return server


AUTHORITY = trustme.CA()


@pytest.mark.parametrize("fault", ["expired", "self-signed", "wrong-host"])
async def test_n05_bad_certificate(transport, canary, monkeypatch, seeded, fault, anyio_backend):
    """It is permanent: told at once, never tried again, and no byte of a request leaves."""
    trusting = ssl.create_default_context()
    if fault != "self-signed":
        AUTHORITY.configure_trust(trusting)
    certified = Certified(certificate(fault), trusting)
    async with opened(World(transport, canary, monkeypatch, certified)) as world:
        report = await given_up(world, TransportError)
        assert report.account().submits <= 3
        assert "certificate" in str(report.bad[0])
        assert not world.service.begun


async def test_n06_handshake_stalls(transport, canary, monkeypatch, seeded, certified):
    """A peer that never answers the ClientHello ends at the connect time-out, for free."""
    heard = []

    async def silent(reader, writer):
        heard.append(await reader.read(65536))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with opened(World(transport, canary, monkeypatch, certified)) as world:
        world.port = server.sockets[0].getsockname()[1]
        await given_up(world, TransportError)
    server.close()
    assert all(one.startswith(b"\x16\x03") and KEY.encode() not in one for one in heard)


async def test_n09_our_own_load(world):
    """5,000 submits (1,000 through httpx) at once over 20 connections: no pool ever runs dry."""
    world.service.room = 1 << 20
    count = 5_000 if world.transport == "pool" else 1_000
    report = Report(world)
    async with world.client(world.account("capsolver"), connections=20) as client:
        tasks = [task(label) for label in range(count)]
        report.results = [one async for one in client.stream(tasks, in_flight=count)]
    assert len(report.good) == count
    assert set(world.service.charges.values()) == {1}
    assert world.service.peak <= 20


@pytest.mark.parametrize("style", STYLES)
async def test_n10_cancelled_after_every_step(world, style):
    """Callers cut after 0 to 200 loop steps leave no connection stuck and no slot taken."""
    async with world.client(world.account("capsolver"), connections=2) as client:
        for step in range(201):
            await cancelled(lambda n=step: client.solve(task(n)), style, 0.0, step)
        await asyncio.sleep(120)
        for label in range(1_000, 1_004):
            assert (await client.solve(task(label))).ok
        tickets = {one.task_id for one in client.tickets()}
        statistics = client.statistics()
    done = {deal.label for deal in world.service.tasks.values()}
    assert (statistics.in_flight, statistics.queued) == (0, 0)
    assert len(world.service.tasks) >= len(tickets) > 0
    assert set(world.service.charges.values()) == {1}
    assert {1_000, 1_001, 1_002, 1_003} <= done


@pytest.mark.parametrize("size", [101 << 10, 1_100_000])
async def test_n12_too_large_an_image(world, size):
    """Refused before a byte leaves, with the bound and how to raise it; raised, it is sent."""
    report = await world.run(count=1, size=size)
    assert isinstance(report.bad[0], InvalidTask)
    assert "max_image_bytes" in str(report.bad[0])
    assert not world.service.connections
    report = await world.run(world.account(max_image_bytes=2 << 20), count=1, size=size)
    assert report.good


@pytest.mark.parametrize("service", ["captchaai", "capsolver", "solvora"])
@pytest.mark.parametrize("image", [b"", b"no image at all", "", "data:image/png;base64,", "%%%"])
async def test_n13_no_image(world, service, image):
    """Refused here, for free."""
    async with world.client(world.account(service)) as client:
        with pytest.raises(InvalidTask) as caught:
            await client.solve(ImageToText(image))
        world.canary.look(caught.value)
    assert caught.value.charged == "no"
    assert not world.service.connections


@pytest.mark.parametrize("service", ["captchaai", "capsolver", "solvora"])
@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
async def test_n13_base64_is_made_plain(world, service, prefix):
    """A data: prefix and line ends do not reach the service: it sees the image's own bytes."""
    lines = base64.encodebytes(picture(1, 200)).decode()
    async with world.client(world.account(service)) as client:
        assert (await client.solve(ImageToText(prefix + lines, tag=1))).ok
    assert world.service.charges == {1: 1}
    assert b"data:" not in world.service.asked[0].body


EVIL = 'a"\r\nX-Evil: y\r\n\r\nb'


async def test_n16_nothing_is_smuggled_into_multipart(world):
    """Texts of the user's stay values: no header, no part and no field is made of them."""
    async with world.client() as client:
        await client.solve(ImageToText(picture(1), upload=True, instructions=EVIL, tag=1))
    submit = world.service.asked[0]
    assert "x-evil" not in submit.headers
    assert submit.body.count(b"Content-Disposition") == 4  # key, method, instructions, file
    assert b'filename="image"\r\nContent-Type: image/png\r\n' in submit.body


@pytest.mark.parametrize("field", ["name", "media type"])
def test_n16_part_headers_have_a_grammar(field):
    """A part's name and type with line ends or quotes are refused."""
    name, media = (EVIL, "image/png") if field == "name" else ("file", "image/png\r\nX-Evil: y")
    with pytest.raises(UsageError):
        multipart([], name, PNG, media)


async def test_n16_no_transport_sends_a_broken_header(world):
    """A content type with line ends never reaches the wire, whoever builds the request."""
    world.client()
    transport = open_transport(world.http(), connections=1)
    origin = Origin("http", "127.0.0.1", world.port)
    got = await transport.send(Request("POST", origin, "/in.php", b"x", "image/png\r\nX-Evil: y"))
    await transport.aclose()
    assert isinstance(got, Broken)
    assert got.sent is Sent.NOTHING
    assert not world.service.begun


BAD_KEYS = ["", "abc\n", " abc", "a b", "ключ", "abc\t", "abc\0"]


@pytest.mark.parametrize("key", BAD_KEYS, ids=range(len(BAD_KEYS)))
@pytest.mark.parametrize("service", ["captchaai", "capsolver", "solvora"])
async def test_n18_bad_key(world, service, key):
    """Refused when the account is built; the message tells its length and not the key."""
    with pytest.raises(UsageError) as caught:
        type(world.account(service))(key, base_url="https://service.example")
    assert "key" in str(caught.value)
    if key.strip():
        assert str(len(key)) in str(caught.value)
        assert key not in str(caught.value)


@pytest.mark.parametrize("style", ["none", *STYLES])
async def test_n19_one_key_is_bought_once(world, style):
    """Two tasks of one job_key share one submit; cutting the first caller harms not the second."""
    async with world.client() as client:
        second = asyncio.ensure_future(client.solve(task(1, job_key="same")))
        if style == "none":
            first = await client.solve(task(1, job_key="same"))
            assert first.ok
        else:
            call = lambda: client.solve(task(1, job_key="same"))  # noqa: E731 - it is passed on
            assert await cancelled(call, style, 3.0, 0) == (True, None)
        assert (await second).ok
    assert world.service.charges == {1: 1}


async def test_n19_who_joins_keeps_its_own_deadline(world):
    """The second task of a job_key has a deadline of its own."""
    world.service.solve = 200.0
    async with world.client() as client:
        first = asyncio.ensure_future(client.solve(task(1, job_key="same")))
        await asyncio.sleep(1)
        started = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineExceeded):
            await client.solve(task(1, job_key="same", deadline=20.0))
        first.cancel()
        assert asyncio.get_running_loop().time() - started <= 21


async def test_n22_a_balance_below_the_price(world):
    """Once the balance is known not to pay for a task, none is sent: refused here, for free."""
    async with world.client(world.account(price=1e6)) as client:
        await client.balance()
        with pytest.raises(AccountError, match="a task costs") as caught:
            await client.solve(task(1))
    assert world.service.begun["submit"] == 0
    assert caught.value.charged == "no"


async def test_n22_no_more_than_may_be_spent(world):
    """`max_spend=` lets three of ten tasks through; the others end unsent."""
    async with world.client(world.account(price=0.01), max_spend=0.03) as client:
        results = [one async for one in client.stream([task(n) for n in range(10)])]
    assert sum(one.ok for one in results) == 3
    assert sum(isinstance(one.error, BudgetExceeded) for one in results) == 7
    assert world.service.begun["submit"] == 3
