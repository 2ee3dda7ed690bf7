"""Solvora: an OCR service over REST (PROTOCOLS.md 2).

A task and its answer are deleted 30 s after submission, so looks come early and give up
early: one that hangs must leave time for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from attrs import field, frozen

from solvestream._outcomes import (
    Accepted,
    AccountDown,
    Failed,
    LookOutcome,
    Lost,
    Mismatch,
    Pending,
    Solved,
    SubmitOutcome,
    Throttled,
    Unknown,
)
from solvestream._secret import Secret
from solvestream._wire import DEFAULT_LIMITS, Limits, Request, Response
from solvestream.errors import SolvestreamError
from solvestream.providers._account import LOOK, Account, no_call, quote_id, raising
from solvestream.providers._answers import read_answer
from solvestream.providers._codes import as_error
from solvestream.providers._images import MEDIA_TYPES, ImageType, check_image
from solvestream.providers._multipart import multipart
from solvestream.providers._protocol import Asked, Call, Capabilities, Pacing
from solvestream.providers._reply import (
    compact,
    decode,
    good,
    is_html,
    is_id,
    judge_status,
    load_object,
    number,
)
from solvestream.results import Balance, Threads
from solvestream.tasks import Task

RETENTION = 30.0
"""Seconds after submission when task and answer are deleted."""

_IMAGES: tuple[ImageType, ...] = ("PNG", "JPG", "BMP")
_PACING = {"": Pacing(first_look=1.0, interval=1.0, max_looks=30, deadline=30.0)}
_PERISHING = Limits(connect=5.0, read=5.0, total=8.0)
_BAD_INPUT = frozenset({400, 413, 415, 422})

Reply = dict[str, Any] | AccountDown | Throttled | Unknown


@frozen(eq=False, repr=False, kw_only=True)
class Solvora(Account):
    """An account at a Solvora service: `Solvora("your key", base_url="https://...")`.

    Reads images only: PNG, JPG or BMP. There is no public host, so `base_url` is required;
    `from_env()` takes it from `SOLVORA_BASE_URL`. The balance counts solves.
    """

    _key_variable: ClassVar[str] = "SOLVORA_API_KEY"
    _url_variable: ClassVar[str] = "SOLVORA_BASE_URL"

    name: str = "solvora"
    capabilities: Capabilities = field(init=False, repr=False)
    _query: Secret = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        Account.__attrs_post_init__(self)
        self._set(
            _query=Secret(f"?api={quote(self.key.reveal(), safe='')}"),
            capabilities=Capabilities(
                kinds=frozenset({"image"}),
                pacing=self._paces(_PACING),
                retention=RETENTION,
                slots=self.slots,
                price=self.price,
                reports=False,
                max_image_bytes=self.max_image_bytes,
            ),
        )

    # Asking

    def submit(self, task: Task[Any], image: bytes | None) -> Call[SubmitOutcome]:
        """Ask for an image to be read. Raises `InvalidTask` before a byte leaves."""
        self._check(task, self.capabilities.kinds)
        image = image or b""
        kind = check_image(image, _IMAGES, self.max_image_bytes, self.name)
        body = multipart((), "image", image, MEDIA_TYPES[kind])
        target = self._target("/api/ocr/solve")
        request = Request("POST", self._origin, target, *body, fresh=True, limits=DEFAULT_LIMITS)
        return Call(request, self._read_submit)

    def look(self, asked: Sequence[Asked]) -> Call[list[LookOutcome] | Mismatch]:
        """Ask for the answer of one task."""
        task_id = asked[0].task_id
        target = self._target("/api/ocr/result/" + quote_id(task_id))
        request = Request("GET", self._origin, target, limits=_PERISHING)
        return Call(request, partial(self._read_look, task_id))

    def balance(self) -> Call[Balance]:
        """Ask for the solves left."""
        request = Request("GET", self._origin, self._target("/api/balance"), limits=LOOK)
        return Call(request, raising(self._read_balance))

    def report(self, task_id: str, *, correct: bool) -> Call[None]:
        """Raise `UsageError`: the service takes no reports."""
        return no_call(self.name, "report")

    def threads(self) -> Call[Threads]:
        """Raise `UsageError`: the service does not tell its slots."""
        return no_call(self.name, "threads")

    def _target(self, path: str) -> str:
        return self._path + path + self._query.reveal()

    # Reading

    def _read_submit(self, response: Response) -> SubmitOutcome:
        reply = self._read(response)
        if not isinstance(reply, dict):
            return self._bad_input(response) or reply
        task_id = reply.get("task_id")
        if reply.get("status") != "ok" or not isinstance(task_id, str) or not is_id(task_id):
            return Unknown("a reply to a submit without ok and a proper task_id")
        if self._holds_key(task_id):
            return Unknown("a task_id that holds the key")
        return Accepted(str(task_id), verified=response.delimited)

    def _read_look(self, task_id: str, response: Response) -> list[LookOutcome]:
        reply = self._read(response)
        if isinstance(reply, dict):
            return [self._judge(task_id, reply)]
        message = self._detail(response)
        if response.status == 404 and message is not None:
            return [Lost("404", message)]
        return [reply]

    def _judge(self, task_id: str, reply: dict[str, Any]) -> LookOutcome:
        if reply.get("task_id", task_id) != task_id:
            return Unknown("the reply is about another task_id")
        result = reply.get("result")
        if reply.get("status") == "fail":
            message = result if isinstance(result, str) else ""
            return Failed("fail", charged="maybe", message=self.scrub(message))
        if reply.get("status") != "ok":
            return Unknown("a reply with neither ok nor fail")
        if result == "in_process" and reply.get("time") is None:
            return Pending()
        solution = read_answer("image", result, reply)
        return Unknown("ok without a result") if solution is None else Solved(solution)

    def _read_balance(self, response: Response) -> Balance | SolvestreamError:
        reply = self._read(response)
        if not isinstance(reply, dict):
            return as_error(reply, self.name)
        amount = number(reply.get("solves"))
        if reply.get("status") != "ok" or amount is None:
            return as_error(Unknown("a balance without ok and a number of solves"), self.name)
        return Balance(amount, "solves", str(reply["solves"]))

    def _read(self, response: Response) -> Reply:
        """Return the JSON object of a success, or what the status says."""
        text = decode(response)
        if isinstance(text, Unknown):
            return text
        if not good(response.status):
            return judge_status(response, self._detail(response) or "")
        fields = load_object(text)
        if fields is None:
            return Unknown(f"no JSON object: {self._excerpt(text)}")
        return fields

    def _bad_input(self, response: Response) -> Failed | None:
        """Return the service's own refusal of an image: JSON with a `detail`."""
        text = decode(response)
        fields = load_object(text) if isinstance(text, str) else None
        if response.status not in _BAD_INPUT or not fields or "detail" not in fields:
            return None
        message = self._detail(response) or ""
        return Failed(str(response.status), "input", charged="no", message=message)

    def _detail(self, response: Response) -> str | None:
        """Return `detail` of a JSON error, else the body; `None` for a page of HTML."""
        text = decode(response)
        if isinstance(text, Unknown) or is_html(text):
            return None
        fields = load_object(text)
        detail = text if fields is None else fields.get("detail", "")
        return self.scrub(detail if isinstance(detail, str) else compact(detail) or "")
