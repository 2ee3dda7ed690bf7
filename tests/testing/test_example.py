"""The example of a tested crawler is run as its reader runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "test_my_crawler.py"


def test_test_my_crawler_passes(tmp_path):
    """All its tests pass on both backends, without a warning."""
    options = ("-q", "-W", "error", "-p", "no:looptime_plugin", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", tmp_path, EXAMPLE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout
