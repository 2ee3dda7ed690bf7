"""The examples of sinks, run as a user runs them."""

from __future__ import annotations

import json

from prometheus_client.parser import text_string_to_metric_families

from tests.examples import test_examples
from tests.examples.test_examples import run

images, service = test_examples.images, test_examples.service


def test_observe_logs(service, images, tmp_path):
    """Each task is a JSON line that tells how it ended."""
    lines = [json.loads(line) for line in run(service, "observe_logs.py", tmp_path)]
    ended = [line["solvestream"] for line in lines if "solvestream" in line]
    assert [one["event"] for one in ended] == ["TaskEnded"] * len(images)
    assert all(one["ok"] for one in ended)


def test_observe_otel(service, images):
    """Each task's span is below the one of the work that it is a part of."""
    text = "".join(run(service, "observe_otel.py", *images))
    spans, decoder = [], json.JSONDecoder()
    while text.strip():
        span, end = decoder.raw_decode(text)
        text = text[end:].lstrip()
        spans.append(span)
    parents = {span["context"]["span_id"] for span in spans if span["name"] == "book receipt"}
    tasks = [span for span in spans if span["name"] == "solve image"]
    assert {span["parent_id"] for span in tasks} == parents
    assert len(parents) == len(images)
    assert {span["attributes"]["solvestream.task.tag"] for span in tasks} == {
        str(path)[:100] for path in images
    }


def test_observe_prometheus(service, images, tmp_path, monkeypatch):
    """What it leaves for the textfile collector counts its tasks."""
    monkeypatch.setenv("METRICS_PORT", "0")
    texts = run(service, "observe_prometheus.py", tmp_path, tmp_path / "run.prom")
    assert sorted(texts) == sorted(images.values())
    families = text_string_to_metric_families((tmp_path / "run.prom").read_text())
    samples = {sample.name: sample.value for family in families for sample in family.samples}
    assert samples["solvestream_tasks_ended_total"] == len(images)
