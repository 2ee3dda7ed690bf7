"""What the pages show is run, against a real local service, as a reader would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from solvestream.server import DEFAULT_KEY, Account, LocalService, Settings
from tests.docs.blocks import PAGES, ROOT, blocks

HERE = Path(__file__).parent
RUN = {"python", "sh"}
SHOWN = {"text", "json", "csv", "toml", "yaml", "ini"}


def name(path):
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def service():
    """One service for all pages; it also takes the key that the pages show."""
    accounts = (Account(), Account(key="KEY", name="shown"))
    with LocalService(Settings(accounts=accounts)) as service:
        yield service


@pytest.fixture
def directory(tmp_path):
    """What a reader is supposed to have: a few images."""
    for number in range(6):
        for place in ("receipts", "scans"):
            (tmp_path / place).mkdir(exist_ok=True)
            (tmp_path / place / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n%d" % number)
    (tmp_path / "receipt.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(b.is_run for b in blocks(page))], ids=name
)
def test_every_block_of_a_page_runs(page, service, directory):
    """In order, in one namespace, without a warning."""
    done = subprocess.run(
        [sys.executable, "-W", "error", HERE / "run_page.py", page],
        cwd=directory,
        env=os.environ
        | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(HERE / "site"),
            "PYTEST_ADDOPTS": "-p no:looptime_plugin -p no:cacheprovider",
            "DOCS_SERVICE": service.url,
            "SOLVORA_BASE_URL": service.url,
            "CAPTCHAAI_API_KEY": DEFAULT_KEY,
            "CAPSOLVER_API_KEY": DEFAULT_KEY,
            "SOLVORA_API_KEY": DEFAULT_KEY,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_run_or_says_why_not(page):
    """No block is in a language that nobody knows about."""
    assert {block.language for block in blocks(page)} - RUN - SHOWN == set()


@pytest.mark.parametrize("page", PAGES[1:], ids=name)
def test_every_block_of_the_docs_says_what_it_is(page):
    """A fence without a language would be run by nobody."""
    fences = [line for line in page.read_text().splitlines() if line.lstrip().startswith("```")]
    assert len(fences) == 2 * len(blocks(page))
