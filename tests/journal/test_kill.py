"""`kill -9` at random moments: what was told written is there, and nothing contradicts it.

Twenty lives in CI; `SOLVESTREAM_KILLS=500` for the long run.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from solvestream import Text
from solvestream._journal.store import read_journal

LIVES = int(os.environ.get("SOLVESTREAM_KILLS", "20"))
VICTIM = Path(__file__).with_name("victim.py")
RANK = {"intent": 0, "accepted": 1, "solved": 2, "unknown": 2, "acked": 3}


def live_and_die(path, life, delay, *how):
    """Run one victim, kill it so long after its first words, and return its words."""
    process = subprocess.Popen(
        [sys.executable, VICTIM, path, str(life), *how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    first = process.stdout.readline()
    timer = threading.Timer(delay, process.kill)
    timer.start()
    words, complaints = process.stdout.read(), process.stderr.read()
    timer.join()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    assert complaints == b""
    lines = (first + words).decode().split("\n")[:-1]  # the last may be cut
    return [line.split(" ") for line in lines]


def check(path, told):
    """Compare the journal with what its writers were told; return how many were left open.

    What was acknowledged is let go of, as the journal does.
    """
    found, open_keys = {}, []
    for entry in read_journal(path):
        rank = RANK[entry.state] if entry.taken_at is None else RANK["acked"]
        found[entry.job_key] = rank
        if entry.taken_at is None:
            open_keys.append(entry.job_key)
            if rank == RANK["accepted"]:
                assert entry.task_id == f"id-{entry.job_key}"
        if entry.state == "solved":
            assert entry.accepted_at == 3.0
            answer = None if entry.taken_at else Text(f"answer-{entry.job_key}")
            assert entry.solution == answer
    for key, steps in told.items():
        last = max(RANK[step] for step in steps)
        goes = last in {RANK["intent"], RANK["acked"]}  # refused, or trimmed in a long life
        assert found.get(key, RANK["acked"] if goes else -1) >= last, (key, steps)
        assert not {"unknown", "accepted"} <= set(steps), f"{key} was noted bought, then in doubt"
    assert len(open_keys) == len(set(open_keys)), "a key is open twice"
    for key in [key for key in told if found.get(key) == RANK["acked"]]:
        del told[key]
    return len(open_keys)


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")


def test_whatever_was_told_written_survives_a_kill(tmp_path):
    """Over many lives of one journal, each killed at a moment of its own."""
    path, told, chance = tmp_path / "run.db", {}, random.Random(2026)
    steps = 0
    for life in range(LIVES):
        for step, key in live_and_die(path, life, chance.uniform(0, 0.06)):
            told.setdefault(key, []).append(step)
            steps += 1
        assert check(path, told) <= 40, "40 jobs are under way at most"
    assert steps > LIVES * 20
    print(f"{LIVES} kills, {steps} steps told written, 0 lost, 0 contradictions")


def test_a_writer_that_does_not_wait_for_the_commit_is_found_out(tmp_path):
    """The positive control: what it said was written is not there after a kill."""
    path, chance = tmp_path / "run.db", random.Random(2026)
    with pytest.raises(AssertionError):
        for life in range(20):
            told = {}
            for step, key in live_and_die(path, life, chance.uniform(0.05, 0.25), "naive"):
                told.setdefault(key, []).append(step)
            check(path, told)
