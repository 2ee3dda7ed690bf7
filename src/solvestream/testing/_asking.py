"""Rules for what a protocol module says of itself, and for the requests it builds."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from typing import Any, cast

from solvestream._http.framing import is_sound
from solvestream._wire import Limits, Origin, Request
from solvestream.errors import InvalidTask, SolvestreamError, UsageError
from solvestream.providers._protocol import Call, Capabilities, Pacing
from solvestream.tasks import ImageToText
from solvestream.testing._case import PNG, Asked, Case, Skipped

_FORM = "application/x-www-form-urlencoded"
_HOSTILE = ("1&action=x", "1#x", "1?x=y", "../x", "a b", "1\r\nX: y", '"},{"', "1,2", "é")
"""Ids as a forged ticket may hold them."""


def name(case: Case) -> Iterator[str]:
    """Tickets carry the name, so it is printable and always the same."""
    given: Any = case.provider.name
    if not isinstance(given, str) or not given or not given.isprintable():
        yield f"name={given!r}: give a printable text"
    elif case.provider.name != given:
        yield "name: it changes from one reading to the next; tickets of it would be lost"
    elif case.shows_key(given):
        yield "name: it holds the key, and stands in tickets, results and logs"


def capabilities(case: Case) -> Iterator[str]:
    """The planner trusts these figures: each must be in its range."""
    told: Any = case.provider.capabilities
    if not isinstance(told, Capabilities):
        yield f"capabilities: expected Capabilities, got {type(told).__name__}"
        return
    kinds: Any = told.kinds
    if not kinds or not all(isinstance(kind, str) and kind for kind in kinds):
        yield f"kinds={kinds!r}: name at least one kind of task"
    yield from _counts(told)
    yield from _seconds(told)
    yield from _paces(told)
    if case.provider.capabilities != told:
        yield "capabilities: they change from one reading to the next; the planner reads them once"


def _counts(told: Capabilities) -> Iterator[str]:
    counts: dict[str, Any] = {
        "max_batch": told.max_batch,
        "max_image_bytes": told.max_image_bytes,
        "slots": 1 if told.slots is None else told.slots,
    }
    for figure, value in counts.items():
        if not isinstance(value, int) or value < 1:
            yield f"{figure}={value}: give a whole number of 1 or more"


def _seconds(told: Capabilities) -> Iterator[str]:
    figures = {"min_interval": told.min_interval, "retention": told.retention, "price": told.price}
    figures |= {f"answer_ttl[{kind!r}]": ttl for kind, ttl in told.answer_ttl.items()}
    for figure, value in figures.items():
        zero = figure in {"min_interval", "price"}
        if value is not None and not (math.isfinite(value) and (value > 0 or (zero and not value))):
            yield f"{figure}={value}: give a finite number{', 0 or more' if zero else ' above 0'}"


def _paces(told: Capabilities) -> Iterator[str]:
    if "" not in told.pacing:
        yield 'pacing: there is none for other kinds; give one for ""'
    paces: Mapping[str, Any] = told.pacing
    for kind, pace in paces.items():
        if not isinstance(pace, Pacing):
            yield f"pacing[{kind!r}]: expected Pacing, got {type(pace).__name__}"
        elif told.retention is not None and pace.first_look >= told.retention:
            yield f"pacing[{kind!r}]: its first look comes when the answer is deleted already"


def key_hidden(case: Case) -> Iterator[str]:
    """The key is in no `repr` and in no pickle, of the account or of its calls (TRUST.md, G6)."""
    calls = [*case.submit_calls, case.look(), *(call for _, call in case.small_calls())]
    for one in (case.provider, *calls, *(call.request for call in calls)):
        if case.shows_key(f"{one!r} {one}"):
            yield f"repr of {type(one).__name__} shows the key; keep it in a Secret, or hide it"
        elif _pickled(one, case):
            yield f"a pickle of {type(one).__name__} holds the key; refuse __reduce__"


def _pickled(one: object, case: Case) -> bool:
    try:
        return case.shows_key(pickle.dumps(one, protocol=0).decode("latin-1"))
    except Exception:  # noqa: BLE001 - whatever keeps it from being pickled is welcome
        return False


def submit_request(case: Case) -> Iterator[str]:
    """Each task it takes becomes a sound request on a fresh connection, as it costs money."""
    missing = case.provider.capabilities.kinds - {task.kind for task in case.tasks}
    if missing:
        yield f"kinds {', '.join(sorted(missing))}: there is no sample task; give one in tasks="
    for task in case.tasks:
        what = f"submit of {type(task).__name__}"
        call = yield from _built(what, partial(case.submit, task))
        if call is not None and not call.request.fresh:
            yield f"{what}: fresh=False; a stale connection would leave it unknown what was bought"


def look_request(case: Case) -> Iterator[str]:
    """Looks at one task and at as many as `max_batch` says become sound requests."""
    for count in case.batches:
        yield from _built(f"look at {count}", partial(case.look, count))


def small_requests(case: Case) -> Iterator[str]:
    """Balance is there for all; reports and threads are there if and only if it says so."""
    provider, told = case.provider, case.provider.capabilities
    calls: dict[str, tuple[bool, Callable[[], Any]]] = {
        "balance": (True, provider.balance),
        "report": (told.reports, lambda: provider.report("100", correct=False)),
        "threads": (told.threads, provider.threads),
    }
    for what, (there, build) in calls.items():
        if there:
            yield from _built(what, build)
            continue
        try:
            build()
        except UsageError:
            continue
        yield f"{what}: capabilities say that there is none; raise UsageError"


def ids_quoted(case: Case) -> Iterator[str]:
    """An id from a forged ticket stays in its place: no other path, no further field."""
    plain = case.provider.look([Asked("100", case.tasks[0].kind)]).request
    if not is_sound(plain):
        raise Skipped("a look is not sound with any id")
    for task_id in _HOSTILE:
        call = case.provider.look([Asked(task_id, case.tasks[0].kind)])
        if not is_sound(call.request) or not _in_place(call.request, plain, task_id):
            yield f"look at the id {task_id!r}: it breaks out of its place; quote it"


def images_refused(case: Case) -> Iterator[str]:
    """An image that is empty or too large is refused before a byte leaves."""
    if "image" not in case.provider.capabilities.kinds:
        raise Skipped("it takes no images")
    limit = case.provider.capabilities.max_image_bytes
    images = {"an empty image": b""}
    if limit <= 32 << 20:
        images[f"an image of {limit + 1} bytes"] = PNG.ljust(limit + 1, b"\0")
    for what, image in images.items():
        try:
            case.provider.submit(ImageToText(image), image)
        except InvalidTask as error:
            if not error.field or not error.fix:
                yield f"{what}: InvalidTask does not name field and fix"
        else:
            yield f"{what} is not refused; raise InvalidTask"


def _built(what: str, build: Callable[[], Any]) -> Generator[str, None, Call[Any] | None]:
    """Yield what is wrong with a call; return it if it is one."""
    try:
        call = build()
    except SolvestreamError as error:
        yield f"{what}: it raised {type(error).__name__}: {error}"
        return None
    if not isinstance(call, Call):
        yield f"{what}: expected a Call, got {type(call).__name__}"
        return None
    built: Call[Any] = cast("Any", call)
    yield from (f"{what}: {problem}" for problem in _unsound(built.request))
    return built


def _unsound(request: Any) -> Iterator[str]:
    if not isinstance(request, Request) or not isinstance(request.origin, Origin):  # pyright: ignore[reportUnnecessaryIsInstance] - a plug-in's own
        yield "its request is no Request to an Origin"
    elif request.method not in {"GET", "POST"} or not is_sound(request):
        yield "method, target or content type is not plain ASCII on one line"
    elif "#" in request.target:
        yield "the target holds a fragment, which is not sent"
    elif request.method == "GET" and request.body:
        yield "a GET has a body"
    elif request.body and request.content_type is None:
        yield "its body has no content_type"
    else:
        yield from _unbounded(request.limits)


def _unbounded(limits: Limits) -> Iterator[str]:
    figures = (limits.connect, limits.read, limits.total, limits.body)
    if not all(math.isfinite(figure) and figure > 0 for figure in figures):
        yield f"limits={limits}: give finite bounds greater than 0"


def _in_place(request: Request, plain: Request, task_id: str) -> bool:
    """Whether a request differs from that for a harmless id in nothing but the id."""
    if request.content_type == "application/json":
        try:
            return _holds(json.loads(request.body), task_id)
        except ValueError:
            return False
    marks = "&?#=" + ("/" if task_id == "../x" else "")
    both = [(request.target, plain.target)]
    if request.content_type == _FORM:
        both.append((request.body.decode("latin-1"), plain.body.decode("latin-1")))
    return all(hostile.count(mark) == mild.count(mark) for hostile, mild in both for mark in marks)


def _holds(value: Any, task_id: str) -> bool:
    inner: Any = value.values() if isinstance(value, dict) else value  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType] - any JSON
    return value == task_id or (
        isinstance(value, dict | list) and any(_holds(one, task_id) for one in inner)
    )
