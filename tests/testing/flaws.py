"""A protocol module that keeps the rules, and others that each break one."""

from __future__ import annotations

import json
import math
from itertools import count
from typing import Any

from attrs import evolve

from solvestream import CaptchaAI, Text
from solvestream.providers import (
    Accepted,
    Busy,
    Call,
    Capabilities,
    Failed,
    Origin,
    Pending,
    Response,
    Solved,
    Throttled,
    Unknown,
)
from solvestream.providers._protocol import Pacing
from solvestream.results import Balance

KEY = "made-up-key-0123456789"


class Good:
    """An account like any other, whose parts the flawed ones replace."""

    rule = ""

    def __init__(self) -> None:
        self.inner: Any = CaptchaAI(KEY, multi_id=True)

    def __repr__(self) -> str:
        return "<Good>"

    @property
    def name(self) -> str:
        return "good"

    @property
    def capabilities(self) -> Capabilities:
        return self.inner.capabilities

    def submit(self, task: Any, image: bytes | None) -> Call[Any]:
        call = self.inner.submit(task, image)
        call.read = self.read_submit(call.read)
        return call

    def look(self, asked: Any) -> Call[Any]:
        call = self.inner.look(asked)
        call.read = self.read_look(call.read, asked)
        return call

    def balance(self) -> Call[Any]:
        return self.inner.balance()

    def report(self, task_id: str, *, correct: bool) -> Call[Any]:
        return self.inner.report(task_id, correct=correct)

    def threads(self) -> Call[Any]:
        return self.inner.threads()

    def read_submit(self, read: Any) -> Any:
        return read

    def read_look(self, read: Any, asked: Any) -> Any:
        return read


class NewNameEachTime(Good):
    rule = "name"
    numbers = count()

    @property
    def name(self) -> str:
        return f"good{next(self.numbers)}"


class PriceOfNaN(Good):
    rule = "capabilities"

    @property
    def capabilities(self) -> Capabilities:
        return evolve(self.inner.capabilities, price=math.nan)


class LooksTooLate(Good):
    rule = "capabilities"

    @property
    def capabilities(self) -> Capabilities:
        return evolve(self.inner.capabilities, retention=5.0)


class NoPacingForOthers(Good):
    rule = "capabilities"

    @property
    def capabilities(self) -> Capabilities:
        return evolve(self.inner.capabilities, pacing={"image": Pacing()})


class ManyAtATimeButNone(Good):
    rule = "capabilities"

    @property
    def capabilities(self) -> Capabilities:
        return evolve(self.inner.capabilities, slots=0)


class ShowsItsKey(Good):
    rule = "key_hidden"

    def __repr__(self) -> str:
        return f"<Account {KEY}>"


class PicklesItsKey(Good):
    rule = "key_hidden"

    def __reduce__(self) -> Any:
        return (str, (KEY,))


class BuysOnStaleConnections(Good):
    rule = "submit_request"

    def submit(self, task: Any, image: bytes | None) -> Call[Any]:
        call = super().submit(task, image)
        call.request.fresh = False
        return call


class RefusesWhatItTakes(Good):
    rule = "submit_request"

    @property
    def capabilities(self) -> Capabilities:
        return evolve(self.inner.capabilities, kinds=frozenset({"image", "funcaptcha"}))


class SpaceInTheTarget(Good):
    rule = "look_request"

    def look(self, asked: Any) -> Call[Any]:
        call = super().look(asked)
        call.request.target += " x"
        return call


class GetWithABody(Good):
    rule = "look_request"

    def look(self, asked: Any) -> Call[Any]:
        call = super().look(asked)
        call.request.body = b"x"
        return call


class PromisesReports(Good):
    rule = "small_requests"

    def report(self, task_id: str, *, correct: bool) -> Call[Any]:
        return self.inner.report(None, correct=correct)


class HidesThreads(Good):
    rule = "small_requests"

    @property
    def capabilities(self) -> Capabilities:
        return evolve(self.inner.capabilities, threads=False)


class PastesIds(Good):
    rule = "ids_quoted"

    def look(self, asked: Any) -> Call[Any]:
        call = super().look(asked)
        if len(asked) == 1:
            head = call.request.target.rpartition("=")[0]
            call.request.target = f"{head}={asked[0].task_id}"
        return call


class PastesIdsIntoJson(Good):
    rule = "ids_quoted"

    def look(self, asked: Any) -> Call[Any]:
        call = super().look(asked)
        body = f'{{"taskId":"{asked[0].task_id}"}}'.encode()
        origin = Origin("https", "a.example", 443)
        request = evolve(call.request, method="POST", origin=origin, target="/", body=body)
        call.request = evolve(request, content_type="application/json")
        return call


class TakesAnyImage(Good):
    rule = "images_refused"

    def submit(self, task: Any, image: bytes | None) -> Call[Any]:
        small = None if image is None else b"\x89PNG\r\n\x1a\nsmall"
        return super().submit(task, small)


class NeverReady(Good):
    rule = "samples"

    def read_look(self, read: Any, asked: Any) -> Any:
        def pending(response: Response) -> Any:
            said = read(response)
            return [Unknown("?")] if said == [Pending()] else said

        return pending


class TripsOverSubmits(Good):
    rule = "submit_total"

    def read_submit(self, read: Any) -> Any:
        def trip(response: Response) -> Any:
            if response.body == b"OK|":
                raise IndexError
            return read(response)

        return trip


class SaysNothing(Good):
    rule = "submit_total"

    def read_submit(self, read: Any) -> Any:
        return lambda response: read(response) if response.body != b"NaN" else None


class TripsOverLooks(Good):
    rule = "look_total"

    def read_look(self, read: Any, asked: Any) -> Any:
        def trip(response: Response) -> Any:
            response.body.decode()
            return read(response)

        return trip


class TooFewAnswers(Good):
    rule = "look_total"

    def read_look(self, read: Any, asked: Any) -> Any:
        def shorter(response: Response) -> Any:
            said = read(response)
            return said[:-1] if isinstance(said, list) and len(said) > 1 else said

        return shorter


class AnswersThatCannotBeStored(Good):
    rule = "look_total"

    def read_look(self, read: Any, asked: Any) -> Any:
        odd = b'{"text":"\\ud800"}'
        return lambda response: (
            [Solved(Text(json.loads(odd)["text"]))] * len(asked)
            if response.body == odd
            else read(response)
        )


class AnyNumberIsMoney(Good):
    rule = "small_total"

    def balance(self) -> Call[Any]:
        call = super().balance()
        read = call.read

        def balance(response: Response) -> Balance:
            if response.body in {b"NaN", b"1e999"}:
                return Balance(float(response.body), "USD", "")
            return read(response)

        call.read = balance
        return call


class TriesAgainAfter502(Good):
    rule = "money_unknown"

    def read_submit(self, read: Any) -> Any:
        return lambda response: (
            Busy(str(response.status)) if response.status in {502, 503} else read(response)
        )


class BelievesAnyStatus(Good):
    rule = "money_whole"

    def read_submit(self, read: Any) -> Any:
        return lambda response: read(
            Response(200, response.headers, response.body, response.delimited)
        )


class BelievesCutIds(Good):
    rule = "money_whole"

    def read_submit(self, read: Any) -> Any:
        return lambda response: read(Response(response.status, response.headers, response.body))


class IdsAreNumbers(Good):
    rule = "ids_checked"

    def read_submit(self, read: Any) -> Any:
        def number(response: Response) -> Any:
            said = read(response)
            plain = isinstance(said, Accepted) and said.task_id.isdigit()
            return evolve(said, task_id=str(int(said.task_id))) if plain else said

        return number


class IdsAreWhatever(Good):
    rule = "ids_checked"

    def read_submit(self, read: Any) -> Any:
        def anything(response: Response) -> Any:
            body = response.body.decode(errors="replace")
            whole = response.status == 200 and response.delimited
            known = body.startswith("OK|") and body[3:]
            return Accepted(body[3:]) if whole and known else read(response)

        return anything


class QuotesReplies(Good):
    rule = "key_unheard"

    def read_submit(self, read: Any) -> Any:
        def quote(response: Response) -> Any:
            said = read(response)
            words = response.body.decode(errors="replace")
            return Unknown(words) if isinstance(said, Unknown) else said

        return quote


class GuessesBatches(Good):
    rule = "batch_fits"

    def read_look(self, read: Any, asked: Any) -> Any:
        def guess(response: Response) -> Any:
            if response.status == 200 and response.body == b"OK|text":
                return [Solved(Text("text"))] * len(asked)
            return read(response)

        return guess


class RenamesCodes(Good):
    rule = "codes_kept"

    def read_look(self, read: Any, asked: Any) -> Any:
        def rename(response: Response) -> Any:
            said = read(response)
            failed = isinstance(said, list) and isinstance(said[0], Failed)
            return [Failed("unsolvable")] * len(asked) if failed else said

        return rename


class WaitsForEver(Good):
    rule = "waits_bounded"

    def read_look(self, read: Any, asked: Any) -> Any:
        def wait(response: Response) -> Any:
            said = read(response)
            after = response.header("retry-after") or "0"
            if isinstance(said, list) and isinstance(said[0], Throttled) and after[:1] in "1n":
                return [Throttled("429", float(after))] * len(asked)
            return said

        return wait


class RemembersReplies(Good):
    rule = "reading_pure"
    numbers = count()

    def read_submit(self, read: Any) -> Any:
        def remember(response: Response) -> Any:
            said = read(response)
            busy = isinstance(said, Busy)
            return evolve(said, retry_after=next(self.numbers) % 7) if busy else said

        return remember


FLAWED = [one for one in Good.__subclasses__() if one.rule]
