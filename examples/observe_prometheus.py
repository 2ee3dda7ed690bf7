"""Serve metrics of a run to Prometheus: `python observe_prometheus.py scans/ run.prom`.

`pip install solvestream prometheus-client`. Metrics are on http://localhost:9464/metrics while it
runs (METRICS_PORT), and in the file at its end, for the textfile collector of node_exporter.
`python -m solvestream.observe.grafana > board.json` is a Grafana board for them.
The key is in CAPSOLVER_API_KEY; SOLVESTREAM_URL is the service's address, if not its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from prometheus_client import REGISTRY, start_http_server, write_to_textfile

from solvestream import CapSolver, Client, ImageToText
from solvestream.observe.prometheus import PrometheusEvents

URL = os.environ.get("SOLVESTREAM_URL", "https://api.capsolver.com")
PORT = int(os.environ.get("METRICS_PORT", "9464"))


async def main(paths: list[Path]) -> None:
    """Read all images, and count what happens."""
    metrics = PrometheusEvents()
    async with Client(CapSolver.from_env(base_url=URL), on_event=metrics) as client:
        metrics.watch(client)
        async for result in client.stream(ImageToText(path) for path in paths):
            print(result.unwrap().text, flush=True)


server, thread = start_http_server(PORT, addr="127.0.0.1")
asyncio.run(main(sorted(Path(sys.argv[1]).glob("*.png"))))
write_to_textfile(sys.argv[2], REGISTRY)
server.shutdown()
thread.join()
