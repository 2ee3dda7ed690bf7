"""What looking on costs: CPU a task of each sink for events, beside that of the client itself.

    python benchmarks/sinks.py

Each round runs a client without `on_event` against `solvestream serve --engine simulate` (answers
after 1 to 2 s, looked for one by one every half second), and replays the events of one such run
to each sink: into a logger that writes JSON to nowhere, an OpenTelemetry SDK that keeps all spans
and exports to nowhere, and a Prometheus registry.
"""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import time
from collections.abc import Callable

from _report import DOCS, Bars, Target, arguments, interleave, medians, publish
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider
from prometheus_client import CollectorRegistry
from pythonjsonlogger.json import JsonFormatter

from solvestream import CaptchaAI, Client, ImageToText, Pacing
from solvestream.events import Event
from solvestream.observe.logs import LogEvents
from solvestream.observe.otel import OpenTelemetryEvents
from solvestream.observe.prometheus import PrometheusEvents
from solvestream.server import Latency, LocalService, Settings

PNG = b"\x89PNG\r\n\x1a\n"
CLIENT = "the client itself"


def main() -> int:
    options = arguments(__doc__).parse_args()
    tasks = 50 if options.quick else 2_000
    settings = Settings(latency=Latency(shape="uniform", low=1.0, high=2.0))
    with LocalService(settings) as service:
        seen: list[Event] = []
        asyncio.run(run(service, tasks, seen.append))

        def once(name: str) -> dict[str, float]:
            if name == CLIENT:
                return {"us_a_task": 1e6 * cpu(lambda: asyncio.run(run(service, tasks))) / tasks}
            sink = SINKS[name]()
            return {"us_a_task": 1e6 * cpu(lambda: replay(seen, sink)) / tasks}

        rounds = interleave((CLIENT, *SINKS), options.rounds, once)
    table = {name: one["us_a_task"] for name, one in medians(rounds).items()}
    own = table[CLIENT]
    return publish(
        "sinks",
        targets=[
            Target(name=f"CPU a task of {name} / {CLIENT}", value=table[name] / own, limit=limit)
            for name, limit in LIMITS.items()
        ],
        charts=[Bars(title="CPU of looking on", unit="µs a task", values=table)],
        facts={"medians": table, "rounds": rounds, "events_a_task": len(seen) / tasks},
        results=options.results,
        copy_to=DOCS if options.docs else None,
    )


async def run(
    service: LocalService, tasks: int, on_event: Callable[[Event], None] | None = None
) -> None:
    pacing = Pacing(first_look=1.0, interval=0.5)
    account = CaptchaAI(service.key, base_url=service.url, pacing=pacing)
    async with Client(account, on_event=on_event) as client:
        async for result in client.stream([ImageToText(PNG)] * tasks, in_flight=tasks):
            result.unwrap()


def replay(seen: list[Event], sink: Callable[[Event], None]) -> None:
    for event in seen:
        sink(event)


def cpu(function: Callable[[], None]) -> float:
    """Return CPU seconds of this process."""
    gc.collect()
    began = time.process_time()
    function()
    return time.process_time() - began


def log_events(level: int) -> LogEvents:
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger(f"bench.{level}")
    logger.setLevel(level)
    logger.handlers = [handler]
    logger.propagate = False
    return LogEvents(logger)


def nothing(_: Event) -> None:
    """Stand for the least a callback costs."""


def metrics() -> MeterProvider:
    return MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)


def traces(*, sampled: bool = True) -> TracerProvider:
    if sampled:
        return TracerProvider(shutdown_on_exit=False)
    return TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)


SINKS: dict[str, Callable[[], Callable[[Event], None]]] = {
    "a callback that does nothing": lambda: nothing,
    "LogEvents, level WARNING": lambda: log_events(logging.WARNING),
    "LogEvents, INFO": lambda: log_events(logging.INFO),
    "LogEvents, DEBUG": lambda: log_events(logging.DEBUG),
    "OpenTelemetry without an SDK": lambda: OpenTelemetryEvents(
        NoOpTracerProvider(), NoOpMeterProvider()
    ),
    "OpenTelemetry, none sampled": lambda: OpenTelemetryEvents(
        traces(sampled=False), NoOpMeterProvider()
    ),
    "OpenTelemetry, spans": lambda: OpenTelemetryEvents(traces(), NoOpMeterProvider()),
    "OpenTelemetry, metrics": lambda: OpenTelemetryEvents(NoOpTracerProvider(), metrics()),
    "Prometheus": lambda: PrometheusEvents(CollectorRegistry()),
}
LIMITS = {
    "LogEvents, level WARNING": 0.05,
    "LogEvents, INFO": 0.25,
    "OpenTelemetry, spans": 0.4,
    "OpenTelemetry, metrics": 0.4,
    "Prometheus": 0.1,
}
"""The application's choice of what it pays for, so these are bounds against our own mistakes."""


if __name__ == "__main__":
    raise SystemExit(main())
