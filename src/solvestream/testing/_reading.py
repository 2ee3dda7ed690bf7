"""Rules for how a protocol module reads replies, and what it may conclude about money."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, cast
from urllib.parse import quote

from attrs import frozen

from solvestream._outcomes import (
    Accepted,
    AccountDown,
    Busy,
    Failed,
    LookOutcome,
    Lost,
    Mismatch,
    Solved,
    SubmitOutcome,
    Throttled,
    Unknown,
)
from solvestream._wire import Response
from solvestream.errors import SolvestreamError
from solvestream.providers._protocol import Call
from solvestream.results import Balance
from solvestream.testing._case import NOTHING, Case, Skipped, with_body

_SILENT = (200, 206, 301, 302, 307, 308, 500, 502, 503, 504)
"""Statuses that alone do not say whether a submit was taken."""
_LONGEST_WAIT = 3_600.0


def submit_total(case: Case) -> Iterator[str]:
    """Any reply to a submit gives an outcome of a submit; nothing is raised."""
    for call in case.submit_calls:
        for response in case.rubbish:
            outcome = yield from _read(call.read, response, "a submit")
            if not isinstance(outcome, SubmitOutcome | _Raised):
                yield f"{_of(response)} to a submit gave {outcome!r}, no outcome"


def look_total(case: Case) -> Iterator[str]:
    """Any reply to a look gives an outcome for each id, or `Mismatch` for several."""
    for count in case.batches[:3]:
        call = case.look(count)
        for response in case.rubbish:
            outcomes = yield from _read(call.read, response, f"a look at {count}")
            if not isinstance(outcomes, _Raised) and not _fit(outcomes, count):
                yield (
                    f"{_of(response)} to a look at {count} gave {outcomes!r:.80}; "
                    "give a list of one outcome for each id, or Mismatch for several"
                )


def small_total(case: Case) -> Iterator[str]:
    """Any reply to the small calls gives their value, or raises a `SolvestreamError`."""
    for what, call in case.small_calls():
        for response in case.rubbish:
            try:
                value = call.read(response)
            except SolvestreamError:
                continue
            except Exception as error:  # noqa: BLE001 - this is what is looked for
                yield f"{_of(response)} to {what} raised {type(error).__name__}"
                continue
            if what == "balance" and not (
                isinstance(value, Balance) and math.isfinite(value.amount) and value.amount >= 0
            ):
                yield f"{_of(response)} to balance gave {value!r}; raise ProtocolError"


def samples(case: Case) -> Iterator[str]:
    """The service's own replies are read as what they mean."""
    if not case.samples:
        raise Skipped("no replies were given; give submits= and looks=")
    for kind, response in case.submits.items():
        for call in case.submit_calls:
            yield from _is(kind, _said(call, response), response, "a submit")
    for meant, response in case.looks.items():
        outcomes = _said(case.look(), response)
        yield from _is(meant, outcomes[0] if _fit(outcomes, 1) else outcomes, response, "a look")
    if case.balance is not None:
        said = _said(case.provider.balance(), case.balance)
        yield from _is(Balance, said, case.balance, "balance")


def money_unknown(case: Case) -> Iterator[str]:
    """A submit whose reply says nothing may have been paid: `Unknown`, so it is not sent again."""
    for call in case.submit_calls:
        for status in _SILENT:
            for body in NOTHING:
                response = Response(status, (), body)
                yield from _unknown(call, response)


def money_whole(case: Case) -> Iterator[str]:
    """A success counts under 2xx only, and only if it is whole: a cut id is not the id."""
    response = _sample(case, Accepted, Solved)
    for call in case.submit_calls:
        if not isinstance(_said(call, response), Accepted | Solved):
            continue
        for status in (302, 500, 502, 503):
            odd = Response(status, response.headers, response.body)
            if isinstance(_said(call, odd), Accepted | Solved):
                yield f"{_of(odd)} to a submit counts as a success; answer Unknown"
        for cut in range(1, len(response.body) + 1):
            part = Response(response.status, response.headers, response.body[:cut], delimited=False)
            outcome = _said(call, part)
            if isinstance(outcome, Accepted) and outcome.verified:
                yield f"{_of(part)} without a length gave {outcome!r}; give verified=False"


def ids_checked(case: Case) -> Iterator[str]:
    """An id is text as it came, never empty, endless, with white space, or the key."""
    response = _sample(case, Accepted)
    call = case.submit_calls[0]
    accepted = _said(call, response)
    if not isinstance(accepted, Accepted) or not accepted.task_id:
        raise Skipped("the reply for Accepted is read as something else")
    known = accepted.task_id.encode()
    for bad in ("", " ", "a b", "a\tb", "x" * 2_000, case.key):
        outcome = _said(call, with_body(response, response.body.replace(known, bad.encode())))
        if isinstance(outcome, Accepted) and outcome.task_id.strip() == bad.strip():
            yield f"an id that is {bad[:40]!r} was accepted; answer Unknown"
    outcome = _said(call, with_body(response, response.body.replace(known, b"007")))
    if isinstance(outcome, Accepted) and outcome.task_id != "007":
        yield f"the id 007 became {outcome.task_id!r}; ids are never numbers"


def key_unheard(case: Case) -> Iterator[str]:
    """A service that echoes the key does not get it into outcomes and errors (faults K03)."""
    calls: list[Call[Any]] = [*case.submit_calls, case.look()]
    calls += [call for _, call in case.small_calls()]
    echoes = tuple(_echoes(case))
    for call in calls:
        for response in echoes:
            said = _said(call, response)
            if any(isinstance(one, Accepted | Solved) for one in _outcomes(said)):
                continue  # ids have a rule of their own; answers are the user's
            if case.shows_key(f"{said!r} {said}"):
                yield f"HTTP {response.status} that echoes the key: {type(said).__name__} shows it"


def batch_fits(case: Case) -> Iterator[str]:
    """The reply to a look at one task is never taken for the answers of several."""
    if case.provider.capabilities.max_batch == 1:
        raise Skipped("a look is about one task")
    response = _sample(case, Solved, looks=True)
    for count in case.batches[1:]:
        outcomes = _said(case.look(count), response)
        if any(isinstance(one, Solved) for one in _outcomes(outcomes)):
            yield f"{_of(response)} to a look at {count} gave answers; give Mismatch"


def codes_kept(case: Case) -> Iterator[str]:
    """A code stands in outcomes as the service sent it."""
    calls: list[tuple[Call[Any], Response]] = [
        *((call, response) for call in case.submit_calls for response in case.submits.values()),
        *((case.look(), response) for response in case.looks.values()),
    ]
    for call, response in calls:
        said = _said(call, response)
        for outcome in _outcomes(said):
            if not isinstance(outcome, Busy | Throttled | Failed | Lost | AccountDown):
                continue
            text = f"{response.status} {response.body.decode(errors='replace')}"
            if not outcome.code or outcome.code not in text:
                yield f"{_of(response)} gave the code {outcome.code!r}, which is not in it"


def waits_bounded(case: Case) -> Iterator[str]:
    """What a service says of waiting is hostile input: finite, 0 s to an hour."""
    calls: list[Call[Any]] = [*case.submit_calls[:1], case.look()]
    for call in calls:
        for response in (*case.rubbish, *case.samples):
            said = _said(call, response)
            wait = getattr(_outcomes(said)[0], "retry_after", None)
            if wait is not None and not 0 <= wait <= _LONGEST_WAIT:
                yield f"{_of(response)} {dict(response.headers)} gave retry_after={wait}; clamp it"


def reading_pure(case: Case) -> Iterator[str]:
    """Reading a reply twice gives the same: nothing is remembered, and nothing drawn."""
    calls: list[Call[Any]] = [*case.submit_calls[:1], case.look()]
    for call in calls:
        for response in case.samples:
            if _said(call, response) != _said(call, response):
                yield f"{_of(response)} is read differently the second time"


@frozen
class _Raised:
    """That reading raised an error. Where it must not, a rule of totality tells of it."""

    error: str


def _said(call: Call[Any], response: Response) -> Any:
    """Return what a reply is read as."""
    try:
        return call.read(response)
    except SolvestreamError as error:
        return _Raised(f"{type(error).__name__}: {error} {error!r}")
    except Exception as error:  # noqa: BLE001 - see above
        return _Raised(type(error).__name__)


def _read(
    read: Callable[[Response], Any], response: Response, what: str
) -> Generator[str, None, Any]:
    """Yield what is wrong with how a reply is read; return what it gave."""
    try:
        said = read(response)
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        yield f"{_of(response)} to {what} raised {type(error).__name__}; answer Unknown"
        return _Raised(type(error).__name__)
    try:
        "".join(_texts(said)).encode()
    except UnicodeEncodeError:
        yield f"{_of(response)} to {what} gave text that is no UTF-8; it cannot be stored"
    return said


def _texts(said: Any) -> Iterator[str]:
    """Yield all texts of outcomes and answers: they are written to files and journals."""
    for outcome in _outcomes(said):
        for name in ("code", "message", "reason", "task_id"):
            yield str(getattr(outcome, name, ""))
        answer = getattr(outcome, "solution", None)
        yield from (str(getattr(answer, name, "")) for name in ("text", "token"))


def _outcomes(said: Any) -> list[Any]:
    """Return what was said of each id; what is no list, or empty, stands for itself."""
    if isinstance(said, list) and said:
        listed: list[Any] = cast("Any", said)
        return listed
    return [said]


def _fit(outcomes: Any, count: int) -> bool:
    if isinstance(outcomes, Mismatch):
        return count > 1
    return (
        isinstance(outcomes, list)
        and len(outcomes) == count  # pyright: ignore[reportUnknownArgumentType] - a plug-in's own
        and all(isinstance(one, LookOutcome) for one in outcomes)  # pyright: ignore[reportUnknownVariableType] - the same
    )


def _is(kind: type, said: object, response: Response, what: str) -> Iterator[str]:
    if not isinstance(said, kind):
        yield f"{_of(response)} to {what} gave {type(said).__name__}, not {kind.__name__}"


def _unknown(call: Call[SubmitOutcome], response: Response) -> Iterator[str]:
    outcome = _said(call, response)
    if not isinstance(outcome, Unknown | _Raised):
        yield (
            f"{_of(response)} to a submit gave {type(outcome).__name__}; it may have been paid, "
            "so answer Unknown"
        )


def _sample(case: Case, *kinds: type, looks: bool = False) -> Response:
    given: Mapping[Any, Response] = case.looks if looks else case.submits
    found = next((given[kind] for kind in kinds if kind in given), None)
    if found is None:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise Skipped(f"no reply for {names} was given in {'looks' if looks else 'submits'}=")
    return found


def _echoes(case: Case) -> Iterator[Response]:
    key = case.key
    forms = (key, key.upper(), quote(key, safe=""), key.encode().hex())
    for form in forms:
        fields = dict.fromkeys(("error", "errorDescription", "detail", "message", "request"), form)
        bodies = [
            form,
            f"ERROR_{form}",
            f"<html>{form}</html>",
            json.dumps(fields),
            json.dumps({**fields, "errorId": 1, "errorCode": f"ERROR_{form}", "status": 0}),
        ]
        for status in (200, 400, 401, 404, 500):
            yield from (Response(status, (), body.encode()) for body in bodies)
        for sample in case.samples:
            yield with_body(sample, sample.body + f" {form}".encode())


def _of(response: Response) -> str:
    body = response.body
    return f"HTTP {response.status} {body[:60]!r}{'...' if len(body) > 60 else ''}"
