"""Events as Prometheus metrics: `Client(..., on_event=PrometheusEvents())`.

Needs `prometheus-client`. How the metrics are served is the application's; a Grafana board
that shows them is printed by `python -m solvestream.observe.grafana`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

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
from solvestream.observe._values import GAUGES, Clients, Few, Gauge, Waits, Watched

_SOLVING = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300)
_EXCHANGE = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_QUEUE = (0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class PrometheusEvents:
    """Counts and measures events in metrics of a registry.

    | metric | labels | what |
    |---|---|---|
    | `tasks_queued_total` | kind | tasks handed over |
    | `tasks_adopted_total` | account | tasks taken up by ticket or journal |
    | `tasks_withdrawn_total` | | tasks whose caller went before they were sent |
    | `tasks_ended_total` | account, kind, error | how tasks ended; `error=""` is solved |
    | `tasks_redelivered_total` | account | ends that an earlier process counted |
    | `failures_total` | account, error, code | tasks that failed, by the service's code |
    | `submits_total` | account | submits sent |
    | `accepted_total` | account | submits taken, and so paid |
    | `refusals_total` | account, code | submits that bought nothing |
    | `looks_total` | account | tasks asked for |
    | `look_troubles_total` | account, trouble | look requests without a proper reply |
    | `spent_usd_total` | account | USD, where the service tells |
    | `gate_closings_total` | account | times there was no slot |
    | `breaker_openings_total` | account | times a service did not answer properly |
    | `downs_total` | account, code | times the service refused the account |
    | `queue_seconds` | account | from hand-over to the submit that was taken |
    | `solving_seconds` | account, kind | from acceptance to the answer |
    | `exchange_seconds` | account, exchange | of a `submit` or a `look` request |

    The last three are histograms. For clients given to `watch` there are the gauges `queued`,
    `kept`, `in_flight`, `limit`, `gate_closed`, `breaker` and `down`, read when metrics are
    collected; all but the first two have `account`. Several clients may share one sink.

    At most 50 different codes for each account, and 50 kinds, are labels; further ones are
    `other`, so that no service fills the memory of Prometheus.

    Args:
        registry: default: prometheus_client's own.
        prefix: the first word of all names; default `solvestream`.

    Raises `ValueError` where the registry has metrics of these names already.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, prefix: str = "solvestream"
    ) -> None:
        registry = REGISTRY if registry is None else registry
        self._gauges = _Gauges(prefix)
        self._waits = Waits()
        self._codes = Few()
        self._kinds = Few()
        self._declare(registry, prefix)
        registry.register(self._gauges)
        self._handlers: dict[type, Callable[[Any], None]] = {
            TaskQueued: self._take_queued,
            TaskAdopted: lambda event: self._adopted(event.account).inc(),
            TaskWithdrawn: self._take_withdrawn,
            TaskSubmitted: lambda event: self._submits(event.account).inc(),
            TaskAccepted: self._take_accepted,
            TaskRefused: self._take_refused,
            TasksLooked: self._take_looked,
            TaskEnded: self._take_ended,
            GateChanged: self._take_gate,
            BreakerChanged: self._take_breaker,
            AccountChanged: self._take_account,
        }

    def __call__(self, event: Event) -> None:
        """Count an event."""
        if (handler := self._handlers.get(type(event))) is not None:
            handler(event)

    def watch(self, client: Watched) -> None:
        """Read gauges from a client when metrics are collected; it is not kept alive."""
        self._gauges.clients.add(client)

    def _declare(self, registry: CollectorRegistry, prefix: str) -> None:
        """Make the metrics; `cache` spares a lock and a lookup for each event."""

        def counter(name: str, what: str, *labels: str) -> Callable[..., Counter]:
            return cache(Counter(f"{prefix}_{name}", what, labels, registry=registry).labels)

        def seconds(
            name: str, what: str, buckets: tuple[float, ...], *labels: str
        ) -> Callable[..., Histogram]:
            full = f"{prefix}_{name}_seconds"
            return cache(Histogram(full, what, labels, registry=registry, buckets=buckets).labels)

        self._queued = counter("tasks_queued", "Tasks handed over", "kind")
        self._adopted = counter("tasks_adopted", "Tasks taken up by ticket or journal", "account")
        self._withdrawn = Counter(
            f"{prefix}_tasks_withdrawn", "Tasks whose caller went before", registry=registry
        )
        self._ended = counter("tasks_ended", "How tasks ended", "account", "kind", "error")
        self._redelivered = counter("tasks_redelivered", "Ends counted before", "account")
        self._failures = counter("failures", "Tasks that failed", "account", "error", "code")
        self._submits = counter("submits", "Submits sent", "account")
        self._accepted = counter("accepted", "Submits taken, and so paid", "account")
        self._refusals = counter("refusals", "Submits that bought nothing", "account", "code")
        self._looks = counter("looks", "Tasks asked for", "account")
        self._troubles = counter("look_troubles", "Looks without reply", "account", "trouble")
        self._spent = counter("spent_usd", "USD, where the service tells", "account")
        self._closings = counter("gate_closings", "No slot was free", "account")
        self._openings = counter("breaker_openings", "No proper replies", "account")
        self._downs = counter("downs", "The service refused the account", "account", "code")
        self._queue = seconds("queue", "Hand-over to the submit taken", _QUEUE, "account")
        self._solving = seconds("solving", "Acceptance to answer", _SOLVING, "account", "kind")
        self._exchange = seconds("exchange", "Of a request", _EXCHANGE, "account", "exchange")

    # Events

    def _take_queued(self, event: TaskQueued) -> None:
        self._waits.begin(event.job_key, event.at)
        self._queued(self._kinds.of("", event.kind)).inc()

    def _take_withdrawn(self, event: TaskWithdrawn) -> None:
        self._waits.end(event.job_key, event.at)
        self._withdrawn.inc()

    def _take_accepted(self, event: TaskAccepted) -> None:
        account = event.account
        self._accepted(account).inc()
        self._exchange(account, "submit").observe(event.seconds)
        waited = self._waits.end(event.job_key, event.at - event.seconds)
        if waited is not None:
            self._queue(account).observe(waited)

    def _take_refused(self, event: TaskRefused) -> None:
        self._exchange(event.account, "submit").observe(event.seconds)
        self._refusals(event.account, self._codes.of(event.account, event.code)).inc()

    def _take_looked(self, event: TasksLooked) -> None:
        self._exchange(event.account, "look").observe(event.seconds)
        self._looks(event.account).inc(len(event.job_keys))
        if event.trouble is not None:
            self._troubles(event.account, event.trouble).inc()

    def _take_ended(self, event: TaskEnded) -> None:
        account, kind = event.account or "", self._kinds.of("", event.kind)
        self._waits.end(event.job_key, event.at)
        if event.redelivered:
            self._redelivered(account).inc()
            return
        self._ended(account, kind, event.error or "").inc()
        if event.error is not None:
            self._failures(account, event.error, self._codes.of(account, event.code)).inc()
        elif event.solving is not None:
            self._solving(account, kind).observe(event.solving)
        if event.cost:
            self._spent(account).inc(event.cost)

    def _take_gate(self, event: GateChanged) -> None:
        if not event.open:
            self._closings(event.account).inc()

    def _take_breaker(self, event: BreakerChanged) -> None:
        if event.state == "open":
            self._openings(event.account).inc()

    def _take_account(self, event: AccountChanged) -> None:
        if event.down is not None:
            self._downs(event.account, self._codes.of(event.account, event.down)).inc()


class _Gauges(Collector):
    """Reads the statistics of clients when metrics are collected."""

    def __init__(self, prefix: str) -> None:
        self.clients = Clients()
        self._prefix = prefix

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Yield the gauges without values, so that a registry knows their names."""
        for name, gauge in GAUGES.items():
            yield self._family(name, gauge)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the gauges with the values of this moment."""
        for name, gauge in GAUGES.items():
            family = self._family(name, gauge)
            for account, value in self.clients.read(gauge).items():
                family.add_metric([account] if gauge.labels else [], value)
            yield family

    def _family(self, name: str, gauge: Gauge) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"{self._prefix}_{name}", gauge.what, labels=gauge.labels)
