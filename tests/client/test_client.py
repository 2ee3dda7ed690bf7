"""The client: solving, tickets, accounts, closing."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from solvestream import (
    AccountError,
    Busy,
    CapSolver,
    CaptchaAI,
    Client,
    ClientClosed,
    DeadlineExceeded,
    ImageToText,
    InvalidTask,
    Pacing,
    ProtocolError,
    RecaptchaV2,
    SolvestreamError,
    SubmitUnknown,
    TaskFailed,
    TaskLost,
    Ticket,
    TransportError,
    UsageError,
)
from solvestream._core.scheduler import Scheduler
from solvestream._wire import Broken, Response, Sent, Trouble
from solvestream.providers import Accepted, Call
from tests.virtual import FakeService, lost_reply, not_sent

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n"
IMAGE = ImageToText(PNG)


@pytest.fixture
async def client(service):
    async with Client(CaptchaAI("key")) as one:
        yield one


async def fails(client, error, task=IMAGE, **facts):
    with pytest.raises(error) as caught:
        await client.solve(task)
    for name, value in facts.items():
        assert getattr(caught.value, name) == value
    return caught.value


async def test_errors_of_the_service_keep_its_code(client, service):
    """A task the service could not solve raises TaskFailed with the code as it came."""
    service.on_look = lambda ids, n: "ERROR_CAPTCHA_UNSOLVABLE"
    error = await fails(client, TaskFailed, code="ERROR_CAPTCHA_UNSOLVABLE", account="captchaai")
    assert error.task_id == "1000"
    assert error.ticket.task_id == "1000"


async def test_an_unknown_id_is_a_lost_task(client, service):
    """The service no longer knows it: maybe charged, and said so."""
    service.on_look = lambda ids, n: "ERROR_WRONG_CAPTCHA_ID"
    await fails(client, TaskLost, charged="maybe", code="ERROR_WRONG_CAPTCHA_ID")


async def test_refused_input_is_an_invalid_task(client, service):
    """What the service refuses before accepting costs nothing."""
    service.on_submit = lambda n: "ERROR_PAGEURL"
    await fails(client, InvalidTask, charged="no", code="ERROR_PAGEURL")


async def test_a_bad_key_stops_the_flow(client, service):
    """After one refusal of the key no further submit is sent, now or later."""
    service.on_submit = lambda n: "ERROR_WRONG_USER_KEY"
    await fails(client, AccountError, code="ERROR_WRONG_USER_KEY", account="captchaai")
    await fails(client, AccountError)
    results = [r async for r in client.stream([IMAGE] * 50)]
    assert {type(r.error) for r in results} == {AccountError}
    assert service.submits == 1


async def test_out_of_funds_ends_what_is_queued_and_not_what_is_paid(client, service):
    """Paid tasks are looked up to the end; the others end with AccountError."""
    service.on_submit = lambda n: "ERROR_ZERO_BALANCE" if n > 30 else None
    results = [r async for r in client.stream([IMAGE] * 100, in_flight=100)]
    assert sum(r.ok for r in results) == 30
    assert {r.error.code for r in results if not r.ok} == {"ERROR_ZERO_BALANCE"}
    assert service.submits <= 30 + 64


async def test_a_seen_balance_opens_the_account_again(client, service):
    """After topping up, `balance()` is what lets submits flow again."""
    service.on_submit = lambda n: "ERROR_ZERO_BALANCE"
    await fails(client, AccountError)
    service.on_submit = lambda n: None
    balances = await client.balance()
    assert balances["captchaai"].amount == 1.5
    assert (await client.solve(IMAGE)).ok


async def test_no_slot_until_the_deadline_is_busy(client, service):
    """A task that found no slot in its time ends as Busy, unpaid."""
    service.slots = 0
    error = await fails(client, Busy, ImageToText(PNG, deadline=60), charged="no")
    assert error.code == "ERROR_NO_SLOT_AVAILABLE"


async def test_a_deadline_keeps_the_ticket(client, service):
    """A paid task that is not ready in time can be taken up again, and is not bought again."""
    service.solve = lambda: 100.0
    error = await fails(client, DeadlineExceeded, ImageToText(PNG, deadline=30), resumable=True)
    result = await client.wait(error.ticket)
    assert result.ok
    assert service.submits == 1


async def test_the_account_s_deadline_holds_where_the_task_has_none(client, service):
    """300 s after acceptance the reference ends the wait."""
    service.solve = lambda: 1e9
    start = anyio.current_time()
    await fails(client, DeadlineExceeded)
    assert anyio.current_time() - start == pytest.approx(300, abs=1)


async def test_a_lost_reply_is_unknown_and_a_refused_connection_is_not(client, service):
    """The first may have cost money and ends; the second is tried until it works."""
    service.on_submit = lambda n: lost_reply()
    await fails(client, SubmitUnknown, charged="maybe", verdict="unknown")
    service.on_submit = lambda n: not_sent() if n < 6 else None
    assert (await client.solve(IMAGE)).ok


async def test_a_user_may_choose_to_pay_twice(service):
    """With `resubmit_unknown` a lost reply is sent again."""
    service.on_submit = lambda n: lost_reply() if n < 3 else None
    async with Client(CaptchaAI("key"), resubmit_unknown=True) as client:
        assert (await client.solve(IMAGE)).ok
    assert service.submits == 3


async def test_a_bad_certificate_is_not_tried_again(client, service):
    """It is an error of the set-up, and free."""
    service.on_submit = lambda n: Broken(Trouble.TLS, Sent.NOTHING, "host:443: bad certificate")
    await fails(client, TransportError, verdict="not_sent", charged="no")
    assert service.submits == 1


async def test_trouble_with_looks_never_ends_a_paid_task(client, service):
    """HTML, 500 and lost replies are looked past; the answer comes."""
    bad = [Response(200, body=b"<html>down</html>"), Response(502, body=b"x"), lost_reply()]
    service.on_look = lambda ids, n: bad[n - 1] if n <= 3 else None
    result = await client.solve(IMAGE)
    assert result.ok
    assert result.polls == 3


async def test_a_cancelled_caller_leaves_a_paid_task_running(client, service):
    """Its ticket is among `tickets()`, and waiting on it gives the answer."""
    with anyio.move_on_after(5):
        await client.solve(IMAGE)
    (ticket,) = client.tickets()
    assert (await client.wait(ticket)).solution.text == "text-1000"
    assert service.submits == 1


async def test_a_cancelled_caller_takes_back_what_was_not_sent(client, service):
    """A task still waiting for a slot is not bought after its caller has gone."""
    service.slots = 0
    with anyio.move_on_after(100):
        await client.solve(IMAGE)
    service.slots = 5
    await anyio.sleep(1000)
    assert service.working == 0
    assert client.statistics().queued == 0


async def test_submit_gives_a_ticket_and_wait_gives_the_answer(client, service):
    """A ticket is small JSON; the answer is kept until somebody waits for it."""
    ticket = await client.submit(ImageToText(PNG, tag="mine"))
    assert Ticket.from_json(ticket.to_json()) == ticket
    assert anyio.current_time() < 1
    await anyio.sleep(60)
    assert client.statistics().kept == 1
    result = await client.wait(ticket)
    assert (result.solution.text, result.tag) == ("text-1000", "mine")
    assert client.tickets() == ()


async def test_wait_before_the_answer_waits(client, service):
    """Waiting takes over what is being looked up already."""
    ticket = await client.submit(IMAGE)
    assert (await client.wait(ticket)).ok
    assert service.looks["1000"] == 2


async def test_one_ticket_has_one_waiter(client):
    """A second waiter is told so, and the first gets the answer."""
    ticket = await client.submit(IMAGE)
    async with anyio.create_task_group() as group:
        group.start_soon(client.wait, ticket)
        await anyio.sleep(1)
        with pytest.raises(UsageError, match="waiting for this task already"):
            await client.wait(ticket)


async def test_a_ticket_of_another_process_is_looked_at_at_once(client, service):
    """An old ticket's first look is due now, and its answer comes without a submit."""
    service.ready_at["77"] = 0.0
    ticket = Ticket(
        account="captchaai", task_id="77", job_key="k", kind="image", submitted_at=1_000.0
    )
    result = await client.wait(ticket)
    assert (result.solution.text, service.submits) == ("text-77", 0)
    assert anyio.current_time() < 1


async def test_a_ticket_from_the_future_counts_as_new(client, service):
    """A clock that was wrong elsewhere cannot make a ticket wait for ever."""
    service.ready_at["77"] = 0.0
    ticket = Ticket(account="captchaai", task_id="77", job_key="k", kind="image", submitted_at=9e9)
    assert (await client.wait(ticket)).ok
    assert anyio.current_time() == pytest.approx(10, abs=0.1)


async def test_a_ticket_of_an_unknown_account_is_refused(client):
    """The error names both."""
    ticket = Ticket(account="other", task_id="1", job_key="k", kind="image", submitted_at=0.0)
    with pytest.raises(UsageError, match="'other', this client has captchaai"):
        await client.wait(ticket)


async def test_one_job_key_is_bought_once(client, service):
    """Two tasks of one key under way at once share one submit; each has its own tag."""
    tasks = [ImageToText(PNG, job_key="same", tag=tag) for tag in ("a", "b", "c")]
    results = [r async for r in client.stream(tasks)]
    assert sorted(r.tag for r in results) == ["a", "b", "c"]
    assert {r.ticket.job_key for r in results} == {"same"}
    assert service.submits == 1
    assert (await client.solve(tasks[0])).ok
    assert service.submits == 2


async def test_a_joined_task_outlives_the_first_caller(client, service):
    """When the caller who came first is cancelled, the others still get the answer."""
    task = ImageToText(PNG, job_key="same")
    results = []

    async def second():
        await anyio.lowlevel.checkpoint()
        results.append(await client.solve(task))

    async with anyio.create_task_group() as group:
        group.start_soon(second)
        with anyio.move_on_after(3):
            await client.solve(task)
    assert results[0].ok
    assert service.submits == 1


async def test_reports_are_sent_once(client, service):
    """A report goes out for a result or a ticket, and is not repeated when it fails."""
    result = await client.solve(IMAGE)
    before = len(service.requests_at)
    await client.report(result, correct=False)
    await client.report(result.ticket, correct=True)
    assert len(service.requests_at) == before + 2
    service.always = lost_reply()
    with pytest.raises(TransportError) as caught:
        await client.report(result, correct=True)
    assert caught.value.verdict == "unknown"
    assert len(service.requests_at) == before + 3


async def test_a_balance_is_asked_for_twice_at_most(client, service):
    """Asking is free, so one fault is looked past; two are told."""
    service.always = lost_reply()
    with pytest.raises(TransportError):
        await client.balance()
    assert len(service.requests_at) == 2
    service.always = "nan"
    with pytest.raises(ProtocolError) as caught:
        await client.balance()
    assert caught.value.account == "captchaai"


async def test_closing_hands_back_the_tickets_of_what_is_left(service):
    """Nothing paid is dropped silently: tickets are returned, waiters get ClientClosed."""
    service.solve = lambda: 60.0
    client = await Client(CaptchaAI("key")).start()
    errors = []

    async def solve():
        with pytest.raises(ClientClosed) as caught:
            await client.solve(IMAGE)
        errors.append(caught.value)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(solve)
        await anyio.sleep(3)
        left = await client.aclose()
        assert await client.aclose() == left
    assert len(left) == 5
    assert {error.ticket for error in errors} == set(left)
    assert all(error.resumable for error in errors)
    assert service.closed
    async with Client(CaptchaAI("key")) as other:
        for ticket in left:
            assert (await other.wait(ticket)).ok


async def test_closing_waits_for_the_id_of_a_submit_on_the_wire(service):
    """A submit that was sent has its id taken in before the client closes."""
    service.latency = 0.5
    async with Client(CaptchaAI("key")) as client, anyio.create_task_group() as group:
        group.start_soon(closed, client)
        await anyio.sleep(0.2)
        left = await client.aclose()
    assert [ticket.task_id for ticket in left] == ["1000"]


async def closed(client):
    with pytest.raises(ClientClosed):
        await client.solve(IMAGE)


async def test_a_submit_that_hangs_at_closing_is_unknown(service):
    """After the grace the exchange is ended, and the task says that it may be paid."""
    service.latency = 100.0
    async with Client(CaptchaAI("key")) as client, anyio.create_task_group() as group:

        async def solve():
            with pytest.raises(SubmitUnknown):
                await client.solve(IMAGE)

        group.start_soon(solve)
        await anyio.sleep(1)
        start = anyio.current_time()
        await client.aclose()
        assert anyio.current_time() - start < 2


async def test_results_can_be_read_after_closing(service):
    """What had come in is still read from the stream; the rest says that the client closed."""
    async with Client(CaptchaAI("key")) as client:
        stream = client.stream([IMAGE] * 10)
        assert (await anext(stream)).ok
        late = client.stream([IMAGE] * 3)
        with anyio.move_on_after(1):
            await anext(late)
    rest = [r async for r in stream]
    assert [r.ok for r in rest] == [True] * 9
    assert {type(r.error) for r in [r async for r in late]} == {ClientClosed}


async def test_a_closed_or_unopened_client_says_so(service):
    """Every call names the remedy."""
    client = Client(CaptchaAI("key"))
    with pytest.raises(ClientClosed, match="async with"):
        await client.solve(IMAGE)
    async with client:
        assert (await client.solve(IMAGE)).ok
    for call in (client.solve(IMAGE), client.submit(IMAGE), client.balance()):
        with pytest.raises(ClientClosed, match="build a new one"):
            await call
    with pytest.raises(UsageError, match="opened before"):
        await client.start()
    assert await client.aclose() == ()


async def test_unsupported_tasks_are_refused_at_once(service):
    """The error names the kind and the accounts."""
    async with Client(CapSolver("key")) as client:
        error = await fails(client, InvalidTask, RecaptchaV2("k", "https://example.com"))
    assert "recaptcha_v2" in str(error)
    assert "capsolver" in str(error)


async def test_files_are_read_at_the_last_moment(client, tmp_path):
    """A path is read when it is submitted; one that is missing names itself."""
    path = tmp_path / "image.png"
    path.write_bytes(PNG + b"x")
    assert (await client.solve(ImageToText(path))).ok
    error = await fails(client, InvalidTask, ImageToText(tmp_path / "none.png"), field="image")
    assert "none.png" in str(error)
    assert "No such file" in str(error)


async def test_the_client_s_bound_on_tasks_in_flight_holds(service):
    """`max_in_flight` bounds tasks at the service, over all streams."""
    peak = 0

    async def watch(client):
        nonlocal peak
        while True:
            peak = max(peak, client.statistics().in_flight)
            await anyio.sleep(0.1)

    async with (
        Client(CaptchaAI("key"), max_in_flight=7) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(watch, client)
        results = [r async for r in client.stream([IMAGE] * 40)]
        group.cancel_scope.cancel()
    assert all(r.ok for r in results)
    assert peak == 7


async def test_statistics_add_up(client, service):
    """Accepted is solved, failed, lost, expired and in flight."""
    service.on_submit = {1: "ERROR_PAGEURL", 2: lost_reply()}.get
    service.on_look = lambda ids, n: {2: "ERROR_CAPTCHA_UNSOLVABLE"}.get(n)
    async for _ in client.stream([IMAGE] * 20):
        pass
    stats = client.statistics().accounts["captchaai"]
    assert (stats.submits, stats.accepted, stats.unknown, stats.rejected) == (20, 18, 1, 1)
    assert (stats.solved, stats.failed, stats.in_flight) == (17, 1, 0)
    assert (stats.gate, stats.breaker, stats.down) == ("open", "closed", None)


async def test_an_internal_failure_is_told_to_every_waiter(client, service, monkeypatch):
    """A bug in the engine ends every wait loudly, with tickets, and the client says so after."""

    def bug(scheduler, now):
        raise ZeroDivisionError

    async with anyio.create_task_group() as group:
        errors = []

        async def solve():
            try:
                await client.solve(IMAGE)
            except SolvestreamError as error:
                errors.append(error)

        for _ in range(3):
            group.start_soon(solve)
        await anyio.sleep(1)
        monkeypatch.setattr(Scheduler, "tick", bug)
    assert len(errors) == 3
    assert all("ZeroDivisionError" in str(error) and error.ticket for error in errors)
    with pytest.raises(ClientClosed, match="ZeroDivisionError"):
        await client.solve(IMAGE)


async def test_a_plug_in_s_bug_ends_its_own_task_only(service):
    """A parser that raises makes looks count as trouble; a builder that raises, the task."""

    class Broken(CaptchaAI):
        def submit(self, task, image):
            if image.endswith(b"bad"):
                raise ZeroDivisionError
            return super().submit(task, image)

    async with Client(Broken("key")) as client:
        error = await fails(client, ProtocolError, ImageToText(PNG + b"bad"))
        assert "ZeroDivisionError" in str(error)
        assert (await client.solve(IMAGE)).ok


async def test_accounts_of_one_name_are_refused():
    """The error says how to name them; so do those for no account and no account at all."""
    with pytest.raises(UsageError, match="name="):
        Client(CaptchaAI("one"), CaptchaAI("two"))
    with pytest.raises(UsageError, match="at least one account"):
        Client()
    with pytest.raises(UsageError, match="no account"):
        Client("key")
    with pytest.raises(UsageError, match="connections"):
        Client(CaptchaAI("one"), connections=0)


async def test_two_accounts_share_the_work(service):
    """Both accounts are used, and each result names its own."""
    accounts = [CaptchaAI("one", slots=5), CaptchaAI("two", name="second", slots=5)]
    async with Client(*accounts) as client:
        results = [r async for r in client.stream([IMAGE] * 20, in_flight=20)]
    assert {r.account for r in results} == {"captchaai", "second"}
    assert all(r.ok for r in results)


async def test_a_dead_account_does_not_slow_a_healthy_one(monkeypatch):
    """With one service in a black hole, the other's tasks take as long as alone."""

    class Half(FakeService):
        async def send(self, request):
            if request.origin.host == "dead.example":
                await anyio.sleep(request.limits.connect)
                return Broken(Trouble.TIMEOUT, Sent.NOTHING, "dead.example:443: no answer")
            return await super().send(request)

    monkeypatch.setattr("solvestream.client.open_transport", lambda http, connections: Half())
    accounts = [CaptchaAI("one"), CaptchaAI("two", name="dead", base_url="https://dead.example")]
    async with Client(*accounts) as client:
        start = anyio.current_time()
        results = [r async for r in client.stream([IMAGE] * 500, in_flight=500)]
        took = anyio.current_time() - start
    assert all(r.ok for r in results)
    assert took < 15 + 2 * 10


async def test_pacing_of_an_account_can_be_chosen(service):
    """`pacing=` replaces the reference schedule."""
    service.solve = lambda: 2.5
    async with Client(CaptchaAI("key", pacing=Pacing(first_look=1, interval=1))) as client:
        result = await client.solve(IMAGE)
    assert result.polls == 3


async def test_a_caller_waits_no_longer_than_its_deadline_for_a_submit(client, service):
    """A submit that hangs goes on for the sake of its id; its caller is told "maybe" in time."""
    service.latency = 20.0
    start = anyio.current_time()
    error = await fails(client, DeadlineExceeded, ImageToText(PNG, deadline=3), charged="maybe")
    assert anyio.current_time() - start < 3.3
    assert (error.ticket, error.verdict) == (None, "unknown")
    await anyio.sleep(30)
    (ticket,) = client.tickets()
    assert (await client.wait(ticket)).ok


async def test_a_caller_waits_no_longer_than_its_deadline_for_a_look(client, service):
    """A look that hangs goes on too; the answer it brings is kept for the ticket."""
    service.on_look = lambda ids, n: setattr(service, "latency", 0.0)
    task = ImageToText(PNG, deadline=12)

    async def slow():
        await anyio.sleep(5)
        service.latency = 20.0

    async with anyio.create_task_group() as group:
        group.start_soon(slow)
        start = anyio.current_time()
        error = await fails(client, DeadlineExceeded, task, resumable=True)
        assert anyio.current_time() - start < 12.3
    assert (await client.wait(error.ticket)).ok


async def test_wait_has_a_deadline_of_its_own(client, service):
    """It holds for tasks in flight and for tickets of elsewhere, and may be tried again."""
    service.solve = lambda: 40.0
    ticket = await client.submit(IMAGE)
    for _ in range(2):
        start = anyio.current_time()
        with pytest.raises(DeadlineExceeded) as caught:
            await client.wait(ticket, deadline=3)
        assert anyio.current_time() - start < 3.3
        assert caught.value.ticket == ticket
    assert (await client.wait(ticket)).ok


@pytest.mark.parametrize("deadline", [0, -1, float("nan"), "soon"])
async def test_wait_refuses_bad_arguments(client, deadline):
    """What is no ticket, and what is no span of time, is named."""
    ticket = Ticket(account="captchaai", task_id="1", job_key="k", kind="image", submitted_at=0.0)
    with pytest.raises(UsageError, match="deadline"):
        await client.wait(ticket, deadline=deadline)
    with pytest.raises(UsageError, match="expected a Ticket"):
        await client.wait("ticket")
    with pytest.raises(UsageError, match="report"):
        await client.report(5, correct=True)


async def test_one_job_key_for_two_tasks_is_refused(client):
    """The second would get the answer to the first; it is told so at once, for free."""
    async with anyio.create_task_group() as group:
        group.start_soon(client.solve, ImageToText(PNG, job_key="k"))
        await anyio.sleep(1)
        await fails(client, InvalidTask, ImageToText(PNG + b"x", job_key="k"), field="job_key")
        page = "https://example.com"
        await fails(client, InvalidTask, RecaptchaV2("s", page, job_key="k"), field="job_key")


async def test_a_wrong_address_is_told_soon(client, service):
    """A service that never answered is given up after half a minute, and the error says why."""
    service.on_submit = lambda n: not_sent()
    start = anyio.current_time()
    error = await fails(client, TransportError)
    assert "connection refused" in str(error)
    assert anyio.current_time() - start < 40
    late = await fails(client, DeadlineExceeded, ImageToText(PNG, deadline=5))
    assert "connection refused" in str(late)


async def test_a_cancelled_caller_s_submit_is_not_sent_again_for_nobody(client, service):
    """A submit that proves free after its caller has gone is dropped, not bought later."""
    service.on_submit = lambda n: not_sent() if n == 1 else None
    with anyio.move_on_after(0.005):
        await client.solve(IMAGE)
    await anyio.sleep(100)
    assert service.submits == 1
    assert client.tickets() == ()


async def test_an_id_that_was_given_before_is_no_answer_for_another_task(client, service):
    """A cached submit reply cannot hand one image's text to another task."""
    service.on_submit = lambda n: "OK|777"
    service.on_look = lambda ids, n: "OK|text of the first"
    assert (await client.solve(IMAGE)).solution.text == "text of the first"
    await fails(client, SubmitUnknown, charged="maybe")


async def test_leaving_paid_tasks_behind_is_logged(service, caplog):
    """The end of the block drops what `aclose` returns, so a warning says how to get it."""
    async with Client(CaptchaAI("key")) as client:
        await client.submit(IMAGE)
    assert "closed with 1 paid tasks not handed over" in caplog.text


async def test_http_that_is_no_client_is_refused(monkeypatch):
    """The error speaks of the option."""
    with pytest.raises(UsageError, match="http"):
        await Client(CaptchaAI("key"), http="proxy").start()


async def test_errors_of_image_files_name_the_file(client, tmp_path):
    """A file that is no image is told by its path, not by its length."""
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    error = await fails(client, InvalidTask, ImageToText(path), field="image")
    assert str(path) in str(error)


async def test_a_balance_can_be_asked_of_one_account(client):
    """So that one bad account does not hide the others."""
    assert list(await client.balance("captchaai")) == ["captchaai"]
    with pytest.raises(UsageError, match="captchaai"):
        await client.balance("other")


async def test_paying_twice_by_choice_is_bounded(service):
    """With `resubmit_unknown` a job is submitted three times at most, and says "maybe"."""
    service.on_submit = lambda n: lost_reply()
    async with Client(CaptchaAI("key"), resubmit_unknown=True) as client:
        await fails(client, SubmitUnknown, charged="maybe")
    assert service.submits == 3


async def test_what_is_no_outcome_ends_no_other_task(service):
    """A plug-in that reads an id that is no text, or too few outcomes, harms its own task only."""

    class Odd(CaptchaAI):
        def submit(self, task, image):
            call = super().submit(task, image)
            return Call(call.request, lambda reply: Accepted(["7"])) if task.tag else call

        def look(self, asked):
            return Call(super().look(asked).request, lambda reply: [])

    async with Client(Odd("key")) as client:
        await fails(client, SubmitUnknown, ImageToText(PNG, tag="odd"), charged="maybe")
        await fails(client, DeadlineExceeded, ImageToText(PNG, deadline=30), resumable=True)


@pytest.mark.parametrize("wrong", ["canary-key-0123", [CaptchaAI("canary-key-0123")], CaptchaAI])
async def test_what_is_no_account_is_refused_without_being_shown(wrong):
    """A key handed over bare is the likeliest first mistake, and must not be in a traceback."""
    with pytest.raises(UsageError, match="is no account; pass accounts one by one") as caught:
        Client(wrong)
    assert "canary" not in str(caught.value)
