"""Virtual time for both backends, and a service in memory that speaks the `in.php` protocol."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from urllib.parse import parse_qs

import anyio
import looptime
import trio.testing
from attrs import define, field

from solvestream._wire import Broken, Request, Response, Sent, Trouble

ASYNCIO = ("asyncio", {"loop_factory": looptime.new_event_loop})


def trio_backend():
    """A fresh trio backend whose clock jumps as soon as everything waits."""
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


Reply = str | Response | Broken


@define
class FakeService:
    """Tasks, slots and a ledger behind the `Transport` protocol; time is the loop's own.

    `solve` draws the seconds a task takes; `on_submit` and `on_look` may replace a reply
    (a submit replaced after it was taken is the lost reply that may have been paid); `always`
    replaces every reply; `full` is the code of a submit that finds no slot, and `on_threads` may
    replace what is told of them.
    """

    max_exchanges: int = 64
    slots: float = math.inf
    solve: Callable[[], float] = lambda: 12.0
    latency: float = 0.01
    on_submit: Callable[[int], Reply | None] = lambda n: None
    on_look: Callable[[str, int], Reply | None] = lambda ids, n: None
    on_threads: Callable[[int], Reply | None] = lambda n: None
    full: str = "ERROR_NO_SLOT_AVAILABLE"
    asked_at: list[float] = field(factory=list)
    answer: Callable[[str], str] = lambda task_id: f"text-{task_id}"
    ready_at: dict[str, float] = field(factory=dict)
    submitted_at: dict[str, float] = field(factory=dict)
    looks: Counter[str] = field(factory=Counter)
    submits: int = 0
    refusals: int = 0
    look_requests: int = 0
    on_wire: int = 0
    peak_on_wire: int = 0
    requests_at: list[float] = field(factory=list)
    closed: bool = False
    always: Reply | None = None

    async def send(self, request: Request) -> Response | Broken:
        self.on_wire += 1
        self.peak_on_wire = max(self.peak_on_wire, self.on_wire)
        self.requests_at.append(anyio.current_time())
        try:
            await anyio.sleep(self.latency)
            reply = self._reply(request)
        finally:
            self.on_wire -= 1
        return Response(200, body=reply.encode()) if isinstance(reply, str) else reply

    async def aclose(self) -> None:
        self.closed = True

    @property
    def working(self) -> int:
        now = anyio.current_time()
        return sum(1 for ready in self.ready_at.values() if ready > now)

    def _reply(self, request: Request) -> Reply:
        if self.always is not None:
            return self.always
        path, _, query = request.target.partition("?")
        if path.endswith("/in.php"):
            return self._submit()
        fields = {name: values[0] for name, values in parse_qs(query).items()}
        action = fields.get("action")
        if action == "get":
            return self._look(fields.get("ids") or fields["id"], "ids" in fields)
        if action == "threadsinfo":
            return self._threads()
        if action == "getbalance":
            return "1.5"
        return "OK_REPORT_RECORDED"

    def _submit(self) -> Reply:
        self.submits += 1
        replaced = self.on_submit(self.submits)
        if replaced is not None and not (
            isinstance(replaced, Broken) and replaced.sent is Sent.ALL
        ):
            return replaced
        if self.working >= self.slots:
            self.refusals += 1
            return self.full
        task_id = str(1000 + len(self.ready_at))
        self.submitted_at[task_id] = anyio.current_time()
        self.ready_at[task_id] = anyio.current_time() + self.solve()
        return f"OK|{task_id}" if replaced is None else replaced

    def _threads(self) -> Reply:
        self.asked_at.append(anyio.current_time())
        replaced = self.on_threads(len(self.asked_at))
        slots = min(self.slots, 1_000)
        usual = f'{{"threads":"{slots}","working_threads":{self.working}}}'
        return usual if replaced is None else replaced

    def _look(self, ids: str, many: bool) -> Reply:
        self.look_requests += 1
        replaced = self.on_look(ids, self.look_requests)
        if replaced is not None:
            return replaced
        answers = [self._answer(one) for one in ids.split(",")]
        if many:
            return "|".join(answers)
        return answers[0] if answers[0].isupper() else f"OK|{answers[0]}"

    def _answer(self, task_id: str) -> str:
        self.looks[task_id] += 1
        ready = self.ready_at.get(task_id)
        if ready is None:
            return "ERROR_WRONG_CAPTCHA_ID"
        return self.answer(task_id) if anyio.current_time() >= ready else "CAPCHA_NOT_READY"


def lost_reply() -> Broken:
    """The request left whole, and no reply came."""
    return Broken(Trouble.RESET, Sent.ALL, "127.0.0.1:1: the connection was reset")


def not_sent() -> Broken:
    """Not a byte left."""
    return Broken(Trouble.CONNECT, Sent.NOTHING, "127.0.0.1:1: connection refused")


def uniform(low: float, high: float, seed: int = 1) -> Callable[[], float]:
    """Seeded solving times."""
    draw = random.Random(seed)
    return lambda: draw.uniform(low, high)
