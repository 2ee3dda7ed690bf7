from __future__ import annotations

import json

import pytest

from solvestream import Result, TaskFailed, Text
from solvestream.cli import demo as module
from solvestream.cli.demo import percentile, score
from solvestream.cli.render import Picture
from tests.cli.conftest import spawn


def result(text: str | None, truth: str = "A1", elapsed: float = 1.0) -> Result[Text]:
    """Return what became of an image."""
    return Result(
        tag=Picture(kind="label", text=truth, image=b""),
        ok=text is not None,
        solution=None if text is None else Text(text),
        error=TaskFailed("no") if text is None else None,
        elapsed=elapsed,
        polls=2,
    )


def test_a_score_counts_what_is_exact():
    """Solved is not yet right, and what failed counts against the accuracy."""
    found = score([result("A1"), result("Al"), result(None), result("A1 ")], 2.0)
    assert (found.tasks, found.solved, found.failed, found.exact) == (4, 3, 1, 1)
    assert (found.accuracy, found.per_second, found.looks_per_task) == (0.25, 1.5, 2.0)


def test_a_score_of_nothing_is_nothing():
    """Fewer images than protocols leave one without."""
    found = score([], 2.0)
    assert (found.tasks, found.accuracy, found.latency_p95) == (0, 0.0, 0.0)


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (1.0, 100), (0.001, 1)])
def test_percentiles_are_values_that_were_there(share, value):
    """The nearest rank, of 1 to 100."""
    assert percentile(range(1, 101), share) == value


class Elsewhere:
    """Stands for a service that was started."""

    url, key = "http://127.0.0.1:1", "key"

    def __enter__(self):
        """Give itself."""
        return self

    def __exit__(self, *_):
        """Let go."""


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (["A1"] * 20, 0),
        (["A1"] * 19 + ["Al"], 0),
        (["A1"] * 18 + ["Al"] * 2, 1),
        ([None] + ["A1"] * 39, 1),
    ],
    ids=["all", "95 %", "90 %", "one failed"],
)
@pytest.mark.parametrize("words", [[], ["--json"]], ids=["table", "json"])
def test_the_exit_code_tells_whether_it_was_good(texts, code, words, command, monkeypatch):
    """0 from 95 % exact on if none failed; the table and the JSON tell the same."""

    async def read_all(images, accounts):
        return {"capsolver": [result(text) for text in texts]}

    monkeypatch.setattr(module, "_read_all", read_all)
    monkeypatch.setattr(module, "local_service", Elsewhere)
    done = command("demo", "--tasks", "1", *words)
    assert done.code == code
    if words:
        assert done.lines[0]["tasks"] == len(texts)
        assert done.lines[0]["exact"] == texts.count("A1")
    else:
        assert "capsolver" in done.out
        assert "together" in done.out
        assert ("came out as" in done.out) == (texts.count("A1") < len(texts))


def test_the_whole_demo():
    """200 images through three protocols: none fails, 95 % and more are exact, one JSON object."""
    with spawn("demo", "--json") as child:
        out, err = child.communicate(timeout=120)
    told = json.loads(out)
    assert child.returncode == 0
    assert list(told) == ["tasks", "solved", "failed", "exact", "accuracy", "accounts", "elapsed"]
    assert (told["tasks"], told["solved"], told["failed"]) == (200, 200, 0)
    assert told["accuracy"] == told["exact"] / 200 >= 0.95
    accounts = told["accounts"]
    assert {name: one["tasks"] for name, one in accounts.items()} == {
        "captchaai": 67,
        "solvora": 67,
        "capsolver": 66,
    }
    assert sum(one["exact"] for one in accounts.values()) == told["exact"]
    assert accounts["capsolver"]["looks_per_task"] == 0
    assert accounts["solvora"]["looks_per_task"] >= 1
    assert b"200/200 done, 0 failed" in err
