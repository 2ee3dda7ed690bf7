"""The `in.php` / `res.php` family (PROTOCOLS.md 1 and 4): one class, services as data.

A submit is a POST form answered by an id; a look is a GET answered by "not ready", an
answer or an error code. `json=1` does not promise JSON, so one parser reads both forms.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, Literal
from urllib.parse import urlencode

from attrs import evolve, field, frozen

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
from solvestream._wire import DEFAULT_LIMITS, Limits, Request, Response
from solvestream.errors import SolvestreamError
from solvestream.providers._account import LOOK, Account, no_call, plain, quote_id, raising
from solvestream.providers._answers import read_answer
from solvestream.providers._codes import (
    Code,
    Codes,
    as_error,
    find_code,
    look_outcome,
    submit_outcome,
)
from solvestream.providers._images import MEDIA_TYPES, ImageType, check_image
from solvestream.providers._inphp_form import REFERENCE, Form, Spelling, form
from solvestream.providers._inphp_parse import NOT_READY, parse, split_batch, split_price
from solvestream.providers._multipart import multipart
from solvestream.providers._protocol import Asked, Call, Capabilities, Pacing
from solvestream.providers._reply import (
    Refusal,
    Success,
    decode,
    good,
    is_html,
    is_id,
    judge_status,
    number,
    says_no,
    whole,
)
from solvestream.results import Balance, Threads
from solvestream.tasks import Bls, ImageToText, Task

Reply = Success | Refusal | AccountDown | Throttled | Unknown
ZeroBalance = Literal["account", "busy", "ask"]

ANSWER_TTL: Mapping[str, float] = {
    "recaptcha_v2": 120.0,
    "recaptcha_v3": 120.0,
    "turnstile": 300.0,
    "geetest_v3": 60.0,
    "geetest_v4": 60.0,
}

_ONE_SHOT = Limits(connect=5.0, read=15.0, total=15.0)
_BATCH = 100
_URLENCODED = "application/x-www-form-urlencoded"
_OPTIONS = attrgetter(
    *("numeric", "case_sensitive", "min_length", "max_length", "phrase", "calc", "language"),
    *("instructions", "module", "score", "website_url"),
)
_FORMS_KEPT = 64
"""Encoded fields of images kept at most; they hold the key and are shown nowhere."""
_PENDING = Pending()


@frozen(kw_only=True)
class Dialect:
    """What differs from service to service.

    Attributes:
        kinds: kinds of task it takes.
        codes: its error codes.
        spelling: of its fields.
        image_types: images it reads.
        multi_id: `ids=1,2,3` asks for several answers at once.
        get2: `action=get2` gives the price after the answer.
        threads: `action=threadsinfo` tells the slots.
        pacing: its reference, by kind.
    """

    kinds: frozenset[str] = frozenset({"image", "raw", "bls", "cloudflare_challenge", *ANSWER_TTL})
    codes: Codes
    spelling: Spelling = REFERENCE
    image_types: tuple[ImageType, ...] = ("PNG", "JPG", "GIF")
    multi_id: bool = False
    get2: bool = False
    threads: bool = True
    pacing: Mapping[str, Pacing] = {"": Pacing(), "recaptcha_v3": Pacing(first_look=20.0)}


class _Forms(dict[tuple[object, ...], str]):
    """Encoded fields by options. They hold the key, so `repr` shows none."""

    def __repr__(self) -> str:
        return f"<{len(self)} forms>"


@frozen(eq=False, repr=False, kw_only=True)
class InPhp(Account):
    """An account at a service of the `in.php` family. `CaptchaAI` is the one to use.

    Beside the options of every account:

    Attributes:
        dialect: what the service does differently.
        json: ask for JSON replies; both forms are read either way.
        multi_id: look at up to 100 tasks in one request, where the service can.
        one_shot: send images to `/solve.php`, answered in the same exchange within 15 s.
            A reply that is lost then loses the answer too.
        soft_id: sent with every submit.
        pingback: URL the service shall call when a task is done; a hint, never an answer.
        zero_balance: what ERROR_ZERO_BALANCE means on your plan: no funds (`account`), no free
            thread (`busy`), or either (`ask`): the account is then asked for its threads, at most
            once a second, and is out of funds if most are idle after two refusals in a row.
            Default `account`; at CaptchaAI `ask`. Where the service does not tell its threads,
            `ask` is `account`.
        lengths, proxies, geetest_v4, bls: other spellings of fields, see `Spelling`.
    """

    dialect: Dialect
    json: bool = False
    multi_id: bool | None = None
    one_shot: bool = False
    soft_id: str | int | None = field(default=None, validator=plain)
    pingback: str | None = field(default=None, validator=plain)
    zero_balance: ZeroBalance = "account"
    lengths: Literal["minLen", "min_len"] | None = None
    proxies: Literal["type:host:port:user:pass", "user:pass@host:port"] | None = None
    geetest_v4: Literal["geetest", "geetest_v4"] | None = None
    bls: Literal["sitekey", "images"] | None = None
    max_image_bytes: int = 102_400
    capabilities: Capabilities = field(init=False, repr=False)
    _spelling: Spelling = field(init=False, repr=False)
    _codes: Codes = field(init=False, repr=False)
    _common: Form = field(init=False, repr=False)
    _forms: _Forms = field(init=False, repr=False)
    _res: Secret = field(init=False, repr=False)
    _look: Secret = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        Account.__attrs_post_init__(self)
        names = ("lengths", "proxies", "geetest_v4", "bls")
        own = {name: value for name in names if (value := getattr(self, name)) is not None}
        json = {"json": "1"} if self.json else {}
        common = {"soft_id": self.soft_id, "pingback": self.pingback}
        self._set(
            _spelling=evolve(self.dialect.spelling, **own),
            _codes=self._code_table(),
            _forms=_Forms(),
            _common=json | {name: str(value) for name, value in common.items() if value},
            _res=Secret(
                f"{self._path}/res.php?{urlencode({'key': self.key.reveal(), **json})}&action="
            ),
            capabilities=self._capabilities(),
        )
        verb = "get2" if self.dialect.get2 else "get"
        self._set(_look=Secret(f"{self._res.reveal()}{verb}&id="))

    def _code_table(self) -> Codes:
        codes = self.dialect.codes
        if self.zero_balance == "busy":
            return {**codes, "ERROR_ZERO_BALANCE": Code("busy", 5)}
        if self.zero_balance == "ask" and self.dialect.threads:
            return {**codes, "ERROR_ZERO_BALANCE": Code("busy_or_broke")}
        return codes

    def _capabilities(self) -> Capabilities:
        dialect = self.dialect
        multi = dialect.multi_id if self.multi_id is None else self.multi_id
        return Capabilities(
            kinds=dialect.kinds,
            pacing=self._paces(dialect.pacing),
            max_batch=_BATCH if multi else 1,
            answer_ttl=ANSWER_TTL,
            slots=self.slots,
            price=self.price,
            threads=dialect.threads,
            max_image_bytes=self.max_image_bytes,
        )

    # Asking

    def submit(self, task: Task[Any], image: bytes | None) -> Call[SubmitOutcome]:
        """Ask for a task to be worked on. Raises `InvalidTask` before a byte leaves."""
        self._check(task, self.capabilities.kinds)
        if isinstance(task, ImageToText) and not task.upload:
            return self._submit_image(task, image or b"")
        fields = {**self._common, **form(task, self._spelling)}
        for picture in task.images if isinstance(task, Bls) else ():
            self._sniff(picture)
        if not isinstance(task, ImageToText):
            return Call(self._post("/in.php", self._urlencoded(fields)), self._read_submit)
        image = image or b""
        media_type = MEDIA_TYPES[self._sniff(image)]
        return self._send_image(self._multipart(fields, image, media_type))

    def _submit_image(self, task: ImageToText, image: bytes) -> Call[SubmitOutcome]:
        """Ask for an image as base64; most of a client's images have the same fields beside."""
        self._sniff(image)
        options = _OPTIONS(task)
        fields = self._forms.get(options)
        if fields is None:
            form_of_task = form(task, self._spelling)
            fields = urlencode({"key": self.key.reveal(), **self._common, **form_of_task})
            if len(self._forms) < _FORMS_KEPT:
                self._forms[options] = fields
        body = b"%b&body=%b" % (fields.encode(), _quoted_base64(image))
        return self._send_image((body, _URLENCODED))

    def _send_image(self, body: tuple[bytes, str]) -> Call[SubmitOutcome]:
        if self.one_shot:
            return Call(self._post("/solve.php", body, _ONE_SHOT), self._read_one_shot)
        return Call(self._post("/in.php", body), self._read_submit)

    def look(self, asked: Sequence[Asked]) -> Call[list[LookOutcome] | Mismatch]:
        """Ask for the answers of one to `max_batch` tasks."""
        if len(asked) == 1:
            task = asked[0]
            target = self._look.reveal() + quote_id(task.task_id)
            request = Request("GET", self._origin, target, limits=LOOK)
            return Call(request, partial(self._read_look, task.kind))
        ids = ",".join([quote_id(task.task_id) for task in asked])
        request = self._get(f"get&ids={ids}")
        return Call(request, partial(self._read_looks, [task.kind for task in asked]))

    def balance(self) -> Call[Balance]:
        """Ask for the money left, USD."""
        return Call(self._get("getbalance"), raising(self._read_balance))

    def report(self, task_id: str, *, correct: bool) -> Call[None]:
        """Tell whether an answer was right."""
        verb = "reportgood" if correct else "reportbad"
        return Call(self._get(f"{verb}&id={quote_id(task_id)}"), raising(self._read_report))

    def threads(self) -> Call[Threads]:
        """Ask for the slots. Raises `UsageError` where the service does not tell."""
        if not self.dialect.threads:
            return no_call(self.name, "threads")
        return Call(self._get("threadsinfo"), raising(self._read_threads))

    def _sniff(self, image: bytes) -> ImageType:
        return check_image(image, self.dialect.image_types, self.max_image_bytes, self.name)

    def _urlencoded(self, fields: Form) -> tuple[bytes, str]:
        return urlencode({"key": self.key.reveal(), **fields}).encode(), _URLENCODED

    def _multipart(self, fields: Form, image: bytes, media_type: str) -> tuple[bytes, str]:
        return multipart({"key": self.key.reveal(), **fields}.items(), "file", image, media_type)

    def _post(self, path: str, body: tuple[bytes, str], limits: Limits = DEFAULT_LIMITS) -> Request:
        return Request("POST", self._origin, self._path + path, *body, fresh=True, limits=limits)

    def _get(self, action: str) -> Request:
        return Request("GET", self._origin, self._res.reveal() + action, limits=LOOK)

    # Reading

    def _read_submit(self, response: Response) -> SubmitOutcome:
        reply = self._read(response)
        if isinstance(reply, Refusal):
            return submit_outcome(reply, self._codes, response)
        if not isinstance(reply, Success):
            return reply
        task_id = reply.value
        if reply.beside and reply.beside.get("status") != "1":
            return Unknown("a reply to a submit without a status")
        if not isinstance(task_id, str) or not is_id(task_id) or self._holds_key(task_id):
            return Unknown("a success without a proper task id")
        return Accepted(str(task_id), verified=response.delimited)

    def _read_one_shot(self, response: Response) -> SubmitOutcome:
        reply = self._read(response)
        if isinstance(reply, Refusal):
            return submit_outcome(reply, self._codes, response)
        return self._solved("image", reply) if isinstance(reply, Success) else reply

    def _read_look(self, kind: str, response: Response) -> list[LookOutcome]:
        if response.body == b"CAPCHA_NOT_READY" and response.status == 200:
            return [_PENDING]
        return [self._judge(kind, self._read(response), response)]

    def _read_looks(self, kinds: Sequence[str], response: Response) -> list[LookOutcome] | Mismatch:
        """Several answers in the order asked, without `OK|`; anything odd is a `Mismatch`."""
        text = decode(response)
        fit = isinstance(text, str) and text and good(response.status) and not is_html(text)
        parts = split_batch(str(text), len(kinds)) if fit else None
        if parts is not None:
            return [
                _PENDING if part in NOT_READY else self._judge(kind, self._part(part), response)
                for kind, part in zip(kinds, parts, strict=True)
            ]
        reply = self._read(response)
        one = self._judge("", reply, response)
        shared = isinstance(one, Throttled | AccountDown | Unknown)
        if shared and (not fit or isinstance(reply, Refusal)):
            return [one for _ in kinds]
        return Mismatch(f"a reply that does not fit {len(kinds)} ids")

    def _part(self, part: str) -> Reply:
        refusal = find_code(part, self._codes)
        if refusal is not None:
            return self._clean(refusal, self._codes)
        return Success(part) if part else Unknown("an empty part in a reply to several ids")

    def _judge(self, kind: str, reply: Reply, response: Response) -> LookOutcome:
        if isinstance(reply, Success):
            whole = response.delimited or bool(reply.beside)  # a cut JSON object does not parse
            return self._solved(kind, reply, verified=whole)
        if isinstance(reply, Refusal):
            return look_outcome(reply, self._codes, response)
        return reply

    def _solved(self, kind: str, reply: Success, *, verified: bool = True) -> Solved | Unknown:
        value, cost = reply.value, None
        if reply.beside:
            cost = number(reply.beside.get("price"))
        if self.dialect.get2 and not reply.beside:
            value, cost = split_price(value)
        solution = read_answer(kind, value, reply.beside)
        if solution is None:
            return Unknown(f"a success without an answer of kind {kind}")
        return Solved(solution, cost=cost, verified=verified)

    def _read_balance(self, response: Response) -> Balance | SolvestreamError:
        text = decode(response)
        if number(text) is not None and good(response.status):
            reply: Reply = Success(text)
        else:
            reply = self._read(response)
        amount = number(reply.value) if isinstance(reply, Success) else None
        if amount is None or not isinstance(reply, Success):
            return self._error(reply, response)
        return Balance(amount, "USD", str(reply.value))

    def _read_report(self, response: Response) -> SolvestreamError | None:
        text = decode(response)
        if good(response.status) and text in ("", "OK_REPORT_RECORDED"):
            return None
        reply = self._read(response)
        if isinstance(reply, Success) and reply.beside.get("status") == "1":
            return None
        return self._error(reply, response)

    def _read_threads(self, response: Response) -> Threads | SolvestreamError:
        reply = self._read(response)
        fields: Mapping[str, Any] = reply.beside if isinstance(reply, Success) else {}
        limit, working = whole(fields.get("threads")), whole(fields.get("working_threads"))
        if limit is None or working is None:
            return self._error(reply, response)
        return Threads(limit=limit, working=working)

    def _error(self, reply: Reply, response: Response) -> SolvestreamError:
        if isinstance(reply, Success):
            return as_error(Unknown("the reply does not hold what was asked for"), self.name)
        return as_error(self._judge("", reply, response), self.name)

    def _read(self, response: Response) -> Reply:
        """Return what a reply says; a code of the table counts under any status (S31)."""
        text, status = decode(response), response.status
        if isinstance(text, Unknown):
            return text
        reply = parse(text, self._codes)
        if isinstance(reply, Success):
            return reply if good(status) else Unknown(f"a success under HTTP {status}", str(status))
        if reply is not None and (reply.code in self._codes or says_no(status)):
            return self._clean(reply, self._codes)
        if good(status):
            return Unknown(f"an unexpected reply: {self._excerpt(text)}")
        return judge_status(response)


def _quoted_base64(data: bytes) -> bytes:
    text = base64.b64encode(data)
    return text.replace(b"+", b"%2B").replace(b"/", b"%2F").replace(b"=", b"%3D")
