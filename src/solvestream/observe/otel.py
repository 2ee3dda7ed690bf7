"""Events as OpenTelemetry traces and metrics: `Client(..., on_event=OpenTelemetryEvents())`.

Needs `opentelemetry-api`, which does nothing by itself: SDK, sampling and exporters are the
application's. One span a task, from its hand-over to its end, under the span that was current
where it was handed over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation, get_meter
from opentelemetry.trace import (
    Span,
    SpanKind,
    Status,
    StatusCode,
    TracerProvider,
    get_tracer,
)

from solvestream import __version__
from solvestream.errors import UsageError
from solvestream.events import (
    AccountChanged,
    BreakerChanged,
    Event,
    GateChanged,
    TaskAccepted,
    TaskAdopted,
    TaskEnded,
    TaskQueued,
    TaskRefused,
    TasksLooked,
    TaskSubmitted,
    TaskWithdrawn,
)
from solvestream.observe._values import (
    GAUGES,
    Clients,
    Few,
    Gauge,
    Waits,
    Watched,
    plain,
    plain_tag,
)

_ACCOUNT = "solvestream.account"
_KIND = "solvestream.task.kind"
_CODE = "solvestream.error.code"


class OpenTelemetryEvents:
    """Makes a span of each task, and metrics of all of them.

    A span is named `solve {kind}` and of kind CLIENT. Its events are `submit`, `accepted`,
    `refused`, `look` and `withdrawn`; its attributes are `solvestream.job_key`, `.account`,
    `.task.kind`, `.task.id`, `.task.tag` (a string, a number or a path), `.looks`, `.charged`,
    `.cost_usd` and `.redelivered`. A task that failed has the status ERROR, the error's class as
    `error.type`, and the service's code as `solvestream.error.code`.

    | metric | unit | attributes |
    |---|---|---|
    | `solvestream.task.duration` | s, from hand-over to the end | account, kind, error |
    | `solvestream.task.solving` | s, from acceptance to the answer | account, kind |
    | `solvestream.task.queued` | s, from hand-over to the submit that was taken | account |
    | `solvestream.submit.duration`, `solvestream.look.duration` | s, of a request | account, error |
    | `solvestream.cost` | USD, where services tell | account, kind |
    | `solvestream.account.changes` | gates closed, breakers open, refusals | account, change |

    For clients given to `watch` there are the gauges `solvestream.queued`, `.kept`,
    `.account.in_flight`, `.account.limit`, `.account.gate_closed`, `.account.breaker` (0 closed,
    1 half-open, 2 open) and `.account.down`.

    Args:
        tracer_provider: default: the global one; `NoOpTracerProvider()` for no spans.
        meter_provider: default: the global one; `NoOpMeterProvider()` for no metrics.
        max_spans: open at once at most, 1 or more; default 10,000, of 4.5 KB each. The oldest is
            ended as `solvestream.incomplete` to make room for the next task's.

    Raises `UsageError` for a `max_spans` below 1.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        max_spans: int = 10_000,
    ) -> None:
        if not max_spans >= 1:
            raise UsageError("max_spans: give 1 or more")
        self._spans = _Spans(tracer_provider, max_spans)
        self._metrics = _Metrics(get_meter("solvestream", __version__, meter_provider))

    def __call__(self, event: Event) -> None:
        """Take an event into its task's span, and into the metrics."""
        try:
            self._spans.take(event)
        finally:
            self._metrics.take(event)

    def watch(self, client: Watched) -> None:
        """Read gauges from a client when metrics are collected; it is not kept alive."""
        self._metrics.clients.add(client)


class _Spans:
    """The open spans, by `job_key`."""

    def __init__(self, provider: TracerProvider | None, limit: int) -> None:
        self._tracer = get_tracer("solvestream", __version__, provider)
        self._limit = limit
        self._open: OrderedDict[str, Span] = OrderedDict()
        self._handlers: dict[type, Callable[[Any], None]] = {
            TaskQueued: self._queued,
            TaskAdopted: self._adopted,
            TaskSubmitted: self._submitted,
            TaskAccepted: self._accepted,
            TaskRefused: self._refused,
            TasksLooked: self._looked,
            TaskWithdrawn: self._withdrawn,
            TaskEnded: self._ended,
        }

    def take(self, event: Event) -> None:
        if (handler := self._handlers.get(type(event))) is not None:
            handler(event)

    def _queued(self, event: TaskQueued) -> None:
        span = self._begin(event.job_key, event.kind, event.at)
        if (tag := plain_tag(event.tag)) is not None:
            span.set_attribute("solvestream.task.tag", tag)

    def _adopted(self, event: TaskAdopted) -> None:
        span = self._begin(event.job_key, event.kind, event.at)
        span.set_attributes({_ACCOUNT: event.account, "solvestream.task.id": event.task_id})

    def _begin(self, key: str, kind: str, at: float) -> Span:
        """Open a span under the current one; events come in the context of who hands over."""
        if (same := self._open.pop(key, None)) is not None:
            _give_up(same, at)
        span = self._tracer.start_span(
            f"solve {kind}".rstrip(),
            kind=SpanKind.CLIENT,
            attributes={"solvestream.job_key": key, _KIND: kind},
            start_time=_ns(at),
        )
        self._open[key] = span
        if len(self._open) > self._limit:
            _give_up(self._open.popitem(last=False)[1], at)
        return span

    def _submitted(self, event: TaskSubmitted) -> None:
        if (span := self._open.get(event.job_key)) is not None:
            span.add_event("submit", {_ACCOUNT: event.account}, _ns(event.at))

    def _accepted(self, event: TaskAccepted) -> None:
        if (span := self._open.get(event.job_key)) is not None:
            span.add_event("accepted", None, _ns(event.at))
            span.set_attributes({_ACCOUNT: event.account, "solvestream.task.id": event.task_id})

    def _refused(self, event: TaskRefused) -> None:
        if (span := self._open.get(event.job_key)) is not None:
            attributes = {_ACCOUNT: event.account, _CODE: plain(event.code)}
            span.add_event("refused", attributes, _ns(event.at))

    def _looked(self, event: TasksLooked) -> None:
        attributes = {"error.type": event.trouble} if event.trouble else None
        at = _ns(event.at)
        for key in event.job_keys:
            if (span := self._open.get(key)) is not None:
                span.add_event("look", attributes, at)

    def _withdrawn(self, event: TaskWithdrawn) -> None:
        if (span := self._open.pop(event.job_key, None)) is not None:
            span.add_event("withdrawn", None, _ns(event.at))
            span.end(_ns(event.at))

    def _ended(self, event: TaskEnded) -> None:
        """End a span; one that was never queued, as a bad task, gets one without duration."""
        if event.job_key not in self._open:
            self._begin(event.job_key, event.kind, event.at)
        span = self._open.pop(event.job_key)
        span.set_attributes(_how(event))
        if not event.ok:
            span.set_status(Status(StatusCode.ERROR, event.error))
        span.end(_ns(event.at))


class _Metrics:
    """Instruments, and what each event adds to them."""

    def __init__(self, meter: Meter) -> None:
        self.clients = Clients()
        self._waits = Waits()
        self._codes = Few()
        self._kinds = Few()
        seconds = meter.create_histogram
        self._duration = seconds("solvestream.task.duration", "s", "From hand-over to the end")
        self._solving = seconds("solvestream.task.solving", "s", "From acceptance to the answer")
        self._queue = seconds("solvestream.task.queued", "s", "From hand-over to the submit taken")
        self._submit = seconds("solvestream.submit.duration", "s", "From submit to reply")
        self._look = seconds("solvestream.look.duration", "s", "From look to reply")
        self._cost = meter.create_counter("solvestream.cost", "{USD}", "As services say")
        self._changes = meter.create_counter(
            "solvestream.account.changes", "{change}", "Gates closed, breakers open, refusals"
        )
        self._handlers: dict[type, Callable[[Any], object]] = {
            TaskQueued: lambda event: self._waits.begin(event.job_key, event.at),
            TaskWithdrawn: lambda event: self._waits.end(event.job_key, event.at),
            TaskAccepted: self._accepted,
            TaskRefused: self._refused,
            TasksLooked: self._looked,
            TaskEnded: self._ended,
            GateChanged: self._gate,
            BreakerChanged: self._breaker,
            AccountChanged: self._account,
        }
        _create_gauges(meter, self.clients)

    def take(self, event: Event) -> None:
        if (handler := self._handlers.get(type(event))) is not None:
            handler(event)

    def _accepted(self, event: TaskAccepted) -> None:
        account = {_ACCOUNT: event.account}
        self._submit.record(event.seconds, account)
        waited = self._waits.end(event.job_key, event.at - event.seconds)
        if waited is not None:
            self._queue.record(waited, account)

    def _refused(self, event: TaskRefused) -> None:
        code = self._codes.of(event.account, event.code)
        self._submit.record(event.seconds, {_ACCOUNT: event.account, "error.type": code})

    def _looked(self, event: TasksLooked) -> None:
        attributes = {_ACCOUNT: event.account}
        if event.trouble is not None:
            attributes["error.type"] = event.trouble
        self._look.record(event.seconds, attributes)

    def _ended(self, event: TaskEnded) -> None:
        self._waits.end(event.job_key, event.at)
        if event.redelivered:
            return  # it was counted when it ended
        attributes = {_ACCOUNT: event.account or "", _KIND: self._kinds.of("", event.kind)}
        if event.error is not None:
            attributes["error.type"] = event.error
            attributes[_CODE] = self._codes.of(event.account, event.code)
        self._duration.record(event.elapsed, attributes)
        if event.ok and event.solving is not None:
            self._solving.record(event.solving, attributes)
        if event.cost:
            self._cost.add(event.cost, attributes)

    def _gate(self, event: GateChanged) -> None:
        if not event.open:
            self._changes.add(1, {_ACCOUNT: event.account, "solvestream.change": "gate_closed"})

    def _breaker(self, event: BreakerChanged) -> None:
        if event.state == "open":
            self._changes.add(1, {_ACCOUNT: event.account, "solvestream.change": "breaker_open"})

    def _account(self, event: AccountChanged) -> None:
        if event.down is not None:
            self._changes.add(1, {_ACCOUNT: event.account, "solvestream.change": "down"})


def _create_gauges(meter: Meter, clients: Clients) -> None:
    for name, gauge in GAUGES.items():

        def observe(_: CallbackOptions, gauge: Gauge = gauge) -> Iterable[Observation]:
            for account, value in clients.read(gauge).items():
                yield Observation(value, {_ACCOUNT: account} if gauge.labels else {})

        room = "solvestream.account" if gauge.labels else "solvestream"
        meter.create_observable_gauge(f"{room}.{name}", [observe], "", gauge.what)


def _how(event: TaskEnded) -> dict[str, str | bool | int | float]:
    """Return a span's attributes from how its task ended."""
    found: dict[str, str | bool | int | float] = {
        "solvestream.looks": event.looks,
        "solvestream.charged": event.charged,
        "solvestream.redelivered": event.redelivered,
    }
    if event.account is not None:
        found[_ACCOUNT] = event.account
    if event.cost is not None:
        found["solvestream.cost_usd"] = event.cost
    if event.error is not None:
        found["error.type"] = event.error
    if event.code is not None:
        found[_CODE] = plain(event.code)
    return found


def _give_up(span: Span, at: float) -> None:
    """End the span of a task that is still under way."""
    span.set_attribute("solvestream.incomplete", True)
    span.end(_ns(at))


def _ns(at: float) -> int:
    return int(at * 1e9)
