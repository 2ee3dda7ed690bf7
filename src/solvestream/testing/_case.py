"""What a protocol module is checked with: sample tasks, replies of its service, and rubbish."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from random import Random
from typing import Any, Final, TypeAlias, cast

from attrs import frozen

from solvestream._outcomes import LookOutcome, Mismatch, SubmitOutcome
from solvestream._secret import Secret, without
from solvestream._wire import Response
from solvestream.providers._protocol import Call, Provider
from solvestream.tasks import (
    Bls,
    CloudflareChallenge,
    GeeTestV3,
    GeeTestV4,
    ImageToText,
    Proxy,
    RawTask,
    RecaptchaV2,
    RecaptchaV3,
    Task,
    Turnstile,
)

Reply: TypeAlias = Response | bytes | str
"""A whole response, or the body of one with status 200."""

PNG: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d4944415478da63fcffff3f0300080302ff1e2c1ad60000000049454e44ae426082"
)
_PAGE: Final = "https://shop.example/login"
_TASKS: Final[tuple[Task[Any], ...]] = (
    ImageToText(PNG),
    RawTask({"type": "Sample"}),
    RecaptchaV2("site-key", _PAGE),
    RecaptchaV3("site-key", _PAGE, action="login", min_score=0.3),
    Turnstile("site-key", _PAGE),
    CloudflareChallenge(
        _PAGE,
        site_key="site-key",
        user_agent="Mozilla/5.0",
        proxy=Proxy("http", "proxy.example", 80),
    ),
    GeeTestV3("gt", "challenge", _PAGE),
    GeeTestV4("captcha-id", _PAGE),
    Bls("site-key", _PAGE),
)
STATUSES: Final = (200, 201, 204, 206, 301, 302, 307, 400, 401, 402, 403, 404, 409, 429, 500, 503)
_HEADERS: Final[tuple[tuple[tuple[str, str], ...], ...]] = (
    (),
    (("retry-after", "1e309"),),
    (("retry-after", "-5"),),
    (("retry-after", "nan"),),
    (("retry-after", "9" * 400),),
    (("retry-after", "Sun, 99 Foo 2026 99:99:99"),),
    (("content-encoding", "gzip"),),
)
_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    0,
    1e308,
    "",
    "\ud800",
    "x" * 300,
    [],
    [[]],
    {},
    {"": None},
)
NOTHING: Final = (
    b"",
    b" \r\n",
    b"\x00\xff\xfe",
    b"null",
    b"[]",
    b"{}",
    b"<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>",
)
"""Bodies that say nothing, whatever the protocol."""
_BODIES: Final = (
    *NOTHING,
    *(
        b"0",
        b"-1",
        b"NaN",
        b"1e999",
        b'"x"',
        b"|",
        b"||",
        b"OK",
        b"OK|",
        b"ERROR_",
        b"\xef\xbb\xbf",
    ),
    *(b'{"status":1,"status":2}', b'{"text":"\\ud800"}', "é|ü".encode("utf-16")),
)
_HUGE: Final = (b"[" * 100_000, b'{"a":' * 5_000, b"9" * 5_000, b'{"status":' + b"9" * 5_000 + b"}")


@frozen
class Asked:
    """A task to look at."""

    task_id: str
    kind: str


class Skipped(Exception):
    """A rule that cannot be checked with what was given."""


@frozen(kw_only=True, eq=False)
class Case:
    """One protocol module, and all there is to check it with.

    Attributes:
        provider: the module, as an account with the key.
        key: the account's key.
        tasks: tasks of its kinds.
        submits, looks: what its service says, by what that means.
        balance: what its service says of the balance.
    """

    provider: Provider
    key: str
    tasks: tuple[Task[Any], ...]
    submits: Mapping[type[SubmitOutcome], Response]
    looks: Mapping[type[LookOutcome], Response]
    balance: Response | None

    @cached_property
    def submit_calls(self) -> tuple[Call[SubmitOutcome], ...]:
        """Calls to hand in each task that it takes; what it raises is another rule's concern."""
        found: list[Call[SubmitOutcome]] = []
        for task in self.tasks:
            with suppress(Exception):  # "submit_request" tells of it
                found.append(self.submit(task))
        if not found:
            raise Skipped("it takes none of the sample tasks; give tasks=")
        return tuple(found)

    def submit(self, task: Task[Any]) -> Call[SubmitOutcome]:
        """Return the call that hands in a task."""
        image = task.load(1 << 24) if isinstance(task, ImageToText) else None
        return self.provider.submit(task, image)

    def look(self, count: int = 1, kind: str | None = None) -> Call[list[LookOutcome] | Mismatch]:
        """Return the call that looks at so many tasks."""
        chosen = kind or (self.tasks[0].kind if self.tasks else "")
        return self.provider.look([Asked(f"10{number}", chosen) for number in range(count)])

    def small_calls(self) -> Iterator[tuple[str, Call[Any]]]:
        """Yield the calls for balance, reports and threads that it has."""
        provider, told = self.provider, self.provider.capabilities
        builders: list[tuple[str, Callable[[], Call[Any]]]] = [("balance", provider.balance)]
        if told.reports:
            builders.append(("report", lambda: provider.report("100", correct=True)))
        if told.threads:
            builders.append(("threads", provider.threads))
        for what, build in builders:
            with suppress(Exception):  # "small_requests" tells of it
                yield what, build()

    @property
    def batches(self) -> tuple[int, ...]:
        """Numbers of ids to look at: one, some, and as many as it takes."""
        most = self.provider.capabilities.max_batch
        return tuple(sorted({1, min(2, most), min(3, most), most}))

    @cached_property
    def rubbish(self) -> tuple[Response, ...]:
        """Replies of every kind, most of them nonsense; the same in every run."""
        found = [
            Response(status, headers, body)
            for status in STATUSES
            for body in _BODIES
            for headers in (_HEADERS if status in {200, 429, 503} and body in NOTHING else ((),))
        ]
        found += [Response(status, (), body) for body in _HUGE for status in (200, 400)]
        for sample in self.samples:
            bodies = tuple(_spoilt(sample.body))
            found += [Response(status, (), body) for body in bodies for status in (200, 400, 500)]
        return tuple(found)

    @property
    def samples(self) -> tuple[Response, ...]:
        """All replies of the service that were given."""
        balance = () if self.balance is None else (self.balance,)
        return (*self.submits.values(), *self.looks.values(), *balance)

    def hide(self, text: str) -> str:
        """Return a text without the key, in whatever form."""
        return without(Secret(self.key), text)

    def shows_key(self, text: str) -> bool:
        """Whether a text holds the key, in whatever form."""
        return self.hide(text) != text


def response_of(reply: Reply) -> Response:
    """Return a reply as a whole response."""
    if isinstance(reply, Response):
        return reply
    return Response(200, (), reply.encode() if isinstance(reply, str) else reply)


def with_body(response: Response, body: bytes) -> Response:
    """Return a response with another body."""
    return Response(response.status, response.headers, body)


def tasks_of(provider: Provider, own: Sequence[Task[Any]]) -> tuple[Task[Any], ...]:
    """Return the caller's own tasks, and a sample of each other kind that it takes."""
    kinds = provider.capabilities.kinds - {task.kind for task in own}
    return (*own, *(task for task in _TASKS if task.kind in kinds))


def _spoilt(body: bytes) -> Iterator[bytes]:
    """Yield a reply cut, turned, doubled, with bytes and JSON values that are wrong."""
    chance = Random(0)  # noqa: S311 - the same rubbish every time
    yield body
    yield from (body[: len(body) * part // 4] for part in (1, 2, 3))
    yield body + body
    for _ in range(8):
        place = chance.randrange(len(body) + 1)
        yield body[:place] + chance.randbytes(1) + body[place + 1 :]
    try:
        fields: Any = json.loads(body)
    except ValueError:
        return
    if isinstance(fields, dict):
        known = cast("dict[str, Any]", fields)
        for name in known:
            yield json.dumps({key: value for key, value in known.items() if key != name}).encode()
            yield from (json.dumps({**known, name: value}).encode() for value in _VALUES)
