"""The CaptchaAI family: `/in.php`, `/res.php`, `/solve.php` (PROTOCOLS.md 1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

from attrs import define

from .book import Family, Holder, Task
from .desk import Desk
from .inphp_tasks import read_task
from .pingback import Message
from .simulate import USER_AGENT
from .wire import Form, Malformed, Reply, Request, parse_query
from .work import Answer, Kind, Outcome, Reason, Refusal, Work

CODES: Mapping[str, str] = {
    Reason.MALFORMED_KEY: "ERROR_WRONG_USER_KEY",
    Reason.UNKNOWN_KEY: "ERROR_KEY_DOES_NOT_EXIST",
    Reason.ZERO_BALANCE: "ERROR_ZERO_BALANCE",
    Reason.BANNED: "IP_BANNED",
    Reason.NO_SLOT: "ERROR_NO_SLOT_AVAILABLE",
    Reason.THROTTLED: "ERROR_TOO_MUCH_REQUESTS",
    Reason.UNKNOWN_TASK: "ERROR_WRONG_CAPTCHA_ID",
    Reason.MALFORMED_ID: "ERROR_WRONG_ID_FORMAT",
    Reason.NO_ACTION: "ERROR_EMPTY_ACTION",
    Reason.BAD_TASK: "ERROR_BAD_PARAMETERS",
    Reason.NOT_SUPPORTED: "ERROR_BAD_PARAMETERS",
    Reason.PAGE_URL: "ERROR_PAGEURL",
    Reason.SITE_KEY: "ERROR_GOOGLEKEY",
    Reason.BAD_PROXY: "ERROR_BAD_PROXY",
    Reason.EMPTY_IMAGE: "ERROR_ZERO_CAPTCHA_FILESIZE",
    Reason.BROKEN_UPLOAD: "ERROR_UPLOAD",
    Reason.TOO_BIG: "ERROR_TOO_BIG_CAPTCHA_FILESIZE",
    Reason.NOT_AN_IMAGE: "ERROR_IMAGE_TYPE_NOT_SUPPORTED",
    Reason.WRONG_EXTENSION: "ERROR_WRONG_FILE_EXTENSION",
    Reason.UNREADABLE: "ERROR_CAPTCHA_UNSOLVABLE",
    Reason.UNSOLVABLE: "ERROR_CAPTCHA_UNSOLVABLE",
}

_NOT_READY = "CAPCHA_NOT_READY"
_ONE_SHOT_SECONDS = 15.0


@define
class _Speech:
    """The two forms of every reply: text, and JSON for `json=1`."""

    as_json: bool

    def said(self, text: str, *, prefix: str = "OK|") -> Reply:
        if self.as_json:
            return Reply.json({"status": 1, "request": text})
        return Reply.text(prefix + text)

    def refused(self, refusal: Refusal) -> Reply:
        code = _code(refusal)
        return Reply.json({"status": 0, "request": code}) if self.as_json else Reply.text(code)

    def answer(self, task: Task, answer: Answer, *, price: str = "") -> Reply:
        """Hand out a task's answer; `price` is what `get2` adds."""
        if self.as_json:
            return Reply.json(_json(task, answer) | ({"price": price} if price else {}))
        return Reply.text(f"OK|{_plain(answer)}" + (f"|{price}" if price else ""))


@define(eq=False)
class InPhp:
    """Speaks the family for one desk."""

    desk: Desk

    def submit(self, request: Request) -> Reply:
        """`/in.php`: take a task and hand out its id."""
        task, speech = self._submit(request)
        return speech.refused(task) if isinstance(task, Refusal) else speech.said(task.id)

    async def solve(self, request: Request) -> Reply:
        """`/solve.php`: an image's answer in one call, within 15 s."""
        task, speech = self._submit(request, images_only=True)
        if isinstance(task, Refusal):
            return speech.refused(task)
        outcome = await self.desk.wait(task, _ONE_SHOT_SECONDS)
        self.desk.book.take(task, self.desk.clock())
        if isinstance(outcome, Refusal):
            return speech.refused(outcome)
        return speech.answer(task, outcome)

    def ask(self, request: Request) -> Reply:
        """`/res.php`: everything else, by `action`; GET or POST."""
        fields, speech = _fields(request)
        holder = self.desk.book.holder(fields.get("key", ""))
        if isinstance(holder, Refusal):
            return speech.refused(holder)
        action = fields.get("action")
        if action in {"get", "get2"}:
            return self._get(holder, fields, speech, priced=action == "get2")
        if action in {"reportgood", "reportbad"}:
            return self._report(holder, fields, speech, good=action == "reportgood")
        if action == "getbalance":
            return speech.said(f"{holder.micros / 1e6:.6f}", prefix="")
        if action == "threadsinfo":
            working = holder.working(self.desk.clock())
            return Reply.json({"threads": str(holder.account.slots), "working_threads": working})
        return speech.refused(Refusal(Reason.NO_ACTION))

    def refuse(self, request: Request, code: str) -> Reply:
        """Return the family's error reply, in the form the request asked for."""
        _, speech = _fields(request)
        return speech.refused(Refusal(code))

    def _submit(
        self, request: Request, *, images_only: bool = False
    ) -> tuple[Task | Refusal, _Speech]:
        form = _form(request)
        if form is None:
            return Refusal(Reason.BROKEN_UPLOAD), _Speech(False)
        speech = _Speech(form.fields.get("json") == "1")
        holder = self.desk.book.holder(form.fields.get("key", ""))
        if isinstance(holder, Refusal):
            return holder, speech
        work = read_task(form)
        if images_only and isinstance(work, Work) and work.kind is not Kind.IMAGE:
            work = Refusal(Reason.NOT_SUPPORTED)
        if isinstance(work, Refusal):
            return self.desk.book.refuse(holder, work), speech
        url = form.fields.get("pingback")
        done = partial(_call_back, url) if url else None
        return self.desk.submit(holder, Family.INPHP, work, done), speech

    def _get(
        self, holder: Holder, fields: Mapping[str, str], speech: _Speech, *, priced: bool
    ) -> Reply:
        if "ids" in fields:
            states = [self._state(holder, task_id) for task_id in fields["ids"].split(",")]
            return speech.said("|".join(states), prefix="")
        seen = self._look(holder, fields.get("id", ""))
        if isinstance(seen, Refusal):
            return speech.refused(seen)
        task, answer = seen
        price = f"{task.charged / 1e6:.6f}" if priced else ""
        return speech.answer(task, answer, price=price)

    def _state(self, holder: Holder, task_id: str) -> str:
        seen = self._look(holder, task_id)
        return _code(seen) if isinstance(seen, Refusal) else _plain(seen[1])

    def _look(self, holder: Holder, task_id: str) -> tuple[Task, Answer] | Refusal:
        """Look at a task once: its answer, or why there is none (yet)."""
        if not _is_id(task_id):
            return Refusal(Reason.MALFORMED_ID)
        now = self.desk.clock()
        task = self.desk.book.look(holder, Family.INPHP, task_id, now)
        if isinstance(task, Refusal):
            return task
        outcome = task.ready(now)
        if outcome is None:
            return Refusal(_NOT_READY)
        self.desk.book.take(task, now)
        return outcome if isinstance(outcome, Refusal) else (task, outcome)

    def _report(
        self, holder: Holder, fields: Mapping[str, str], speech: _Speech, *, good: bool
    ) -> Reply:
        task_id = fields.get("id", "")
        if not _is_id(task_id):
            return speech.refused(Refusal(Reason.MALFORMED_ID))
        task = self.desk.book.find(holder, Family.INPHP, task_id, self.desk.clock())
        if isinstance(task, Refusal):
            return speech.refused(task)
        self.desk.book.report(task, good=good)
        return speech.said("OK_REPORT_RECORDED", prefix="")


def _call_back(url: str, task: Task, outcome: Outcome) -> Message:
    """Return the family's call: a GET with id and answer (PROTOCOLS.md 1)."""
    code = _code(outcome) if isinstance(outcome, Refusal) else _plain(outcome)
    return Message(f"{url}{'&' if '?' in url else '?'}{urlencode({'id': task.id, 'code': code})}")


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _form(request: Request) -> Form | None:
    try:
        return request.form()
    except Malformed:
        return None


def _fields(request: Request) -> tuple[Mapping[str, str], _Speech]:
    """Return a question's fields; none if they cannot be parsed."""
    try:
        fields = request.form().fields if request.body else parse_query(request.query)
    except Malformed:
        fields = {}
    return fields, _Speech(fields.get("json") == "1")


def _code(refusal: Refusal) -> str:
    return CODES.get(refusal.code, str(refusal.code))


def _plain(answer: Answer) -> str:
    parts = answer.parts
    if "cf_clearance" in parts:
        return ";".join(f"{name}={value}" for name, value in parts.items())
    if parts:
        return ",".join(f"{name}:{value}" for name, value in parts.items())
    return answer.text


def _json(task: Task, answer: Answer) -> dict[str, Any]:
    """Return the `json=1` forms seen in the field (PROTOCOLS.md 1)."""
    said: dict[str, Any] = {"status": 1, "request": _plain(answer)}
    parts = answer.parts
    if task.kind == Kind.GEETEST_V3 and parts:
        said["request"] = json.dumps({f"geetest_{name}": value for name, value in parts.items()})
    elif task.kind == Kind.GEETEST_V4 and parts:
        said["request"] = json.dumps(dict(parts))
    elif "cf_clearance" in parts:
        said |= {"result": parts["cf_clearance"], "user_agent": parts["user_agent"]}
    elif task.kind == Kind.RECAPTCHA_ENTERPRISE:
        said |= {"result": answer.text, "user_agent": USER_AGENT}
    return said
