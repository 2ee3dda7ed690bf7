"""The key shows itself nowhere."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest

from solvestream import CapSolver, CaptchaAI, ImageToText, Solvora, UsageError
from solvestream._secret import Secret

KEY = "canary-7f3a9c"
ACCOUNTS = [CaptchaAI(KEY), CapSolver(KEY), Solvora(KEY, base_url="https://ocr.example")]


def test_a_secret_is_masked_in_every_form():
    """repr, str, format, and what they are part of."""
    secret = Secret(KEY)
    shown = f"{secret!r} {secret} {secret:>30} {[secret]} {vars} %s" % secret
    assert KEY not in shown
    assert secret.reveal() == KEY


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
def test_accounts_and_requests_show_no_key(account):
    """What stands in tracebacks and logs: the account, a call, its request."""
    call = account.submit(ImageToText(b"x"), b"\x89PNG\r\n\x1a\nabc")
    assert KEY not in f"{account!r} {account} {call!r} {call.request!r} {account.balance()!r}"


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
def test_a_key_is_never_pickled(account):
    """Nor is an account that holds one; a copy in this process is fine."""
    for one in (account, Secret(KEY)):
        with pytest.raises(UsageError):
            pickle.dumps(one)
    assert copy.copy(account) is not None


@pytest.mark.parametrize("key", ["", f"{KEY}\n", f" {KEY}", f"{KEY}ключ", f"{KEY}\x00", 5, None])
@pytest.mark.parametrize("kind", [CaptchaAI, CapSolver])
def test_a_bad_key_is_refused_without_showing_it(kind, key):
    """Neither the message nor a traceback with locals in our frames holds it."""
    try:
        kind(key)
    except UsageError as error:
        caught = error
    else:
        pytest.fail("it was taken")
    frames = traceback.TracebackException.from_exception(caught, capture_locals=True).stack
    ours = [f.locals or {} for f in frames if f.filename != __file__]
    assert KEY not in str(caught)
    assert ours
    assert KEY not in str(ours)
