from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from solvestream import CapSolver, Client
from solvestream._journal.store import read_journal
from solvestream.cli.keys import Keyed
from solvestream.cli.lines import tasks_of
from solvestream.cli.output import open_output
from solvestream.server import simulated_text
from tests.cli.conftest import picture, spawn

KEY = "made-up-key-never-shown-4711"


@pytest.fixture
def to(service, accounts):
    """Options that name the account at the service."""
    return ("--service", "capsolver", "--base-url", service.url)


@pytest.fixture
def bought(service):
    """Count what the service was asked for since the start of the test."""
    before = service.ledger()["accounts"]["local"]["submitted"]
    return lambda: service.ledger()["accounts"]["local"]["submitted"] - before


@pytest.fixture
def tasks(images, monkeypatch):
    """A CSV and JSON lines of five images with their truths, in the working directory."""
    directory, texts = images
    monkeypatch.chdir(directory)
    with (directory / "tasks.csv").open("w") as file:
        file.write("path,truth,tag\n")
        file.writelines(f"{name},{text},t{name[0]}\n" for name, text in texts.items())
    with (directory / "tasks.jsonl").open("w") as file:
        for name, text in texts.items():
            file.write(json.dumps({"image": name, "truth": text, "tag": int(name[0])}) + "\n")
    return texts


@pytest.mark.parametrize("name", ["tasks.csv", "tasks.jsonl"])
def test_a_file_of_tasks(command, to, tasks, name):
    """A row for each, with line, tag, path, truth, and whether it was right."""
    done = command("solve", *to, "--input", name)
    assert done.code == 0
    assert {name: one["text"] for name, one in done.by_name.items()} == tasks
    assert all(one["truth"] == one["text"] and one["correct"] for one in done.lines)
    first = 2 if name == "tasks.csv" else 1
    assert sorted(one["line"] for one in done.lines) == [*range(first, first + 5)]
    assert "accuracy 100.00% (5 of 5)" in done.err


def test_a_bad_line_ends_nothing(command, to, tasks, bought):
    """It is a row with its error and number; exit code 1."""
    with Path("tasks.jsonl").open("a") as file:
        file.write('nonsense\n{"image": "gone.png", "truth": "x"}\n{"image": "0.png"}\n')
    done = command("solve", *to, "--input", "tasks.jsonl")
    assert done.code == 1
    assert len(done.lines) == 8
    errors = {one["line"]: one["error"]["message"] for one in done.lines if not one["ok"]}
    assert list(errors) == [6, 7]
    assert errors[6].startswith("line 6: ")
    assert "gone.png" in errors[7]
    assert "accuracy 83.33% (5 of 6)" in done.err
    assert bought() == 6


def test_bad_columns_are_told_before_anything_is_bought(command, to, tasks, bought):
    """Exit code 2, in one line at the end."""
    with Path("slip.csv").open("w") as file:
        file.write("path,numric\n0.png,1\n")
    done = command("solve", *to, "--input", "slip.csv")
    assert (done.code, done.out, bought()) == (2, "", 0)
    assert done.err.splitlines()[-1].startswith("solvestream: slip.csv: ")
    assert "numric" in done.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--fail-if", "accuracy<0.9"], 2),
        (["--fail-if", "accuracy<0.5", "--fail-if", "p95>60"], 0),
        (["--fail-if", "accuracy<0.5", "--fail-if", "p95>0"], 2),
        (["--fail-if", "looks>9"], 0),
        ([], 1),
    ],
)
def test_thresholds_alone_decide(command, to, tasks, words, code):
    """2 if one holds, else 0 although something failed; without any, 1 if something failed."""
    with Path("tasks.csv").open("a") as file:
        file.write("0.png,wrong,t\ngone.png,x,t\n")
    done = command("solve", *to, "--input", "tasks.csv", *words)
    assert done.code == code
    assert ("\nfailed: " in done.err) is (code == 2)


@pytest.mark.parametrize("output", ["out.jsonl", "out.csv"])
@pytest.mark.parametrize("journal", [[], ["--journal", "run.db"]], ids=["alone", "with journal"])
def test_the_same_command_again_buys_nothing(command, to, tasks, bought, output, journal):
    """Nor with lines added does it buy what it has; what failed for nothing is tried again."""
    words = ("solve", *to, "--input", "tasks.csv", "--output", output, *journal)
    with Path("tasks.csv").open("a") as file:
        file.write("late.png,x,t\n")
    done = command(*words)
    assert (done.code, done.out, bought()) == (1, "", 5)
    with Path("late.png").open("wb") as file:
        file.write(picture(7))
    with Path("tasks.csv").open("a") as file:
        file.write("0.png,,again\n")  # the same image once more is another task
    again = command(*words)
    assert (again.code, bought()) == (0, 7)
    assert (
        again.err.splitlines()[-1] == "2/2 done, 0 failed, 5 skipped: an earlier run finished them"
    )
    assert command(*words).code == 0
    assert bought() == 7
    with Path(output).open(newline="") as file:
        rows = list(csv.DictReader(file)) if output == "out.csv" else list(map(json.loads, file))
    assert sorted(int(one["line"]) for one in rows) == [*range(2, 9)]
    assert {str(one["ok"]).lower() for one in rows} == {"true"}
    assert {one["text"] for one in rows} == {*tasks.values(), simulated_text(picture(7))}


def test_a_journal_alone_keeps_from_buying_twice(command, to, tasks, bought):
    """What was printed is not printed again; the same images by path are the same tasks."""
    assert len(command("solve", *to, "--input", "tasks.csv", "--journal", "run.db").lines) == 5
    again = command("solve", *to, "--journal", "run.db", *tasks)
    assert (again.code, again.out, bought()) == (0, "", 5)
    assert "5 skipped" in again.err
    other = command("solve", *to, "--journal", "run.db", "--numeric", 3, *tasks)
    assert (len(other.lines), bought()) == (5, 10)


def test_a_limit_takes_the_next_ones_each_time(command, to, tasks, bought):
    """Those that are finished do not count."""
    words = ("solve", *to, "--input", "tasks.jsonl", "--output", "out.jsonl", "--limit", 2)
    for count in (2, 4, 5, 5):
        assert command(*words).code == 0
        assert bought() == count
    with Path("out.jsonl").open() as file:
        assert sorted(json.loads(line)["line"] for line in file) == [1, 2, 3, 4, 5]


def test_an_output_of_another_kind_stops_it(command, to, tasks, bought):
    """Nothing is bought, and the file is as it was."""
    done = command("solve", *to, "--input", "tasks.csv", "--output", "tasks.jsonl")
    assert (done.code, bought()) == (2, 0)
    with Path("tasks.jsonl").open() as file:
        assert len(file.readlines()) == 5


def test_a_service_is_started_for_a_file_of_tasks(command, tasks):
    """`--local` goes with `--input` and `--output`; these bytes are no images, so all fail."""
    done = command("solve", "--local", "--input", "tasks.csv", "--output", "out.csv")
    assert done.code == 1
    with Path("out.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 5


def test_standard_input_is_read_as_it_comes(to, tasks):
    """A result is there before the next line is; the end of the input ends it."""
    with spawn("stream", *to, stdin=subprocess.PIPE) as child:
        for name, text in tasks.items():
            child.stdin.write(json.dumps({"image": name}).encode() + b"\n")
            child.stdin.flush()
            assert json.loads(child.stdout.readline())["text"] == text
        child.stdin.close()
        assert child.wait(30) == 0


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_hyphen_is_standard_input(to, tasks):
    """As the help says, with options after it too."""
    with spawn("solve", "--input", "-", *to, stdin=subprocess.PIPE) as child:
        out, _ = child.communicate(Path("tasks.jsonl").read_bytes(), 30)
    assert child.returncode == 0
    assert {json.loads(line)["text"] for line in out.splitlines()} == set(tasks.values())


def test_standard_input_that_says_nothing_can_be_left(to):
    """Ctrl-C ends it although a thread waits for a line."""
    with spawn("stream", *to, stdin=subprocess.PIPE) as child:
        child.stdin.write(b'{"image": "gone.png"}\n')
        child.stdin.flush()
        child.stdout.readline()
        child.send_signal(2)
        assert child.wait(30) == 130
        err = child.stderr.read()
    assert b"stopping" in err
    assert b"Traceback" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
def test_a_full_disk_is_told(to, tasks):
    """One line says where; tickets of what was paid are on standard error."""
    with (
        Path("/dev/full").open("w") as full,
        spawn("solve", *to, "--input", "tasks.csv", stdout=full) as child,
    ):
        err = child.stderr.read()
        assert child.wait(30) == 1
    assert b"solvestream: standard output: No space left on device" in err
    assert b"Traceback" not in err
    assert any(line.startswith(b"{") for line in err.splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process")
@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_a_file_that_cannot_grow_loses_no_answer(to, tasks, bought, name):
    """What was paid and does not fit is on standard error, row by row, and there is no traceback."""
    resource = pytest.importorskip("resource")
    words = ("stream", *to, "--output", name)
    with spawn(*words, stdin=subprocess.PIPE) as child:
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (900, 900))
        child.stdin.write(Path("tasks.csv").read_bytes())
        child.stdin.close()
        err = child.stderr.read().decode()
        assert child.wait(30) == 1
    assert f"solvestream: {name}: File too large" in err
    assert "Traceback" not in err
    told = [json.loads(line)["text"] for line in err.splitlines() if line.startswith("{")]
    whole = Path(name).read_text().rpartition("\n")[0]
    assert told
    assert sum(text in told or text in whole for text in tasks.values()) == bought()


def test_one_file_is_not_both_journal_and_output(command, to, tasks, bought):
    """Each would write into the other's; nothing is bought."""
    done = command(
        "solve", *to, "--input", "tasks.csv", "--output", "a.jsonl", "--journal", "./a.jsonl"
    )
    assert (done.code, bought()) == (2, 0)
    assert "--output: a.jsonl is the journal" in done.err
    assert not Path("a.jsonl").exists()


def test_the_key_is_in_no_file(command, service, tasks, monkeypatch, tmp_path):
    """Neither in outputs nor in what is said, whatever fails."""
    monkeypatch.setenv("CAPSOLVER_API_KEY", KEY)
    to = ("--service", "capsolver", "--base-url", service.url)
    for name in ("out.jsonl", "out.csv"):
        done = command(
            "solve", *to, "--input", "tasks.csv", "--output", name, "--journal", "run.db"
        )
        assert done.code == 1
        assert KEY not in done.out + done.err
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.iterdir())
    assert CapSolver.from_env() is not None


def test_what_another_run_buys_meanwhile_is_not_bought_again(
    command, to, tasks, bought, monkeypatch
):
    """What a journal holds is looked at when it is ours, and not while another may write it."""
    words = ("solve", *to, "--journal", "run.db", "--input", "tasks.csv")

    def run_another(path):
        monkeypatch.setattr("solvestream.cli.solve.open_output", open_output)
        assert command(*words).code == 0
        return open_output(path)

    monkeypatch.setattr("solvestream.cli.solve.open_output", run_another)
    assert command(*words).code == 0
    assert bought() == len(tasks)


def buy(service, name, journal):
    """Have a client buy the tasks of a file, and end before anyone has read the answers."""

    async def submit_all():
        account = CapSolver(service.key, base_url=service.url)
        async with Client(account, journal=journal) as client:
            for task in found:
                await client.submit(task)

    with Path(name).open("rb") as file:
        found = list(Keyed(set()).of(tasks_of(file, name)))
    anyio.run(submit_all)


def test_a_row_that_the_journal_has_not_noted(command, to, service, tasks, bought):
    """As after a kill between the two: it is not written again, and the journal is done with it."""
    words = ("solve", *to, "--input", "tasks.jsonl", "--output", "out.jsonl")
    assert command(*words).code == 0
    rows = Path("out.jsonl").read_bytes()
    buy(service, "tasks.jsonl", "run.db")
    before = bought()
    done = command(*words, "--journal", "run.db")
    assert (done.code, bought()) == (0, before)
    assert Path("out.jsonl").read_bytes() == rows
    assert "left in the journal" not in done.err
    assert list(read_journal("run.db", left=True)) == []


def test_what_a_journal_kept_knows_its_line(command, to, service, tasks, tmp_path):
    """`resume` tells line, tag and path; the truth is in no journal, as no answer is for long."""
    with Path("tasks.jsonl").open("a") as file:
        file.write('{"image": "0.png", "truth": "a-truth-of-its-own", "numeric": 3}\n')
    buy(service, "tasks.jsonl", "run.db")
    done = command("resume", "run.db", *to)
    assert {(one["line"], one["path"]) for one in done.lines} == {
        *((n + 1, f"{n}.png") for n in range(5)),
        (6, "0.png"),
    }
    assert {one["truth"] for one in done.lines} == {None}
    assert all(b"a-truth" not in file.read_bytes() for file in tmp_path.glob("run.db*"))
    again = command("solve", *to, "--input", "tasks.jsonl", "--journal", "run.db")
    assert (again.code, again.out) == (0, "")
    assert "6 skipped" in again.err
