"""Positive controls: the client with one habit of naive clients, which the checker must find.

Each flaw is something that published clients of these services do, put into the real client.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from attrs import evolve, frozen

from solvestream import Client, SubmitUnknown, TransportError, _engine, _exchange
from solvestream._admission import Admission
from solvestream._core import planner
from solvestream._core.breaker import Breaker
from solvestream._core.counts import Counts
from solvestream._core.doubt import Doubt
from solvestream._core.health import Health
from solvestream._core.lifecycle import Step
from solvestream._core.scheduler import Scheduler
from solvestream._core.verdict import Verdict
from solvestream._outcomes import Lost
from solvestream._recorder import Recorder
from solvestream.stream import Outbox


@frozen
class Flaw:
    """What is put in the place of what, and how a line of the checker must begin.

    Attributes:
        make: builds the replacement from the original.
        journal: it shows in crashes of a client with a journal only.
    """

    owner: Any
    name: str
    make: Callable[[Any], Any]
    found: str
    journal: bool = False


@contextlib.contextmanager
def having(flaw: Flaw) -> Iterator[None]:
    """Give all clients a flaw."""
    original = vars(flaw.owner)[flaw.name]
    with patch.object(flaw.owner, flaw.name, flaw.make(original)):
        yield


def _retry(judge: Any) -> Any:
    def judged(*args: Any, **options: Any) -> Verdict:
        verdict: Verdict = judge(*args, **options)
        return Verdict.NOT_SENT if verdict is Verdict.UNKNOWN else verdict

    return judged


def _give_up(_: Any) -> Any:
    def look_again(self: Any, job: Any, now: float) -> None:
        self._end(job, Step.LOSE, Lost("a look failed"))

    return look_again


def _twice(take: Any) -> Any:
    before: list[Any] = []

    def taken(self: Any) -> Any:
        result = take(self)
        if result is not None and not self.ordered and result not in before:
            before.append(result)
            self.ready.append((None, result))
        return result

    return taken


def _dress_up(result_of: Any) -> Any:
    def dressed(*args: Any, **options: Any) -> Any:
        result = result_of(*args, **options)
        if isinstance(result.error, SubmitUnknown):
            failed = TransportError("it failed", charged="no", verdict="not_sent")
            result = evolve(result, error=failed)
        return result

    return dressed


def _mix_up(result_of: Any) -> Any:
    last: list[Any] = []

    def mixed(*args: Any, **options: Any) -> Any:
        result = result_of(*args, **options)
        if result.ok:
            last.append(result.solution)
            result = evolve(result, solution=last[-2:][0])
        return result

    return mixed


def _no_deadline(add: Any) -> Any:
    def added(self: Any, job: Any, now: float) -> None:
        job.deadline = math.inf
        add(self, job, now)

    return added


def _for_ever(trip: Any) -> Any:
    return lambda self, epoch, now, seconds: trip(self, epoch, now, math.inf)


def _look_twice(look: Any) -> Any:
    def looked(self: Any, one: Any, action: Any) -> None:
        call = _exchange.ask_look(self.accounts[one.name], action.jobs)
        self._begin(call.request, lambda _: None)  # type: ignore[union-attr]
        look(self, one, action)

    return looked


def _miscount(ended: Any) -> Any:
    def counted(self: Any, *args: Any) -> None:
        ended(self, *args)
        self.accepted += 1

    return counted


def _leave_behind(aclose: Any) -> Any:
    async def closed(self: Any) -> Any:
        self._behind = asyncio.ensure_future(asyncio.sleep(3600))
        return await aclose(self)

    return closed


def _no_limit(start: Any) -> Any:
    async def started(self: Any) -> None:
        self.limit = 10_000
        self.scheduler.share(10_000)
        await start(self)

    return started


def _unnoted(_: Any) -> Any:
    return lambda self, job, account, noted: noted(None)


async def _no_room(self: Any) -> None:
    return None


FLAWS = {
    "retries on any error": Flaw(planner, "judge", _retry, "G1"),
    "gives up on one failed look": Flaw(planner.Planner, "_look_again", _give_up, "G4"),
    "drops what nobody waits for": Flaw(Admission, "keep", lambda _: lambda *_: None, "G2"),
    "hands over twice": Flaw(Outbox, "take", _twice, "G3"),
    "dresses doubt up as failure": Flaw(_engine, "result_of", _dress_up, "G4: charged=no"),
    "mixes answers up": Flaw(_engine, "result_of", _mix_up, "G4: task"),
    "knows no deadline": Flaw(Scheduler, "add", _no_deadline, "G4: task"),
    "waits for ever once it fails": Flaw(Breaker, "trip", _for_ever, "G4: hangs"),
    "opens a connection for everything": Flaw(_engine.Engine, "start", _no_limit, "G5"),
    "takes a full account for a broke one": Flaw(
        Doubt, "_weigh", lambda _: lambda *_: "broke", "G4: not what happened"
    ),
    "goes on when banned": Flaw(
        Health, "_pause", lambda _: lambda *_: None, "G5: a request in the time of a ban"
    ),
    "reads the source ahead": Flaw(Outbox, "_wait_room", lambda _: _no_room, "G5"),
    "looks twice at once": Flaw(_engine.Engine, "_look", _look_twice, "G5: two looks"),
    "miscounts": Flaw(Counts, "ended", _miscount, "G7"),
    "leaves tasks behind": Flaw(Client, "aclose", _leave_behind, "life"),
    "notes nothing before it sends": Flaw(Recorder, "intent", _unnoted, "G2", journal=True),
}
