"""Streams: feeding, back-pressure, order, letting go."""

from __future__ import annotations

import asyncio
import gc
import warnings
import weakref

import anyio
import pytest

from solvestream import (
    CaptchaAI,
    Client,
    ClientClosed,
    ImageToText,
    InvalidTask,
    Proxy,
    RawTask,
    Turnstile,
    UsageError,
)
from tests.virtual import uniform

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n"


def image(n: int, **options) -> ImageToText:
    return ImageToText(PNG + b"%d" % n, tag=n, **options)


@pytest.fixture
async def client(service):
    async with Client(CaptchaAI("key")) as one:
        yield one


async def endless(taken):
    n = 0
    while True:
        taken.append(n)
        yield image(n)
        n += 1


async def test_an_endless_source_is_read_only_as_far_as_there_is_room(client, service):
    """With a window of 10, no more than 10 tasks are taken ahead of the reader."""
    taken, seen = [], 0
    async with client.stream(endless(taken), in_flight=10) as results:
        async for result in results:
            assert result.ok
            seen += 1
            assert len(taken) - seen <= 10
            if seen == 50:
                break
    await anyio.sleep(100)
    assert len(taken) <= 61


async def test_a_slow_reader_stops_submits_while_looks_go_on(client, service):
    """Results not read count against the window; what was paid is looked up in time."""
    service.solve = lambda: 12.0
    async with client.stream(map(image, range(100)), in_flight=20) as results:
        await anyio.sleep(200)
        assert service.submits == 20
        assert sum(service.looks.values()) == 40
        assert [r.ok async for r in results] == [True] * 100


async def test_a_break_harms_nothing(client, service):
    """After a break nothing more is submitted, and what was paid is kept for its ticket."""
    async for _ in client.stream(map(image, range(1000)), in_flight=50):
        break
    gc.collect()
    await anyio.sleep(1)
    paid = service.submits
    await anyio.sleep(100)
    assert service.submits == paid
    tickets = client.tickets()
    assert len(tickets) == paid - 1
    for ticket in tickets:
        assert (await client.wait(ticket)).ok
    assert client.tickets() == ()


async def test_a_bad_task_is_one_failed_result(client, service):
    """InvalidTask names field, value and fix; the other tasks are not touched."""
    tasks = [
        image(1),
        ImageToText(b"", tag=2),
        image(3, min_length=5, max_length=2),
        ImageToText("no base64!", tag=4),
        Turnstile("key", "example.com", tag=5),
        "not a task",
        image(7),
    ]
    results = [r async for r in client.stream(tasks, ordered=True)]
    assert [r.ok for r in results] == [True, False, False, False, False, False, True]
    bad = [r.error for r in results if not r.ok]
    assert all(isinstance(error, InvalidTask) for error in bad)
    assert [error.field for error in bad] == ["image", "min_length", "image", "page_url", "task"]
    assert all(error.fix and error.charged == "no" for error in bad)
    assert service.submits == 2


async def test_a_source_that_fails_does_so_after_the_results(client):
    """What was handed over is delivered; then the source's own exception comes out."""

    def source():
        yield image(1)
        yield image(2)
        raise ZeroDivisionError

    seen = []
    with pytest.raises(ZeroDivisionError):
        async for result in client.stream(source()):
            seen.append(result.tag)
    assert sorted(seen) == [1, 2]


async def test_a_reader_that_is_cancelled_loses_nothing(client, service):
    """Time-outs around anext, again and again, drop no result."""
    service.solve = uniform(1, 90)
    stream = client.stream(map(image, range(60)), in_flight=60)
    seen = []
    while True:
        with anyio.move_on_after(0.7):
            try:
                seen.append((await anext(stream)).tag)
            except StopAsyncIteration:
                break
    assert sorted(seen) == list(range(60))


async def test_a_client_may_be_used_inside_the_loop_at_a_window_of_one(client):
    """Solving one more task for each result cannot dead-lock."""
    seen = []
    async for result in client.stream(map(image, range(3)), in_flight=1):
        other = await client.solve(image(100 + result.tag))
        seen.append((result.tag, other.tag))
    assert seen == [(0, 100), (1, 101), (2, 102)]


async def test_answers_that_are_no_longer_good_are_marked(client):
    """An answer read after its time has expired=True, and is never silently fresh."""
    page = "https://example.com"
    tasks = [Turnstile("site", page, tag=n) for n in range(3)]
    async with client.stream(tasks) as results:
        first = await anext(results)
        await anyio.sleep(400)
        rest = [r async for r in results]
    assert (first.expired, [r.expired for r in rest]) == (False, [True, True])
    assert all(r.ok for r in rest)


async def test_stale_answers_are_dropped_or_bought_again_as_asked(client, service):
    """`drop` skips them, `resubmit` has the task solved afresh."""
    tasks = [Turnstile("site", "https://example.com", tag=n) for n in range(3)]
    async with client.stream(tasks, stale="drop") as results:
        await anyio.sleep(400)
        assert [r async for r in results] == []
    async with client.stream(tasks, stale="resubmit") as results:
        await anyio.sleep(400)
        fresh = [r async for r in results]
    assert sorted(r.tag for r in fresh) == [0, 1, 2]
    assert not any(r.expired for r in fresh)
    assert service.submits == 9


async def test_an_empty_source_ends_at_once(client):
    """No task, no result, no wait."""
    assert [r async for r in client.stream([])] == []
    assert [r async for r in client.stream([], ordered=True)] == []


async def test_a_stream_that_was_never_iterated_warns(client, service):
    """None of its tasks is sent, and the user is told."""
    stream = client.stream([image(1)])
    with pytest.warns(ResourceWarning, match="never iterated"):
        del stream
    assert service.submits == 0


async def test_bad_options_are_refused_at_once(client):
    """A wrong window, policy or source is a UsageError, before anything is taken."""
    for options in ({"in_flight": 0}, {"in_flight": "5"}, {"stale": "maybe"}):
        with pytest.raises(UsageError):
            client.stream([image(1)], **options)
    for source in ("text", b"bytes", 5):
        with pytest.raises(UsageError):
            client.stream(source)


async def test_its_repr_tells_its_state(client):
    """Open, finished or closed, with what is under way."""
    stream = client.stream([image(1)])
    assert repr(stream) == "<ResultStream open under_way=0 ready=0>"
    await anext(stream)
    await stream.aclose()
    assert "closed" in repr(stream)


async def test_tasks_of_a_closed_stream_are_not_submitted(client, service):
    """Leaving the block early withdraws what is queued."""
    service.slots = 2
    async with client.stream(map(image, range(50)), in_flight=50) as results:
        await anext(results)
    await anyio.sleep(500)
    assert service.submits - service.refusals <= 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()


async def test_an_ordered_stream_that_is_left_keeps_what_came_early(client, service):
    """Answers that waited for their turn are kept for their tickets, as all others are."""
    service.solve = uniform(5, 60)
    async with client.stream(map(image, range(20)), ordered=True) as results:
        with anyio.move_on_after(30):
            await anyio.sleep(100)
        assert results._outbox._early
    await anyio.sleep(100)
    assert len(client.tickets()) == 20
    for ticket in client.tickets():
        assert (await client.wait(ticket)).ok


@pytest.mark.parametrize("tasks", [[ImageToText(b"")], [image(1), ImageToText(b"")]])
async def test_an_ordered_stream_with_a_bad_last_task_ends(client, tasks):
    """A task that is refused at once has its place in the order too."""
    results = [r.ok async for r in client.stream(tasks, ordered=True)]
    assert results == [True] * (len(tasks) - 1) + [False]


async def test_several_readers_share_a_stream(client):
    """A pool of workers may read one stream: each result goes to one, and all of them end."""
    stream = client.stream(map(image, range(30)))
    seen = []

    async def read():
        async for result in stream:
            seen.append(result.tag)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(read)
    assert sorted(seen) == list(range(30))


async def test_closing_a_stream_from_another_task_ends_its_reader(client):
    """As at shutdown: the reader that waits is told."""
    stream = client.stream(map(image, range(3)))
    async with anyio.create_task_group() as group:

        async def read():
            assert [r async for r in stream] == []

        group.start_soon(read)
        await anyio.sleep(1)
        await stream.aclose()


class Odd(BaseException):
    """What no library expects."""


async def test_whatever_a_source_raises_is_for_its_own_reader(client):
    """A BaseException of a source ends its stream, and nothing else of the client."""

    async def source():
        yield image(1)
        raise Odd

    async with anyio.create_task_group() as group:

        async def other():
            assert (await client.solve(image(9))).ok

        group.start_soon(other)
        with pytest.raises(Odd):
            async for result in client.stream(source()):
                assert result.ok
    assert (await client.solve(image(10))).ok


async def test_a_cancelled_source_is_told_to_its_reader(client):
    """A source that was cancelled from elsewhere does not look like one that ended."""

    def source():
        yield image(1)
        raise asyncio.CancelledError

    kind = (UsageError, asyncio.CancelledError)  # trio takes asyncio's for any other
    with pytest.raises(kind):
        async for result in client.stream(source()):
            assert result.ok
    assert (await client.solve(image(2))).ok


async def test_a_source_is_closed_with_its_stream(client):
    """Generators run their `finally` when the stream is left: cursors and files are not leaked."""
    closed = []

    async def asynchronous():
        try:
            while True:
                yield image(1)
        finally:
            closed.append("async")

    def plain():
        try:
            while True:
                yield image(1)
        finally:
            closed.append("plain")

    for source in (asynchronous(), plain()):
        async with client.stream(source, in_flight=3) as results:
            await anext(results)
        await anyio.sleep(0.1)
    assert closed == ["async", "plain"]


async def test_the_client_cannot_be_closed_from_a_source(client):
    """It would wait for itself; the error says so, and the stream's reader gets it."""

    async def source():
        yield image(1)
        await client.aclose()

    with pytest.raises(UsageError, match="from the source of its own stream"):
        async for _ in client.stream(source()):
            pass


async def test_a_stream_whose_client_closes_does_not_look_complete(service):
    """What was never read from the source is not passed over in silence."""
    async with Client(CaptchaAI("key")) as client:
        stream = client.stream(map(image, range(100)), in_flight=5)
        await anext(stream)
    with pytest.raises(ClientClosed):
        async for _ in stream:
            pass


async def test_a_task_that_cannot_even_be_checked_is_one_failed_result(client):
    """Fields of types nobody thought of end their own task only."""
    page = "https://example.com"
    odd = [
        Turnstile("k", page, proxy=Proxy(None, "h", 1)),
        Turnstile("k", page, proxy=Proxy("http", 5, 1)),
        RawTask(5),
        image(1, job_key=["a"]),
        RawTask({"a": "b"}, kind=["x"]),
    ]
    results = [r async for r in client.stream([*odd, image(7)], ordered=True)]
    assert [type(r.error) for r in results] == [InvalidTask] * 5 + [type(None)]


async def test_resubmitted_tasks_are_bought_again_once_and_in_their_place(client, service):
    """A reader slower than the answers are good ends all the same, in the order of the tasks."""
    tasks = [Turnstile("site", "https://example.com", tag=n) for n in range(4)]
    seen = []
    async with client.stream(tasks, stale="resubmit", ordered=True) as results:
        async for result in results:
            seen.append(result.tag)
            await anyio.sleep(400)
    assert seen == [0, 1, 2, 3]
    assert service.submits <= 8


async def test_ended_tasks_are_let_go_of(client):
    """Memory stays flat: a calendar may know of an ended job, but not of its image."""
    tasks = [ImageToText(PNG + b"%d" % n) for n in range(50)]
    alive = [weakref.ref(task) for task in tasks]
    stream = client.stream(tasks)
    del tasks
    async for _ in stream:
        pass
    del stream, _
    gc.collect()
    assert [ref() for ref in alive if ref() is not None] == []
