"""Every example is run as a user runs it, against the local service in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from solvestream.server import LocalService, simulated_text

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def service():
    """One service for all examples."""
    with LocalService() as service:
        yield service


@pytest.fixture
def images(tmp_path):
    """A directory of images, and what the service reads in each."""
    texts = {}
    for number in range(6):
        data = b"\x89PNG\r\n\x1a\n%d" % number
        (tmp_path / f"{number}.png").write_bytes(data)
        texts[tmp_path / f"{number}.png"] = simulated_text(data)
    return texts


def run(service, name, *arguments, told=None):
    """Run an example; return what it prints. It must not fail, nor complain."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        env=os.environ
        | {
            "SOLVESTREAM_URL": service.url,
            "SOLVESTREAM_FIRST_LOOK": "0.1",
            "CAPTCHAAI_API_KEY": service.key,
            "CAPSOLVER_API_KEY": service.key,
            "SOLVORA_API_KEY": service.key,
        },
        input=told,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_one_image(service, images):
    """It prints the text."""
    path, text = next(iter(images.items()))
    assert run(service, "one_image.py", path) == [text]


def test_many_images(service, images, tmp_path):
    """It prints the text of every image of the directory."""
    expected = {f"{path.name}: {text}" for path, text in images.items()}
    assert set(run(service, "many_images.py", tmp_path)) == expected


def test_several_accounts(service, images):
    """Images are answered in order, and their work is shared among the accounts."""
    lines = run(service, "several_accounts.py", *images)
    for line, (path, text) in zip(lines, images.items(), strict=False):
        assert line.startswith(f"{path}: {text} (")
    names = [line.partition(":")[0] for line in lines[len(images) :]]
    assert names == ["captchaai", "solvora", "capsolver"]
    assert all(" 0 submits" not in line for line in lines[len(images) :])


def test_tickets(service, images):
    """One process pays, another has the answers."""
    tickets = run(service, "tickets.py", "submit", *images)
    assert len(tickets) == len(images)
    answers = run(service, "tickets.py", "wait", told="\n".join(tickets))
    assert sorted(line.partition("'")[2][:8] for line in answers) == sorted(images.values())


def test_own_provider(service, images):
    """A protocol module of one's own is an account like any other."""
    path, text = next(iter(images.items()))
    assert run(service, "own_provider.py", path) == [f"Text(text='{text}', confidence=None)"]


def test_sync_script(service, images):
    """A script without asyncio prints the texts in order, and what is left."""
    lines = run(service, "sync_script.py", *images)
    assert lines[:-1] == [f"{path}: {text}" for path, text in images.items()]
    assert lines[-1].startswith("left: ")


def test_examples_are_short_and_all_are_run():
    """Each is short, and is named in a test, here or where its host is tested."""
    tests = "".join(path.read_text() for path in EXAMPLES.parent.glob("tests/*/test_*.py"))
    for path in EXAMPLES.iterdir():
        if path.suffix in {".py", ".ipynb"}:
            assert path.suffix != ".py" or len(path.read_text().splitlines()) <= 85, path.name
            assert path.stem in tests, path.name
