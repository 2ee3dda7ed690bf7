"""What the page's script gets can be put together again."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from attrs import evolve

from solvestream.observe.report.pack import LADDER, pack
from solvestream.observe.report.run import Run
from tests.observe.report.runs import BEGIN, run_of, task_of
from tests.observe.report.test_journal import SAMPLE


def read(packed):
    return json.loads(zlib.decompress(base64.b64decode(packed.text)))


def test_every_moment_comes_back_to_the_millisecond():
    """By counting on from the moment before, as the page's script does."""
    run = run_of(200)
    data = read(pack(run, 0.0, 2_000_000))
    base = place = 0
    for number, task in enumerate(run.tasks):
        base += data["queued"][number]
        submitted = base + data["submitted"][number]
        accepted = submitted + data["accepted"][number]
        ended = accepted + data["ended"][number]
        told = [base, submitted, accepted, ended, ended + data["taken"][number]]
        known = [task.queued, task.submitted, task.accepted, task.ended, task.taken]
        assert [data["begin"] + moment / 1000 for moment in told] == pytest.approx(known, abs=0.002)
        looked = []
        for _ in range(data["seen"][number]):
            accepted += data["looked"][place]
            looked.append(data["begin"] + accepted / 1000)
            place += 1
        assert looked == pytest.approx(task.looked, abs=0.002)
    assert place == len(data["looked"])
    assert data["name"] == [task.name for task in run.tasks]
    assert data["id"] == [task.task_id for task in run.tasks]
    assert [data["errors"][n].split(" ")[0] for n in data["error"]] == [t.error for t in run.tasks]


def test_what_is_to_come_is_minus_one():
    """An accepted task has no end, and one under way no acceptance."""
    tasks = (task_of(ended=None, taken=None), task_of(accepted=None, ended=None, taken=None))
    data = read(pack(Run(name="run.db", tasks=tasks), 0.0, 10_000))
    assert (data["accepted"], data["ended"], data["taken"]) == ([100, -1], [-1, -1], [-1, -1])


def test_less_room_is_less_detail():
    """First shorter ids, then coarser moments, then fewer tasks, down to none."""
    run = run_of(2_000)
    sizes = []
    for room in (10_000_000, 70_000, 30_000, 3_000, 0):
        packed = pack(run, 0.0, room)
        assert len(packed.text) <= room or packed.tasks == 0
        assert len(read(packed)["name"]) == packed.tasks
        sizes.append((packed.detail.ids, packed.detail.unit, packed.tasks))
    assert sizes[0] == (LADDER[0].ids, 0.001, 2_000)
    assert sizes[-1][2] == 0
    assert [tasks for _, _, tasks in sizes] == sorted((one[2] for one in sizes), reverse=True)


def test_closed_gates_are_told_for_each_account():
    """In units from the first task's hand-over."""
    states = ["open", "closed", "open"]
    samples = tuple(
        evolve(SAMPLE, at=BEGIN + n, gate=state, account="captchaai")
        for n, state in enumerate(states)
    )
    data = read(pack(Run(name="run.db", tasks=(task_of(),), samples=samples), 0.0, 10_000))
    assert data["closed"] == {"captchaai": [[1000, 2000]]}
