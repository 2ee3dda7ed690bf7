"""What the journal stores to columns and back: tags, answers and errors as JSON.

Whatever a service or a user puts into a string comes back as it was, lone surrogates and NUL
included. What is never written: keys, proxies, tasks' fields, images. Of an `InvalidTask` the
field's value stays out for that reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal, cast

import attrs
from attrs import frozen

from solvestream import errors
from solvestream.errors import (
    AccountError,
    Busy,
    DeadlineExceeded,
    InvalidTask,
    SolvestreamError,
    SubmitUnknown,
    TaskLost,
    TransportError,
)
from solvestream.results import Result, Ticket
from solvestream.solutions import Solution

State = Literal["intent", "accepted", "solved", "failed", "rejected", "lost", "unknown", "expired"]

_ENDS: tuple[tuple[type[SolvestreamError], State], ...] = (
    (SubmitUnknown, "unknown"),
    (DeadlineExceeded, "expired"),
    (TaskLost, "lost"),
)

_REFUSALS = (InvalidTask, AccountError, Busy, TransportError)
_ERROR_FIELDS = (
    *("code", "account", "job_key", "task_id", "verdict", "charged", "resumable"),
    *("cause", "retry_after", "field", "fix"),
)
_OF_SOME: dict[type[SolvestreamError], dict[str, object]] = {
    AccountError: {"cause": None, "retry_after": None},
    InvalidTask: {"field": None, "value": "None", "fix": None},
}

_encode = json.JSONEncoder(separators=(",", ":")).encode


@frozen
class StoredSolution(Solution):
    """An answer of a class that is not loaded, or whose values JSON does not give back.

    Attributes:
        type: the class, as `module.Name`.
        fields: its fields as JSON values; what JSON cannot hold is there as its `repr`.
    """

    type: str
    fields: Mapping[str, Any]


@frozen(kw_only=True)
class Entry:
    """What the journal knows of one attempt to buy one job. Times are seconds since the epoch.

    Attributes:
        row: its number in the journal, for `Journal.ended` and `Journal.acked`.
        state: `intent` (it may or may not have been bought), `accepted`, or how it ended.
        job_key: the stable identity.
        account: name of the account.
        kind: of task.
        tag: the task's own, where JSON gives it back as it was; else `None`.
        queued_at: when the task was handed over.
        submitted_at: when it was about to be sent.
        accepted_at: when the service's id was seen.
        ended_at: when answer or error was seen.
        taken_at: when it was acknowledged; the solution is no longer stored then.
        task_id: the service's id, if it gave one.
        solution: the answer of a solved one, until it is acknowledged.
        error: why there is none.
        looks: how often the service was asked.
        looked: when, in seconds from acceptance, once it ended: the first 255 and the last.
        cost: USD, where the service says.
        expires_at: until when the answer is good, where known.
    """

    row: int
    state: State
    job_key: str
    account: str
    kind: str
    tag: Any = None
    queued_at: float
    submitted_at: float
    accepted_at: float | None = None
    ended_at: float | None = None
    taken_at: float | None = None
    task_id: str | None = None
    solution: Solution | None = None
    error: SolvestreamError | None = None
    looks: int = 0
    looked: tuple[float, ...] = ()
    cost: float | None = None
    expires_at: float | None = None

    @property
    def ticket(self) -> Ticket | None:
        """What it takes to ask for the answer again, once it was accepted."""
        return _ticket(self.job_key, self.account, self.kind, self.task_id, self.accepted_at)

    def to_json(self) -> str:
        """Return the entry as one JSON object, as text, without what is not known."""
        record = attrs.asdict(self, recurse=False, filter=lambda _, value: value not in (None, ()))
        if self.solution is not None:
            record["solution"] = json.loads(encode_solution(self.solution))
        if self.error is not None:
            record["error"] = json.loads(encode_error(self.error))
        return _encode(record)

    def result(self) -> Result[Solution]:
        """Return an ended one as the result it was, marked `redelivered`."""
        return Result(
            tag=self.tag,
            ok=self.state == "solved",
            solution=cast("Solution", self.solution),
            error=self.error,
            ticket=self.ticket,
            account=self.account,
            submitted_at=self.accepted_at,
            solved_at=self.ended_at if self.state == "solved" else None,
            elapsed=max(0.0, (self.ended_at or self.queued_at) - self.queued_at),
            polls=self.looks,
            expires_at=self.expires_at,
            cost=self.cost,
            redelivered=True,
        )


@frozen(kw_only=True)
class Sample:
    """How an account stood at a moment, as in `results.AccountStatistics`.

    Attributes:
        at: seconds since the epoch.
        account: its name.
        queued: tasks of the whole client that wait to be submitted.
        in_flight: submits on the wire and tasks at the service.
        limit: tasks under way at most, as known or learned; may be infinite.
        gate: `open` or `closed`.
        breaker: `closed`, `open` or `half-open`.
        submits, refused, throttled, looks, troubles: counted since the client was opened.
        spent: USD since then.
    """

    at: float
    account: str
    queued: int
    in_flight: int
    limit: float
    gate: str
    breaker: str
    submits: int
    refused: int
    throttled: int
    looks: int
    troubles: int
    spent: float


def _ticket(
    job_key: str, account: str, kind: str, task_id: str | None, at: float | None
) -> Ticket | None:
    if at is None:
        return None
    known = task_id or job_key
    return Ticket(account=account, task_id=known, job_key=job_key, kind=kind, submitted_at=at)


# To JSON


def encode_text(text: str) -> str | bytes:
    """Return a string as SQLite takes it: one with lone surrogates has to be bytes."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def encode_tag(tag: object) -> str | None:
    """Return a tag as JSON, or `None` for one that JSON does not give back as it was."""
    if tag is None:
        return None
    if type(tag) is int and tag.bit_length() < 64:
        return str(tag)
    if type(tag) is str or _returns(tag):
        return _encode(tag)
    return None


def encode_solution(solution: Solution) -> str:
    """Return the text of an answer, by the name of its class. Never raises."""
    name, fields = _named(solution)
    if type(solution).__module__ == Solution.__module__ or _returns(fields, solution):
        return _encode({"type": name, "fields": fields})
    return _encode({"type": name, "inexact": True, "fields": _shown(fields)})


def _named(solution: Solution) -> tuple[str, dict[str, Any]]:
    """The class by name; the fields of an attrs class, and the attributes of any other."""
    if isinstance(solution, StoredSolution):
        return solution.type, dict(solution.fields)
    name, aliases = _shape(cast("Any", type(solution)))
    own = {field: getattr(solution, field) for field in aliases}
    return name, own | getattr(solution, "__dict__", {})


@cache
def _shape(kind: type[Solution]) -> tuple[str, dict[str, str]]:
    """A class by name, and what its constructor calls its fields."""
    aliases = {one.name: one.alias or one.name for one in attrs.fields(kind) if one.init}
    return f"{kind.__module__}.{kind.__qualname__}", aliases


def _shown(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields with those that JSON cannot hold as their `repr`, or their class where it has none."""
    shown = dict(fields)
    for name, value in fields.items():
        if not _returns(value):
            try:
                shown[name] = repr(value)
            except Exception:  # noqa: BLE001 - somebody else's repr
                shown[name] = f"<{type(value).__name__}>"
    return shown


def _returns(value: object, solution: Solution | None = None) -> bool:
    """Whether JSON gives a value, or the solution made of such fields, back as it was."""
    try:
        back = json.loads(_encode(value))
        if solution is not None and not isinstance(solution, StoredSolution):
            return bool(_rebuilt(type(solution), back) == solution)
        return bool(back == value)
    except Exception:  # noqa: BLE001 - somebody else's tag or class, in its own comparison too
        return False


def encode_error(error: SolvestreamError) -> str:
    """Return an error with all it tells, but for the value of a task's field."""
    known = (c.__name__ for c in type(error).__mro__ if c.__module__ == errors.__name__)
    record: dict[str, Any] = {"type": next(known), "message": str(error)}
    if isinstance(error, InvalidTask) and error.field is not None:
        record["message"] = f"{error.field}: {error.fix}"  # its value may be an image or a secret
    values = ((name, getattr(error, name, None)) for name in _ERROR_FIELDS)
    record.update((name, value) for name, value in values if value is not None)
    if error.ticket is not None:
        record["ticket"] = error.ticket.to_json()
    return _encode(record)


def encode_looked(offsets: Sequence[float]) -> str | None:
    """Return moments of looks, to the millisecond; `None` for no look."""
    return _encode([round(offset, 3) for offset in offsets]) if offsets else None


# From JSON


def decode(row: Mapping[str, Any]) -> Entry:
    """Read one row, its texts as bytes. Raises `ValueError` for what was never written so."""
    known: dict[str, Any] = dict(row)
    try:
        for name in ("job_key", "account", "kind", "task_id"):
            known[name] = _text(known[name])
        for name, read in (("tag", json.loads), ("error", _error), ("solution", decode_solution)):
            known[name] = None if known[name] is None else read(known[name])
        known["looks"] = known["looks"] or 0
        known["looked"] = tuple(map(float, json.loads(known.get("looked") or b"[]")))
        return Entry(row=known.pop("id"), state=_state(known), **known)
    except (KeyError, TypeError, AttributeError, RecursionError, SolvestreamError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise ValueError(reason)


def decode_sample(row: Mapping[str, Any]) -> Sample:
    """Read one sample, its texts as bytes. Raises `ValueError` for what was never written so."""
    known: dict[str, Any] = {name: value for name, value in dict(row).items() if name != "id"}
    try:
        for name in ("account", "gate", "breaker"):
            known[name] = known[name].decode("utf-8", "surrogatepass")
        for name in ("at", "limit", "spent"):
            known[name] = float(known[name])
        return Sample(**known)
    except (KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise ValueError(reason)


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "surrogatepass")


def _state(known: Mapping[str, Any]) -> State:
    if known["ended_at"] is None:
        return "intent" if known["accepted_at"] is None else "accepted"
    if known["error"] is None:
        return "solved"
    for kind, state in _ENDS:
        if isinstance(known["error"], kind):
            return state
    bought = known["accepted_at"] is not None
    return "rejected" if isinstance(known["error"], _REFUSALS) and not bought else "failed"


def _error(text: bytes) -> SolvestreamError:
    record = json.loads(text)
    kind = getattr(errors, record["type"], None)
    if not (isinstance(kind, type) and issubclass(kind, SolvestreamError)):
        kind = SolvestreamError
    error = kind.__new__(kind)
    SolvestreamError.__init__(error, record["message"])
    error.__dict__.update(_OF_SOME.get(kind, {}))
    error.__dict__.update((name, record[name]) for name in _ERROR_FIELDS if name in record)
    if "ticket" in record:
        error.ticket = Ticket.from_json(record["ticket"])
    return error


def decode_solution(text: str | bytes) -> Solution:
    """Read an answer; one of a class that is not loaded becomes a `StoredSolution`."""
    record = json.loads(text)
    name, fields = record["type"], record["fields"]
    if not record.get("inexact"):
        for kind in _loaded(Solution):
            if _shape(cast("Any", kind))[0] == name:
                try:
                    return _rebuilt(kind, fields)
                except Exception:  # noqa: BLE001 - the class has changed since; its own code
                    break
    return StoredSolution(name, fields)


def _loaded(kind: type[Solution]) -> Iterator[type[Solution]]:
    yield kind
    for below in cast("Iterable[type[Solution]]", kind.__subclasses__()):
        yield from _loaded(below)


def _rebuilt(kind: type[Solution], fields: dict[str, Any]) -> Solution:
    _, alias = _shape(cast("Any", kind))
    return kind(**{alias.get(name, name): _tuples(value) for name, value in fields.items()})


def _tuples(value: object) -> object:
    """Lists as the tuples that frozen values hold."""
    if isinstance(value, list):
        return tuple(_tuples(one) for one in cast("list[object]", value))
    return value
