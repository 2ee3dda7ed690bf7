"""The facade for code that does not await: every call blocks, nothing that was paid is lost."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from solvestream import (
    CapSolver,
    CaptchaAI,
    Client,
    ClientClosed,
    ImageToText,
    InvalidTask,
    Pacing,
    TaskFailed,
    UsageError,
    WrongLoop,
)
from solvestream._sync import SyncClient, sync
from solvestream.server import simulated_text
from tests.integrations.hosting import BAD, PICTURE, SLOW


def image(number, **options):
    return ImageToText(PICTURE + b"%d" % number, tag=number, **options)


def text(number):
    return simulated_text(PICTURE + b"%d" % number)


@pytest.fixture
def client(service):
    pacing = Pacing(first_look=0.03, interval=0.03)
    return Client(CaptchaAI(service.key, base_url=service.url, pacing=pacing))


def script(code):
    """Run a program; its warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def until(true):
    """Wait until something is true, for ten seconds at most."""
    for _ in range(1_000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came true")


def test_it_has_every_method_of_the_client_with_the_same_parameters():
    """The facade cannot drift from the client: names, parameters and defaults are compared."""
    for name, method in vars(Client).items():
        if name.startswith("_") or name in {"start", "aclose"}:
            continue
        theirs = list(inspect.signature(method).parameters.values())
        ours = list(inspect.signature(getattr(SyncClient, name)).parameters.values())
        assert ours == theirs, name


def test_a_script_solves_streams_submits_waits_and_asks(client):
    """Each call of the client blocks until it is done, and returns what the client returns."""
    with sync(client) as s:
        assert s.solve(image(1)).solution.text == text(1)
        found = {result.tag: result.solution.text for result in s.stream(map(image, range(20)))}
        assert found == {number: text(number) for number in range(20)}
        ticket = s.submit(image(30))
        assert s.tickets() == (ticket,)
        assert s.hint(ticket.task_id)
        result = s.wait(ticket)
        assert result.solution.text == text(30)
        s.report(result, correct=False)
        assert s.balance()["captchaai"].amount > 0
        assert s.threads()["captchaai"].limit > 0
        assert s.statistics().accounts["captchaai"].solved == 22


def test_results_come_in_order_when_asked_for(client):
    """Options of a stream are passed on."""
    with sync(client) as s:
        results = s.stream(map(image, range(9)), ordered=True, in_flight=4)
        assert [result.tag for result in results] == list(range(9))


def test_async_sources_are_streamed_too(client):
    """A source may be an async generator: it runs in the client's loop."""

    async def source():
        for number in range(3):
            await asyncio.sleep(0)
            yield image(number)

    with sync(client) as s:
        assert {result.tag for result in s.stream(source())} == {0, 1, 2}


def test_errors_are_raised_as_the_client_raises_them(client):
    """A bad task raises from `solve`, and is a result in a stream that goes on."""
    bad = ImageToText(b"")
    with sync(client) as s:
        with pytest.raises(InvalidTask):
            s.solve(bad)
        with pytest.raises(TaskFailed):
            s.solve(ImageToText(BAD))
        assert sorted(result.ok for result in s.stream([bad, image(1)])) == [False, True]
        with pytest.raises(UsageError, match="in_flight"):
            s.stream([], in_flight=0)
        with pytest.raises(UsageError, match="no journal"):
            s.resume()


def test_what_a_source_raises_comes_after_the_last_result(client):
    """A failing generator loses no result that was on its way."""

    def source():
        yield image(1)
        raise LookupError("the end of the disk")

    with sync(client) as s:
        results = s.stream(source())
        assert next(results).tag == 1
        with pytest.raises(LookupError, match="end of the disk"):
            next(results)
        with pytest.raises(StopIteration):
            next(results)


def test_a_slow_reader_holds_the_source_back(client):
    """Back-pressure is kept: no more than `in_flight` tasks are taken and unread."""
    taken = []

    def source():
        for number in range(40):
            taken.append(number)
            yield image(number)

    with sync(client) as s:
        for read, _ in enumerate(s.stream(source(), in_flight=5)):
            assert len(taken) <= read + 5 + 1
            if read < 3:
                time.sleep(0.05)
    assert len(taken) == 40


def test_a_break_stops_the_source_and_loses_nothing_paid(client):
    """When its loop is left, the stream lets go: no more is bought, paid ones stay reachable."""
    closed = threading.Event()

    def source():
        try:
            for number in range(1_000):
                yield image(number)
        finally:
            closed.set()

    with sync(client) as s:
        for _ in s.stream(source(), in_flight=10):
            break
        assert closed.wait(10)
        until(lambda: not s.statistics().in_flight)
        submits = s.statistics().accounts["captchaai"].submits
        assert submits <= 11
        answers = {s.wait(ticket).ok for ticket in s.tickets()}
        assert answers <= {True}
        assert s.statistics().accounts["captchaai"].submits == submits


def test_a_stream_is_a_context_manager(client):
    """Its block ends the stream, though the name lives on."""
    with sync(client) as s:
        with s.stream(map(image, range(1_000)), in_flight=4) as results:
            assert next(results).ok
            assert repr(results).startswith("<SyncResultStream open")
        assert repr(results).startswith("<SyncResultStream closed")
        assert list(results) == []
        results.close()


def test_a_stream_that_is_never_read_warns(client):
    """As with the client itself: none of its tasks was sent, and Python says so."""
    with sync(client) as s:
        stream = s.stream([image(1)])
        gone = [stream]
        del stream
        with pytest.warns(ResourceWarning, match="never iterated"):
            gone.clear()
        assert s.statistics().accounts["captchaai"].submits == 0


def test_ctrl_c_ends_the_call_and_keeps_the_ticket(client, service):
    """An interrupted `solve` leaves at once; what was paid is listed when all is closed."""
    with pytest.raises(KeyboardInterrupt), sync(client) as s:
        threading.Thread(target=_interrupt, args=(s,)).start()
        s.solve(ImageToText(SLOW))
    (ticket,) = client.tickets()
    assert ticket.account == "captchaai"
    assert not any(thread.name == "solvestream" for thread in threading.enumerate())


def _interrupt(s):
    until(lambda: s.statistics().in_flight and s.tickets())
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def test_ctrl_c_in_a_loop_over_results_loses_none(client):
    """The stream may be read on after an interrupted wait: nothing was taken out of it."""
    with sync(client) as s:
        results = s.stream([image(1), ImageToText(SLOW)])
        assert next(results).tag == 1
        threading.Thread(target=_interrupt, args=(s,)).start()
        with pytest.raises(KeyboardInterrupt):
            next(results)
        assert "under_way=1" in repr(results)


def test_a_script_is_stopped_by_ctrl_c(service):
    """SIGINT in the midst of a stream: it ends within seconds, and all that was paid is listed."""
    code = f"""
        import signal, threading
        from solvestream import CaptchaAI, Client, ImageToText
        from solvestream._sync import sync
        client = Client(CaptchaAI({service.key!r}, base_url={service.url!r}))
        def stop():
            while len(s.tickets()) < 50:
                pass
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        try:
            with sync(client) as s:
                threading.Thread(target=stop).start()
                for result in s.stream(ImageToText({PICTURE!r} + b"%d" % n) for n in range(50)):
                    print("too early")
        except KeyboardInterrupt:
            print(len(client.tickets()))
    """
    done = script(code)
    assert (done.returncode, done.stdout) == (0, "50\n")
    assert "Traceback" not in done.stderr


def test_a_script_that_forgets_to_close_is_closed_at_its_end(service):
    """`start()` without `close()` neither hangs nor complains when the interpreter ends."""
    code = f"""
        from solvestream import CapSolver, Client, ImageToText
        from solvestream._sync import sync
        s = sync(Client(CapSolver({service.key!r}, base_url={service.url!r}))).start()
        results = s.stream(ImageToText({PICTURE!r} + b"%d" % n) for n in range(9))
        print(next(results).ok)
    """
    done = script(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_use_before_and_after_its_block_says_so(client):
    """A closed facade answers with `ClientClosed`, whatever is called; closing twice is fine."""
    s = sync(client)
    with pytest.raises(ClientClosed, match="not open"):
        s.solve(image(1))
    with s:
        results = s.stream([image(1)])
        with pytest.raises(UsageError, match="open already"):
            s.start()
        assert next(results).ok
    for call in (s.balance, s.tickets, results.__next__, lambda: s.stream([])):
        with pytest.raises(ClientClosed):
            call()
    assert s.close() == ()
    results.close()
    with pytest.raises(UsageError, match="opened before"):
        s.start()
    assert "closed" in repr(s)


def test_closing_returns_the_tickets_of_what_is_left(client):
    """What was paid and not read can be waited for by another client."""
    s = sync(client).start()
    ticket = s.submit(ImageToText(SLOW))
    assert s.close() == (ticket,)
    assert client.tickets() == (ticket,)


def test_threads_share_one_facade(client):
    """Two hundred tasks from twenty threads at once: each gets its own answer."""
    with sync(client) as s, ThreadPoolExecutor(20) as pool:
        results = list(pool.map(s.solve, map(image, range(200))))
        assert [one.tag for one in results] == list(range(200))
        assert [one.solution.text for one in results] == [text(number) for number in range(200)]
        assert s.statistics().accounts["captchaai"].submits == 200


def test_threads_that_wait_are_told_when_another_closes(client):
    """Closing wakes every caller in every thread with `ClientClosed`."""
    errors = []

    def caller():
        try:
            s.solve(ImageToText(SLOW))
        except ClientClosed as error:
            errors.append(error)

    with sync(client) as s:
        threads = [threading.Thread(target=caller) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda: len(s.tickets()) == 3)
    for thread in threads:
        thread.join(10)
    assert len(errors) == 3


def test_the_client_itself_is_refused_outside_of_its_own_thread(client):
    """While the facade has it, awaiting the client elsewhere raises `WrongLoop`."""
    with sync(client), pytest.raises(WrongLoop, match="one client per loop"):
        asyncio.run(client.solve(image(1)))


def test_a_source_that_calls_back_is_refused_instead_of_hanging(client):
    """A source runs in the client's loop, where a blocking call could never end."""

    def source():
        yield image(1)
        s.solve(image(2))

    with sync(client) as s, pytest.raises(WrongLoop, match="own loop"):
        list(s.stream(source()))


def test_a_source_cannot_close_its_own_facade(client):
    """The thread that would be waited for is the one that waits."""

    def source():
        yield image(1)
        s.close()

    with sync(client) as s, pytest.raises(WrongLoop, match="own loop"):
        list(s.stream(source()))


def test_a_source_bound_to_another_thread_fails_loudly(client):
    """The documented price of reading tasks in the client's thread."""
    database = sqlite3.connect(":memory:")
    rows = database.execute("select 1")
    with sync(client) as s, pytest.raises(sqlite3.ProgrammingError, match="thread"):
        list(s.stream(image(row[0]) for row in rows))
    database.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_is_refused_instead_of_hanging(service):
    """A child has the facade but not its thread: the error names the remedy."""
    code = f"""
        import os
        from solvestream import CapSolver, Client, ImageToText, WrongLoop
        from solvestream._sync import sync
        with sync(Client(CapSolver({service.key!r}, base_url={service.url!r}))) as s:
            child = os.fork()
            if child == 0:
                try:
                    s.balance()
                except WrongLoop as error:
                    print(error, flush=True)
                s.close()
                os._exit(0)
            os.waitpid(child, 0)
            print(s.solve(ImageToText({PICTURE!r})).ok)
    """
    done = script(code)
    assert done.stdout.splitlines() == [
        "the facade was opened before a fork; open one in each process",
        "True",
    ]


def test_the_journal_is_resumed(service, tmp_path):
    """What one run left is what the next one streams first."""

    def open_client():
        pacing = Pacing(first_look=0.03, interval=0.03)
        account = CaptchaAI(service.key, base_url=service.url, pacing=pacing)
        return Client(account, journal=tmp_path / "run.db")

    with sync(open_client()) as s:
        ticket = s.submit(image(7))
    with sync(open_client()) as s:
        (result,) = s.resume()
    assert (result.ticket.task_id, result.solution.text) == (ticket.task_id, text(7))


def test_answers_that_come_with_the_submit(service):
    """A service without looks works as well."""
    with sync(Client(CapSolver(service.key, base_url=service.url))) as s:
        assert s.solve(image(1)).solution.text == text(1)
