from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import httpx
import pytest

from solvestream.server import Account, LocalService, MissingExtra, Settings, create_app
from solvestream.server import __main__ as command
from solvestream.server.extras import need

pytestmark = pytest.mark.anyio


def gone(pid: int, within: float = 10.0) -> bool:
    """Say whether a process ends within some seconds (a hang guard, not a measurement)."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def test_a_service_answers_while_the_context_lasts_and_no_longer():
    """On entry it answers under its key, on exit its process is gone, even after an error."""
    settings = Settings(accounts=(Account(key="made-up", usd=2.0),))
    service, pids = LocalService(settings), []

    def use() -> None:
        with service:
            pids.append(service.pid)
            query = {"key": service.key, "action": "getbalance"}
            reply = httpx.get(f"{service.url}/res.php", params=query, trust_env=False)
            assert reply.text == "2.000000"
            assert "made-up" not in repr(service)
            with pytest.raises(RuntimeError, match="already"):
                service.start()
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        use()
    assert gone(pids[0])
    assert (service.pid, service.url) == (None, "")
    service.stop()


async def test_the_async_context_stops_the_service_when_cancelled():
    """Cancellation of the body does not leave a process behind."""
    with anyio.CancelScope() as scope:
        async with LocalService() as service:
            pid = service.pid
            scope.cancel()
            await anyio.sleep_forever()
    assert gone(pid)


async def test_cancelled_while_it_starts_it_leaves_no_process(monkeypatch):
    """A native cancellation in the middle of a start undoes the start."""
    pids = []
    greet = LocalService._greet

    async def enter():
        async with LocalService():
            pytest.fail("the body must not run")

    def greet_and_cancel(self, child):
        pids.append(child.pid)
        anyio.from_thread.run_sync(entering.cancel)
        return greet(self, child)

    monkeypatch.setattr(LocalService, "_greet", greet_and_cancel)
    entering = asyncio.ensure_future(enter())
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert gone(pids[0])


def test_a_service_leaves_when_its_parent_is_killed():
    """SIGKILL to the parent ends the pipe, and with it the child."""
    program = (
        "from solvestream.server import LocalService\n"
        "service = LocalService(); service.start(); print(service.pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert gone(pid)


def test_a_service_that_ignores_sigterm_is_killed(monkeypatch):
    """After the grace a stopped process is killed."""
    monkeypatch.setattr("solvestream.server.process._STOP_SECONDS", 0.05)
    with LocalService() as service:
        pid = service.pid
        os.kill(pid, signal.SIGSTOP)
    assert gone(pid)


def test_a_service_that_cannot_start_says_why(monkeypatch):
    """The child's own message reaches the parent, and the process is gone."""
    service = LocalService()
    monkeypatch.setattr(Settings, "to_json", lambda _: "[1")
    with pytest.raises(RuntimeError, match="did not start"):
        service.start()
    assert service.pid is None


def test_the_command_refuses_a_port_that_is_taken(capsys):
    """An error is one line on standard error and exit code 1."""
    with LocalService() as service:
        port = service.url.rpartition(":")[2]
        assert command.main(["--engine", "simulate", "--port", port]) == 1
    assert "in use" in capsys.readouterr().err


def test_the_command_serves_until_interrupted():
    """`python -m solvestream.server` prints its URL and ends quietly at Ctrl-C."""
    arguments = ["-m", "solvestream.server", "--engine", "simulate", "--port", "0"]
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as served:
        line = served.stdout.readline()
        url = line.split()[-1]
        assert httpx.get(f"{url}/_ledger", trust_env=False).status_code == 200
        served.send_signal(signal.SIGINT)
        assert served.stderr.read() == ""
        assert served.wait(10.0) == 0


def test_a_missing_extra_says_what_to_install(monkeypatch):
    """The message names the missing package and the pip command."""
    with pytest.raises(MissingExtra, match=r'pip install "solvestream\[local\]"'):
        need("solvestream_no_such_module")
    monkeypatch.setattr("solvestream.server.read.find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(MissingExtra, match="rapidocr"):
        create_app(Settings(engine="read"))


def test_importing_the_room_brings_in_none_of_the_extra():
    """uvicorn, rapidocr, Pillow, numpy and cv2 come when used, not before."""
    program = (
        "import sys, solvestream.server\n"
        "extra = {'uvicorn', 'rapidocr', 'onnxruntime', 'PIL', 'numpy', 'cv2'}\n"
        "print(sorted(extra & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
