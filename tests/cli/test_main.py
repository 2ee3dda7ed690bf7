from __future__ import annotations

import os
import subprocess
import sys

import pytest

import solvestream
from tests.cli.conftest import spawn

COMMANDS = (
    (),
    ("serve",),
    ("demo",),
    ("solve",),
    ("stream",),
    ("resume",),
    ("journal",),
    ("balance",),
    ("--install-completion",),
)


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command where a package is not installed."""
    return python(
        f"import sys; sys.modules[{module!r}] = None\n"
        f"from solvestream.cli import main; sys.exit(main({list(arguments)!r}))"
    )


def test_importing_it_is_light():
    """Neither the library nor the command line brings the extras along."""
    heavy = "{'cyclopts', 'rich', 'PIL', 'uvicorn', 'rapidocr', 'solvestream.server'}"
    code = f"import sys, solvestream, solvestream.cli; print({heavy} & set(sys.modules))"
    assert python(code).stdout == "set()\n"


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [
        ("cyclopts", "cli", ["--help"]),
        ("rich", "cli", ["solve", "a.png"]),
        ("uvicorn", "local", ["serve"]),
        ("rapidocr", "local", ["solve", "--local", "a.png"]),
        ("onnxruntime", "local", ["demo"]),
        ("pyarrow", "parquet", ["solve", "--output", "a.parquet", "a.png"]),
        ("font_hanken_grotesk", "demo", ["demo"]),
    ],
)
def test_a_missing_extra_is_named(module, extra, arguments):
    """One line says what to install, and the exit code is that of a wrong call."""
    done = without(module, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert module in done.stderr
    assert f'pip install "solvestream[{extra}]"' in done.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_fits_a_screen(words, command, monkeypatch):
    """At most 80 columns and 40 lines, exit codes among them."""
    monkeypatch.setenv("COLUMNS", "80")
    done = command(*words, "--help")
    assert done.code == 0
    assert done.err == ""
    assert max(len(line) for line in done.out.splitlines()) <= 80
    assert len(done.out.splitlines()) <= 40
    assert "Exit codes: 0" in done.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete(shell, command, tmp_path, monkeypatch):
    """One command writes what the shell needs, with all commands and options in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "completion"
    assert command("--install-completion", "--shell", shell, "--output", path).code == 0
    written = path.read_text()
    assert all(word in written for word in ("solve", "resume", "in-flight", "captchaai"))


def test_help_says_where_keys_come_from(command):
    """The environment, and why."""
    told = " ".join(command("solve", "--help").out.split())
    assert "environment alone" in told
    assert "CAPTCHAAI_API_KEY" in told
    assert "SOLVORA_BASE_URL" in told


def test_version(command):
    """It is the library's."""
    assert command("--version").out.strip() == solvestream.__version__


@pytest.mark.parametrize(
    "words",
    [
        ["nothing"],
        ["solve"],
        ["solve", "a.png"],
        ["solve", "--nonsense", "a.png"],
        ["solve", "--in-flight", "0", "a.png"],
        ["solve", "--local", "--numeric", "5", "a.png"],
        ["solve", "--local", "--min-length", "5", "--max-length", "2", "a.png"],
        ["solve", "--local", "--deadline", "0", "a.png"],
        ["solve", "--local", "--base-url", "http://127.0.0.1:1", "a.png"],
        ["solve", "--service", "nobody", "a.png"],
        ["solve", "--local", "--input", "a.csv", "a.png"],
        ["solve", "--local", "--input", "gone.csv"],
        ["solve", "--local", "tasks.csv"],
        ["solve", "--local", "--output", "a.xlsx", "a.png"],
        ["solve", "--local", "--limit", "0", "a.png"],
        ["solve", "--local", "--fail-if", "p96>1", "a.png"],
        ["solve", "--local", "--fail-if", "p95", "a.png"],
        ["stream", "a.png"],
        ["stream", "--input", "a.csv"],
        ["solve", "--local", "--journal", "run.db", "a.png"],
        ["resume"],
        ["resume", "run.db"],
        ["journal"],
        ["journal", "run.db", "other.db"],
        ["balance"],
        ["balance", "--service", "solvora"],
        ["demo", "--tasks", "0"],
        ["serve", "--port", "x"],
        ["serve", "--latency", "2:1", "--engine", "simulate"],
        ["serve", "--latency", "1:2"],
        ["serve", "--failure-rate", "2", "--engine", "simulate"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_says_so_and_does_nothing(words, command):
    """Exit code 2, one line on standard error, nothing on standard output."""
    done = command(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("solvestream: ")
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("words", [["--key=made-up-secret"], ["--key", "made-up-secret"]])
@pytest.mark.parametrize("name", ["solve", "stream", "resume", "balance"])
def test_a_key_given_as_an_argument_is_refused_and_not_repeated(name, words, command):
    """There is no option for it, and the complaint does not show it."""
    done = command(name, *words)
    assert done.code == 2
    assert "--key" in done.err
    assert "made-up-secret" not in done.err


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_reader_that_leaves_ends_help_quietly():
    """`solvestream --help | true` shows no traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    child = spawn("--help", stdout=writing)
    os.close(writing)
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (1, b"")
