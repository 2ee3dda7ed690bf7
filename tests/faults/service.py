"""A raw service that misbehaves as it is told, and a ledger of what it did.

It speaks the wire of the three services (PROTOCOLS.md 1-3) as far as a client needs, over plain
asyncio sockets in the test's own loop. Every request may be met by an act of the test instead of the
usual reply.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
import re
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import define, field

PNG = b"\x89PNG\r\n\x1a\n"
FIRST_ID = 73548291


def picture(label: int, size: int = 0) -> bytes:
    """Return an image that the service can tell from others."""
    return PNG + b"image %d " % label + bytes(size)


def http(body: bytes | str, status: int = 200, *headers: str, length: int | None = None) -> bytes:
    """Return a whole reply."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} X", *headers, f"Content-Length: {length or len(data)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + data


@define(eq=False, repr=False)
class Asked:
    """One request: its head, and once it was read whole, all the rest."""

    kind: str
    method: str
    target: str
    headers: dict[str, str]
    number: int = 0
    body: bytes = b""
    read: bool = False
    ids: tuple[str, ...] = ()
    label: int = -1


@define(eq=False, repr=False)
class Deal:
    """A task the service took money for."""

    label: int
    at: float
    ready: float
    kind: str = "text"


@define(eq=False, repr=False)
class Visit:
    """One connection."""

    service: Service
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def whole(self, asked: Asked) -> None:
        """Read the rest of a request."""
        if not asked.read:
            size = int(asked.headers.get("content-length", "0"))
            asked.body = await self.reader.readexactly(size)
            self.service.note(asked)

    async def send(self, data: bytes) -> None:
        """Write bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def hang(self) -> None:
        """Stay silent until the client goes."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """Cut with RST."""
        cut(self.writer)


def cut(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST."""
    sock = writer.get_extra_info("socket")
    if sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


Act = Callable[[Visit, Asked], Awaitable[object]]
"""What to do about a request; the connection goes on if it returns something true."""
Chooser = Callable[[int], Act | None]
"""The act for the n-th request of a kind (from 1), or `None` for the usual reply."""


def _usual(number: int) -> None:
    """Do what a good service does."""


@define(eq=False, repr=False)
class Service:
    """The service.

    Attributes:
        solve: seconds a task takes.
        slots: tasks under way at most.
        at_once: createTask images are answered in the submit's reply.
        on: choosers by kind: submit, look, balance, report, threads.
        greet: what to do with the n-th connection before anything is read.
        tasks: every task accepted, by id: the ledger.
        charges: how often each label was paid for.
        room: bytes of a request that the kernel takes before they are read, about.
        begun, seen: requests whose head, and which were read whole, by kind.
    """

    solve: float = 12.0
    slots: float = math.inf
    at_once: bool = True
    tls: ssl.SSLContext | None = None
    on: dict[str, Chooser] = field(factory=dict)
    greet: Chooser = _usual
    words: Callable[[int], str] = "text {}".format
    tasks: dict[str, Deal] = field(factory=dict)
    charges: Counter[int] = field(factory=Counter)
    begun: Counter[str] = field(factory=Counter)
    seen: Counter[str] = field(factory=Counter)
    looks: Counter[str] = field(factory=Counter)
    moments: list[tuple[float, str]] = field(factory=list)
    asked: list[Asked] = field(factory=list)
    keys: set[str] = field(factory=set)
    reports: list[str] = field(factory=list)
    refusals: int = 0
    connections: int = 0
    peak: int = 0
    open: set[asyncio.Task[None]] = field(factory=set)
    port: int = 0
    room: int = 1 << 15
    _server: asyncio.Server | None = None

    # Life

    async def start(self) -> None:
        """Listen on a free loopback port."""
        sock = socket.create_server(("127.0.0.1", 0), backlog=6000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.room)
        self._server = await asyncio.start_server(self._serve, sock=sock, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut what is open."""
        assert self._server is not None
        self._server.close()
        for task in tuple(self.open):
            task.cancel()
        await asyncio.gather(*self.open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        self.peak = max(self.peak, len(self.open))
        self.connections += 1
        visit = Visit(self, reader, writer, self.connections)
        try:
            act = self.greet(visit.number)
            if act is not None:
                await act(visit, Asked("", "", "", {}))
            else:
                while await self._one(visit):
                    pass
        except (asyncio.IncompleteReadError, OSError, ValueError, asyncio.CancelledError):
            pass  # cut, or no request that could be paid for
        finally:
            self.open.discard(task)
            writer.close()

    async def _one(self, visit: Visit) -> object:
        asked = parse_head(await visit.reader.readuntil(b"\r\n\r\n"))
        self.begun[asked.kind] += 1
        asked.number = self.begun[asked.kind]
        self.moments.append((asyncio.get_running_loop().time(), asked.kind))
        act = self.on.get(asked.kind, _usual)(asked.number)
        return await (act or self.usual)(visit, asked)

    async def usual(self, visit: Visit, asked: Asked) -> bool:
        """Answer as a good service does."""
        await visit.whole(asked)
        status, body = self.answer(asked)
        await visit.send(http(body, status))
        return True

    # The ledger

    def note(self, asked: Asked) -> None:
        """Write down a request that was read whole."""
        asked.read = True
        self.seen[asked.kind] += 1
        self.asked.append(asked)
        fields = fields_of(asked)
        self.keys.add(fields.get("key") or fields.get("api") or fields.get("clientKey") or "")
        asked.label = label_of(asked, fields)
        path = urlsplit(asked.target).path
        named = fields.get("ids") or fields.get("id") or fields.get("taskId")
        if "/ocr/result/" in path:
            named = unquote(path.rpartition("/")[2])
        asked.ids = tuple(named.split(",")) if named else ()
        if asked.kind == "look":
            self.looks.update(asked.ids)

    def accept(self, asked: Asked) -> str:
        """Take money for a task; returns its id."""
        task_id = str(FIRST_ID + len(self.tasks))
        now = asyncio.get_running_loop().time()
        self.tasks[task_id] = Deal(asked.label, now, now + self.solve)
        self.charges[asked.label] += 1
        return task_id

    @property
    def working(self) -> int:
        """Tasks under way."""
        now = asyncio.get_running_loop().time()
        return sum(deal.ready > now for deal in self.tasks.values())

    # What a good service says

    def answer(self, asked: Asked) -> tuple[int, str]:
        """Return status and body."""
        path = urlsplit(asked.target).path
        if path.startswith("/api/"):
            return self._solvora(asked)
        return 200, self._inphp(asked) if path.endswith(".php") else self._create_task(asked)

    def _inphp(self, asked: Asked) -> str:
        if asked.kind == "submit":
            if self.slots < math.inf and self.working >= self.slots:
                self.refusals += 1
                return "ERROR_NO_SLOT_AVAILABLE"
            return f"OK|{self.accept(asked)}"
        if asked.kind == "look":
            parts = [self._inphp_part(one) for one in asked.ids]
            return "|".join(parts) if len(parts) > 1 else self._inphp_one(parts[0])
        if asked.kind == "report":
            self.reports += asked.ids
            return "OK_REPORT_RECORDED"
        return "1.5" if asked.kind == "balance" else '{"threads":"5","working_threads":0}'

    def _inphp_part(self, task_id: str) -> str:
        deal = self.tasks.get(task_id)
        if deal is None:
            return "ERROR_WRONG_CAPTCHA_ID"
        return self.words(deal.label) if self.done(deal) else "CAPCHA_NOT_READY"

    def _inphp_one(self, part: str) -> str:
        return part if part in {"ERROR_WRONG_CAPTCHA_ID", "CAPCHA_NOT_READY"} else f"OK|{part}"

    def _solvora(self, asked: Asked) -> tuple[int, str]:
        if asked.kind == "submit":
            taken = {"status": "ok", "result": "in_process", "task_id": self.accept(asked)}
            return 200, json.dumps(taken | {"solves": 949})
        if asked.kind == "balance":
            return 200, '{"status":"ok","solves":950,"24h":50}'
        deal = self.tasks.get(asked.ids[0])
        if deal is None or asyncio.get_running_loop().time() > deal.at + 30:
            return 404, '{"detail":"task not found or expired"}'
        text = self.words(deal.label) if self.done(deal) else "in_process"
        seconds = 1.23 if self.done(deal) else None
        reply = {"status": "ok", "result": text, "task_id": asked.ids[0], "time": seconds}
        return 200, json.dumps(reply | {"solves": 949})

    def _create_task(self, asked: Asked) -> str:
        if asked.kind == "submit":
            task_id = self.accept(asked)
            if self.at_once:
                return self._ready(task_id)
            return json.dumps({"errorId": 0, "status": "idle", "taskId": task_id})
        if asked.kind == "look":
            deal = self.tasks.get(asked.ids[0])
            if deal is None:
                return '{"errorId":1,"errorCode":"ERROR_TASKID_INVALID"}'
            idle = json.dumps({"errorId": 0, "status": "processing", "taskId": asked.ids[0]})
            return self._ready(asked.ids[0]) if self.done(deal) else idle
        if asked.kind == "report":
            self.reports += asked.ids
            return '{"errorId":0}'
        return '{"errorId":0,"balance":1.5,"packages":[]}'

    def _ready(self, task_id: str) -> str:
        text = self.words(self.tasks[task_id].label)
        reply = {"errorId": 0, "status": "ready", "taskId": task_id}
        return json.dumps(reply | {"solution": {"text": text}})

    def done(self, deal: Deal) -> bool:
        """Whether a task's answer is there."""
        return asyncio.get_running_loop().time() >= deal.ready


KINDS = (
    ("/in.php", "submit"),
    ("/solve.php", "submit"),
    ("/ocr/solve", "submit"),
    ("/createTask", "submit"),
    ("/getTaskResult", "look"),
    ("/ocr/result/", "look"),
    ("action=getbalance", "balance"),
    ("/api/balance", "balance"),
    ("/getBalance", "balance"),
    ("action=report", "report"),
    ("/feedbackTask", "report"),
    ("action=threadsinfo", "threads"),
    ("action=get", "look"),
)


def parse_head(head: bytes) -> Asked:
    """Read a request's head."""
    line, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ", 2)
    pairs = (one.partition(":") for one in lines if one)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    kind = next((kind for sign, kind in KINDS if sign in target), "other")
    return Asked(kind, method, target, headers)


def fields_of(asked: Asked) -> dict[str, str]:
    """Return the fields of a request, wherever they stand."""
    fields = {name: v[0] for name, v in parse_qs(urlsplit(asked.target).query).items()}
    media = asked.headers.get("content-type", "")
    if media.startswith("application/json"):
        data = json.loads(asked.body)
        fields |= {name: value for name, value in data.items() if isinstance(value, str)}
        task = data.get("task", {})
        fields["body"] = task.get("body", "")
    elif "urlencoded" in media:
        fields |= {name: v[0] for name, v in parse_qs(asked.body.decode()).items()}
    elif "multipart" in media:
        found = re.search(rb'name="key"\r\n\r\n(.*?)\r\n', asked.body)
        fields["key"] = found[1].decode() if found else fields.get("api", "")
    return fields


def label_of(asked: Asked, fields: dict[str, str]) -> int:
    """Return which of the test's tasks a submit is about."""
    data = asked.body
    if fields.get("body"):
        try:
            data = base64.b64decode(fields["body"])
        except binascii.Error:
            return -1
    found = re.search(rb"image (\d+) ", data) or re.search(rb"page(?:/|%2F)(\d+)", data)
    return int(found[1]) if found else -1
