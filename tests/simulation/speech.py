"""The three protocols from the service's side: what a request asks for, and replies in words.

Written from PROTOCOLS.md and not from the library's own code.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from attrs import define, frozen

from solvestream import CapSolver, CaptchaAI, ImageToText, RawTask, RecaptchaV2, Solvora
from solvestream._wire import Request
from tests.simulation.ledger import Order

PNG = b"\x89PNG\r\n\x1a\n"


@frozen
class Said:
    """A reply in words."""

    status: int
    text: str


@frozen
class Submit:
    """A request: read this."""

    label: int
    at_once: bool = False


@frozen
class Look:
    """A request: what came of these ids."""

    ids: tuple[str, ...]
    many: bool = False


@frozen
class Other:
    """A request: a balance or a report."""

    what: str
    task_id: str = ""


Asked = Submit | Look | Other


class Speech(Protocol):
    """One protocol."""

    host: str
    echoes: bool
    retention: float
    ttl: float

    def account(self, **options: Any) -> Any: ...
    def task(self, label: int, token: bool, **options: Any) -> Any: ...
    def read(self, request: Request) -> Asked: ...
    def accepted(self, order: Order) -> Said: ...
    def looked(self, look: Look, orders: list[Order | None], now: float) -> Said: ...
    def refusal(self, what: str) -> Said: ...
    def other(self, asked: Other) -> Said: ...


def _image_task(label: int, **options: Any) -> ImageToText:
    return ImageToText(PNG + b"%d" % label, tag=label, **options)


CODES = {
    "full": "ERROR_NO_SLOT_AVAILABLE",
    "throttled": "ERROR_TOO_MUCH_REQUESTS",
    "ban": "IP_BANNED",
    "broke": "ERROR_ZERO_BALANCE",
    "input": "ERROR_IMAGE_TYPE_NOT_SUPPORTED",
}


@define(eq=False)
class InPhpSpeech:
    """CaptchaAI's, with or without several ids in one look."""

    multi: bool = False
    json: bool = False
    host: str = "ocr.captchaai.com"
    echoes: bool = False
    retention: float = 3600.0
    ttl: float = 120.0

    def account(self, **options: Any) -> CaptchaAI:
        """Return the client's side."""
        return CaptchaAI("key-of-the-user", multi_id=self.multi, json=self.json, **options)

    def task(self, label: int, token: bool, **options: Any) -> Any:
        """Return a task that carries its label."""
        if token:
            return RecaptchaV2(f"label{label}", "https://example.com", tag=label, **options)
        return _image_task(label, **options)

    def read(self, request: Request) -> Asked:
        """Read a request."""
        if request.method == "POST":
            return Submit(self._label(request.body))
        fields = dict(pair.split("=", 1) for pair in request.target.partition("?")[2].split("&"))
        action = fields["action"]
        if action == "get":
            many = "ids" in fields
            return Look(tuple(fields["ids"].split(",")) if many else (fields["id"],), many)
        return Other(action, fields.get("id", ""))

    def _label(self, body: bytes) -> int:
        if b"googlekey=label" in body:
            return int(body.partition(b"googlekey=label")[2].partition(b"&")[0])
        image = base64.b64decode(unquote_to_bytes(body.rpartition(b"body=")[2]))
        return int(image[len(PNG) :])

    def _say(self, text: str, *, good: bool) -> Said:
        if self.json:
            return Said(200, json.dumps({"status": int(good), "request": text}))
        return Said(200, f"OK|{text}" if good else text)

    def accepted(self, order: Order) -> Said:
        """Take an order in."""
        return self._say(order.task_id, good=True)

    def looked(self, look: Look, orders: list[Order | None], now: float) -> Said:
        """Tell what came of ids."""
        parts = [self._part(order, now) for order in orders]
        if look.many:
            text = "|".join(text for text, _ in parts)
            return Said(200, json.dumps({"status": 1, "request": text}) if self.json else text)
        return self._say(parts[0][0], good=parts[0][1])

    def _part(self, order: Order | None, now: float) -> tuple[str, bool]:
        if order is None or order.gone(now):
            return "ERROR_WRONG_CAPTCHA_ID", False
        if order.at_work(now):
            return "CAPCHA_NOT_READY", False
        return (order.answer, True) if order.answer else ("ERROR_CAPTCHA_UNSOLVABLE", False)

    def refusal(self, what: str) -> Said:
        """Say no. With `json` it says "no slot" by the code of "no funds", as some plans do."""
        both = what == "full" and self.json
        return self._say(CODES["broke" if both else what], good=False)

    def other(self, asked: Other) -> Said:
        """Tell the balance, or take a report."""
        return Said(200, "1.25" if asked.what == "getbalance" else "OK_REPORT_RECORDED")


@define(eq=False)
class CreateTaskSpeech:
    """CapSolver's: images at once, raw tasks later."""

    host: str = "api.capsolver.com"
    echoes: bool = True
    retention: float = 300.0
    ttl: float = float("inf")

    def account(self, **options: Any) -> CapSolver:
        """Return the client's side."""
        return CapSolver("key-of-the-user", **options)

    def task(self, label: int, token: bool, **options: Any) -> Any:
        """Return a task that carries its label; `token` stands for one that is looked up."""
        if token:
            return RawTask({"type": "Other", "label": label}, tag=label, **options)
        return _image_task(label, **options)

    def read(self, request: Request) -> Asked:
        """Read a request."""
        fields = json.loads(request.body)
        if request.target == "/createTask":
            task = fields["task"]
            if "label" in task:
                return Submit(task["label"])
            return Submit(int(base64.b64decode(task["body"])[len(PNG) :]), at_once=True)
        if request.target == "/getTaskResult":
            return Look((fields["taskId"],))
        return Other(request.target, fields.get("taskId", ""))

    def accepted(self, order: Order) -> Said:
        """Take an order in, or solve it at once."""
        if order.at_once:
            return self._ok(**self._fields(order), taskId=order.task_id)
        return self._ok(status="idle", taskId=order.task_id)

    def looked(self, look: Look, orders: list[Order | None], now: float) -> Said:
        """Tell what came of an id."""
        order = orders[0]
        if order is None or order.gone(now):
            return self._no("ERROR_TASKID_INVALID")
        if order.at_work(now):
            return self._ok(status="processing", taskId=order.task_id)
        if not order.answer:
            return self._no("ERROR_CAPTCHA_UNSOLVABLE")
        return self._ok(**self._fields(order), taskId=order.task_id)

    def _fields(self, order: Order) -> dict[str, Any]:
        return {"status": "ready", "solution": {"text": order.answer}}

    def _ok(self, **fields: Any) -> Said:
        return Said(200, json.dumps({"errorId": 0, **fields}))

    def _no(self, code: str) -> Said:
        return Said(400, json.dumps({"errorId": 1, "errorCode": code, "errorDescription": "no"}))

    def refusal(self, what: str) -> Said:
        """Say no. The service has no code for "no slot": it is too busy instead."""
        own = {
            "full": "ERROR_SERVICE_UNAVALIABLE",
            "throttled": "ERROR_RATE_LIMIT",
            "ban": "ERROR_KEY_TEMP_BLOCKED",
            "broke": "ERROR_ZERO_BALANCE",
            "input": "ERROR_INVALID_IMAGE",
        }
        return self._no(own[what])

    def other(self, asked: Other) -> Said:
        """Tell the balance, or take a report."""
        return self._ok(balance=1.25, packages=[])


@define(eq=False)
class SolvoraSpeech:
    """Solvora's: images, deleted after 30 s."""

    host: str = "ocr.example"
    echoes: bool = True
    retention: float = 30.0
    ttl: float = float("inf")

    def account(self, **options: Any) -> Solvora:
        """Return the client's side."""
        return Solvora("key-of-the-user", base_url="https://ocr.example", **options)

    def task(self, label: int, token: bool, **options: Any) -> Any:
        """Return a task that carries its label."""
        return _image_task(label, **options)

    def read(self, request: Request) -> Asked:
        """Read a request."""
        path = request.target.partition("?")[0]
        if path == "/api/ocr/solve":
            rest = request.body.partition(PNG)[2]
            return Submit(int(rest.partition(b"\r\n")[0]))
        if path.startswith("/api/ocr/result/"):
            return Look((path.rpartition("/")[2],))
        return Other(path)

    def accepted(self, order: Order) -> Said:
        """Take an order in."""
        return self._ok(result="in_process", task_id=order.task_id)

    def looked(self, look: Look, orders: list[Order | None], now: float) -> Said:
        """Tell what came of an id."""
        order = orders[0]
        if order is None or order.gone(now):
            return Said(404, json.dumps({"detail": "Task not found"}))
        if order.at_work(now):
            return self._ok(result="in_process", task_id=order.task_id, time=None)
        if not order.answer:
            fields = {"status": "fail", "result": "no text", "task_id": order.task_id, "time": 1}
            return Said(200, json.dumps(fields))
        return self._ok(result=order.answer, task_id=order.task_id, time=1.5)

    def _ok(self, **fields: Any) -> Said:
        return Said(200, json.dumps({"status": "ok", **fields, "solves": 9}))

    def refusal(self, what: str) -> Said:
        """Say no. It has no words for a ban or for slots: it is too busy."""
        if what == "broke":
            return Said(402, json.dumps({"detail": "No solves remaining"}))
        if what == "input":
            return Said(422, json.dumps({"detail": "not an image"}))
        return Said(429, json.dumps({"detail": "slow down"}))

    def other(self, asked: Other) -> Said:
        """Tell the balance."""
        return self._ok(**{"24h": 1})
