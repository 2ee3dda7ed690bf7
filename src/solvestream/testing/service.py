"""`FakeService`: the service side in memory, behind the client and protocol code you ship.

It is the local service (`solvestream.server`) without process, socket and real time: requests
are those a service would get, so a test with it runs all of the client but the connection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, overload

import anyio
import httpx
from attrs import evolve, fields_dict, frozen

from solvestream.client import Client
from solvestream.errors import UsageError
from solvestream.providers._account import Account
from solvestream.providers._protocol import Pacing
from solvestream.providers.captchaai import CaptchaAI
from solvestream.server import Account as Holder
from solvestream.server import Call, Fault, FaultKind, Latency, Settings, create_app
from solvestream.server.faults import FaultPlan
from solvestream.testing._httpx import Transport, ask, refuse
from solvestream.testing.answers import Answers, Fates, script_of

if TYPE_CHECKING:
    from solvestream.providers._protocol import Provider

A = TypeVar("A", bound=Account)

_NAME = "fake"


@frozen(kw_only=True)
class Bought:
    """One task that the service accepted.

    Attributes:
        id: its id.
        family: protocol it came by: `inphp`, `createtask` or `solvora`.
        kind: of the task, as `image`.
        subject: which one: an image's SHA-256 in hex, a site key, a captcha id.
        charged: USD, or solves at Solvora; 0 where there was no answer.
        looks: how often it was looked at.
        taken: its outcome was handed out.
        reported: `good`, `bad` or nothing.
    """

    id: str
    family: str
    kind: str
    subject: str
    charged: float
    looks: int
    taken: bool
    reported: str


@frozen(kw_only=True)
class Ledger:
    """What the service has seen so far; `submitted` is `accepted` and all `refused`.

    Attributes:
        requests: of all kinds, those struck by a fault among them.
        submitted, accepted: submits that reached its books, and that it took.
        refused: submits it turned away, by reason.
        looks, taken: looks at tasks, and outcomes handed out.
        charged: USD taken; `charged_solves`: solves taken (Solvora).
        peak_working: most tasks it ever worked on at once.
        faults: requests struck, by kind of fault.
        tasks: what it accepted, in order.
    """

    requests: int
    submitted: int
    accepted: int
    refused: Mapping[str, int]
    looks: int
    taken: int
    charged: float
    charged_solves: int
    peak_working: int
    faults: Mapping[str, int]
    tasks: tuple[Bought, ...]

    @property
    def bought_twice(self) -> tuple[str, ...]:
        """Subjects of which more than one task was accepted."""
        counts = Counter(task.subject for task in self.tasks)
        return tuple(subject for subject, count in counts.items() if count > 1)

    @property
    def not_taken(self) -> tuple[Bought, ...]:
        """Tasks that were accepted, and whose outcome nobody has fetched."""
        return tuple(task for task in self.tasks if not task.taken)


class _Plan(FaultPlan):
    """Faults that may be added while the service runs."""

    def add(self, kind: str, on: str, after: int, times: int, options: dict[str, Any]) -> None:
        first = self._seen[Call(on)] + after
        fault = Fault(kind=kind, on=on, at=tuple(range(first, first + times)), **options)
        self._faults = (*self._faults, fault)


class FakeService:
    """A service in memory that speaks all three protocols, on asyncio and trio.

    Times are the running loop's, virtual or real. Without options it answers every task at once
    with what it makes up from its content (`solvestream.server.simulated_text` tells). It forgets a
    task as the real services do: 900 s, at CapSolver 300 s, at Solvora 30 s after its submission.

    Args:
        answers: what it answers: by task (`{task: text}`; keys may also be image bytes, a site
            key, captcha id or gt, a kind of task, or `*`), in the order tasks are accepted (an
            iterable; made up when it ends), by a function of `Work`, or one text for all.
        latency: seconds from a task's acceptance to its answer, or bounds to draw from; default 0.
        round_trip: seconds every exchange takes; default 0.
        slots: tasks it works on at once; default: as many as come. Solvora knows no such limit.
        usd: the account's balance; default 1,000. An image costs 0.0005, another task 0.002.
        solves: the account's balance at Solvora; default 1,000,000.
        failure_rate: share of tasks that end as unsolvable, 0 (default) to 1.
        faults: what goes wrong with requests, by position or chance; see `fail`.
        immediate: a `createTask` of an image is answered in its own reply (default), as CapSolver
            does; else with an id.
        seed: of all chance; default 0. What a task comes to depends on the seed and the task alone.

    Attributes:
        down: connections are refused while it is true; no request arrives. Default false.
        key: the one key it knows.

    Raises `UsageError` for `answers` or a `latency` of another shape, `ValueError` for what is out
    of its range.
    """

    def __init__(
        self,
        *,
        answers: Answers | None = None,
        latency: float | tuple[float, float] = 0.0,
        round_trip: float = 0.0,
        slots: int | None = None,
        usd: float = 1_000.0,
        solves: int = 1_000_000,
        failure_rate: float = 0.0,
        faults: Iterable[Fault] = (),
        immediate: bool = True,
        seed: int = 0,
    ) -> None:
        holder = Holder(name=_NAME, usd=usd, solves=solves)
        if slots is not None:
            holder = evolve(holder, slots=slots)
        self._latency = _latency(latency)
        settings = Settings(accounts=(holder,), immediate=immediate, seed=seed)
        fates = Fates(seed, script_of(answers), self._latency, failure_rate)
        self.down = False
        self.key = holder.key
        self._round_trip = round_trip
        self._now = 0.0
        self._app = create_app(settings, script=fates, clock=self._clock)
        self._faults = self._app.faults = _Plan(tuple(faults), seed)
        self._http = Transport(self.handle)

    def __repr__(self) -> str:
        state = "down" if self.down else "up"
        return f"<FakeService {state} {self._app.requests} requests>"

    # For a client

    @property
    def http(self) -> httpx.AsyncBaseTransport:
        """What a client sends through: `Client(account, http=service.http)`."""
        return self._http

    @overload
    def account(self, **options: Any) -> CaptchaAI: ...
    @overload
    def account(self, of: Callable[..., A], **options: Any) -> A: ...
    def account(self, of: Callable[..., Account] = CaptchaAI, **options: Any) -> Account:
        """Return an account here: of `CaptchaAI` (default), `Solvora` or `CapSolver`.

        It looks for answers as soon as they may be there; `pacing=None` gives it the pace of
        the real service, which is for virtual time. All other options are the account's own.
        Its address does not exist, so nothing leaves the process by mistake.
        """
        name = getattr(of, "__name__", "service").lower()
        quick = Pacing(
            first_look=self._latency.low,
            interval=max(0.05, self._latency.high / 20),
            max_looks=100_000,
        )
        return of(self.key, **{"base_url": f"https://{name}.test", "pacing": quick, **options})

    def client(self, *accounts: Provider, **options: Any) -> Client:
        """Return a client of this service: of `accounts` (default: `account()`), not yet open.

        `options` are those of `Client`.
        """
        return Client(*(accounts or (self.account(),)), http=self._http, **options)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of httpx, as a respx side effect may.

        Raises `httpx.ConnectError` while it is down, `httpx.ReadError` for a reply that is lost.
        """
        await anyio.sleep(self._round_trip)
        self._clock()
        return await (refuse(request) if self.down else ask(self._app, request))

    # For a test

    def fail(
        self, kind: str, *, on: str = "submit", times: int = 1, after: int = 0, **options: Any
    ) -> None:
        """Let the next request, or some of the next, go wrong.

        Args:
            kind: `no_slot`, `throttled`, `zero_balance`, `banned`, `error` (with `code=`),
                `status` (with `status=`), `html`: nothing is accepted, unless `accept=True`.
                `drop`, `cut`, `hang`, `drip`: it is accepted and charged, and the reply does not
                come, comes in half, after `seconds=`, or over `seconds=`.
            on: `submit` (default), `look`, `balance`, `report` or `any`.
            times: how many requests in a row; default 1.
            after: how many of them go well before; default 0.
            options: further fields of `Fault`.

        Raises `ValueError` for a kind, or a request, that does not exist.
        """
        self._faults.add(FaultKind(kind), on, after, times, options)

    @property
    def ledger(self) -> Ledger:
        """What it has seen and charged so far."""
        told = self._app.book.ledger(self._clock(), tasks=True)
        counts: dict[str, Any] = told["accounts"][_NAME]
        return Ledger(
            requests=self._app.requests,
            faults=dict(self._faults.struck),
            tasks=tuple(Bought(**_known(Bought, record)) for record in told["tasks"]),
            **_known(Ledger, counts),
        )

    def _clock(self) -> float:
        """Return the loop's time; the last one seen where no loop is running."""
        with suppress(RuntimeError):
            self._now = anyio.current_time()
        return self._now


def _latency(seconds: float | tuple[float, float]) -> Latency:
    if isinstance(seconds, int | float):
        return Latency(low=seconds)
    try:
        low, high = seconds
    except (TypeError, ValueError):
        raise UsageError("latency: give seconds, or two bounds of seconds") from None
    return Latency(shape="uniform", low=low, high=high)


def _known(of: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    names = fields_dict(of)
    return {name: value for name, value in record.items() if name in names}
