"""The `createTask` family (PROTOCOLS.md 3 and 4): one class, services as data.

Everything is a POST of JSON with the key as `clientKey`. A submit may be answered with the
solution at once. Errors are classified by `errorCode`, whatever `errorId` and status say.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from attrs import field, frozen

from solvestream._outcomes import (
    Accepted,
    AccountDown,
    LookOutcome,
    Mismatch,
    Pending,
    Solved,
    SubmitOutcome,
    Throttled,
    Unknown,
)
from solvestream._secret import Secret
from solvestream._wire import DEFAULT_LIMITS, Request, Response
from solvestream.errors import InvalidTask, SolvestreamError
from solvestream.providers._account import LOOK, Account, no_call, plain, raising
from solvestream.providers._answers import read_answer
from solvestream.providers._codes import Codes, as_error, look_outcome, submit_outcome
from solvestream.providers._images import ImageType, check_image
from solvestream.providers._protocol import Asked, Call, Capabilities, Pacing
from solvestream.providers._reply import (
    Refusal,
    decode,
    good,
    is_id,
    judge_status,
    load_object,
    number,
    says_no,
)
from solvestream.results import Balance, Threads
from solvestream.tasks import ImageToText, Proxy, RawTask, Task

Reply = dict[str, Any] | Refusal | AccountDown | Throttled | Unknown


_JSON_INT = re.compile(r"0|[1-9][0-9]*").fullmatch


@frozen(kw_only=True)
class Dialect:
    """What differs from service to service.

    Attributes:
        codes: its error codes, and numbers of `errorId` where it uses more than 0 and 1.
        image_types: images it reads.
        image_options: fields of `ImageToText` it knows, and how it spells them.
        tokens: kinds of token task, each with its `type` without and with a proxy.
        int_ids: task ids are JSON integers.
        feedback: `/feedbackTask` takes reports.
        pacing: its reference.
        min_interval: seconds that must lie between looks at one task.
        retention: seconds it keeps a result.
    """

    codes: Codes
    image_types: tuple[ImageType, ...] = ("PNG", "JPG", "GIF")
    image_options: Mapping[str, str]
    tokens: Mapping[str, tuple[str, str]] = {}
    int_ids: bool = False
    feedback: bool = False
    pacing: Pacing
    min_interval: float = 0.0
    retention: float | None = None


@frozen(eq=False, repr=False, kw_only=True)
class CreateTask(Account):
    """An account at a service of the `createTask` family. `CapSolver` is the one to use.

    Beside the options of every account:

    Attributes:
        dialect: what the service does differently.
        app_id: sent with every submit, as `appId`.
        pingback: URL the service shall call when a task is done, sent as `callbackUrl`; a hint,
            never an answer.
    """

    dialect: Dialect
    app_id: str | None = None
    pingback: str | None = field(default=None, validator=plain)
    capabilities: Capabilities = field(init=False, repr=False)
    _client: Secret = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        Account.__attrs_post_init__(self)
        dialect = self.dialect
        self._set(
            _client=Secret('{"clientKey":' + json.dumps(self.key.reveal())),
            capabilities=Capabilities(
                kinds=frozenset({"image", "raw", *dialect.tokens}),
                pacing=self._paces({"": dialect.pacing}),
                min_interval=dialect.min_interval,
                retention=dialect.retention,
                slots=self.slots,
                price=self.price,
                reports=dialect.feedback,
                max_image_bytes=self.max_image_bytes,
            ),
        )

    # Asking

    def submit(self, task: Task[Any], image: bytes | None) -> Call[SubmitOutcome]:
        """Ask for a task to be worked on. Raises `InvalidTask` before a byte leaves."""
        self._check(task, self.capabilities.kinds)
        if isinstance(task, ImageToText):
            image = image or b""
            check_image(image, self.dialect.image_types, self.max_image_bytes, self.name)
            fields = self._image_fields(task)
        else:
            image = None
            fields = dict(task.fields) if isinstance(task, RawTask) else self._token_fields(task)
        common = {"appId": self.app_id, "callbackUrl": self.pingback}
        beside = (
            f',"{name}":{json.dumps(value)}' for name, value in common.items() if value is not None
        )
        head = f'{"".join(beside)},"task":{_json(fields)[:-1]}'.encode()
        # base64 goes in as it is: nothing in it needs an escape
        body = b"" if image is None else b',"body":"%b"' % base64.b64encode(image)
        request = self._post("/createTask", head + body + b"}}", submit=True)
        return Call(request, partial(self._read_submit, task.kind))

    def look(self, asked: Sequence[Asked]) -> Call[list[LookOutcome] | Mismatch]:
        """Ask for the answer of one task."""
        task = asked[0]
        request = self._post("/getTaskResult", b',"taskId":%b}' % self._id(task.task_id))
        return Call(request, partial(self._read_look, task.kind, task.task_id))

    def balance(self) -> Call[Balance]:
        """Ask for the money left, USD."""
        return Call(self._post("/getBalance", b"}"), raising(self._read_balance))

    def report(self, task_id: str, *, correct: bool) -> Call[None]:
        """Tell whether an answer was right. Raises `UsageError` where there is no call."""
        if not self.dialect.feedback:
            return no_call(self.name, "reports")
        rest = b',"taskId":%b,"result":{"invalid":%b}}'
        body = rest % (self._id(task_id), b"false" if correct else b"true")
        return Call(self._post("/feedbackTask", body), raising(self._read_report))

    def threads(self) -> Call[Threads]:
        """Raise `UsageError`: services of this family do not tell their slots."""
        return no_call(self.name, "threads")

    def _post(self, path: str, rest: bytes, *, submit: bool = False) -> Request:
        return Request(
            "POST",
            self._origin,
            self._path + path,
            self._client.reveal().encode() + rest,
            "application/json",
            fresh=submit,
            limits=DEFAULT_LIMITS if submit else LOOK,
        )

    def _id(self, task_id: str) -> bytes:
        bare = self.dialect.int_ids and _JSON_INT(task_id)
        return (task_id if bare else json.dumps(task_id)).encode()

    def _image_fields(self, task: ImageToText) -> dict[str, Any]:
        options = {
            wire: value
            for name, wire in self.dialect.image_options.items()
            if (value := getattr(task, name)) is not None
        }
        return {"type": "ImageToTextTask", **options}

    def _token_fields(self, task: Any) -> dict[str, Any]:
        proxy: Proxy | None = task.proxy
        fields: dict[str, object] = {
            "type": self.dialect.tokens[task.kind][proxy is not None],
            "websiteURL": task.page_url,
            "websiteKey": getattr(task, "site_key", None),
            "isInvisible": getattr(task, "invisible", None) or None,
            "gt": getattr(task, "gt", None),
            "challenge": getattr(task, "challenge", None),
            "geetestApiServerSubdomain": getattr(task, "api_server", None),
        }
        if proxy is not None:
            fields |= {
                "proxyType": proxy.type.lower(),
                "proxyAddress": proxy.host,
                "proxyPort": proxy.port,
                "proxyLogin": proxy.username,
                "proxyPassword": proxy.password,
            }
        return {name: value for name, value in fields.items() if value is not None}

    # Reading

    def _read_submit(self, kind: str, response: Response) -> SubmitOutcome:
        reply = self._read(response)
        if isinstance(reply, Refusal):
            return submit_outcome(reply, self.dialect.codes, response)
        if not isinstance(reply, dict):
            return reply
        task_id = self._task_id(reply)
        if reply.get("status") == "ready":
            solved = _solved(kind, reply, task_id)
            if isinstance(solved, Solved) or task_id is None:
                return solved
        if task_id is None:
            return Unknown("a success with neither a solution nor a proper taskId")
        return Accepted(task_id, verified=response.delimited)

    def _read_look(self, kind: str, task_id: str, response: Response) -> list[LookOutcome]:
        reply = self._read(response)
        if isinstance(reply, Refusal):
            return [look_outcome(reply, self.dialect.codes, response)]
        if not isinstance(reply, dict):
            return [reply]
        if reply.get("taskId") not in (None, "", task_id):
            return [Unknown("the reply is about another taskId")]
        if reply.get("status") in ("idle", "processing"):
            return [Pending()]
        if reply.get("status") != "ready":
            return [Unknown("neither idle, processing nor ready")]
        return [_solved(kind, reply, None)]

    def _read_balance(self, response: Response) -> Balance | SolvestreamError:
        reply = self._read(response)
        amount = number(reply.get("balance")) if isinstance(reply, dict) else None
        if amount is None or not isinstance(reply, dict):
            return self._error(reply, response)
        return Balance(amount, "USD", str(reply["balance"]))

    def _read_report(self, response: Response) -> SolvestreamError | None:
        reply = self._read(response)
        return None if isinstance(reply, dict) else self._error(reply, response)

    def _error(self, reply: Reply, response: Response) -> SolvestreamError:
        if isinstance(reply, dict):
            return as_error(Unknown("the reply does not hold what was asked for"), self.name)
        if isinstance(reply, Refusal):
            return as_error(look_outcome(reply, self.dialect.codes, response), self.name)
        return as_error(reply, self.name)

    def _read(self, response: Response) -> Reply:
        """Return the fields of a success, or what else the reply says."""
        text = decode(response)
        if isinstance(text, Unknown):
            return text
        fields = load_object(text)
        status = response.status
        if fields is not None:
            refusal = self._refusal(fields)
            if refusal is None:
                return fields if good(status) else judge_status(response)
            if refusal.code in self.dialect.codes or (refusal.code and says_no(status)):
                return self._clean(refusal, self.dialect.codes)
            refusal = self._clean(refusal, self.dialect.codes)
            return judge_status(response, f"{refusal.code} {refusal.message}".strip())
        if good(status):
            return Unknown(f"no JSON object: {self._excerpt(text)}")
        return judge_status(response)

    def _refusal(self, fields: Mapping[str, Any]) -> Refusal | None:
        """Return the error a reply names: by its code, else by a number of the family."""
        code, number_ = fields.get("errorCode"), fields.get("errorId")
        if not code and number_ in (None, "0"):
            return None
        codes, words = self.dialect.codes, fields.get("errorDescription")
        names = [str(name) for name in (code, number_) if isinstance(name, str) and name]
        known = [name for name in names if name in codes]
        named = [name for name in names if name.startswith("ERROR_")]
        found = next(iter(known + named), "")
        rest = [name for name in named if name != found]
        return Refusal(found, " ".join(rest + ([words] if isinstance(words, str) else [])))

    def _task_id(self, fields: Mapping[str, Any]) -> str | None:
        task_id = fields.get("taskId")
        if not isinstance(task_id, str) or not is_id(task_id) or self._holds_key(task_id):
            return None
        return str(task_id)


def _solved(kind: str, fields: Mapping[str, Any], task_id: str | None) -> Solved | Unknown:
    solution = read_answer(kind, fields.get("solution"), {})
    if solution is None:
        return Unknown(f"ready without a solution of kind {kind}")
    return Solved(solution, task_id, number(fields.get("cost")))


def _json(fields: Mapping[str, Any]) -> str:
    try:
        return json.dumps(fields, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        reason = type(error).__name__
    fix = f"they are no JSON ({reason}); give str, int, float, bool, None, lists and dicts"
    raise InvalidTask(field="fields", value=", ".join(map(str, fields)), fix=fix)
