"""The commands are called in this process where that shows the same as a process of their own."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import frozen

from solvestream.cli import main
from solvestream.server import LocalService, Scripted, Settings, simulated_text

KEYS = ("CAPTCHAAI_API_KEY", "CAPSOLVER_API_KEY", "SOLVORA_API_KEY", "SOLVORA_BASE_URL")


@frozen
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self):
        """What was printed, a JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def by_name(self):
        """The results, by the name of the file."""
        return {Path(line["path"]).name: line for line in self.lines}


@pytest.fixture(scope="session")
def service():
    """A service that answers any image at once."""
    with LocalService() as service:
        yield service


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    """Start without any account."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def accounts(monkeypatch, service):
    """Keys for all three services in the environment."""
    for name in KEYS[:3]:
        monkeypatch.setenv(name, service.key)
    monkeypatch.setenv("SOLVORA_BASE_URL", service.url)


@pytest.fixture
def command(capsys):
    """Run a command here, and see what it leaves."""

    def run(*arguments) -> Done:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Done(code, *capsys.readouterr())

    return run


def spawn(*arguments, **options) -> subprocess.Popen[bytes]:
    """Start a command in a process of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    words = [sys.executable, "-m", "solvestream", *map(str, arguments)]
    return subprocess.Popen(words, **pipes | options)


def picture(number: int = 0) -> bytes:
    """Return what begins as a PNG does: enough for a service that makes its answers up."""
    return b"\x89PNG\r\n\x1a\n" + b"picture %d" % number


@pytest.fixture
def images(tmp_path):
    """A directory of five images, and their texts by name."""
    texts = {}
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
        texts[f"{number}.png"] = simulated_text(picture(number))
    return tmp_path, texts


@pytest.fixture
def slow(monkeypatch):
    """A service that answers one image at once, and the others long after."""
    first = hashlib.sha256(picture(0)).hexdigest()
    script = {first: Scripted(latency=0.0), "*": Scripted(latency=60.0)}
    with LocalService(Settings(script=script)) as service:
        monkeypatch.setenv("SOLVORA_BASE_URL", service.url)
        for name in KEYS[:3]:
            monkeypatch.setenv(name, service.key)
        yield service
