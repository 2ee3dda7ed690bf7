"""The ASGI application: which path is which protocol's, and where faults strike."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from attrs import frozen

from .book import Book
from .createtask import CreateTask
from .desk import Desk, Engine
from .faults import (
    CARRIED_OUT,
    CODES,
    FaultPlan,
    Line,
    Receive,
    Scope,
    Send,
    answer,
    answer_badly,
    stand_in,
)
from .inphp import InPhp
from .settings import Call, Fault, Settings
from .simulate import Script, Simulator
from .solvora import RESULT_PATH, Solvora
from .wire import Malformed, Reply, Request

_MAX_BODY = 16 * 1024 * 1024
_Handler: TypeAlias = Callable[[Request], "Reply | Awaitable[Reply]"]


@frozen
class _Route:
    handle: _Handler
    refuse: Callable[[Request, str], Reply]
    call: Call
    post_only: bool = True


def create_app(
    settings: Settings,
    *,
    script: Script | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> App:
    """Return the ASGI application of a service.

    `script` decides each simulated task in this process, in place of `settings.script`; `clock`
    gives seconds. Raises `MissingExtra` if the engine `read` is asked for and not installed.
    """
    engine: Engine
    if settings.engine == "read":
        from .read import Reader  # noqa: PLC0415 - brings onnxruntime, wanted by this engine only

        engine = Reader(settings)
    else:
        engine = Simulator(settings, script)
    book = Book(settings.accounts, seed=settings.seed)
    return App(Desk(settings, book, engine, clock))


class App:
    """One service: three protocols over one book."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.faults = FaultPlan(desk.settings.faults, desk.settings.seed)
        self.requests = 0
        self._routes = _routes(desk)

    @property
    def book(self) -> Book:
        """The accounts, tasks and ledger."""
        return self.desk.book

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI event stream."""
        line = Line(scope, receive, send)
        if scope["type"] == "http":
            await self._exchange(line)
        elif scope["type"] == "lifespan":
            await self._live(line)

    async def _live(self, line: Line) -> None:
        await line.receive()
        self.desk.calls_back = True
        await line.send({"type": "lifespan.startup.complete"})
        await line.receive()
        await self.desk.aclose()
        await line.send({"type": "lifespan.shutdown.complete"})

    async def _exchange(self, line: Line) -> None:
        self.requests += 1
        scope = line.scope
        route = self._route(scope["path"])
        if route is None:
            await answer(line, self._ledger(scope))
            return
        request = await _read(line)
        if request is None:
            await answer(line, Reply.text("Payload Too Large", 413))
            return
        if route.post_only and request.method != "POST":
            await answer(line, Reply.text("Method Not Allowed", 405))
            return
        fault = self.faults.draw(_call(route, request)) if self.faults else None
        if fault is None:
            await answer(line, await _handle(route, request))
        else:
            await self._fail(line, route, request, fault)

    async def _fail(self, line: Line, route: _Route, request: Request, fault: Fault) -> None:
        reply: Reply | None = None
        if fault.accept or fault.kind in CARRIED_OUT:
            reply = await _handle(route, request)
        if fault.kind not in CARRIED_OUT:
            code = fault.code or CODES.get(fault.kind, "ERROR_SERVER_ERROR")
            reply = stand_in(fault) or route.refuse(request, code)
        assert reply is not None
        await answer_badly(line, reply, fault)

    def _route(self, path: str) -> _Route | None:
        return self._routes.get(RESULT_PATH if path.startswith(RESULT_PATH) else path)

    def _ledger(self, scope: Scope) -> Reply:
        if scope["path"] != "/_ledger":
            return Reply.json({"detail": "Not Found"}, 404)
        tasks = scope["query_string"] == b"tasks=1"
        told = self.book.ledger(self.desk.clock(), tasks=tasks)
        return Reply.json({"requests": self.requests, "faults": dict(self.faults.struck), **told})


def _routes(desk: Desk) -> Mapping[str, _Route]:
    php, solvora, tasks = InPhp(desk), Solvora(desk), CreateTask(desk)
    return {
        "/in.php": _Route(php.submit, php.refuse, Call.SUBMIT, post_only=False),
        "/res.php": _Route(php.ask, php.refuse, Call.LOOK, post_only=False),
        "/solve.php": _Route(php.solve, php.refuse, Call.SUBMIT),
        "/api/balance": _Route(solvora.balance, solvora.refuse, Call.BALANCE, post_only=False),
        "/api/ocr/solve": _Route(solvora.submit, solvora.refuse, Call.SUBMIT),
        RESULT_PATH: _Route(solvora.result, solvora.refuse, Call.LOOK, post_only=False),
        "/createTask": _Route(tasks.create, tasks.refuse, Call.SUBMIT),
        "/getTaskResult": _Route(tasks.result, tasks.refuse, Call.LOOK),
        "/getBalance": _Route(tasks.balance, tasks.refuse, Call.BALANCE),
        "/feedbackTask": _Route(tasks.feedback, tasks.refuse, Call.REPORT),
    }


async def _read(line: Line) -> Request | None:
    """Read a request whole; `None` if its body is over 16 MiB, or its client left before the end."""
    scope = line.scope
    request = Request(scope["method"], scope["path"], scope["query_string"])
    if request.method == "GET":
        return request
    headers = dict(scope["headers"])
    request.content_type = headers.get(b"content-type", b"").decode("latin-1")
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await line.receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > _MAX_BODY:
            return None
        chunks.append(chunk)
        more = message.get("more_body", False)
    request.body = b"".join(chunks)
    return request


async def _handle(route: _Route, request: Request) -> Reply:
    reply = route.handle(request)
    return reply if isinstance(reply, Reply) else await reply


def _call(route: _Route, request: Request) -> Call:
    """Say what a request asks for; `/res.php` tells by its `action`."""
    if request.path != "/res.php":
        return route.call
    try:
        action = request.form().fields.get("action", "")
    except Malformed:
        return Call.LOOK
    if action.startswith("report"):
        return Call.REPORT
    return Call.LOOK if action.startswith("get") and action != "getbalance" else Call.BALANCE
