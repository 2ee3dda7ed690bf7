"""T3: thousands of tasks at once, one id a poll, against the plain aiohttp recipe.

    python benchmarks/in_flight.py [--tasks 5000] [--rounds 3]

Every client runs in a process of its own against one server process (`solvestream serve` in
`simulate`: answers ready after 2 to 6 s), polls every second, three interleaved rounds, medians.
Writes `benchmarks/results/in_flight.json`. Exits 1 when something falls short.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n"
LOW, HIGH, INTERVAL = 2.0, 6.0, 1.0
CLIENTS = ("solvestream", "aiohttp")
HERE = Path(__file__).parent


def main() -> int:
    options = arguments()
    if options.client:
        print(json.dumps(asyncio.run(run(options))))
        return 0
    rounds = [race(options) for _ in range(options.rounds)]
    medians = {
        name: {key: statistics.median(one[name][key] for one in rounds) for key in rounds[0][name]}
        for name in CLIENTS
    }
    return report(options, medians, rounds)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--key", help=argparse.SUPPRESS)
    return parser.parse_args()


def race(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Run each client once against a fresh server process."""
    from solvestream.server import Account, Latency, LocalService, Settings

    seen = {}
    for name in CLIENTS:
        account = Account(key="benchmark-key", slots=10 * options.tasks, usd=1e6)
        latency = Latency(shape="uniform", low=LOW, high=HIGH)
        with LocalService(Settings(accounts=(account,), latency=latency, seed=1)) as service:
            command = [sys.executable, __file__, "--client", name, "--url", service.url]
            command += ["--key", service.key, "--tasks", str(options.tasks)]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True, timeout=300
            )
        seen[name] = json.loads(done.stdout)
        print(f"  {name:12} {json.dumps(seen[name])}", flush=True)
    return seen


def report(options, medians, rounds) -> int:
    ours, theirs = medians["solvestream"], medians["aiohttp"]
    rows = [
        ("T3 CPU a task / aiohttp recipe", ours["cpu_us"] / theirs["cpu_us"], 0.35),
        ("T3 wall over ideal / aiohttp recipe", ours["over"] / max(theirs["over"], 0.05), 0.5),
        ("T3 detection delay p50, intervals", ours["delay_p50"] / INTERVAL, 0.65),
        ("T3 detection delay p99, intervals", ours["delay_p99"] / INTERVAL, 1.3),
        ("connections", ours["connections"], 64),
        ("failed", ours["failed"], 0),
        ("memory KB a task", ours["memory_kb"], 3),
    ]
    falls = 0
    versions = {name: version(name) for name in ("solvestream", "aiohttp", "uvicorn", "httptools")}
    print(f"{platform.platform()} python {platform.python_version()} {versions}")
    for name, value, target in rows:
        holds = value <= target
        falls += not holds
        verdict = "holds" if holds else "falls short"
        print(f"{name:38} {value:8.3f}  target <= {target:<5} {verdict}")
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    facts = {"tasks": options.tasks, "medians": medians, "rounds": rounds, "versions": versions}
    (results / "in_flight.json").write_text(json.dumps(facts, indent=1))
    return int(falls > 0)


async def run(options: argparse.Namespace) -> dict[str, float]:
    """Measure one client in this process."""
    __import__(options.client)
    watch = asyncio.create_task(count_connections())
    base = memory()
    cpu, start = time.process_time(), time.perf_counter()
    client = {"solvestream": with_solvestream, "aiohttp": with_aiohttp}[options.client]
    failed = await client(options.url, options.key, options.tasks)
    wall = time.perf_counter() - start
    used = time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    watch.cancel()
    delays = await ledger_delays(options.url)
    return {
        "cpu_us": round(1e6 * used / options.tasks, 1),
        "over": round(wall - HIGH, 2),
        "memory_kb": round((peak - base) * 1024 / options.tasks, 2),
        "connections": max(COUNTS),
        "failed": failed,
        **delays,
    }


COUNTS = [0]
SEEN: dict[str, float] = {}


async def count_connections() -> None:
    """Watch how many sockets this process holds."""
    sockets = Path("/proc/self/fd")
    while True:
        links = 0
        for link in sockets.iterdir():
            try:
                links += str(link.readlink()).startswith("socket:")
            except OSError:
                continue
        COUNTS.append(links - 2)  # the loop's own pair
        await asyncio.sleep(0.25)


def memory() -> float:
    """Peak resident memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def ledger_delays(url: str) -> dict[str, float]:
    """Seconds between the moment an answer was ready and the moment it was seen."""
    import urllib.request

    with urllib.request.urlopen(f"{url}/_ledger?tasks=1") as reply:
        tasks = json.load(reply)["tasks"]
    delays = sorted(one["taken_after"] for one in tasks if one.get("taken_after") is not None)
    if not delays:
        return {"delay_p50": float("nan"), "delay_p99": float("nan")}
    return {
        "delay_p50": round(delays[len(delays) // 2], 3),
        "delay_p99": round(delays[int(len(delays) * 0.99)], 3),
    }


async def with_solvestream(url: str, key: str, count: int) -> int:
    from solvestream import CaptchaAI, Client, ImageToText, Pacing

    account = CaptchaAI(key, base_url=url, pacing=Pacing(first_look=INTERVAL, interval=INTERVAL))
    tasks = (ImageToText(PNG + b"%d" % n) for n in range(count))
    failed = 0
    async with Client(account) as client:
        async for result in client.stream(tasks, in_flight=count):
            failed += not result.ok
    return failed


async def with_aiohttp(url: str, key: str, count: int) -> int:
    """The recipe everybody writes: one coroutine a task, one session, defaults."""
    import base64

    import aiohttp

    async def solve(session: aiohttp.ClientSession, n: int) -> str:
        body = base64.b64encode(PNG + b"%d" % n).decode()
        form = {"key": key, "method": "base64", "body": body}
        async with session.post(f"{url}/in.php", data=form) as reply:
            task_id = (await reply.text()).removeprefix("OK|")
        params = {"key": key, "action": "get", "id": task_id}
        while True:
            await asyncio.sleep(INTERVAL)
            async with session.get(f"{url}/res.php", params=params) as reply:
                text = await reply.text()
            if text != "CAPCHA_NOT_READY":
                return text.removeprefix("OK|")

    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        answers = await asyncio.gather(
            *(solve(session, n) for n in range(count)), return_exceptions=True
        )
    return sum(not isinstance(answer, str) for answer in answers)


if __name__ == "__main__":
    sys.exit(main())
