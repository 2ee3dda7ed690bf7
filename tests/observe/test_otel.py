"""`OpenTelemetryEvents`: a span a task under its caller's, metrics, bounds, and no secrets."""

from __future__ import annotations

import anyio
import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, SpanKind, StatusCode

from solvestream import Client, ImageToText, UsageError, events
from solvestream.observe.otel import OpenTelemetryEvents
from tests.faults.canary import shows
from tests.observe.days import ANSWER, PNG, account, bad_day, good_day

pytestmark = pytest.mark.anyio


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def tracers(exporter):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def meters(reader):
    provider = MeterProvider([reader], shutdown_on_exit=False)
    yield provider
    provider.shutdown()


@pytest.fixture
def sink(tracers, meters):
    return OpenTelemetryEvents(tracers, meters)


def metrics(reader):
    """Return name -> data points of all metrics."""
    data = reader.get_metrics_data()
    return {
        metric.name: points
        for resource in (data.resource_metrics if data else [])
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if (points := list(metric.data.data_points))
    }


def queued(key, at=1.0):
    return events.TaskQueued(at=at, job_key=key, kind="image", tag=None)


async def test_a_task_is_a_span_with_its_steps(service, sink, exporter):
    """It lasts from hand-over to the end, and tells of its submit and its looks."""
    (result,) = await good_day(service, sink, tasks=1)
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("solve image", SpanKind.CLIENT)
    assert [one.name for one in span.events] == ["submit", "accepted", "look", "look"]
    assert (span.end_time - span.start_time) / 1e9 == pytest.approx(result.elapsed, abs=1e-3)
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes) == {
        "solvestream.job_key": result.ticket.job_key,
        "solvestream.task.kind": "image",
        "solvestream.task.tag": "t",
        "solvestream.task.id": result.ticket.task_id,
        "solvestream.account": "captchaai",
        "solvestream.looks": 2,
        "solvestream.charged": "yes",
        "solvestream.redelivered": False,
    }


async def test_a_refusal_is_told_with_its_code(service, sink, exporter):
    """It is an event of the span, before the submit that is taken."""
    await good_day(service, sink, tasks=20, slots=5)
    refusals = [
        event
        for span in exporter.get_finished_spans()
        for event in span.events
        if event.name == "refused"
    ]
    assert {one.attributes["solvestream.error.code"] for one in refusals} == {
        "ERROR_NO_SLOT_AVAILABLE"
    }


async def test_every_task_has_its_span_whatever_happens(service, sink, exporter):
    """Each hand-over is one span, failures have the error's class, and none is left open."""
    seen = []
    await bad_day(service, [sink, seen.append])
    ended = [one for one in seen if isinstance(one, events.TaskEnded)]
    withdrawn = [one for one in seen if isinstance(one, events.TaskWithdrawn)]
    spans = exporter.get_finished_spans()
    assert len(spans) == len(ended) + len(withdrawn)
    failed = [span for span in spans if span.status.status_code is StatusCode.ERROR]
    assert sorted(span.attributes["error.type"] for span in failed) == sorted(
        one.error for one in ended if not one.ok
    )
    assert not sink._spans._open


async def test_the_parent_is_the_span_current_where_a_task_was_handed_over(
    service, sink, exporter, tracers
):
    """For `solve` and `submit` it is the caller's, for a stream that of its reader."""
    tracer = tracers.get_tracer("app")
    async with Client(account(), on_event=sink) as client:
        with tracer.start_as_current_span("one"):
            await client.solve(ImageToText(PNG))
        with tracer.start_as_current_span("two"):
            ticket = await client.submit(ImageToText(PNG))
        await client.wait(ticket)
        with tracer.start_as_current_span("three"):
            async for _ in client.stream([ImageToText(PNG)] * 3):
                pass
    spans = exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in spans}
    parents = [names[span.parent.span_id] for span in spans if span.name == "solve image"]
    assert parents == ["one", "two", "three", "three", "three"]


async def test_concurrent_callers_keep_their_own_parents(service, sink, exporter, tracers):
    """Ten tasks of ten callers each have their caller's span above them."""
    tracer = tracers.get_tracer("app")

    async def call(client, number):
        with tracer.start_as_current_span(f"call {number}"):
            await client.solve(ImageToText(PNG, tag=number))

    async with Client(account(), on_event=sink) as client, anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(call, client, number)
    spans = exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in spans}
    solved = [span for span in spans if span.name == "solve image"]
    assert len(solved) == 10
    for span in solved:
        tag = span.attributes["solvestream.task.tag"]
        assert names[span.parent.span_id] == f"call {tag}"


async def test_metrics_of_a_run(service, sink, reader):
    """Durations are counted by account, kind and error; exchanges and waiting too."""
    await good_day(service, sink, tasks=20, slots=5)
    found = metrics(reader)
    (duration,) = found["solvestream.task.duration"]
    assert duration.count == 20
    assert dict(duration.attributes) == {
        "solvestream.account": "captchaai",
        "solvestream.task.kind": "image",
    }
    assert found["solvestream.task.solving"][0].count == 20
    assert found["solvestream.task.queued"][0].count == 20
    taken = [
        one for one in found["solvestream.submit.duration"] if "error.type" not in one.attributes
    ]
    assert taken[0].count == 20
    assert found["solvestream.look.duration"][0].count == service.look_requests


async def test_a_watched_client_has_gauges(service, sink, reader):
    """What is queued and in flight is read when metrics are collected, while it is there."""
    service.slots = 3
    async with Client(account(slots=3), on_event=sink) as client:
        sink.watch(client)
        async with client.stream([ImageToText(PNG)] * 10) as results:
            await anext(results)
            found = metrics(reader)
            statistics = client.statistics()
    assert found["solvestream.queued"][0].value == statistics.queued > 0
    (in_flight,) = found["solvestream.account.in_flight"]
    assert in_flight.value == statistics.in_flight > 0
    assert found["solvestream.account.limit"][0].value == 3
    assert in_flight.attributes == {"solvestream.account": "captchaai"}
    assert found["solvestream.account.breaker"][0].value == 0


async def test_no_key_and_no_answer_is_in_what_is_exported(service, sink, exporter, reader):
    """Through all faults, neither is in a span or a metric."""
    await bad_day(service, sink)
    spans = exporter.get_finished_spans()
    told = "".join(span.to_json() for span in spans) + reader.get_metrics_data().to_json()
    assert len(spans) > 50
    assert not shows(told)
    assert ANSWER not in told


async def test_what_raises_in_the_backend_harms_no_task(service, meters):
    """All tasks are solved though no span can be started, and metrics go on."""

    class Broken(NoOpTracerProvider):
        def get_tracer(self, *args, **kwargs):
            return self

        def start_span(self, *args, **kwargs):
            raise RuntimeError("exporter is gone")

    sink = OpenTelemetryEvents(Broken(), meters)
    results = await good_day(service, sink)
    assert [one.ok for one in results] == [True] * 20
    assert len(sink._metrics._waits._since) == 0


async def test_spans_that_nobody_samples_are_not_exported(service, exporter, meters):
    """The sampler's word holds, for the ends too."""
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    sink = OpenTelemetryEvents(provider, meters)
    await good_day(service, sink, tasks=3)
    assert exporter.get_finished_spans() == ()
    assert not sink._spans._open


async def test_without_an_sdk_nothing_happens(service):
    """The api alone takes it all and keeps nothing."""
    sink = OpenTelemetryEvents(NoOpTracerProvider(), NoOpMeterProvider())
    assert all(one.ok for one in await good_day(service, sink, tasks=3))
    assert not sink._spans._open


def test_tasks_that_never_end_take_bounded_memory(tracers, exporter):
    """Beyond `max_spans` the oldest is ended as incomplete, and so is its clock."""
    sink = OpenTelemetryEvents(tracers, NoOpMeterProvider(), max_spans=10)
    for number in range(25):
        sink(queued(f"k{number}", at=float(number)))
    assert len(sink._spans._open) == 10
    given_up = exporter.get_finished_spans()
    assert [span.attributes["solvestream.job_key"] for span in given_up] == [
        f"k{number}" for number in range(15)
    ]
    assert all(span.attributes["solvestream.incomplete"] for span in given_up)


def test_a_key_that_comes_again_ends_its_first_span(sink, exporter):
    """Two clients may use one `job_key`; no span is lost."""
    sink(queued("k", at=1.0))
    sink(queued("k", at=2.0))
    (first,) = exporter.get_finished_spans()
    assert first.end_time == 2_000_000_000


def test_changes_of_an_account_are_counted(sink, reader):
    """A gate that closes, a breaker that opens, an account that is refused; not their ends."""
    for event in [
        events.GateChanged(at=1.0, account="a", open=False, limit=3),
        events.GateChanged(at=2.0, account="a", open=True, limit=3),
        events.BreakerChanged(at=3.0, account="a", state="open"),
        events.BreakerChanged(at=4.0, account="a", state="half-open"),
        events.BreakerChanged(at=5.0, account="a", state="closed"),
        events.AccountChanged(at=6.0, account="a", down="ERROR_ZERO_BALANCE"),
        events.AccountChanged(at=7.0, account="a", down=None),
    ]:
        sink(event)
    found = metrics(reader)["solvestream.account.changes"]
    assert {(one.attributes["solvestream.change"], one.value) for one in found} == {
        ("gate_closed", 1),
        ("breaker_open", 1),
        ("down", 1),
    }


def test_a_redelivered_answer_has_a_span_and_is_not_counted(sink, exporter, reader):
    """An earlier process counted it and its cost."""
    sink(
        events.TaskEnded(
            at=5.0,
            job_key="k",
            kind="image",
            account="a",
            ok=True,
            error=None,
            code=None,
            charged="yes",
            elapsed=4.0,
            solving=3.0,
            looks=1,
            cost=0.5,
            expires_at=None,
            redelivered=True,
        )
    )
    (span,) = exporter.get_finished_spans()
    assert span.start_time == span.end_time == 5_000_000_000
    assert span.attributes["solvestream.cost_usd"] == 0.5
    assert metrics(reader) == {}


def test_a_bad_bound_is_refused():
    """It is a UsageError that names the field."""
    with pytest.raises(UsageError, match="max_spans"):
        OpenTelemetryEvents(max_spans=0)
