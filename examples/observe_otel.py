"""Trace tasks with OpenTelemetry: `python observe_otel.py receipt.png other.png`.

`pip install solvestream opentelemetry-sdk`. Spans go to standard output here; an application sets
an exporter of its own. Each task's span is below the one that was current when it was handed over.
The key is in CAPSOLVER_API_KEY; SOLVESTREAM_URL is the service's address, if not its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

from solvestream import CapSolver, Client, ImageToText
from solvestream.observe.otel import OpenTelemetryEvents

URL = os.environ.get("SOLVESTREAM_URL", "https://api.capsolver.com")
tracer = trace.get_tracer("receipts")


def configure() -> TracerProvider:
    """Do what applications do once: say where spans go."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


async def book(client: Client, path: Path) -> None:
    """Stand for the application's own work, a part of which is to read an image."""
    with tracer.start_as_current_span("book receipt") as span:
        result = await client.solve(ImageToText(path, tag=path))
        span.set_attribute("receipt.characters", len(result.unwrap().text))


async def main(paths: list[Path]) -> None:
    """Book all receipts at once."""
    async with Client(CapSolver.from_env(base_url=URL), on_event=OpenTelemetryEvents()) as client:
        await asyncio.gather(*(book(client, path) for path in paths))


provider = configure()
asyncio.run(main([Path(argument) for argument in sys.argv[1:]]))
provider.shutdown()
