"""`PrometheusEvents`: counters, histograms, gauges of watched clients, bounded labels, secrets."""

from __future__ import annotations

import gc
from collections import Counter

import anyio.to_thread
import pytest
from attrs import evolve
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from solvestream import Client, ImageToText, events
from solvestream.observe.prometheus import PrometheusEvents
from tests.faults.canary import shows
from tests.observe.days import ANSWER, ENDED, PNG, account, bad_day, good_day

pytestmark = pytest.mark.anyio

MINE = {"account": "captchaai"}
FAILED = evolve(ENDED, code="E")


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def sink(registry):
    return PrometheusEvents(registry)


@pytest.fixture
def value(registry):
    """Return what a metric shows."""

    def read(name, **labels):
        return registry.get_sample_value(f"solvestream_{name}", labels)

    return read


async def test_the_counters_tell_a_run(service, sink, value):
    """Tasks, submits, refusals and looks are those that the service saw."""
    await good_day(service, sink, tasks=20, slots=5)
    assert value("tasks_queued_total", kind="image") == 20
    assert value("tasks_ended_total", kind="image", error="", **MINE) == 20
    assert value("submits_total", **MINE) == service.submits
    assert value("accepted_total", **MINE) == 20
    refused = value("refusals_total", code="ERROR_NO_SLOT_AVAILABLE", **MINE)
    assert refused == service.refusals > 0
    assert value("looks_total", **MINE) == sum(service.looks.values())


async def test_the_histograms_measure_each_step(service, sink, value):
    """Solving and waiting once a task, an exchange once a request."""
    await good_day(service, sink, tasks=20, slots=5)
    assert value("solving_seconds_count", kind="image", **MINE) == 20
    assert value("solving_seconds_sum", kind="image", **MINE) == pytest.approx(80, rel=0.1)
    assert value("queue_seconds_count", **MINE) == 20
    assert value("queue_seconds_bucket", le="0.01", **MINE) == 5  # those that found a slot
    assert value("exchange_seconds_count", exchange="submit", **MINE) == service.submits
    assert value("exchange_seconds_count", exchange="look", **MINE) == service.look_requests


async def test_a_bad_day_adds_up(service, sink, registry, value):
    """What came in has ended or gone; failures are told by class and code."""
    seen = []
    await bad_day(service, [sink, seen.append])
    count = Counter(type(one).__name__ for one in seen)
    samples = [sample for family in registry.collect() for sample in family.samples]

    def total(name):
        return sum(one.value for one in samples if one.name == f"solvestream_{name}")

    assert total("tasks_ended_total") == count["TaskEnded"]
    assert total("tasks_withdrawn_total") == count["TaskWithdrawn"] == 1
    assert total("tasks_adopted_total") == count["TaskAdopted"] == 1
    assert total("failures_total") == sum(
        isinstance(e, events.TaskEnded) and not e.ok for e in seen
    )
    assert value("downs_total", code="ERROR_KEY_DOES_NOT_EXIST", **MINE) == 1
    assert value("look_troubles_total", trouble="timeout", **MINE) == 1
    assert not sink._waits._since


async def test_gauges_of_a_watched_client(service, sink, value):
    """They are those of its statistics at the moment of asking."""
    async with Client(account(slots=3), on_event=sink) as client:
        sink.watch(client)
        async with client.stream([ImageToText(PNG)] * 10) as results:
            await anext(results)
            statistics = client.statistics()
            assert value("queued") == statistics.queued > 0
            assert value("in_flight", **MINE) == statistics.in_flight > 0
            assert value("limit", **MINE) == 3
            assert value("gate_closed", **MINE) in {0, 1}
            assert value("breaker", **MINE) == value("down", **MINE) == 0


async def test_gauges_of_several_clients_are_one_series(service, sink, registry, value):
    """Limits add up, and the text has no series twice."""
    async with Client(account(slots=3)) as one, Client(account(slots=4)) as two:
        sink.watch(one)
        sink.watch(two)
        assert value("limit", **MINE) == 7
        lines = generate_latest(registry).decode().splitlines()
    names = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(names) == len(set(names))


async def test_a_watched_client_is_not_kept_alive(service, sink, value):
    """With the client its gauges go."""
    client = Client(account())
    sink.watch(client)
    assert value("queued") == 0
    del client
    gc.collect()
    assert value("queued") is None


async def test_another_thread_may_collect(service, sink, registry, anyio_backend_name):
    """A server in a thread gets the metrics, whatever the loop is."""
    async with Client(account(), on_event=sink) as client:
        sink.watch(client)
        await client.solve(ImageToText(PNG))
        text = (await anyio.to_thread.run_sync(generate_latest, registry)).decode()
    assert 'solvestream_accepted_total{account="captchaai"} 1.0' in text


async def test_no_key_and_no_answer_is_in_the_text(service, sink, registry):
    """Through all faults, neither is in what is scraped, in both formats."""
    await bad_day(service, sink)
    told = generate_latest(registry).decode() + openmetrics.generate_latest(registry).decode()
    assert "ERROR_SOMETHING" in told
    assert not shows(told)
    assert ANSWER not in told


async def test_what_raises_in_the_backend_harms_no_task(service, sink, monkeypatch):
    """All tasks are solved though nothing can be counted, and no clock is left running."""

    def broken(*labels):
        raise RuntimeError("mmap failed")

    for name in ("_queued", "_accepted", "_submits", "_ended", "_exchange"):
        monkeypatch.setattr(sink, name, broken)
    results = await good_day(service, sink)
    assert [one.ok for one in results] == [True] * 20
    assert not sink._waits._since


def test_a_hostile_service_s_codes_are_few_labels(sink, registry, value):
    """Beyond 50 codes of an account all are `other`; another account's are not touched."""
    for number in range(1_000):
        sink(evolve(FAILED, code=f"ERROR_{number}\n" + "x" * 9_999))
    sink(evolve(FAILED, account="b", code="ERROR_KNOWN"))
    assert value("failures_total", account="a", error="TaskFailed", code="other") == 950
    assert value("failures_total", account="b", error="TaskFailed", code="ERROR_KNOWN") == 1
    assert len(generate_latest(registry)) < 100_000


def test_kinds_are_few_labels(sink, registry):
    """A program that makes up kinds gets 50 of them, and `other`."""
    for number in range(1_000):
        sink(events.TaskQueued(at=1.0, job_key="k", kind=f"kind-{number}"))
    samples = [one for family in registry.collect() for one in family.samples]
    assert len({one.labels["kind"] for one in samples if "kind" in one.labels}) == 51


def test_waiting_tasks_that_never_end_take_bounded_memory(sink):
    """The clocks of the oldest go."""
    sink._waits.limit = 10
    for number in range(25):
        sink(events.TaskQueued(at=1.0, job_key=f"k{number}", kind="image"))
    assert len(sink._waits._since) == 10


def test_a_redelivered_end_is_counted_apart(sink, value):
    """An earlier process counted it, and its cost."""
    sink(evolve(FAILED, ok=True, error=None, code=None, cost=0.5, redelivered=True))
    assert value("tasks_redelivered_total", account="a") == 1
    assert value("tasks_ended_total", account="a", kind="image", error="") is None
    assert value("spent_usd_total", account="a") is None


def test_money_is_counted(sink, value):
    """What services tell is added up."""
    for _ in range(3):
        sink(evolve(FAILED, ok=True, error=None, code=None, cost=0.5))
    assert value("spent_usd_total", account="a") == 1.5


def test_changes_of_an_account_are_counted(sink, value):
    """A gate that closes, a breaker that opens, an account that is refused; not their ends."""
    for event in [
        events.GateChanged(at=1.0, account="a", open=False, limit=3),
        events.GateChanged(at=2.0, account="a", open=True, limit=3),
        events.BreakerChanged(at=3.0, account="a", state="open"),
        events.BreakerChanged(at=4.0, account="a", state="half-open"),
        events.BreakerChanged(at=5.0, account="a", state="closed"),
        events.AccountChanged(at=6.0, account="a", down="E"),
        events.AccountChanged(at=7.0, account="a", down=None),
    ]:
        sink(event)
    assert value("gate_closings_total", account="a") == 1
    assert value("breaker_openings_total", account="a") == 1
    assert value("downs_total", account="a", code="E") == 1


def test_the_prefix_is_one_s_own(registry):
    """Two sinks share a registry under two names; under one name they cannot."""
    PrometheusEvents(registry)
    PrometheusEvents(registry, prefix="mine")
    assert registry.get_sample_value("mine_tasks_withdrawn_total") == 0
    with pytest.raises(ValueError, match="Duplicated"):
        PrometheusEvents(registry)


def test_without_a_registry_it_is_prometheus_client_s_own():
    """What the usual endpoint shows has the metrics."""
    PrometheusEvents(prefix="solvestream_test_default")
    assert REGISTRY.get_sample_value("solvestream_test_default_tasks_withdrawn_total") == 0
