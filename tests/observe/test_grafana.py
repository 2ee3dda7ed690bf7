"""The Grafana board: its shape, its queries, and that every metric it names is exported."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from solvestream import Client
from solvestream.observe.grafana import board
from solvestream.observe.prometheus import PrometheusEvents
from tests.observe.days import account, bad_day

pytestmark = pytest.mark.anyio


def queries(prefix="solvestream"):
    """Return all PromQL of the board, with Grafana's own variables filled in."""
    found = [target["expr"] for panel in board(prefix)["panels"] for target in panel["targets"]]
    return [one.replace("$__rate_interval", "1m").replace("$account", ".*") for one in found]


async def test_every_metric_and_label_of_the_board_is_exported(service):
    """After a good and a bad day each query finds a metric with the labels it names."""
    registry = CollectorRegistry()
    sink = PrometheusEvents(registry)
    async with Client(account()) as client:
        sink.watch(client)
        await bad_day(service, sink)
        text = generate_latest(registry).decode()
    exported = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            exported.setdefault(sample.name, set()).update(sample.labels)
    exported["solvestream_spent_usd_total"] = {"account"}  # this service does not tell
    for query in queries():
        for name, matched in re.findall(r"(solvestream_\w+)(?:\{([^}]*)\})?", query):
            labels = set(re.findall(r"(\w+)=", matched))
            grouped = {one for by in re.findall(r"by \(([^)]*)\)", query) for one in by.split(", ")}
            assert name in exported, query
            assert labels <= exported[name], query
            if query.count("solvestream_") == 1:
                assert grouped <= exported[name], query


def test_the_board_has_the_shape_of_a_board():
    """Panels fill rows of 24 columns without a gap, each with a source, a unit and a query."""
    panels = board()["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken
        taken |= cells
        assert panel["type"] in {"stat", "timeseries", "state-timeline"}
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["description"].endswith(".")
        assert panel["targets"][0]["refId"] == "A"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    rows = 1 + max(y for _, y in taken)
    assert len(taken) == 24 * rows


def test_variables_are_known_to_grafana():
    """Each variable that a query uses is declared, or is Grafana's own."""
    text = json.dumps(board())
    declared = {one["name"] for one in board()["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", text)) <= declared | {"__rate_interval", "__all"}


def test_the_command_prints_it_with_a_prefix():
    """`python -m solvestream.observe.grafana mine` is JSON that names `mine_...` only."""
    command = [sys.executable, "-m", "solvestream.observe.grafana", "mine"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == board("mine")
    assert "solvestream_" not in done.stdout
    assert done.stderr == ""
