"""What a plug-in writes: five methods, and `Capabilities`.

An account is its own protocol module: a frozen value that holds a key and an address, and
knows how to ask and how to read. Each method answers with a `Call`: the request, and the
function that reads its reply. Reading is total: any bytes at all give an outcome.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar, cast, runtime_checkable

from attrs import Attribute, define, field, frozen

from solvestream._outcomes import LookOutcome, Mismatch, SubmitOutcome
from solvestream._wire import Request, Response
from solvestream.errors import UsageError
from solvestream.results import Balance, Threads
from solvestream.tasks import Task

T_co = TypeVar("T_co", covariant=True)


@define(eq=False)
class Call(Generic[T_co]):
    """A request, and how to read its reply.

    Attributes:
        request: what to send.
        read: says what a whole reply means. It is total where it gives outcomes: any bytes at
            all give one, and nothing is raised.
    """

    request: Request
    read: Callable[[Response], T_co]


class Asked(Protocol):
    """What a look needs to know of a task: its id, and its kind to read the answer by."""

    @property
    def task_id(self) -> str: ...
    @property
    def kind(self) -> str: ...


def _seconds(_: object, option: Attribute[Any], value: object) -> None:
    good = isinstance(value, int | float) and math.isfinite(value)
    if not good or cast("float", value) < 0 or (value == 0 and option.name != "first_look"):
        least = "0 or more" if option.name == "first_look" else "greater than 0"
        raise UsageError(f"pacing: {option.name}={value}: give a finite number, {least}")


@frozen(kw_only=True)
class Pacing:
    """When to look for an answer.

    Attributes:
        first_look: seconds from acceptance to the first look.
        interval: seconds between looks at one task.
        max_looks: looks at one task at most.
        deadline: seconds from acceptance after which a task without one of its own ends.

    Raises `UsageError` for what is not finite, a negative `first_look`, and anything else that is
    not greater than 0.
    """

    first_look: float = field(default=10.0, validator=_seconds)
    interval: float = field(default=5.0, validator=_seconds)
    max_looks: int = field(default=60, validator=_seconds)
    deadline: float = field(default=300.0, validator=_seconds)


@frozen(kw_only=True)
class Capabilities:
    """What a service can do, as data for the planner and the router.

    Attributes:
        kinds: kinds of task it takes.
        pacing: when to look, by kind; `""` is for all other kinds, and must be there.
        max_batch: ids one look may ask for, 1 or more.
        min_interval: seconds that must lie between looks at one task, whatever the pacing.
        retention: seconds after acceptance when task and answer are deleted; `None` if not known.
        answer_ttl: seconds an answer of a kind stays good, where known.
        slots: a known limit of tasks under way at once; `None` to learn it from refusals.
        price: USD a task costs at most, where known; needed for `Client(max_spend=)`.
        threads: `threads()` works: the service tells its slots.
        reports: `report()` works.
        max_image_bytes: bytes of an image it takes; more need not be read from a file.
    """

    kinds: frozenset[str]
    pacing: Mapping[str, Pacing] = field(factory=lambda: {"": Pacing()})
    max_batch: int = 1
    min_interval: float = 0.0
    retention: float | None = None
    answer_ttl: Mapping[str, float] = field(factory=dict[str, float])
    slots: int | None = None
    price: float | None = None
    threads: bool = False
    reports: bool = True
    max_image_bytes: int = 10 << 20

    def pace(self, kind: str) -> Pacing:
        """Return the pacing of a kind."""
        return self.pacing.get(kind) or self.pacing[""]


@runtime_checkable
class Provider(Protocol):
    """An account at a service, and the service's protocol. `name` is unique in a client."""

    @property
    def name(self) -> str:
        """Stands in tickets and results, so it must be the same in the next process."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the service can do."""
        ...

    def submit(self, task: Task, image: bytes | None) -> Call[SubmitOutcome]:
        """Ask for a task to be worked on. `image` is what an `ImageToText` holds.

        Raises `InvalidTask` for what the service would refuse: image type, size, fields.
        """
        ...

    def look(self, asked: Sequence[Asked]) -> Call[list[LookOutcome] | Mismatch]:
        """Ask for the answers of 1 to `max_batch` tasks; outcomes come in the order asked."""
        ...

    def balance(self) -> Call[Balance]:
        """Ask what is left. Reading raises `AccountError` or `ProtocolError`."""
        ...

    def report(self, task_id: str, *, correct: bool) -> Call[None]:
        """Tell whether the answer to `task_id` was `correct`. Reading raises `SolvestreamError`."""
        ...

    def threads(self) -> Call[Threads]:
        """Ask for the slots, where `capabilities.threads`. Reading raises `ProtocolError`."""
        ...
