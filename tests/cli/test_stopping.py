from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal

import pytest

from solvestream import Ticket
from solvestream._journal.store import read_journal
from solvestream.server import LocalService, Scripted, Settings
from tests.cli.conftest import KEYS, picture, spawn

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")

fcntl = pytest.importorskip("fcntl")
SOLVORA = ("--service", "solvora")


def ids(service) -> set[str]:
    """Return the ids of what was bought and not yet answered."""
    return {task["id"] for task in service.ledger(tasks=True)["tasks"] if not task["taken"]}


@pytest.fixture
def soon(monkeypatch):
    """A service that answers one image at once, and the others after a while."""
    first = hashlib.sha256(picture(0)).hexdigest()
    script = {first: Scripted(latency=0.0), "*": Scripted(latency=1.5)}
    with LocalService(Settings(script=script)) as service:
        monkeypatch.setenv("SOLVORA_BASE_URL", service.url)
        monkeypatch.setenv(KEYS[2], service.key)
        yield service


def test_the_first_ctrl_c_waits_for_what_is_paid(soon, images, tmp_path):
    """Nothing more is bought, every paid answer is written, and it says for what it waits."""
    directory, texts = images
    output = tmp_path / "out.jsonl"
    words = (*SOLVORA, "--in-flight", 3, "--output", output, directory)
    with spawn("solve", *words) as child:
        while not output.exists() or not output.read_bytes():
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert b"stopping: no more is submitted; waiting for" in err
    assert b"Traceback" not in err
    assert ids(soon) == set()
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(rows) == soon.ledger()["accounts"]["local"]["submitted"] < len(texts)
    assert all(row["ok"] for row in rows)
    assert f"{len(rows)}/{len(texts)} done, 0 failed".encode() in err
    again = spawn("solve", *words)
    again.communicate(timeout=30)
    assert again.returncode == 0
    assert soon.ledger()["accounts"]["local"]["submitted"] == len(texts)
    assert len(output.read_text().splitlines()) == len(texts)


@pytest.mark.parametrize("numbers", [[signal.SIGINT] * 2, [signal.SIGTERM]], ids=["twice", "TERM"])
def test_the_second_ctrl_c_hands_back_tickets(slow, images, numbers):
    """Exit code 130; what has come is printed, what was paid is on standard error as tickets."""
    directory, texts = images
    with spawn("solve", *SOLVORA, directory) as child:
        first = child.stdout.readline()
        err = stop(child, numbers)
        out, more = child.communicate(timeout=30)
    assert child.returncode == 130
    assert json.loads(first)["text"] == texts["0.png"]
    assert out == b""
    assert b"Traceback" not in err + more
    lines = (err + more).splitlines()
    tickets = [Ticket.from_json(line) for line in lines if line.startswith(b"{")]
    assert {ticket.task_id for ticket in tickets} == ids(slow)
    assert len(tickets) == len(texts) - 1


@pytest.mark.parametrize("numbers", [[signal.SIGINT] * 2, [signal.SIGTERM]], ids=["twice", "TERM"])
def test_with_a_journal_it_says_how_to_go_on(slow, images, tmp_path, numbers):
    """What was paid and not printed is in the journal, and is named by a command."""
    directory, texts = images
    path = tmp_path / "my run.db"
    with spawn("solve", *SOLVORA, "--journal", path, directory) as child:
        first = child.stdout.readline()
        err = stop(child, numbers)
        out, more = child.communicate(timeout=30)
    assert child.returncode == 130
    assert json.loads(first)["text"] == texts["0.png"]
    assert out == b""
    assert b"Traceback" not in err + more
    last = more.decode().splitlines()[-1]
    assert shlex.split(last.partition("go on with: ")[2]) == ["solvestream", "resume", str(path)]
    left = {entry.task_id for entry in read_journal(path, left=True)}
    assert ids(slow) <= left
    assert last.startswith(f"{len(left)} tasks are left")


def stop(child, numbers) -> bytes:
    """Send signals, each once the one before was taken note of; return what was said."""
    said = b""
    for number in numbers:
        child.send_signal(number)
        if len(numbers) > 1 and not said:
            while b"stopping" not in said:
                said += child.stderr.readline()
    return said


def test_a_journal_is_gone_on_with_after_a_kill(soon, images, tmp_path, command):
    """Killed at once, and called again: every image has one row, and none was bought twice."""
    directory, texts = images
    path, output = tmp_path / "run.db", tmp_path / "out.csv"
    words = (*SOLVORA, "--journal", path, "--output", output, directory)
    with spawn("solve", *words) as child:
        while not output.exists() or output.read_bytes().count(b"\n") < 2:
            assert child.poll() is None
        child.kill()
    again = command("solve", *words)
    assert again.code == 0
    assert len(output.read_text().splitlines()) == 1 + len(texts)
    assert soon.ledger()["accounts"]["local"]["submitted"] == len(texts)


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="needs a small pipe")
def test_a_pipe_that_nobody_reads_holds_nobody_up(soon, tmp_path):
    """SIGTERM ends the run; each paid task is a row in the pipe, or a row or ticket on stderr."""
    for number in range(30):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    with spawn("solve", *SOLVORA, tmp_path) as child:
        fcntl.fcntl(child.stdout, fcntl.F_SETPIPE_SZ, 4_096)
        while soon.ledger()["accounts"].get("local", {}).get("taken", 0) < 30:
            assert child.poll() is None
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 130  # what it says on standard error fits its pipe
        err, out = child.stderr.read(), child.stdout.read()
    rows = [json.loads(line) for line in err.splitlines() if line.startswith(b"{")]
    told = {(row.get("ticket") or row)["task_id"] for row in rows}
    assert told
    told |= {
        json.loads(line)["ticket"]["task_id"]
        for line in out.splitlines(keepends=True)
        if line.endswith(b"\n")
    }
    bought = {task["id"] for task in soon.ledger(tasks=True)["tasks"]}
    assert len(bought) == 30
    assert bought <= told
    assert b"Traceback" not in err
