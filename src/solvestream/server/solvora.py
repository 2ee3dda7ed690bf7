"""Solvora: balance, submit, result, with the key as `api` (PROTOCOLS.md 2)."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define

from .book import Family, Holder, Task
from .desk import Desk
from .wire import Malformed, Reply, Request, parse_query
from .work import Kind, Reason, Refusal, Work, image_subject

STATUS: Mapping[str, tuple[int, str]] = {
    Reason.MALFORMED_KEY: (401, "Invalid API key"),
    Reason.UNKNOWN_KEY: (401, "Invalid API key"),
    Reason.ZERO_BALANCE: (402, "No solves remaining"),
    Reason.BANNED: (403, "Banned"),
    Reason.NO_SLOT: (429, "Too many tasks"),
    Reason.THROTTLED: (429, "Too many requests"),
    Reason.UNKNOWN_TASK: (404, "Task not found or expired"),
    Reason.EMPTY_IMAGE: (400, "Image is empty"),
    Reason.BROKEN_UPLOAD: (400, "Field 'image' is missing"),
    Reason.TOO_BIG: (413, "Image is too large"),
    Reason.NOT_AN_IMAGE: (400, "Not a PNG, JPG or BMP image"),
}

RESULT_PATH = "/api/ocr/result/"


@define(eq=False)
class Solvora:
    """Speaks the protocol for one desk."""

    desk: Desk

    def balance(self, request: Request) -> Reply:
        """`GET /api/balance`: solves left, and how many went in the last day."""
        holder = self._enter(request)
        if isinstance(holder, Refusal):
            return _refused(holder)
        used = holder.spent_solves
        return Reply.json({"status": "ok", "solves": holder.solves, "24h": used})

    def submit(self, request: Request) -> Reply:
        """`POST /api/ocr/solve`: one image, multipart field `image`."""
        holder = self._enter(request)
        if isinstance(holder, Refusal):
            return _refused(holder)
        work = _read_task(request)
        if isinstance(work, Refusal):
            return _refused(self.desk.book.refuse(holder, work))
        task = self.desk.submit(holder, Family.SOLVORA, work)
        if isinstance(task, Refusal):
            return _refused(task)
        solves = holder.solves
        said = {"status": "ok", "result": "in_process", "task_id": task.id, "solves": solves}
        return Reply.json(said)

    def result(self, request: Request) -> Reply:
        """`GET /api/ocr/result/{task_id}`: `time` is null until the task is done."""
        holder = self._enter(request)
        if isinstance(holder, Refusal):
            return _refused(holder)
        now = self.desk.clock()
        task_id = request.path.removeprefix(RESULT_PATH)
        task = self.desk.book.look(holder, Family.SOLVORA, task_id, now)
        if isinstance(task, Refusal):
            return _refused(task)
        outcome = task.ready(now)
        if outcome is None:
            return _told(task, "ok", "in_process", None)
        self.desk.book.take(task, now)
        seconds = round(task.ready_at - task.submitted_at, 2)
        if isinstance(outcome, Refusal):
            return _told(task, "fail", _message(outcome), seconds)
        return _told(task, "ok", outcome.text, seconds)

    def refuse(self, _: Request, code: str) -> Reply:
        """Return the service's error reply."""
        return _refused(Refusal(code))

    def _enter(self, request: Request) -> Holder | Refusal:
        try:
            fields = parse_query(request.query)
        except Malformed:
            return Refusal(Reason.MALFORMED_KEY)
        return self.desk.book.holder(fields.get("api", ""))


def _read_task(request: Request) -> Work | Refusal:
    try:
        upload = request.form().files.get("image")
    except Malformed:
        upload = None
    if upload is None:
        return Refusal(Reason.BROKEN_UPLOAD)
    if upload.content.startswith(b"GIF8"):
        return Refusal(Reason.NOT_AN_IMAGE)
    subject = image_subject(upload.content)
    return Work(kind=Kind.IMAGE, subject=subject, images=(upload.content,))


def _refused(refusal: Refusal) -> Reply:
    status, detail = STATUS.get(refusal.code, (400, str(refusal.code)))
    return Reply.json({"detail": detail}, status)


def _told(task: Task, status: str, result: str, seconds: float | None) -> Reply:
    said = {"status": status, "result": result, "task_id": task.id, "time": seconds}
    return Reply.json({**said, "solves": task.holder.solves})


def _message(refusal: Refusal) -> str:
    return "Could not read the image" if isinstance(refusal.code, Reason) else refusal.code
