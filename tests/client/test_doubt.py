"""ERROR_ZERO_BALANCE at CaptchaAI: no funds, or no free thread? The account is asked (S26)."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import anyio
import pytest

from solvestream import AccountError, Busy, CaptchaAI, Client, ImageToText, events
from solvestream._wire import Response
from solvestream.testing import FakeService as LocalService
from tests.virtual import FakeService, lost_reply

pytestmark = pytest.mark.anyio

CODE = "ERROR_ZERO_BALANCE"
IMAGE = ImageToText(b"\x89PNG\r\n\x1a\n")
HTML = "<!doctype html><html><body>Not found</body></html>"


def full(service: FakeService, slots: int) -> None:
    """Let the service say by the ambiguous code that it is full."""
    service.slots, service.full = slots, CODE


def broke(service: FakeService, after: int = 0) -> None:
    """Let the money be gone after some submits."""
    service.on_submit = lambda n: CODE if n > after else None


async def results_of(client: Client, count: int, **options: float) -> list:
    """Have some images read."""
    tasks = [ImageToText(IMAGE.image, **options) for _ in range(count)]
    return [one async for one in client.stream(tasks)]


async def ends(client: Client) -> AccountError:
    """Have a task end for want of funds."""
    with pytest.raises(AccountError) as caught:
        await client.solve(IMAGE)
    assert (caught.value.cause, caught.value.code, caught.value.charged) == ("funds", CODE, "no")
    return caught.value


def down(client: Client) -> str | None:
    """Return why the account is not used."""
    return client.statistics().accounts["captchaai"].down


async def test_a_full_account_is_not_called_broke(service):
    """All threads at work: the gate closes, every task is solved, and no error is seen."""
    full(service, 3)
    async with Client(CaptchaAI("key")) as client:
        found = await results_of(client, 40)
        assert down(client) is None
    assert all(one.ok for one in found)
    assert service.refusals
    assert service.asked_at


@pytest.mark.parametrize("slots", [1, 2, 5])
async def test_clients_that_share_a_full_account_do_not_call_it_broke(service, slots):
    """With round trips of 1 s, threads become free between refusal and question all the time."""
    full(service, slots)
    service.latency = 0.5
    found = []

    async def run() -> None:
        async with Client(CaptchaAI("key")) as client:
            found.extend(await results_of(client, 15))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(run)
    assert Counter(one.ok for one in found) == {True: 45}
    assert len(service.asked_at) >= 3


async def test_a_broke_account_ends_what_is_queued_and_not_what_is_paid(service):
    """Two questions and a few free submits later, the others are told; what was paid is read."""
    broke(service, after=30)
    async with Client(CaptchaAI("key")) as client:
        found = await results_of(client, 100)
        assert down(client) == CODE
    assert sum(one.ok for one in found) == 30
    errors = [one.error for one in found if not one.ok]
    assert {(error.code, error.cause, error.charged) for error in errors} == {(CODE, "funds", "no")}
    assert "threads are at work" in str(errors[0])
    assert len(service.asked_at) == 2
    assert service.submits <= 30 + 12


async def test_the_account_is_asked_once_a_second_at_most_and_never_once_a_task(service):
    """A service that says no to thousands is asked as rarely as if it were one."""
    full(service, 0)
    service.on_threads = lambda n: '{"threads":5,"working_threads":5}'
    async with Client(CaptchaAI("key")) as client:
        found = await results_of(client, 2_000, deadline=300)
    assert {type(one.error) for one in found} == {Busy}
    assert service.asked_at
    assert all(later - before >= 1 for before, later in pairwise(service.asked_at))
    assert len(service.asked_at) <= service.submits <= 100


async def test_no_funds_is_known_within_seconds(service):
    """Two refusals and two questions, a second apart."""
    broke(service)
    async with Client(CaptchaAI("key")) as client:
        began = anyio.current_time()
        await ends(client)
        assert anyio.current_time() - began < 2
    assert (service.submits, len(service.asked_at)) == (2, 2)


async def test_a_plan_without_threads_is_known_at_once(service):
    """A limit of 0 needs no second question."""
    broke(service)
    service.on_threads = lambda n: '{"threads":0,"working_threads":"0"}'
    async with Client(CaptchaAI("key")) as client:
        assert "no threads" in str(await ends(client))
    assert (service.submits, len(service.asked_at)) == (1, 1)


async def test_a_question_that_gets_no_answer_decides_nothing(service):
    """The account is asked again, and what it says then counts."""
    broke(service)
    service.on_threads = lambda n: lost_reply() if n <= 7 else None
    async with Client(CaptchaAI("key")) as client:
        await ends(client)
    assert len(service.asked_at) == 9


async def test_a_service_that_does_not_tell_is_taken_at_its_word(service):
    """A page instead of numbers is borne a few times; then the task ends as without the question."""
    broke(service)
    service.on_threads = lambda n: HTML
    async with Client(CaptchaAI("key")) as client:
        assert "does not tell" in str(await ends(client))
    assert len(service.asked_at) == 5


async def test_a_key_that_is_refused_at_the_question_closes_the_account(service):
    """The refusal holds for submits too, for its own reason."""
    broke(service)
    service.on_threads = lambda n: "ERROR_WRONG_USER_KEY"
    async with Client(CaptchaAI("key")) as client:
        with pytest.raises(AccountError) as caught:
            await client.solve(IMAGE)
    assert (caught.value.cause, caught.value.code) == ("key", "ERROR_WRONG_USER_KEY")
    assert service.submits == 1


async def test_a_protocol_module_that_fails_at_the_question_harms_nothing(service):
    """Its bug counts as an answer that says nothing; the client goes on."""

    class Failing(CaptchaAI):
        def threads(self):
            raise ZeroDivisionError

    broke(service)
    async with Client(Failing("key")) as client:
        await ends(client)
        service.on_submit = lambda n: None
        await client.balance()
        assert (await client.solve(IMAGE)).ok


class Silent(FakeService):
    """A service that never answers the question."""

    async def send(self, request):
        """Answer what is no question."""
        if "threadsinfo" in request.target:
            self.asked_at.append(anyio.current_time())
            await anyio.sleep(1_000)
        return await super().send(request)


async def test_closing_does_not_wait_for_the_question(monkeypatch):
    """A service that is silent at the question holds nothing up: the client is closed in a second."""
    service = Silent()
    broke(service)
    monkeypatch.setattr("solvestream.client.open_transport", lambda http, connections: service)
    client = Client(CaptchaAI("key"))
    await client.start()
    async with anyio.create_task_group() as group:
        group.start_soon(results_of, client, 20)
        await anyio.sleep(60)
        began = anyio.current_time()
        await client.aclose()
        assert anyio.current_time() - began < 2
    assert len(service.asked_at) == 1  # one question at a time, however long it takes


async def test_a_topped_up_account_is_used_again(service):
    """`balance()` lets submits flow, and events tell of both changes, each once."""
    broke(service)
    seen = []
    async with Client(CaptchaAI("key"), on_event=seen.append) as client:
        await ends(client)
        service.on_submit = lambda n: None
        await client.balance()
        assert (await client.solve(IMAGE)).ok
    told = [one.down for one in seen if isinstance(one, events.AccountChanged)]
    assert told == [CODE, None]


class Two(FakeService):
    """A service where one of two accounts has no money."""

    async def send(self, request):
        """Answer; no submit of the bad account is taken."""
        if b"key=bad" in request.body:
            await anyio.sleep(self.latency)
            return Response(200, body=CODE.encode())
        return await super().send(request)


async def test_another_account_takes_what_is_in_doubt(monkeypatch):
    """While one account is asked, its tasks go to the other, and none waits for the answer."""
    monkeypatch.setattr("solvestream.client.open_transport", lambda http, connections: Two())
    async with Client(CaptchaAI("bad", name="bad"), CaptchaAI("good", name="good")) as client:
        found = await results_of(client, 50)
    assert all(one.ok for one in found)
    assert {one.account for one in found} == {"good"}


@pytest.mark.parametrize("meaning", ["account", "busy"])
async def test_who_knows_what_it_means_has_nothing_asked(service, meaning):
    """`zero_balance=` says it for good."""
    service.on_submit = lambda n: CODE if n == 1 else None
    async with Client(CaptchaAI("key", zero_balance=meaning)) as client:
        if meaning == "account":
            await ends(client)
        else:
            assert (await client.solve(IMAGE)).ok
    assert service.asked_at == []


@pytest.mark.parametrize("times", [1, 2])
async def test_the_local_service_is_believed_the_second_time(times):
    """With `testing.FakeService`, one such refusal may mean "no slot"; of two, all threads idle, not."""
    local = LocalService()
    local.fail("zero_balance", times=times)
    async with local.client() as client:
        if times == 1:
            assert (await client.solve(IMAGE)).ok
        else:
            await ends(client)
    assert local.ledger.accepted == 2 - times


async def test_the_local_service_without_money_for_the_second_task():
    """Its own balance runs out: one task is solved, the other is told, after two refusals."""
    local = LocalService(usd=0.0007)
    async with local.client() as client:
        assert (await client.solve(IMAGE)).ok
        await ends(client)
    assert local.ledger.accepted == 1
    assert sum(local.ledger.refused.values()) == 2
