"""Real servers in processes of their own, against the local service."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURE = b"\x89PNG\r\n\x1a\n"
SLOW = PICTURE + b"slow"
LATE = PICTURE + b"late"
BAD = PICTURE + b"bad"


def environment(service):
    """What an example needs to find the service."""
    keys = dict.fromkeys(("CAPTCHAAI_API_KEY", "CAPSOLVER_API_KEY"), service.key)
    return os.environ | keys | {"SOLVESTREAM_URL": service.url, "PYTHONUNBUFFERED": "1"}


@contextlib.contextmanager
def serving(service, *arguments, log, stop=signal.SIGINT, **variables):
    """Run a web server until the block ends, then stop it; yields its URL.

    Its output goes to the file `log`; it must end by itself when it is interrupted.
    """
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", *arguments],
            cwd=EXAMPLES,
            env=environment(service) | variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _url(server, log)
            server.send_signal(stop)
            server.wait(20)
        finally:
            server.kill()
            server.wait()


def _url(server, log):
    """Wait until the server tells where it listens, for twenty seconds at most."""
    for _ in range(400):
        if found := re.search(r"(http://127\.0\.0\.1:[1-9]\d*)\b[^:].*\n", log.read_text()):
            return found[1]
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.05)
            break
    raise AssertionError(log.read_text())
