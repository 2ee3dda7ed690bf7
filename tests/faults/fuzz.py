r"""Coverage-guided fuzzing of all that reads what a service sends, with atheris.

    python -m venv .fuzz-venv && .fuzz-venv/bin/pip install atheris . && PYTHONPATH=. \
        .fuzz-venv/bin/python -m tests.faults.fuzz -max_total_time=60 [corpus directory]

Further arguments are libFuzzer's. A finding is printed with its traceback and kept as `crash-*`;
to run it again, give that file as the argument. Found is: a reader that raises what is no error of
ours, an outcome of no known kind, an id outside its grammar, or the key in an outcome.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from solvestream import CapSolver, CaptchaAI, ImageToText, Solvora
from solvestream._http.reply import ReplyReader
from solvestream._outcomes import Accepted, LookOutcome, Mismatch, SubmitOutcome
from solvestream._wire import Response
from solvestream.errors import SolvestreamError

KEY = "CANARY0123456789abcdef"
STATUSES = (200, 200, 200, 200, 400, 401, 402, 404, 409, 429, 500, 502, 503, 204, 301)
KINDS = ("image", "raw", "recaptcha_v2", "geetest_v3", "geetest_v4", "cloudflare_challenge")
TASK = ImageToText(b"\x89PNG\r\n\x1a\n")
IS_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}").fullmatch
BASE = "http://127.0.0.1:1"
ACCOUNTS: tuple[Any, ...] = (
    CaptchaAI(KEY, base_url=BASE),
    CaptchaAI(KEY, base_url=BASE, json=True, multi_id=True, one_shot=True, name="json"),
    Solvora(KEY, base_url=BASE),
    CapSolver(KEY, base_url=BASE),
)


def readers(account: Any, kind: str) -> list[tuple[Callable[[Response], Any], Any]]:
    """Return what reads an account's replies, and what each may answer."""
    asked = SimpleNamespace(task_id="1", kind=kind)
    found = [
        (account.submit(TASK, TASK.image).read, SubmitOutcome),
        (account.look([asked]).read, LookOutcome),
        (account.balance().read, object),
    ]
    if account.capabilities.max_batch > 1:
        found.append((account.look([asked, asked]).read, LookOutcome | Mismatch))
    if account.capabilities.reports:
        found.append((account.report("1", correct=True).read, object))
    return found


def check(found: object, allowed: Any) -> None:
    """Fail for an outcome that must not be."""
    for one in found if isinstance(found, list) else [found]:
        assert isinstance(one, allowed), one
        assert not isinstance(one, Accepted) or IS_ID(one.task_id), one
        assert KEY not in repr(one), one


def read_reply(data: bytes) -> None:
    """Read bytes as the body of a reply to every question."""
    if len(data) < 3:
        return
    status = STATUSES[data[0] % len(STATUSES)]
    account = ACCOUNTS[data[1] % len(ACCOUNTS)]
    kind = KINDS[data[2] % len(KINDS)]
    head, _, body = data[3:].rpartition(b"\0\0")
    headers = (("retry-after", head.decode("latin-1")), ("date", head.decode("latin-1")))
    response = Response(status, headers, body, bool(data[0] & 0x80))
    for read, allowed in readers(account, kind):
        try:
            found = read(response)
        except SolvestreamError as error:
            found, allowed = error, SolvestreamError  # noqa: PLW2901 - calls answer by raising
        check(found, allowed)


def read_wire(data: bytes) -> None:
    """Read bytes as they come from a connection, in two pieces."""
    reader = ReplyReader()
    reader.start(1 << 16)
    half = data[0] % (len(data) + 1) if data else 0
    for piece in (data[:half], data[half:]):
        if piece and not reader.complete and reader.fault is None:
            reader.feed(piece)
    reader.end()
    assert not (reader.complete and reader.fault and reader.reusable)


def one_input(data: bytes) -> None:
    """Try one input on all."""
    read_reply(data)
    read_wire(data)


def main() -> None:
    """Run the fuzzer."""
    try:
        import atheris
    except ImportError:
        sys.exit(__doc__)
    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
