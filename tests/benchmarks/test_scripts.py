"""Each benchmark runs with one command and leaves JSON and a picture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("fastapi")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TARGETS = {
    "exchange": 8,
    "planner": 3,
    "lag": 2,
    "imports": 2,
    "sinks": 5,
    "report": 2,
    "screen": 3,
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_benchmark_runs_with_one_command(name, tmp_path):
    """Tiny, so that its figures mean nothing: but every target is judged, printed and written."""
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick", "--rounds", "1"]
    done = subprocess.run(
        [*command, "--results", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode in {0, 1}, done.stderr
    assert done.stderr == ""
    told = json.loads((tmp_path / f"{name}.json").read_text())
    assert len(told["targets"]) == TARGETS[name]
    for target in told["targets"]:
        assert target["value"] is not None
        assert target["name"] in done.stdout
    assert done.returncode == int(not all(target["holds"] for target in told["targets"]))
    assert len(told["rounds"]) == 1
    assert (tmp_path / f"{name}.svg").stat().st_size > 1_000
