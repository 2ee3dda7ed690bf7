"""Start a service and a client, each in a process and on a core of its own, and read the ledger."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from _report import CLIENT_CORE, SERVER_CORE, pin
from attrs import field, frozen

from solvestream.server import LocalService, Settings

HERE = Path(__file__).parent
VENVS = HERE.parent / ".venvs"
SAMPLE = 0.25
"""Seconds between two looks at how many sockets a client holds."""
LIMIT = 120.0
"""Seconds a client may take."""
DNF_SHARE = 0.01
"""A client that loses more of the tasks than this did not finish."""


class DidNotFinish(Exception):
    """A client was too slow, ended, or lost tasks. Holds the reason, and the figures there are."""

    def __init__(self, reason: str, figures: Mapping[str, float]) -> None:
        super().__init__(reason)
        self.figures = figures


@frozen(kw_only=True)
class Contestant:
    """A client and how it takes part.

    Attributes:
        name: as shown.
        module: of this package.
        needs: what its own virtual environment is made of; the project's own if nothing.
        options: of its `solve_all`.
        most: tasks at once at most, where more cannot be run.
        interval: seconds between its looks at one task.
        pace: where its pauses come from.
    """

    name: str
    module: str
    needs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(factory=dict[str, Any])
    most: int = 1_000_000
    interval: float = 1.0
    pace: str = "chosen: 1 s"

    @property
    def published(self) -> bool:
        """Whether it is other people's package."""
        return bool(self.needs)


AIOHTTP = Contestant(name="aiohttp recipe", module="aiohttp_recipe")
HTTPX = Contestant(name="httpx recipe", module="httpx_recipe")
PUBLISHED = (
    Contestant(
        name="captchaai",
        module="captchaai_client",
        needs=("captchaai==1.0.1",),
        interval=5.5,
        pace="its own, without an option: 1 s, then every 5 s, up to 1 s of jitter each",
    ),
    Contestant(
        name="2captcha-python",
        module="twocaptcha_client",
        needs=("2captcha-python==2.1.2",),
        most=1_000,
        pace="pollingInterval=1; its first look is at once",
    ),
    Contestant(
        name="python-rucaptcha",
        module="rucaptcha_client",
        needs=("python-rucaptcha==6.8.2",),
        pace="sleep_time=1; 19 looks at most",
    ),
    Contestant(
        name="capmonstercloudclient",
        module="capmonster_client",
        needs=("capmonstercloudclient==4.3.1",),
        pace="its own for Turnstile: 1 s",
    ),
    Contestant(
        name="python3-capsolver",
        module="capsolver3_client",
        needs=("python3-capsolver==1.2.2",),
        pace="sleep_time=1; 15 looks at most",
    ),
    Contestant(
        name="unicaptcha",
        module="unicaptcha_client",
        needs=("unicaptcha==0.2.0",),
        pace="TimeConfig(poll_delay=1, poll_interval=1, total_timeout=600)",
    ),
)


def ours(name: str = "solvestream", *, interval: float = 1.0, **options: Any) -> Contestant:
    """Return solvestream as a contestant."""
    options = {"interval": interval, **options}
    return Contestant(name=name, module="ours", interval=interval, options=options)


def interpreter(needs: tuple[str, ...]) -> Path:
    """Return the Python that has `needs`; the first time, make a virtual environment for it."""
    if not needs:
        return Path(sys.executable)
    name = hashlib.sha256(f"{needs} {sys.version_info[:2]}".encode()).hexdigest()[:12]
    place = VENVS / name
    python, done = place / "bin" / "python", place / "complete"
    if not done.exists():
        print(f"  installing {', '.join(needs)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *needs], check=True, stderr=subprocess.DEVNULL)
        done.touch()
    return python


def compete(
    contestant: Contestant, count: int, settings: Settings, *, ideal: float, limit: float = LIMIT
) -> dict[str, float]:
    """Have `count` tasks solved at once by a client, and return what it took.

    Args:
        contestant: the client.
        count: tasks, cut to what the contestant can bear.
        settings: of the service, which is a new process each time.
        ideal: seconds in which nobody could be faster.
        limit: seconds it may take.

    Raises `DidNotFinish`.
    """
    count = min(count, contestant.most)
    python = interpreter(contestant.needs)
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # the children inherit it
    with LocalService(settings) as service:
        assert service.pid is not None
        pin(SERVER_CORE, service.pid)
        before = _cpu(service.pid)
        told, connections = _in_its_process(python, contestant, service, count, limit)
        served = _cpu(service.pid) - before
        ledger = service.ledger(tasks=True)
    figures = _of_ledger(ledger, count, contestant.interval)
    figures |= {"connections": connections, "server_cpu_us": 1e6 * served / count}
    if "cpu" not in told:
        raise DidNotFinish(f"{told['why']}; {figures['taken']:.0f} of {count} answered", figures)
    figures |= {
        "cpu_us": 1e6 * told["cpu"] / count,
        "wall": told["wall"],
        "over": told["wall"] - ideal,
        "memory_kb": told["memory"] / 1024 / count,
        "failed": told["failed"],
    }
    if told["failed"] > DNF_SHARE * count:
        raise DidNotFinish(f"lost {told['failed']} of {count}: {_words(told['why'])}", figures)
    return figures


def _words(why: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} ({times})" for reason, times in why.items())


def _in_its_process(
    python: Path, contestant: Contestant, service: LocalService, count: int, limit: float
) -> tuple[dict[str, Any], int]:
    """Return what the client's process told, and the most sockets it held."""
    orders = {
        "url": service.url,
        "key": service.key,
        "count": count,
        "options": dict(contestant.options),
    }
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:
        asked.write(json.dumps(orders).encode())
        asked.seek(0)
        child = subprocess.Popen(
            [python, "-m", "clients.run", contestant.module],
            stdin=asked,
            stdout=said,
            stderr=subprocess.DEVNULL,  # some log each lost task, with the key in the address
            cwd=HERE.parent,
        )
        pin(CLIENT_CORE, child.pid)
        try:
            connections, late = _watch(child, limit)
        finally:
            child.kill()
            child.wait()
        said.seek(0)
        lines = said.read().splitlines()
    if late:
        return {"why": f"not finished after {limit:g} s"}, connections
    if child.returncode or not lines:
        return {"why": f"its process ended with {child.returncode}"}, connections
    return json.loads(lines[-1]), connections


def _watch(child: subprocess.Popen[bytes], limit: float) -> tuple[int, bool]:
    """Wait for a process; return the most sockets it held, and whether it was too slow."""
    end = time.monotonic() + limit
    peak = 0
    while time.monotonic() < end:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(SAMPLE)
            return peak, False
        peak = max(peak, _sockets(child.pid) - 2)  # the loop's own pair
    return peak, True


def _sockets(pid: int) -> int:
    links = 0
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                links += str(entry.readlink()).startswith("socket:")
    return links


def _cpu(pid: int) -> float:
    """Return the CPU seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _of_ledger(ledger: dict[str, Any], count: int, interval: float) -> dict[str, float]:
    account = ledger["accounts"]["local"]
    delays = [task["taken_after"] / interval for task in ledger["tasks"] if task["taken"]]
    delays.sort()
    figures = {
        "requests": (ledger["requests"] - 1) / count,
        "taken": account["taken"],
        "refused": sum(account["refused"].values()) / max(1, account["accepted"]),
        "peak_in_flight": account["peak_working"],
    }
    if delays:
        figures["delay_p50"] = delays[len(delays) // 2]
        figures["delay_p99"] = delays[int(len(delays) * 0.99)]
    return figures
