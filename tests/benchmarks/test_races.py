"""The end-to-end races run, count what they claim to count, and judge who did not finish."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import sys
from pathlib import Path

import pytest

from solvestream.server import Account, Latency, Settings, simulated_text, simulated_token

pytest.importorskip("aiohttp")
pytest.importorskip("matplotlib")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    """Let the scripts import each other, as they do when they are run."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Run a script, tiny; return what it wrote."""

    def run(name: str, *options: str):
        monkeypatch.setattr(sys, "argv", [name, "--quick", "--results", str(tmp_path), *options])
        code = importlib.import_module(name).main()
        assert (tmp_path / f"{name}.svg").read_text().startswith("<?xml")
        report = json.loads((tmp_path / f"{name}.json").read_text())
        assert all(target["holds"] for target in report["targets"]) is (code == 0)
        return report

    return run


def test_the_race_runs_and_all_answers_are_right(quick):
    """Ours, one and 100 ids a look, and the aiohttp recipe solve every task."""
    report = quick("race", "--tasks", "20")
    assert set(report["medians"]) == {
        "solvestream",
        "solvestream, 100 ids a look",
        "aiohttp recipe",
    }
    for figures in report["medians"].values():
        assert (figures["failed"], figures["taken"], figures["peak_in_flight"]) == (0, 20, 20)
        assert 0 < figures["connections"] <= 64
        assert figures["requests"] > 1
        assert figures["cpu_us"] > 0
    assert report["did_not_finish"] == {}


def test_the_scale_runs_and_compares_crowds_alike(quick):
    """A small and a larger crowd take the same requests a task, and lose none."""
    report = quick("scale", "--tasks", "300")
    assert len(report["medians"]) == 4
    assert {figures["failed"] for figures in report["medians"].values()} == {0}


def test_the_slots_run_and_count_refusals(quick):
    """No more tasks than slots are in work at once, and the greedy recipes are refused."""
    report = quick("slots", "--tasks", "30")
    for name, figures in report["medians"].items():
        assert (figures["failed"], figures["taken"]) == (0, 30)
        assert figures["peak_in_flight"] == 10
        if name.startswith("aiohttp"):
            assert figures["refused"] > 0


def test_who_loses_tasks_did_not_finish():
    """The plain recipe loses each task that finds no slot, and the reason says so."""
    from clients.contest import Contestant, DidNotFinish, compete

    latency = Latency(low=0.1)
    settings = Settings(accounts=(Account(slots=4),), latency=latency)
    recipe = Contestant(name="recipe", module="aiohttp_recipe", options={"interval": 0.05})
    with pytest.raises(DidNotFinish, match=r"lost 6 of 10: Lost: ERROR_NO_SLOT_AVAILABLE") as dnf:
        compete(recipe, 10, settings, ideal=0.1)
    assert (dnf.value.figures["taken"], dnf.value.figures["failed"]) == (4, 6)


def test_who_is_too_slow_did_not_finish():
    """A client past its time is ended, and what it had got is still told."""
    from clients.contest import AIOHTTP, DidNotFinish, compete

    settings = Settings(latency=Latency(low=600.0))
    with pytest.raises(DidNotFinish, match=r"not finished after 0.5 s; 0 of 3 answered"):
        compete(AIOHTTP, 3, settings, ideal=0.0, limit=0.5)


def test_answers_are_known_without_the_service():
    """The races' own copy of what the simulated service answers agrees with the service."""
    from clients.task import answers, image, number_of, site_key

    assert answers(7) == {simulated_text(image(7)), simulated_token(site_key(7))}
    assert number_of(image(1234)) == 1234
    assert len({hashlib.sha256(image(n)).digest() for n in range(50)}) == 50


def test_reasons_hold_no_key():
    """What a lost task is counted under is short, and without the key that errors may quote."""
    from clients.run import reason
    from clients.task import Lost, answers

    assert reason(3, min(answers(3)), "made-up-key") == ""
    assert reason(3, min(answers(4)), "made-up-key") == "wrong answer"
    assert reason(3, Lost("GET /?key=made-up-key\nmore"), "made-up-key") == "Lost: GET /?key=***"
    assert reason(3, TimeoutError(), "made-up-key") == "TimeoutError"


def test_the_best_rival_is_one_that_finished():
    """Who has no figures is not the best; nobody at all is not a number."""
    from race import best

    figures = {"one": {"cpu_us": 3.0}, "two": {"cpu_us": 2.0}, "gone": {}}
    assert best(figures, ["one", "two", "gone"], "cpu_us") == 2.0
    assert math.isnan(best(figures, ["gone"], "cpu_us"))
