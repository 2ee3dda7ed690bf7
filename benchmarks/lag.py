"""T9: event-loop lag inside a FastAPI app that goes on serving while a client makes 500 polls/s.

    python benchmarks/lag.py [--uvloop]

The app runs under uvicorn in a process of its own. Its lifespan starts nothing, a solvestream
client, or the plain aiohttp recipe, each with the same tasks in flight (answers after 2 to 6 s,
looked for every second) against `solvestream serve --engine simulate` on another core; meanwhile
this process asks the app's endpoint fifty times a second. Lag is how late a 5 ms timer fires.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import aiohttp
from _report import (
    CLIENT_CORE,
    DOCS,
    SERVER_CORE,
    Bars,
    Target,
    arguments,
    interleave,
    medians,
    pin,
    publish,
)
from attrs import define, field

from solvestream import CaptchaAI, Client, ImageToText, Pacing
from solvestream.server import Account, Latency, LocalService, Settings

IN_FLIGHT = 520
"""Tasks waiting, each looked at every second; some few are being submitted at any time."""
INTERVAL = 1.0
TICK = 0.005
REQUESTS = 50
"""A second, to the app."""
PNG = b"\x89PNG\r\n\x1a\n"
VARIANTS = ("app alone", "solvestream", "aiohttp recipe")


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--uvloop", action="store_true", help="the app runs on uvloop")
    parser.add_argument("--child", nargs=3, metavar=("VARIANT", "URL", "KEY"), help="(internal)")
    options = parser.parse_args()
    if options.child:
        serve_app(*options.child, loop="uvloop" if options.uvloop else "asyncio")
        return 0
    rounds = interleave(VARIANTS, options.rounds, lambda name: once(name, options))
    table = medians(rounds)
    loop = "uvloop" if options.uvloop else "asyncio"
    charts = [
        Bars(
            title=f"Event-loop lag in a serving app, 500 polls/s, {loop}: {title}",
            unit="ms",
            values={name: table[name][key] for name in VARIANTS},
            reference=20.0 if key == "lag_p99_ms" else None,
        )
        for key, title in (("lag_p99_ms", "p99 (line: target)"), ("lag_max_ms", "longest"))
    ]
    ours = table["solvestream"]
    return publish(
        "lag_uvloop" if options.uvloop else "lag",
        targets=[
            Target(name="T9 lag p99 with solvestream, ms", value=ours["lag_p99_ms"], limit=20),
            Target(name="T9 polls/s", value=ours["polls_per_s"], limit=475, at_least=True),
        ],
        charts=charts,
        facts={"medians": table, "rounds": rounds},
        results=options.results,
        copy_to=DOCS if options.docs else None,
    )


# This process: starts service and app, asks the app's endpoint


def once(variant: str, options: argparse.Namespace) -> dict[str, float]:
    """Run one variant against a fresh service, in a fresh app."""
    account = Account(key="benchmark-key", slots=10 * IN_FLIGHT, usd=1e6)
    latency = Latency(shape="uniform", low=2.0, high=6.0)
    with LocalService(Settings(accounts=(account,), latency=latency, seed=1)) as service:
        assert service.pid is not None
        pin(SERVER_CORE, service.pid)
        command = [sys.executable, __file__, "--child", variant, service.url, service.key]
        command += ["--uvloop"] if options.uvloop else []
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as app:
            assert app.stdin is not None
            assert app.stdout is not None
            url = app.stdout.readline().decode().strip()
            try:
                return asyncio.run(watch(url, service, 0.3 if options.quick else 6.0))
            finally:
                app.stdin.close()  # the app leaves when this ends


async def watch(url: str, service: LocalService, seconds: float) -> dict[str, float]:
    """Ask the app's endpoint, first while the tasks are submitted, then for the figures."""
    async with aiohttp.ClientSession(url) as session:

        async def ask(path: str) -> dict[str, float]:
            async with session.get(path) as reply:
                assert reply.status == 200
                told: dict[str, float] = await reply.json()
                return told

        await load(ask, seconds / 3)
        start = await ask("/lag")
        looks = -looks_so_far(service)
        took = await load(ask, seconds)
        figures = await ask("/lag")
        looks += looks_so_far(service)
    return {
        **figures,
        "start_max_ms": start["lag_max_ms"],
        "reply_p50_ms": 1e3 * quantile(took, 0.5),
        "reply_p99_ms": 1e3 * quantile(took, 0.99),
        "polls_per_s": looks / seconds,
    }


def looks_so_far(service: LocalService) -> int:
    looks: int = service.ledger()["accounts"]["local"]["looks"]
    return looks


async def load(ask: Callable[[str], Awaitable[object]], seconds: float) -> list[float]:
    """Ask in even steps, whatever the replies take; give the seconds that each took."""

    async def timed(at: float) -> float:
        await asyncio.sleep(at)
        begun = time.perf_counter()
        await ask("/work")
        return time.perf_counter() - begun

    return await asyncio.gather(*(timed(n / REQUESTS) for n in range(int(REQUESTS * seconds))))


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


# The app


@define
class Ticker:
    """Measures how late a timer of the running loop fires."""

    late: list[float] = field(factory=list[float])
    cpu: float = field(factory=time.process_time)

    async def run(self) -> None:
        clock = time.perf_counter
        while True:
            due = clock() + TICK
            await asyncio.sleep(TICK)
            self.late.append(clock() - due)

    def take(self) -> dict[str, float]:
        """Return the figures since the last call."""
        late, self.late = self.late, []
        cpu, self.cpu = time.process_time() - self.cpu, time.process_time()
        return {
            "lag_p50_ms": 1e3 * quantile(late, 0.5),
            "lag_p99_ms": 1e3 * quantile(late, 0.99),
            "lag_max_ms": 1e3 * max(late),
            "cpu_s": cpu,
        }


def serve_app(variant: str, url: str, key: str, *, loop: str) -> None:
    """Serve the app on a free port, told on standard output, until standard input ends."""
    import uvicorn
    from fastapi import FastAPI

    pin(CLIENT_CORE)
    ticker = Ticker()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        asyncio.get_running_loop().add_reader(sys.stdin, leave)
        jobs = [
            asyncio.create_task(ticker.run()),
            asyncio.create_task(BACKGROUND[variant](url, key)),
        ]
        yield
        for job in jobs:
            job.cancel()
            with suppress(asyncio.CancelledError):
                await job

    app = FastAPI(lifespan=lifespan)

    @app.get("/work")
    async def work(n: int = 1_000) -> dict[str, int]:
        return {"sum": sum(range(n))}

    @app.get("/lag")
    async def lag() -> dict[str, float]:
        return ticker.take()

    server = uvicorn.Server(uvicorn.Config(app, loop=loop, log_level="warning", access_log=False))

    def leave() -> None:
        server.should_exit = True

    # told to be TCP: else asyncio leaves Nagle's algorithm on, and each reply waits 40 ms
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        server.run(sockets=[listening])


async def with_solvestream(url: str, key: str) -> None:
    account = CaptchaAI(key, base_url=url, pacing=Pacing(first_look=INTERVAL, interval=INTERVAL))
    tasks = (ImageToText(PNG + b"%d" % n) for n in itertools.count())
    async with Client(account) as client, client.stream(tasks, in_flight=IN_FLIGHT) as results:
        async for result in results:
            assert result.ok


async def with_aiohttp(url: str, key: str) -> None:
    """The recipe everybody writes: one coroutine a task, one session, defaults."""
    numbers = itertools.count()

    async def solve(session: aiohttp.ClientSession) -> None:
        body = base64.b64encode(PNG + b"%d" % next(numbers)).decode()
        form = {"key": key, "method": "base64", "body": body}
        async with session.post(f"{url}/in.php", data=form) as reply:
            task_id = (await reply.text()).removeprefix("OK|")
        params = {"key": key, "action": "get", "id": task_id}
        while True:
            await asyncio.sleep(INTERVAL)
            async with session.get(f"{url}/res.php", params=params) as reply:
                if await reply.text() != "CAPCHA_NOT_READY":
                    return

    async def forever(session: aiohttp.ClientSession) -> None:
        while True:
            await solve(session)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(forever(session) for _ in range(IN_FLIGHT)))


async def nothing(url: str, key: str) -> None:
    """Show the lag of the app alone."""


BACKGROUND = {"app alone": nothing, "solvestream": with_solvestream, "aiohttp recipe": with_aiohttp}


if __name__ == "__main__":
    sys.exit(main())
