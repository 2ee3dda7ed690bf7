"""The CapSolver family: `/createTask` and its companions (PROTOCOLS.md 3)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from attrs import define

from .book import Family, Holder, Task
from .desk import Desk
from .pingback import Message
from .simulate import USER_AGENT
from .wire import Malformed, Reply, Request, as_object
from .work import Answer, Kind, Outcome, Reason, Refusal, Work, decode_base64, image_subject

CODES: Mapping[str, str] = {
    Reason.MALFORMED_KEY: "ERROR_KEY_DENIED_ACCESS",
    Reason.UNKNOWN_KEY: "ERROR_KEY_DOES_NOT_EXIST",
    Reason.ZERO_BALANCE: "ERROR_ZERO_BALANCE",
    Reason.BANNED: "ERROR_IP_BANNED",
    Reason.NO_SLOT: "ERROR_RATE_LIMIT",
    Reason.THROTTLED: "ERROR_RATE_LIMIT",
    Reason.UNKNOWN_TASK: "ERROR_TASK_NOT_FOUND",
    Reason.MALFORMED_ID: "ERROR_TASKID_INVALID",
    Reason.NO_ACTION: "ERROR_BAD_REQUEST",
    Reason.BAD_TASK: "ERROR_INVALID_TASK_DATA",
    Reason.NOT_SUPPORTED: "ERROR_TASK_NOT_SUPPORTED",
    Reason.PAGE_URL: "ERROR_INVALID_TASK_DATA",
    Reason.SITE_KEY: "ERROR_INVALID_TASK_DATA",
    Reason.BAD_PROXY: "ERROR_INVALID_TASK_DATA",
    Reason.EMPTY_IMAGE: "ERROR_INVALID_IMAGE",
    Reason.BROKEN_UPLOAD: "ERROR_INVALID_IMAGE",
    Reason.TOO_BIG: "ERROR_INVALID_IMAGE",
    Reason.NOT_AN_IMAGE: "ERROR_INVALID_IMAGE",
    Reason.WRONG_EXTENSION: "ERROR_INVALID_IMAGE",
    Reason.UNREADABLE: "ERROR_PARSE_IMAGE_FAIL",
    Reason.UNSOLVABLE: "ERROR_CAPTCHA_UNSOLVABLE",
}

_MODULES = {"common", "queueit", "number"}
_MAX_IMAGES = 9
_WAIT_SECONDS = 60.0


@define(eq=False)
class CreateTask:
    """Speaks the family for one desk."""

    desk: Desk

    async def create(self, request: Request) -> Reply:
        """`/createTask`: an image's answer at once, or an id to look at."""
        body, holder = self._enter(request)
        if isinstance(holder, Refusal):
            return _refused(holder)
        work = read_task(body.get("task"))
        if isinstance(work, Refusal):
            return _refused(self.desk.book.refuse(holder, work))
        url = _text(body.get("callbackUrl"))
        done = partial(_call_back, url) if url else None
        task = self.desk.submit(holder, Family.CREATETASK, work, done)
        if isinstance(task, Refusal):
            return _refused(task)
        if work.kind is not Kind.IMAGE or not self.desk.settings.immediate:
            return Reply.json(_fine(status="idle", taskId=task.id))
        outcome = await self.desk.wait(task, _WAIT_SECONDS)
        return self._hand_out(task, outcome, taskId=task.id)

    def result(self, request: Request) -> Reply:
        """`/getTaskResult`: how a task stands; a task id may be text or a number."""
        body, holder = self._enter(request)
        if isinstance(holder, Refusal):
            return _refused(holder)
        task = self._find(holder, body, look=True)
        if isinstance(task, Refusal):
            return _refused(task)
        outcome = task.ready(self.desk.clock())
        if outcome is None:
            return Reply.json(_fine(status="processing"))
        return self._hand_out(task, outcome)

    def balance(self, request: Request) -> Reply:
        """`/getBalance`: USD."""
        _, holder = self._enter(request)
        if isinstance(holder, Refusal):
            return _refused(holder)
        return Reply.json({"errorId": 0, "balance": holder.micros / 1e6, "packages": []})

    def feedback(self, request: Request) -> Reply:
        """`/feedbackTask`: the user's verdict on an answer."""
        body, holder = self._enter(request)
        if isinstance(holder, Refusal):
            return _refused(holder)
        task = self._find(holder, body, look=False)
        if isinstance(task, Refusal):
            return _refused(task)
        try:
            invalid = as_object(body.get("result")).get("invalid")
        except Malformed:
            invalid = None
        if not isinstance(invalid, bool):
            return _refused(Refusal("ERROR_BAD_REQUEST"))
        self.desk.book.report(task, good=not invalid)
        return Reply.json({**_fine(), "message": "okay"})

    def refuse(self, _: Request, code: str) -> Reply:
        """Return the family's error reply."""
        return _refused(Refusal(code))

    def _enter(self, request: Request) -> tuple[dict[str, Any], Holder | Refusal]:
        try:
            body = request.json()
        except Malformed:
            return {}, Refusal("ERROR_BAD_REQUEST")
        return body, self.desk.book.holder(_text(body.get("clientKey")))

    def _find(self, holder: Holder, body: Mapping[str, Any], *, look: bool) -> Task | Refusal:
        task_id = body.get("taskId")
        if isinstance(task_id, bool) or not isinstance(task_id, str | int) or task_id == "":
            return Refusal(Reason.MALFORMED_ID)
        find = self.desk.book.look if look else self.desk.book.find
        return find(holder, Family.CREATETASK, str(task_id), self.desk.clock())

    def _hand_out(self, task: Task, outcome: Outcome, **more: str) -> Reply:
        self.desk.book.take(task, self.desk.clock())
        return _told(task, outcome, **more)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _fine(**more: object) -> dict[str, Any]:
    return {"errorId": 0, "errorCode": "", "errorDescription": "", **more}


def _refused(refusal: Refusal, **more: str) -> Reply:
    code = CODES.get(refusal.code, str(refusal.code))
    said = f"{code} (solvestream local service: {str(refusal.code).lower()})"
    return Reply.json({"errorId": 1, "errorCode": code, "errorDescription": said, **more}, 400)


def _told(task: Task, outcome: Outcome, **more: str) -> Reply:
    if isinstance(outcome, Refusal):
        return _refused(outcome, **more)
    return Reply.json(_fine(status="ready", solution=_solution(task, outcome), **more))


def _call_back(url: str, task: Task, outcome: Outcome) -> Message:
    """Return the family's call: a POST of what a look would get."""
    return Message(url, _told(task, outcome, taskId=task.id).body)


def _solution(task: Task, answer: Answer) -> dict[str, Any]:
    if task.kind == Kind.IMAGE:
        if len(answer.texts) > 1:
            return {"answers": list(answer.texts)}
        more = {} if answer.confidence is None else {"confidence": answer.confidence}
        return {"text": answer.text, **more}
    if answer.parts:
        return {**answer.parts, "token": answer.parts.get("cf_clearance", "")}
    if task.kind == Kind.TURNSTILE:
        return {"token": answer.text, "userAgent": USER_AGENT}
    return {"gRecaptchaResponse": answer.text, "userAgent": USER_AGENT}


def read_task(value: object) -> Work | Refusal:
    """Return the work a `task` object asks for, or what is wrong with it."""
    try:
        task = as_object(value)
    except Malformed:
        return Refusal("ERROR_BAD_REQUEST")
    name = _text(task.get("type")).lower()
    if not name:
        return Refusal(Reason.BAD_TASK)
    if name == "imagetotexttask":
        return _image(task)
    kind = next((kind for part, kind in _TYPES if part in name), None)
    if kind is None:
        return Refusal(Reason.NOT_SUPPORTED)
    return _token(kind, task)


_TYPES = (
    ("recaptchav3", Kind.RECAPTCHA_V3),
    ("recaptchav2", Kind.RECAPTCHA_V2),
    ("turnstile", Kind.TURNSTILE),
    ("geetest", Kind.GEETEST_V3),
    ("cloudflare", Kind.CLOUDFLARE),
)


def _token(kind: Kind, task: Mapping[str, Any]) -> Work | Refusal:
    if not _text(task.get("websiteURL")).startswith(("http://", "https://")):
        return Refusal(Reason.PAGE_URL)
    if kind is Kind.GEETEST_V3 and task.get("captchaId"):
        kind = Kind.GEETEST_V4
    names = ("websiteKey", "captchaId", "gt")
    subject = next((_text(task.get(name)) for name in names if task.get(name)), "")
    if kind is Kind.CLOUDFLARE:
        subject = subject or task["websiteURL"]
    return Work(kind=kind, subject=subject) if subject else Refusal(Reason.SITE_KEY)


def _image(task: Mapping[str, Any]) -> Work | Refusal:
    module, score = task.get("module", "common"), task.get("score", 0.0)
    if module not in _MODULES:
        return Refusal("ERROR_UNKNOWN_QUESTION")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        return Refusal(Reason.BAD_TASK)
    numbers = module == "number"
    images = _decode(task.get("images") if numbers and "images" in task else [task.get("body")])
    if isinstance(images, Refusal):
        return images
    subject = image_subject(*images)
    return Work(
        kind=Kind.IMAGE,
        subject=subject,
        images=tuple(images),
        numeric=1 if numbers else 0,
        score=float(score),
    )


def _decode(bodies: object) -> list[bytes] | Refusal:
    if not isinstance(bodies, list):
        return Refusal(Reason.BAD_TASK)
    images = [decode_base64(_text(body)) for body in cast("list[object]", bodies)]
    if not 0 < len(images) <= _MAX_IMAGES:
        return Refusal(Reason.BAD_TASK)
    whole = [image for image in images if isinstance(image, bytes)]
    return whole if len(whole) == len(images) else Refusal(Reason.BROKEN_UPLOAD)
