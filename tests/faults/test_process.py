"""Faults of the process and of clocks (`faults.json`, phases "process" and "clock")."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import anyio
import pytest

from solvestream import (
    ClientClosed,
    DeadlineExceeded,
    SolvestreamError,
    TaskFailed,
    TaskLost,
    Ticket,
    UsageError,
    WrongLoop,
)
from tests.faults.acts import always, says
from tests.faults.canary import KEY
from tests.faults.clock import VirtualLoop
from tests.faults.service import Service, http
from tests.faults.test_poll import read
from tests.faults.world import STYLES, World, task, until

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("style", STYLES)
async def test_x07_the_whole_program_is_cancelled(world, style):
    """1,000 in flight, and Ctrl-C: closed within two seconds, with a ticket for each paid task."""
    world.service.room = 1 << 20
    world.service.at_once = False
    left = []

    async def program() -> None:
        async with world.client(world.account("capsolver")) as client:
            left.append(client)
            async for _ in client.stream([task(n) for n in range(1_000)]):
                raise AssertionError

    world.service.solve = 1e6
    with anyio.CancelScope() as scope:
        running = asyncio.ensure_future(program()) if style == "native" else None
        async with anyio.create_task_group() as group:
            if running is None:
                group.start_soon(program)
            await until(lambda: len(world.service.tasks) >= 1_000)
            started = asyncio.get_running_loop().time()
            if running is None:
                scope.cancel()
            else:
                running.cancel()
                await asyncio.wait([running])
    assert asyncio.get_running_loop().time() - started <= 2
    assert {one.task_id for one in left[0].tickets()} == set(world.service.tasks)


PROGRAM = """
import asyncio, sys
from solvestream import CapSolver, Client, ImageToText

async def main():
    account = CapSolver({key!r}, base_url="http://127.0.0.1:{port}")
    async with Client(account) as client:
        try:
            tasks = [ImageToText(b"\\x89PNG\\r\\n\\x1a\\nimage %d " % n) for n in range(50)]
            async for _ in client.stream(tasks):
                pass
        finally:
            print(len(await client.aclose()), flush=True)

asyncio.run(main())
"""


def test_x07_sigint(canary):
    """A real program interrupted by Ctrl-C prints its tickets, shows no key, and ends."""
    loop = asyncio.new_event_loop()
    service = Service(solve=1e6, at_once=False)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(call):
        return asyncio.run_coroutine_threadsafe(call, loop).result(10)

    run(service.start())
    program = PROGRAM.format(key=KEY, port=service.port)
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        for _ in range(1_000):
            if len(service.tasks) == 50 or child.poll() is not None:
                break
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20)
    finally:
        child.kill()
        run(service.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert out.strip() == "50", err
    assert "KeyboardInterrupt" in err
    canary.look(out, err)


def in_a_loop(transport, canary, monkeypatch, use) -> None:
    """Run something with an open client in a loop of its own, which then ends."""

    async def main() -> None:
        world = World(transport, canary, monkeypatch)
        await world.open()
        client = await world.client().start()
        await use(world, client)
        await world.service.stop()
        for one in world._https:
            await one.aclose()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


def test_x08_the_loop_is_gone(transport, canary, monkeypatch, seeded):
    """A client whose loop has ended says so in its own words, and leaves no warning behind."""
    kept = []

    async def use(world, client):
        kept.append(client)
        await client.submit(task(1))

    in_a_loop(transport, canary, monkeypatch, use)
    gc.collect()
    for call in (lambda c: c.solve(task(2)), lambda c: c.balance()):
        with pytest.raises((WrongLoop, ClientClosed)) as caught:
            asyncio.run(call(kept[0]))
        canary.look(caught.value)
    assert len(kept[0].tickets()) == 1


def test_x09_another_thread(transport, canary, monkeypatch, seeded):
    """Used from a second thread's loop, the client refuses at once."""
    errors = []

    async def use(world, client):
        def elsewhere():
            try:
                asyncio.run(client.solve(task(1)))
            except WrongLoop as error:
                errors.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert (await client.solve(task(2))).ok
        await client.aclose()

    in_a_loop(transport, canary, monkeypatch, use)
    assert len(errors) == 1
    canary.look(*errors)


@pytest.mark.parametrize("how", ["new-loop", "same-loop"])
def test_x10_fork(transport, canary, monkeypatch, seeded, how):
    """In a forked child the client refuses; the parent's goes on undisturbed."""

    async def use(world, client):
        ticket = await client.submit(task(1))
        child = os.fork()
        if child == 0:
            os._exit(in_the_child(client, how))
        _, status = os.waitpid(child, 0)  # noqa: ASYNC222 - it ends at once
        assert (await client.wait(ticket)).ok
        await client.aclose()
        assert os.waitstatus_to_exitcode(status) == 0

    in_a_loop(transport, canary, monkeypatch, use)


def in_the_child(client, how: str) -> int:
    """Use a client where it must not be used; 0 when it refuses."""
    try:
        if how == "same-loop":
            client.stream([task(2)])
        else:
            asyncio._set_running_loop(None)
            loop = asyncio.SelectorEventLoop()
            loop.run_until_complete(client.solve(task(2)))
    except UsageError:
        return 0
    except BaseException:  # noqa: BLE001 - the parent is told
        return 2
    return 1


ORDINARY = """
import asyncio, pathlib, sys
import httpx
from solvestream import CaptchaAI, Client, ImageToText, Pacing
from tests.faults.service import Service, picture

async def main(transport, what, place):
    service = Service(solve=0.01)
    await service.start()
    files = [pathlib.Path(place, str(n)) for n in range(20)]
    for n, file in enumerate(files):
        file.write_bytes(picture(n))
    tasks = [ImageToText(file if what == "files" else file.read_bytes()) for file in files]
    quick = Pacing(first_look=0.02, interval=0.02)
    account = CaptchaAI("made-up", base_url=f"http://127.0.0.1:{service.port}", pacing=quick)
    journal = pathlib.Path(place, "run.db") if what == "journal" else None
    async with httpx.AsyncClient(trust_env=False) as http:
        through = http if transport == "httpx" else None
        async with Client(account, http=through, journal=journal) as client:
            async with asyncio.timeout(1):
                return sum([one.ok async for one in client.stream(tasks)])

print(asyncio.run(main(*sys.argv[1:])))
"""


@pytest.mark.parametrize("what", ["bytes", "files", "journal"])
def test_x11_an_ordinary_program(transport, what, tmp_path):
    """Under plain `asyncio.run`, which sets nothing up for anyio, every task is solved."""
    program = [sys.executable, "-c", ORDINARY, transport, what, str(tmp_path)]
    done = subprocess.run(
        program, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "20\n", done.stderr[-500:]


@pytest.mark.parametrize("place", ["next_action", "tick", "looked", "submitted"])
async def test_x11_a_bug_inside(world, monkeypatch, place):
    """Whatever fails inside: every waiter is told, no paid id is lost, nothing is left running."""
    owner = "scheduler.Scheduler" if place in {"next_action", "tick"} else "planner.Planner"
    client = await world.client().start()
    reading = asyncio.ensure_future(read(client.stream([task(n) for n in range(5)])))
    await asyncio.sleep(3)

    def fails(*arguments, **more):
        raise LookupError

    monkeypatch.setattr(f"solvestream._core.{owner}.{place}", fails)
    try:
        waiting = [client.solve(task(10 + n)) for n in range(3)]
        told = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 400)
        results = await asyncio.wait_for(reading, 400)
    finally:
        monkeypatch.undo()
    assert all(isinstance(one, SolvestreamError) for one in told)
    assert all(one.error is not None for one in results)
    world.canary.look(*told, *results)
    left = {one.task_id for one in await client.aclose()}
    left |= {one.ticket.task_id for one in results if one.ticket}
    left |= {one.ticket.task_id for one in told if one.ticket}
    assert set(world.service.tasks) <= left
    with pytest.raises(ClientClosed, match="report it"):
        await client.solve(task(99))


async def test_x13_a_stall_is_no_time_out(world):
    """The loop stands still for 10 s with the reply in the socket: the reply is taken."""
    loop = asyncio.get_running_loop()

    async def act(visit, asked):
        await visit.whole(asked)
        status, body = visit.service.answer(asked)
        visit.writer.write(http(body, status))
        loop.stall(70)
        return True

    world.service.on["submit"] = always(act)
    async with world.client() as client:
        if world.transport == "pool":
            result = await client.solve(task(1))
            assert result.ok
        else:  # httpx has time-outs of its own, so the outcome is in doubt: told so
            (got,) = await asyncio.gather(client.solve(task(1)), return_exceptions=True)
            assert getattr(got, "charged", "maybe") == "maybe"
    assert world.service.charges == {1: 1}


async def test_x13_no_burst_afterwards(world):
    """After a stall of 100 s, looks that fell due meanwhile are not sent twice or all at once."""
    loop = asyncio.get_running_loop()
    world.service.solve = 150.0
    async with world.client() as client:
        reading = asyncio.ensure_future(read(client.stream([task(n) for n in range(30)])))
        await asyncio.sleep(12)
        before = world.service.begun["look"]
        loop.stall(100)
        await asyncio.sleep(1)
        assert world.service.begun["look"] - before <= 30
        assert world.service.peak <= 64
        assert all(one.ok for one in await reading)


async def test_x13_deadlines_move_by_the_stall(world):
    """A task with 20 s left still has them after the loop stood still for 100."""
    loop = asyncio.get_running_loop()
    async with world.client() as client:
        solving = asyncio.ensure_future(client.solve(task(1, deadline=40.0)))
        await asyncio.sleep(5)
        loop.stall(100)
        assert (await solving).ok


async def test_x14_no_exception_group(world):
    """Three tasks fail at once: each caller gets one plain error of ours, at the exit too."""
    world.service.on["look"] = always(says("ERROR_CAPTCHA_UNSOLVABLE"))
    async with world.client() as client:
        calls = [client.solve(task(n)) for n in range(3)]
        got = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(one) for one in got] == [TaskFailed] * 3
    world.canary.look(*got)


async def test_x14_no_exception_group_from_a_task_group(world):
    """Raised amid a user's own task group, it is our error and nothing around it."""
    world.service.on["look"] = always(says("ERROR_CAPTCHA_UNSOLVABLE"))
    with pytest.raises(ExceptionGroup) as caught:
        async with world.client() as client, anyio.create_task_group() as group:
            group.start_soon(client.solve, task(1))
    assert [type(one) for one in caught.value.exceptions] == [TaskFailed]


# Clocks


@pytest.mark.parametrize("jump", [3_600.0, -3_600.0, -1.7e9])
async def test_c01_the_wall_clock_jumps(world, monkeypatch, jump):
    """Deadlines, looks and ages follow a clock that never jumps."""
    real = time.time
    async with world.client() as client:
        reading = asyncio.ensure_future(read(client.stream([task(n) for n in range(5)])))
        await asyncio.sleep(11)
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        results = await reading
        again = await client.submit(task(9))
        monkeypatch.undo()
        assert (await client.wait(again)).ok
    assert all(one.ok and not one.expired for one in results)
    assert all(10 <= one.solved_at - one.submitted_at <= 20 for one in results)


@pytest.mark.parametrize("service", ["captchaai", "capsolver", "solvora"])
@pytest.mark.parametrize("age", [1.7e9, 3_600.0, 0.0, -3_600.0, -1e12])
async def test_c03_tickets_of_a_wrong_clock(world, service, age):
    """A ticket from 1970 or the future is looked up, ends in time, and nothing is paid."""
    world.service.solve = 5.0
    world.service.at_once = False
    async with world.client(world.account(service)) as client:
        ticket = await client.submit(task(1))
        await client.aclose()
    data = json.loads(ticket.to_json())
    data["submitted_at"] -= age
    wrong = Ticket.from_json(json.dumps(data))
    started = asyncio.get_running_loop().time()
    async with world.client(world.account(service)) as client:
        assert (await client.wait(wrong)).solution.text == "text 1"
        assert asyncio.get_running_loop().time() - started <= 20
        never = Ticket.from_json({**data, "task_id": "404404"})
        with pytest.raises((TaskLost, DeadlineExceeded)):
            await client.wait(never)
        world.canary.look(wrong, never)
    assert world.service.charges == {1: 1}
