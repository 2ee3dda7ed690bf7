"""The harness judges targets right, and says so in text, JSON and a picture."""

from __future__ import annotations

import json
import math
from xml.etree import ElementTree as ET

import pytest

from benchmarks._report import Bars, Target, draw, interleave, machine, medians, publish

pytest.importorskip("matplotlib")

CHARTS = [
    Bars(
        title="CPU", unit="µs", values={"solvestream": 26.0, "httpx": 9e3}, log=True, reference=30
    ),
    Bars(title="wall", unit="s", values={"solvestream": 1.2, "lost": None, "too": math.nan}),
]


@pytest.mark.parametrize(
    ("value", "at_least", "holds"),
    [
        (0.6, False, True),
        (0.61, False, False),
        (math.nan, False, False),
        (0.6, True, True),
        (0.59, True, False),
        (math.nan, True, False),
    ],
)
def test_a_bound_is_allowed_itself_and_nan_never_holds(value, at_least, holds):
    """What did not finish falls short, whichever way the bound looks."""
    target = Target(name="T1 x", value=value, limit=0.6, at_least=at_least)
    assert target.holds is holds
    assert target.line().endswith("holds" if holds else "falls short")
    assert (">= 0.6" in target.line()) is at_least


def test_rounds_are_interleaved():
    """Everything is measured once before anything is measured twice."""
    asked = []
    rounds = interleave(["a", "b"], 2, lambda name: asked.append(name) or {"n": len(asked)})
    assert asked == ["a", "b", "a", "b"]
    assert rounds == [{"a": {"n": 1}, "b": {"n": 2}}, {"a": {"n": 3}, "b": {"n": 4}}]


def test_a_median_is_nan_where_most_rounds_did_not_finish():
    """One lost round in three is the worst of three; two are a client that does not finish."""
    rounds = [
        {"a": {"x": 1.0}, "b": {"x": 5.0}, "c": {"x": 7.0}},
        {"a": {"x": 9.0}, "b": {}, "c": {"x": math.nan}},
        {"a": {"x": 2.0}, "b": {"x": 3.0}, "c": {}},
    ]
    table = medians(rounds)
    assert table["a"] == {"x": 2.0}
    assert table["b"] == {"x": 5.0}
    assert math.isnan(table["c"]["x"])


@pytest.mark.parametrize(("value", "code"), [(0.5, 0), (0.7, 1), (math.nan, 1)])
def test_publish_prints_writes_and_returns_the_exit_code(tmp_path, capsys, value, code):
    """One call ends a benchmark: text for people, JSON for programs, a picture, 0 or 1."""
    target = Target(name="T1 ours / theirs", value=value, limit=0.6)
    results, docs = tmp_path / "results", tmp_path / "docs"
    got = publish(
        "demo",
        targets=[target],
        charts=CHARTS,
        facts={"rounds": [{"a": math.nan}]},
        results=results,
        copy_to=docs,
    )
    assert got == code
    assert target.line() in capsys.readouterr().out
    told = json.loads((results / "demo.json").read_text())
    assert told["targets"][0]["holds"] is (code == 0)
    assert told["rounds"] == [{"a": None}]
    assert told["machine"]["versions"]["solvestream"]
    assert (docs / "demo.svg").read_bytes() == (results / "demo.svg").read_bytes()


def test_the_same_figures_give_the_same_picture(tmp_path):
    """A picture in the repository changes only with its figures, and shows who did not finish."""
    for name in ("one.svg", "two.svg"):
        draw(CHARTS, tmp_path / name)
    text = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert text == (tmp_path / "two.svg").read_text(encoding="utf-8")
    assert ET.fromstring(text).tag.endswith("svg")
    assert text.count(">DNF<") == 2


def test_the_machine_is_told_by_its_kind_and_versions():
    """Packages that are not installed are left out."""
    told = machine("attrs", "no-such-package-here")
    assert list(told["versions"]) == ["attrs"]
    assert told["cores"] >= 1
