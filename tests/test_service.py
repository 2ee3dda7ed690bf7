"""The client against the real `solvestream serve`, in another process, over real sockets."""

from __future__ import annotations

import anyio
import httpx
import pytest
import respx

from solvestream import (
    CapSolver,
    CaptchaAI,
    Clearance,
    Client,
    CloudflareChallenge,
    GeeTestV3,
    GeeTestV3Solution,
    GeeTestV4,
    GeeTestV4Solution,
    ImageToText,
    Pacing,
    Proxy,
    RecaptchaV2,
    RecaptchaV3,
    Solvora,
    SubmitUnknown,
    Text,
    Token,
    Turnstile,
)
from solvestream._http import dial
from solvestream.server import Account, Fault, Latency, LocalService, Settings, simulated_text

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n"
PAGE = "https://example.com/page"
QUICK = Pacing(first_look=0.05, interval=0.05)
KEY = "canary-of-the-tests"
MINE = Account(key=KEY, name="mine", slots=10_000)
LATENCY = Latency(shape="uniform", low=0.0, high=0.2)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    """Our pool on asyncio, httpx on trio."""
    return request.param


@pytest.fixture(scope="module")
def service():
    """One service for the module."""
    with LocalService(Settings(accounts=(MINE,), latency=LATENCY, seed=3)) as one:
        yield one


def accounts(service):
    yield CaptchaAI(service.key, base_url=service.url, pacing=QUICK)
    yield Solvora(service.key, base_url=service.url, pacing=QUICK)
    yield CapSolver(service.key, base_url=service.url)


@pytest.mark.parametrize("which", [0, 1, 2], ids=["captchaai", "solvora", "capsolver"])
async def test_images_are_read_through_every_protocol(service, which):
    """Every answer is the one to its own image; balance and report work."""
    account = list(accounts(service))[which]
    images = {n: PNG + b"image %d" % n for n in range(100)}
    async with Client(account) as client:
        tasks = (ImageToText(image, tag=n) for n, image in images.items())
        results = [r async for r in client.stream(tasks)]
        assert (await client.balance())[account.name].amount > 0
        if account.capabilities.reports:
            await client.report(results[0], correct=True)
    assert {r.tag: r.unwrap().text for r in results} == {
        n: simulated_text(image) for n, image in images.items()
    }


@pytest.mark.parametrize("json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("multi_id", [False, True], ids=["single", "batch"])
async def test_every_kind_of_task_is_answered_in_its_own_shape(service, json, multi_id):
    """Tokens, GeeTest's values, a clearance: in text and JSON replies, alone and in batches."""
    account = CaptchaAI(
        service.key, base_url=service.url, pacing=QUICK, json=json, multi_id=multi_id
    )
    kinds = {
        ImageToText(PNG): Text,
        ImageToText(PNG, upload=True): Text,
        RecaptchaV2("key", PAGE, invisible=True): Token,
        RecaptchaV3("key", PAGE, action="a", min_score=0.3): Token,
        Turnstile("key", PAGE): Token,
        CloudflareChallenge(PAGE, proxy=Proxy("http", "127.0.0.1", 9)): Clearance,
        GeeTestV3("gt", "challenge", PAGE): GeeTestV3Solution,
        GeeTestV4("id", PAGE): GeeTestV4Solution,
    }
    async with Client(account) as client:
        results = [r async for r in client.stream(kinds, ordered=True)]
    assert [type(r.unwrap()) for r in results] == list(kinds.values())


async def test_three_services_share_a_stream(service):
    """Several accounts take from one stream; looks of all go over few connections."""
    async with Client(*accounts(service)) as client:
        tasks = (ImageToText(PNG + b"%d" % n) for n in range(300))
        results = [r async for r in client.stream(tasks, in_flight=300)]
        assert {r.account for r in results} == {"captchaai", "solvora", "capsolver"}
    assert all(r.ok for r in results)


async def test_a_stormy_service_costs_no_task_and_no_double_submit(anyio_backend):
    """Refusals, 5xx, HTML, cut and dropped replies to looks: all tasks end solved, each paid once."""
    faults = (
        Fault(kind="no_slot", on="submit", at=(5, 60)),
        Fault(kind="status", on="look", probability=0.05, status=500),
        Fault(kind="html", on="look", probability=0.05),
        Fault(kind="cut", on="look", probability=0.05),
        Fault(kind="drop", on="look", probability=0.05),
    )
    settings = Settings(accounts=(MINE,), latency=LATENCY, faults=faults, seed=5)
    with LocalService(settings) as service:
        account = CaptchaAI(service.key, base_url=service.url, pacing=QUICK)
        async with Client(account) as client:
            tasks = (ImageToText(PNG + b"%d" % n) for n in range(150))
            results = [r async for r in client.stream(tasks, in_flight=150)]
        ledger = service.ledger()["accounts"]["mine"]
    assert [r.error for r in results if not r.ok] == []
    assert (ledger["accepted"], len(results)) == (150, 150)


async def test_submits_whose_reply_is_lost_are_paid_once_and_said_to_be_unknown(anyio_backend):
    """What the client does not know it says; the ledger shows one charge for each task."""
    faults = (Fault(kind="drop", on="submit", probability=0.3),)
    settings = Settings(accounts=(MINE,), faults=faults, seed=5)
    with LocalService(settings) as service:
        account = CaptchaAI(service.key, base_url=service.url, pacing=QUICK)
        async with Client(account) as client:
            tasks = (ImageToText(PNG + b"%d" % n) for n in range(100))
            results = [r async for r in client.stream(tasks)]
        ledger = service.ledger()["accounts"]["mine"]
    unknown = [r for r in results if isinstance(r.error, SubmitUnknown)]
    assert 10 < len(unknown) < 60
    assert all(r.ok for r in results if r not in unknown)
    assert ledger["accepted"] == 100


async def test_the_key_is_in_no_log_and_no_error(service, caplog):
    """With every logger at DEBUG, over good and bad exchanges, the key is not found."""
    caplog.set_level("DEBUG")
    async with Client(*accounts(service)) as client:
        results = [r async for r in client.stream([ImageToText(PNG)] * 20)]
        shown = f"{results} {client!r} {client.statistics()}"
    bad = CaptchaAI(KEY + "x", base_url=service.url, name="bad")
    async with httpx.AsyncClient() as mine, Client(bad, http=mine) as client:
        results = [r async for r in client.stream([ImageToText(PNG)])]
        shown += f"{results} {vars(results[0].error)}"
    assert "ERROR_WRONG_USER_KEY" in shown or "ERROR_KEY_DOES_NOT_EXIST" in shown
    assert KEY not in shown + caplog.text


async def test_a_client_of_httpx_can_be_passed_in(service):
    """The user's own client carries the exchanges, and stays open."""
    async with httpx.AsyncClient() as mine:
        async with Client(next(accounts(service)), http=mine) as client:
            assert (await client.solve(ImageToText(PNG))).ok
        assert not mine.is_closed


async def test_respx_just_works():
    """Inside `respx.mock` the client talks to the mock, without being told."""
    with respx.mock(base_url="https://ocr.captchaai.com") as mock:
        submit = mock.post("/in.php").respond(text="OK|42")
        look = mock.get("/res.php").mock(
            side_effect=[httpx.Response(200, text=t) for t in ("CAPCHA_NOT_READY", "OK|abc")]
        )
        async with Client(CaptchaAI("key", pacing=QUICK)) as client:
            result = await client.solve(ImageToText(PNG))
    assert result.unwrap().text == "abc"
    assert (submit.call_count, look.call_count) == (1, 2)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_five_thousand_tasks_are_in_flight_over_sixty_four_connections(anyio_backend):
    """None fails, all are at the service at once, and no task has a connection of its own."""
    settings = Settings(accounts=(MINE,), latency=Latency(low=8.0), seed=1)
    failed, peak = [], 0
    with LocalService(settings) as service:
        account = CaptchaAI(service.key, base_url=service.url, pacing=Pacing(first_look=8))
        async with Client(account) as client:
            tasks = (ImageToText(PNG + b"%d" % n) for n in range(5_000))
            async for result in client.stream(tasks, in_flight=5_000):
                failed += [] if result.ok else [result.error]
                peak = max(peak, client._engine.transport.statistics().open)
        ledger = service.ledger()["accounts"]["mine"]
    assert failed == []
    assert ledger["peak_working"] == 5_000
    assert 0 < peak <= 64


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_caller_who_leaves_while_a_connection_is_made_has_bought_nothing(
    service, monkeypatch
):
    """Tries that are given up while connecting are not submitted later, for nobody."""
    gate = anyio.Event()
    real = dial._open_socket

    async def slow(*args):
        await gate.wait()
        return await real(*args)

    monkeypatch.setattr(dial, "_open_socket", slow)
    account = next(accounts(service))
    before = service.ledger()["accounts"]["mine"]["submitted"]
    async with Client(account) as client:
        for _ in range(4):
            with anyio.move_on_after(0.1):
                await client.solve(ImageToText(PNG))
        gate.set()
        assert (await client.solve(ImageToText(PNG))).ok
        await anyio.sleep(0.1)
        assert client.tickets() == ()
    assert service.ledger()["accounts"]["mine"]["submitted"] == before + 1
