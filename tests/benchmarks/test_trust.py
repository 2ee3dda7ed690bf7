"""The comparison of what faults cost: it runs, and it counts what it claims to count."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("matplotlib")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def trust(monkeypatch):
    """Return the script."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("trust")


def test_a_lost_reply_runs_with_one_command(trust, tmp_path, monkeypatch):
    """Ours and the aiohttp recipe, one job: paid once each, told by a name, no key seen."""
    monkeypatch.setattr(sys, "argv", ["trust", "--quick", "--results", str(tmp_path)])
    assert trust.main() == 0
    told = json.loads((tmp_path / "trust.json").read_text())
    rows = {row["client"]: row for row in told["rows"]}
    assert set(rows) == {"solvestream", "solvestream, journal", "aiohttp recipe"}
    for row in rows.values():
        assert (row["charges"], row["solved"], row["lost"], row["key_seen"]) == (1, 0, 0, 0)
    assert rows["solvestream"]["other_ends"] == {"SubmitUnknown": 1}
    assert (tmp_path / "trust.svg").stat().st_size > 1_000


def test_what_was_sold_is_joined_with_what_the_user_has(trust):
    """Bought twice, told once, never got: each is counted, and so is a process that was stopped."""
    bad = trust.Bad(name="x", settings=trust.settings(), jobs=3, unheard=frozenset({1}))
    tasks = [{"subject": trust.subjects(n)[0]} for n in (0, 0, 1, 2)]
    told = [
        {"job": 0, "answer": trust.wordy(0)},
        {"job": 1, "answer": "something else"},
    ]
    row = trust.judge(trust.CLIENTS[0], bad, tasks, told, ["", "stopped after 20 s"], 2)
    assert (row.most, row.charges, row.solved, row.lost, row.shown) == (2, 4, 1, 2, 2)
    assert row.ends == {"wrong answer": 1, "no word": 1, "stopped after 20 s": 1}
    assert "| x | solvestream | 2 | 4 | 1 of 3 | 2 | 2 |" in trust.table([row])
    broken = [one.name for one in trust.targets([row]) if not one.holds]
    assert broken == [
        "x, solvestream: key seen",
        "x, solvestream: charges a job",
        "x, solvestream: lost",
    ]
    assert [
        one.name
        for one in trust.targets(
            [
                trust.Row(
                    fault=trust.KILL,
                    client="solvestream",
                    jobs=3,
                    most=2,
                    charges=4,
                    solved=3,
                    lost=1,
                    shown=0,
                )
            ]
        )
    ] == ["kill -9, solvestream: key seen"]


def test_a_key_in_a_log_is_seen(trust, tmp_path, monkeypatch):
    """The positive control: a client that logs the key's address is found out."""
    (tmp_path / "leaky.py").write_text(
        "import logging\n"
        "async def solve_all(url, key, count):\n"
        "    logging.debug('GET %s?key=%s', url, key)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    client = trust.Contestant(name="leaky", module="leaky")
    monkeypatch.setattr(trust, "PREFIX", "")
    row = trust.endure(client, trust.Bad(name="x", settings=trust.settings(), jobs=1))
    assert (row.shown, row.charges, row.ends) == (1, 0, {"no word": 1})
