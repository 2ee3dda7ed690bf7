"""`FakeService`: scripted answers, times, faults and the ledger, through the real client."""

from __future__ import annotations

import anyio
import httpx
import pytest

from solvestream import (
    CapSolver,
    CaptchaAI,
    Client,
    CloudflareChallenge,
    GeeTestV3,
    GeeTestV4,
    ImageToText,
    Solvora,
    SubmitUnknown,
    TaskFailed,
    TransportError,
    Turnstile,
    UsageError,
)
from solvestream.server import Fault, Scripted, simulated_text
from solvestream.testing import UNSOLVABLE, FakeService, virtual_time

pytestmark = pytest.mark.anyio

PAGE = "https://shop.example/login"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    """Both backends in virtual time, as a user would write it."""
    return virtual_time(request.param)


def image(number: int) -> bytes:
    """What begins as a PNG does."""
    return b"\x89PNG\r\n\x1a\n" + b"picture %d" % number


async def texts(service: FakeService, client: Client, count: int) -> list[str]:
    """The answers to some images, in order."""
    tasks = [ImageToText(image(number)) for number in range(count)]
    return [result.unwrap().text async for result in client.stream(tasks, ordered=True)]


@pytest.mark.parametrize("of", [CaptchaAI, Solvora, CapSolver])
async def test_each_protocol_is_spoken(of):
    """Whichever account, the real protocol code submits, looks and asks for the balance."""
    service = FakeService()
    async with service.client(service.account(of)) as client:
        assert await texts(service, client, 5) == [simulated_text(image(n)) for n in range(5)]
        assert list(await client.balance()) == [of.__name__.lower()]
    assert (service.ledger.accepted, service.ledger.not_taken) == (5, ())


async def test_a_client_of_ones_own_takes_the_service_as_http():
    """`Client(account, http=service.http)` is all it takes."""
    service = FakeService(answers="W9h5K")
    async with Client(service.account(), http=service.http) as client:
        assert (await client.solve(ImageToText(image(0)))).unwrap().text == "W9h5K"


async def test_an_httpx_client_may_go_through_the_service_too():
    """Code that speaks the protocol by itself gets the same answers."""
    service = FakeService(usd=2.0)
    async with httpx.AsyncClient(transport=service.http, base_url="https://x.test/v1") as http:
        reply = await http.get("/res.php", params={"key": service.key, "action": "getbalance"})
    assert reply.text == "2.000000"


async def test_answers_by_task(tmp_path):
    """A task, image bytes, a file, a site key, a kind and `*` each name what they answer."""
    (tmp_path / "a.png").write_bytes(image(3))
    token = Turnstile("by-task", PAGE)
    service = FakeService(
        answers={
            image(1): "bytes",
            ImageToText(image(2)): "task",
            tmp_path / "a.png": "file",
            token: "token",
            "site": "key",
            "image": "kind",
            "*": "rest",
        }
    )
    async with service.client() as client:
        found = [
            str((await client.solve(task)).unwrap())
            for task in (
                *(ImageToText(image(number)) for number in (1, 2, 3, 4)),
                *(token, Turnstile("site", PAGE), Turnstile("other", PAGE)),
            )
        ]
    expected = ("bytes", "task", "file", "kind", "token", "key", "rest")
    for answer, text in zip(expected, found, strict=True):
        assert f"'{answer}'" in text


async def test_answers_in_order_and_then_made_up():
    """A list is used up in the order of acceptance."""
    service = FakeService(answers=["one", UNSOLVABLE])
    async with service.client() as client:
        assert (await client.solve(ImageToText(image(1)))).unwrap().text == "one"
        with pytest.raises(TaskFailed):
            await client.solve(ImageToText(image(2)))
        third = await client.solve(ImageToText(image(3)))
    assert third.unwrap().text == simulated_text(image(3))


async def test_answers_of_a_function():
    """A function sees the work and says text, latency or error."""

    def answer(work):
        return Scripted(answer=work.subject[:4], latency=7.0) if work.images else None

    service = FakeService(answers=answer)
    async with service.client() as client:
        result = await client.solve(ImageToText(image(1)))
        assert (await client.solve(Turnstile("site", PAGE))).ok
    assert 7.0 <= result.elapsed < 8.0


@pytest.mark.parametrize(
    "task",
    [
        GeeTestV3("gt", "challenge", PAGE),
        GeeTestV4("captcha-id", PAGE),
        CloudflareChallenge(PAGE, site_key="site"),
    ],
    ids=lambda task: task.kind,
)
async def test_answers_with_parts_are_made_up_whole(task):
    """Kinds whose answer has several parts need no script."""
    service = FakeService()
    async with service.client() as client:
        assert (await client.solve(task)).ok


async def test_latency_takes_virtual_time_only():
    """Seconds of work and of travel are on the result, and cost the test none."""
    service = FakeService(latency=(20.0, 40.0), round_trip=0.1, seed=3)
    async with service.client(service.account(pacing=None)) as client:
        tasks = [ImageToText(image(number)) for number in range(50)]
        results = [result async for result in client.stream(tasks)]
    assert all(20.0 < result.elapsed < 50.0 for result in results)
    assert len({result.elapsed for result in results}) > 3


async def test_the_same_seed_gives_the_same_run():
    """Latencies and failures are drawn from the seed."""

    async def run(seed):
        service = FakeService(latency=(2.0, 9.0), failure_rate=0.3, seed=seed)
        async with service.client() as client:
            tasks = [ImageToText(image(number)) for number in range(20)]
            return [result.ok async for result in client.stream(tasks, ordered=True)]

    first = await run(1)
    assert first == await run(1)
    assert {True, False} == set(first)


async def test_slots_refuse_and_nothing_is_charged_for_that():
    """Beyond its slots the service says so; all tasks are bought once in the end."""
    service = FakeService(slots=2, latency=3.0)
    async with service.client() as client:
        await texts(service, client, 12)
    ledger = service.ledger
    assert ledger.refused.keys() == {"no_slot"}
    assert (ledger.accepted, ledger.peak_working) == (12, 2)
    assert ledger.charged == pytest.approx(12 * 0.0005)
    assert (ledger.bought_twice, ledger.not_taken) == ((), ())


async def test_a_reply_lost_after_acceptance_is_paid_once():
    """The client says that it may have paid, and the ledger that it has, once."""
    service = FakeService()
    service.fail("drop")
    async with service.client() as client:
        with pytest.raises(SubmitUnknown) as caught:
            await client.solve(ImageToText(image(1)))
    assert caught.value.charged == "maybe"
    assert service.ledger.accepted == 1
    assert [task.taken for task in service.ledger.not_taken] == [False]


@pytest.mark.parametrize("kind", ["cut", "hang", "drip"])
async def test_replies_may_come_in_part_late_or_slowly(kind):
    """A submit's reply that is cut is in doubt; one that comes late or slowly is good."""
    service = FakeService()
    service.fail(kind, seconds=3.0)
    async with service.client() as client:
        if kind == "cut":
            with pytest.raises(SubmitUnknown):
                await client.solve(ImageToText(image(1)))
        else:
            assert (await client.solve(ImageToText(image(1)))).elapsed >= 3.0
    assert service.ledger.accepted == 1


@pytest.mark.parametrize("kind", ["no_slot", "throttled"])
async def test_refusals_that_pass_are_tried_again(kind):
    """The next two submits are turned away, the third is good."""
    service = FakeService()
    service.fail(kind, times=2)
    async with service.client() as client:
        assert (await client.solve(ImageToText(image(1)))).ok
    assert service.ledger.faults == {kind: 2}
    assert service.ledger.accepted == 1


async def test_garbage_instead_of_answers_is_survived():
    """Pages of HTML in place of looks cost looks, and no answer."""
    service = FakeService()
    service.fail("html", on="look", times=3, status=200)
    async with service.client() as client:
        assert (await client.solve(ImageToText(image(1)))).ok


async def test_a_fault_after_some_requests_that_go_well():
    """`after` counts from now on, whatever came before."""
    service = FakeService()
    async with service.client() as client:
        await client.solve(ImageToText(image(1)))
        service.fail("error", code="ERROR_BAD_DUPLICATES", after=1)
        await client.solve(ImageToText(image(2)))
        with pytest.raises(TaskFailed, match="ERROR_BAD_DUPLICATES"):
            await client.solve(ImageToText(image(3)))


async def test_while_it_is_down_nothing_is_sent_and_nothing_bought():
    """A refused connection is known to have cost nothing; later the same task goes through."""
    service = FakeService()
    service.down = True
    async with service.client() as client, anyio.create_task_group() as group:
        with pytest.raises(TransportError) as caught:
            await client.balance()
        assert caught.value.verdict == "not_sent"
        group.start_soon(client.solve, ImageToText(image(1)))
        await anyio.sleep(1)
        assert service.ledger.requests == 0
        service.down = False
    assert service.ledger.accepted == 1
    assert repr(service) == "<FakeService up 2 requests>"


async def test_faults_by_chance():
    """Faults may be given a probability, from the seed."""
    service = FakeService(faults=[Fault(kind="no_slot", on="submit", probability=0.5)])
    async with service.client() as client:
        await texts(service, client, 20)
    assert service.ledger.faults["no_slot"] > 5
    assert service.ledger.accepted == 20


async def test_the_ledger_tells_of_every_task():
    """Looks, reports, doubles and what was not fetched are there to assert on."""
    service = FakeService()
    async with service.client() as client:
        for _ in range(2):
            result = await client.solve(ImageToText(image(1)))
        await client.report(result, correct=False)
        await client.submit(ImageToText(image(2)))
        assert len(service.ledger.not_taken) == 1
    first, second, third = service.ledger.tasks
    assert service.ledger.bought_twice == (first.subject,)
    assert (second.reported, second.kind, second.family) == ("bad", "image", "inphp")
    assert third.subject != second.subject
    assert service.key not in repr(service.ledger)


def test_the_ledger_is_there_when_no_loop_is_running():
    """A plain test may run a client in a loop and look at the books afterwards."""
    service = FakeService(latency=5.0)

    async def run():
        async with service.client() as client:
            await client.solve(ImageToText(image(1)))

    backend, options = virtual_time()
    anyio.run(run, backend=backend, backend_options=options)
    assert service.ledger.taken == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"answers": 3}, UsageError),
        ({"answers": {ImageToText.__base__(): "a"}}, UsageError),
        ({"latency": "long"}, UsageError),
        ({"latency": (3, 2)}, ValueError),
        ({"failure_rate": 2.0}, ValueError),
    ],
)
def test_bad_options_are_refused(options, error):
    """What cannot be meant is said at once."""
    with pytest.raises(error):
        FakeService(**options)
    with pytest.raises(ValueError, match="fire"):
        FakeService().fail("fire")
