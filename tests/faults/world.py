"""One test's world: a service, perhaps a relay, a client on either transport, and the audit."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx
import pytest
from attrs import define, field, frozen

from solvestream import (
    CapSolver,
    CaptchaAI,
    Client,
    ImageToText,
    Result,
    SolvestreamError,
    Solvora,
    Statistics,
)
from solvestream._core.verdict import Verdict, judge
from solvestream._http.dial import secure_context
from solvestream._http.pool import Pool
from tests.faults.canary import KEY, Canary
from tests.faults.relay import Relay
from tests.faults.service import Service, picture

TRANSPORTS = ("pool", "httpx")
STYLES = ("native", "scope")
SERVICES: dict[str, Any] = {"captchaai": CaptchaAI, "solvora": Solvora, "capsolver": CapSolver}
LIBRARY = ("solvestream", "httpx", "httpcore")
FREE = {"not_sent", "incomplete", "rejected"}
_TLS = secure_context()  # made once, as it takes long


@frozen
class Certified:
    """TLS contexts of a server on loopback and of a client that trusts it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@define(eq=False, repr=False)
class World:
    """Service, client and what was seen.

    Attributes:
        transport: `pool`, or `httpx` for the adapter through `http=`.
        port: where clients connect to: the service's or the relay's.
    """

    transport: str
    canary: Canary
    monkeypatch: pytest.MonkeyPatch
    certified: Certified | None = None
    service: Service = field(factory=Service)
    relay: Relay | None = None
    port: int = 0
    pools: list[Any] = field(factory=list)
    _https: list[httpx.AsyncClient] = field(factory=list)

    async def open(self) -> None:
        """Start the service."""
        self.service.tls = self.certified.server if self.certified else None
        await self.service.start()
        self.port = self.port or self.service.port

    async def through(self, relay: Relay) -> Relay:
        """Put a relay in front of the service."""
        await relay.start()
        self.relay, self.port = relay, relay.port
        return relay

    async def close(self) -> None:
        """End all; nothing of the client may be left."""
        for one in self._https:
            await one.aclose()
        with anyio.fail_after(50_000):  # a virtual bound: hanging acts end by themselves
            await until(lambda: self.relay or not self.service.open, 100)
        await self.service.stop()
        if self.relay:
            await self.relay.stop()
        await asyncio.sleep(1)
        assert [task for task in asyncio.all_tasks() if of_the_library(task)] == []

    # The client

    def account(self, service: str = "captchaai", **options: Any) -> Any:
        """Return an account at the service."""
        scheme = "https" if self.certified else "http"
        options.setdefault("base_url", f"{scheme}://127.0.0.1:{self.port}")
        return SERVICES[service](KEY, **options)

    def http(self) -> object:
        """Return what goes to `Client(http=...)`."""
        context = self.certified.client if self.certified else _TLS
        if self.transport == "httpx":
            limits = httpx.Limits(keepalive_expiry=1.0)
            client = httpx.AsyncClient(verify=context, trust_env=False, limits=limits)
            self._https.append(client)
            return client

        def open_pool(http: object, connections: int) -> Pool:
            self.pools.append(Pool(max_connections=connections, ssl_context=context))
            return self.pools[-1]

        # There is no public way to give our pool a certificate authority.
        self.monkeypatch.setattr("solvestream.client.open_transport", open_pool)
        return None

    def client(self, *accounts: Any, service: str = "captchaai", **options: Any) -> Client:
        """Return a client of the service, or of the accounts given."""
        return Client(*(accounts or [self.account(service)]), http=self.http(), **options)

    async def run(self, *accounts: Any, count: int = 3, size: int = 0, **options: Any) -> Report:
        """Have some images read as one stream, and close the client."""
        report = Report(self)
        async with self.client(*accounts, **options) as client:
            report.client = client
            tasks = [task(label, size) for label in range(count)]
            report.results = [result async for result in client.stream(tasks)]
            report.statistics = client.statistics()
            report.left = client.tickets()
            self.canary.look(client, *client._accounts.values(), report.statistics)
            self.canary.look(*report.left)
        report.check()
        return report


async def until(condition: Callable[[], object], seconds: float = 0.1) -> None:
    """Wait for what happens elsewhere, looking every so often."""
    while not condition():  # noqa: ASYNC110 - in virtual time that costs nothing
        await asyncio.sleep(seconds)


def of_the_library(task: asyncio.Task[Any]) -> bool:
    """Whether a task runs a function of solvestream or of what lies below it."""
    code = getattr(task.get_coro(), "cr_code", None)
    return any(f"/{name}/" in getattr(code, "co_filename", "") for name in LIBRARY)


def task(label: int, size: int = 0, **options: Any) -> ImageToText:
    """Return a task that the service and the test can tell from others."""
    return ImageToText(picture(label, size), tag=label, **options)


def judge_naively(sent: Any, outcome: Any = None, *, known: bool = False) -> Verdict:
    """Call free whatever brought no proper reply, as clients do that send again on any error."""
    verdict = judge(sent, outcome, known=known)
    return Verdict.NOT_SENT if verdict is Verdict.UNKNOWN else verdict


@define(eq=False, repr=False)
class Report:
    """What came of a run."""

    world: World
    client: Client | None = None
    results: list[Result[Any]] = field(factory=list)
    statistics: Statistics | None = None
    left: tuple[Any, ...] = ()

    @property
    def good(self) -> list[Result[Any]]:
        """Results with a solution."""
        return [one for one in self.results if one.ok]

    @property
    def bad(self) -> list[SolvestreamError]:
        """Errors of the others."""
        return [one.error for one in self.results if one.error is not None]

    def account(self, name: str = "captchaai") -> Any:
        """Return an account's statistics."""
        assert self.statistics is not None
        return self.statistics.accounts[name]

    def check(self) -> None:
        """Check what holds in every fault: nobody pays twice, and nobody is told less than paid."""
        for result in self.results:
            self.world.canary.look(result, result.ticket, result.error)
            check_told(self.world.service, result.tag, result.error)
            if result.ok and self.world.service.tasks:
                assert result.solution.text == self.world.service.words(result.tag)
        assert max(self.world.service.charges.values(), default=0) <= 1
        assert self.world.service.keys <= {KEY}


def check_told(service: Service, label: int, error: SolvestreamError | None) -> None:
    """Check that what a caller is told of the money is what the ledger says."""
    paid = service.charges[label]
    if error is None:
        assert paid == 1
    elif paid:
        assert error.charged != "no", (label, error)
        assert error.verdict not in FREE, (label, error)
    elif error.charged == "yes":
        raise AssertionError((label, error))


# Cancelling


async def after(seconds: float, steps: int) -> None:
    """Wait for some time, and then for some steps of the loop."""
    await asyncio.sleep(seconds)
    for _ in range(steps):
        await asyncio.sleep(0)


async def cancelled(
    call: Callable[[], Any], style: str, seconds: float, steps: int
) -> tuple[bool, Any]:
    """Cancel a call after a while; returns whether it was cut, and its result or error."""
    if style == "native":
        running = asyncio.ensure_future(call())
        await asyncio.wait([running, asyncio.ensure_future(after(seconds, steps))], **_FIRST)
        running.cancel()
        try:
            return False, await running
        except asyncio.CancelledError:
            return True, None
        except SolvestreamError as error:
            return False, error
    got: Any = None
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def cut() -> None:
                await after(seconds, steps)
                scope.cancel()

            group.start_soon(cut)
            try:
                got = await call()
            except SolvestreamError as error:
                got = error
            group.cancel_scope.cancel()
    return got is None, got


_FIRST = {"return_when": asyncio.FIRST_COMPLETED}


async def run_cancelled(
    world: World, accounts: list[Any], style: str, moment: tuple[float, int], **options: Any
) -> None:
    """Cancel three callers at one moment; all that was paid must be told or be among the tickets."""
    size = options.pop("size", 0)
    service = world.service
    async with world.client(*accounts, **options) as client:

        async def one(label: int) -> Any:
            return await client.solve(task(label, size))

        calls = [cancelled(lambda n=n: one(n), style, *moment) for n in range(3)]
        ended = await asyncio.gather(*calls)
        await asyncio.sleep(1_000)
        statistics, tickets = client.statistics(), client.tickets()
        world.canary.look(client, statistics, *tickets)
    cut = {label for label, (was_cut, _) in enumerate(ended) if was_cut}
    for label, (was_cut, got) in enumerate(ended):
        if not was_cut:
            error = got if isinstance(got, SolvestreamError) else None
            world.canary.look(got)
            check_told(service, label, error)
    paid = {task_id for task_id, deal in service.tasks.items() if deal.label in cut}
    told = {ticket.task_id for ticket in tickets}
    unknown = sum(one.unknown for one in statistics.accounts.values())
    assert len(paid - told) <= unknown, "a paid id is neither a ticket nor counted as unknown"
    assert max(service.charges.values(), default=0) <= 1
    assert (statistics.queued, statistics.in_flight) == (0, 0)


@contextlib.asynccontextmanager
async def opened(world: World) -> AsyncIterator[World]:
    """Run a world of its own."""
    await world.open()
    try:
        yield world
    finally:
        await world.close()
