from __future__ import annotations

import os
import re
import threading

import pytest

from solvestream import CapSolver, Client
from solvestream.cli import screen as module
from solvestream.cli.screen import Screen
from solvestream.observe.tally import Tally
from solvestream.server import LocalService, Scripted, Settings
from tests.cli.conftest import KEYS, spawn

CURSOR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


empty = Client(CapSolver("made-up")).statistics
"""What a client tells that has done nothing."""


def screen(**more) -> Screen:
    """Return a screen of a run with two tasks."""
    return Screen(**{"tally": Tally(), "total": 2, "skipped": int, "live": False} | more)


@pytest.mark.anyio
async def test_a_pipe_gets_a_line_now_and_then(capsys, monkeypatch):
    """None at once, as most runs are short; then one every ten seconds."""
    with screen() as shown:
        shown.watch(empty)
        assert capsys.readouterr().err == ""
        shown._began -= module.LINE
        shown.tally.solved = 1
        shown.tick()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("1/2 done, 0 failed")


@pytest.mark.anyio
async def test_it_goes_on_by_itself_and_ends(capsys, monkeypatch):
    """A timer of the loop, which is gone with the screen."""
    monkeypatch.setattr(module, "LINE", 0.001)
    there = module.asyncio.Event()
    with screen(skipped=lambda: there.set() or 0) as shown:
        shown.watch(empty)
        there.clear()
        await there.wait()
    assert shown._timer.cancelled()


@pytest.mark.anyio
async def test_a_terminal_that_stands_still_stops_no_loop(monkeypatch):
    """As by Ctrl-S, or a connection that is gone: a frame waits, the next ones are left out."""
    goes_on, lines = threading.Event(), []

    class Still:
        def write(self, text):
            assert goes_on.wait(30)
            lines.append(text)

        def flush(self):
            pass

        def isatty(self):
            return False

    with screen() as shown:
        shown.watch(empty)
        shown._began -= module.LINE
        monkeypatch.setattr(module.sys, "stderr", Still())
        for _ in range(9):
            shown.tick()
        shown.say("stopping")
        assert lines == []
        goes_on.set()
    told = [text for text in lines if text.strip()]
    assert told[-1] == "stopping"
    assert 1 <= len(told) - 1 <= 2


@pytest.mark.anyio
async def test_the_rate_is_that_of_late():
    """Not of the whole run: a slow start is forgotten."""
    with screen() as shown:
        shown.watch(empty)
        shown._began -= 1_000
        shown.tick()
        shown._recent.append((995.0, 0))
        shown._recent.popleft()
        shown.tally.solved = 50
        assert shown.figures().rate == pytest.approx(10.0, rel=0.2)


def test_what_has_ended_is_shown_as_a_table(capsys):
    """On standard error, with the last line below; nothing but that line where nothing ended."""
    with screen(tally=Tally(solved=2)) as shown:
        pass
    shown.finish()
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[0].startswith("solved 2   failed 0")
    assert told.err.splitlines()[-1] == "2/2 done, 0 failed"
    with screen() as shown:
        pass
    shown.finish()
    assert capsys.readouterr().err == "0/2 done, 0 failed\n"


class Terminal:
    """A pseudo-terminal of 100 columns, read until everybody has gone."""

    def __init__(self) -> None:
        self.near, self.far = os.openpty()
        self.data = b""
        self._reader = threading.Thread(target=self._read)

    def run(self, *words, **options) -> int:
        """Run a command with the terminal as its standard error; return its exit code."""
        env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
        with spawn(*words, stderr=self.far, env=env, **options) as child:
            os.close(self.far)
            self._reader.start()
            if child.stdout is not None:
                child.stdout.read()
            code = child.wait(30)
        self._reader.join()
        return code

    def _read(self) -> None:
        try:
            while data := os.read(self.near, 65536):
                self.data += data
        except OSError:  # the last of them has gone
            pass
        os.close(self.near)


@pytest.fixture
def solvora(monkeypatch):
    """A service that takes a second for each image."""
    with LocalService(Settings(script={"*": Scripted(latency=0.5)})) as service:
        monkeypatch.setenv("SOLVORA_BASE_URL", service.url)
        monkeypatch.setenv(KEYS[2], service.key)
        yield service


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals")
@pytest.mark.parametrize("both", [False, True], ids=["results in a pipe", "results on it too"])
def test_a_terminal_shows_a_live_screen(solvora, images, both):
    """Frames while it goes on, which are gone in the end; the results above; then the table."""
    directory, texts = images
    terminal = Terminal()
    options = {"stdout": terminal.far} if both else {}
    assert terminal.run("solve", "--service", "solvora", directory, **options) == 0
    shown = terminal.data.decode()
    assert shown.count("in flight 5") > 1
    assert "oldest" in shown
    assert "\x1b[?25l" in shown  # no cursor while it is drawn
    assert "\x1b[?25h" in shown
    plain = CURSOR.sub("", shown)
    assert plain.splitlines()[-1] == "5/5 done, 0 failed"
    assert "solved 5   failed 0" in plain
    assert all((f'"text": "{text}"' in plain) is both for text in texts.values())
