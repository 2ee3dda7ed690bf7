"""Where the three protocols hand in work: book and engine, joined by the clock.

An engine either knows at once when a task will be ready and with what (`Planned`: a simulated
task costs no timer), or gives an awaitable for the outcome (reading an image in a thread).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio
from attrs import define, field, frozen

from .book import KEPT, Book, Family, Holder, Task
from .pingback import Message, call
from .settings import Settings
from .work import Kind, Outcome, Reason, Refusal, Work


@frozen
class Planned:
    """An outcome that is known, and when the world may see it (seconds, monotonic)."""

    ready_at: float
    outcome: Outcome


class Engine(Protocol):
    """What solves tasks."""

    def check(self, work: Work) -> Refusal | None:
        """Refuse what cannot be worked on, at once and at no charge."""
        ...

    def begin(self, work: Work, now: float) -> Planned | Awaitable[Outcome]:
        """Begin on accepted work."""
        ...

    def close(self) -> None:
        """Give back threads and models."""
        ...


Done = Callable[[Task, Outcome], Message]
"""What to call out when a task is done."""


@define(eq=False)
class Desk:
    """Takes work in and tells how it stands.

    Attributes:
        calls_back: whoever asked for it is called when a task is done. Off until the service is
            served: in a test's own process nobody is called.
    """

    settings: Settings
    book: Book
    engine: Engine
    clock: Callable[[], float]
    calls_back: bool = False
    _running: dict[str, asyncio.Task[None]] = field(factory=dict[str, "asyncio.Task[None]"])
    _calls: set[asyncio.Task[None]] = field(factory=set["asyncio.Task[None]"])

    def submit(
        self, holder: Holder, family: Family, work: Work, done: Done | None = None
    ) -> Task | Refusal:
        """Accept work, charge for it and begin it; or say why not. `done` is called out."""
        refusal = self.engine.check(work)
        if refusal is not None:
            return self.book.refuse(holder, refusal)
        now = self.clock()
        usd = self.settings.image_price if work.kind is Kind.IMAGE else self.settings.token_price
        task = self.book.accept(
            holder, family, kind=work.kind.value, subject=work.subject, usd=usd, now=now
        )
        if isinstance(task, Task):
            self._begin(task, work, now)
            if done is not None and self.calls_back:
                calling = asyncio.ensure_future(self._call_back(task, done))
                self._calls.add(calling)
                calling.add_done_callback(self._calls.discard)
        return task

    async def wait(self, task: Task, seconds: float) -> Outcome:
        """Wait for a task's outcome; after `seconds` it counts as unsolvable."""
        running = self._running.get(task.id)
        if running is not None:
            await asyncio.wait({running}, timeout=seconds)
            return task.outcome or Refusal(Reason.UNSOLVABLE)
        left = task.ready_at - self.clock()
        await anyio.sleep(max(0.0, min(left, seconds)))
        return Refusal(Reason.UNSOLVABLE) if left > seconds else _known(task)

    async def wait_all(self) -> None:
        """Wait until nothing is being worked on."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def aclose(self) -> None:
        """End what is still being worked on."""
        left = (*self._running.values(), *self._calls)
        for one in left:
            one.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self.engine.close()

    def _begin(self, task: Task, work: Work, now: float) -> None:
        begun = self.engine.begin(work, now)
        if isinstance(begun, Planned):
            self.book.plan(task, begun.ready_at, begun.outcome, now)
            return
        self.book.start(task, now)
        running = asyncio.ensure_future(self._finish(task, begun))
        self._running[task.id] = running
        running.add_done_callback(lambda _: self._running.pop(task.id, None))

    async def _finish(self, task: Task, outcome: Awaitable[Outcome]) -> None:
        try:
            end = await outcome
        except Exception:
            self.book.finish(task, Refusal(Reason.UNSOLVABLE), self.clock())
            raise
        self.book.finish(task, end, self.clock())

    async def _call_back(self, task: Task, done: Done) -> None:
        await call(done(task, await self.wait(task, KEPT[task.family])))


def _known(task: Task) -> Outcome:
    assert task.outcome is not None
    return task.outcome
