"""`check_provider`: ours keep the rules, and each flawed module breaks the one it is made for."""

from __future__ import annotations

import pytest
from attrs import evolve

from solvestream import CapSolver, CaptchaAI, RawTask, Solvora, UsageError
from solvestream.providers import (
    Accepted,
    AccountDown,
    Busy,
    Failed,
    Lost,
    Pending,
    Response,
    Solved,
    Throttled,
)
from solvestream.providers.createtask import CreateTask
from solvestream.providers.dialects import ANTICAPTCHA, TWOCAPTCHA
from solvestream.providers.inphp import InPhp
from solvestream.testing import NotConforming, check_provider
from solvestream.testing.conformance import RULES
from tests.testing.flaws import FLAWED, KEY, Good

INPHP = {
    "submits": {
        Accepted: "OK|70000000001",
        Busy: "ERROR_NO_SLOT_AVAILABLE",
        Throttled: "MAX_USER_TURN",
        Failed: "ERROR_NEW_AND_UNKNOWN",
        AccountDown: "IP_BANNED",
    },
    "looks": {
        Pending: "CAPCHA_NOT_READY",
        Solved: "OK|text",
        Failed: "ERROR_CAPTCHA_UNSOLVABLE",
        Lost: "ERROR_WRONG_CAPTCHA_ID",
    },
    "balance": "1.5",
}
CREATETASK = {
    "submits": {
        Accepted: '{"errorId":0,"status":"idle","taskId":"8a6e"}',
        Failed: Response(400, (), b'{"errorId":1,"errorCode":"ERROR_NEW","errorDescription":"a"}'),
    },
    "looks": {
        Pending: '{"errorId":0,"status":"processing"}',
        Solved: '{"errorId":0,"status":"ready","solution":{"text":"44795sds"}}',
        Lost: '{"errorId":1,"errorCode":"ERROR_TASK_NOT_FOUND","errorDescription":"gone"}',
    },
    "balance": '{"errorId":0,"balance":1.5,"packages":[]}',
}
NUMBERED = {
    "submits": {Accepted: '{"errorId":0,"taskId":8006}'},
    "looks": {Pending: '{"errorId":0,"status":"processing"}'},
    "balance": '{"errorId":0,"balance":1.5}',
}
SOLVORA = {
    "submits": {Accepted: '{"status":"ok","result":"in_process","task_id":"8a6e","solves":949}'},
    "looks": {
        Pending: '{"status":"ok","result":"in_process","task_id":"100","time":null,"solves":9}',
        Solved: '{"status":"ok","result":"text","task_id":"100","time":1.23,"solves":9}',
        Failed: '{"status":"fail","result":"no text","task_id":"100","time":1.23,"solves":9}',
        Lost: Response(404, (), b'{"detail":"Task not found"}'),
    },
    "balance": '{"status":"ok","solves":950,"24h":50}',
}
URL = {"base_url": "https://ocr.example"}
OURS = [
    (CaptchaAI(KEY), INPHP),
    (CaptchaAI(KEY, multi_id=True, soft_id=7, pingback="https://a.example/done"), INPHP),
    (CaptchaAI(KEY, json=True), {**INPHP, "submits": {Accepted: '{"status":1,"request":"7"}'}}),
    (InPhp(KEY, name="2captcha", dialect=TWOCAPTCHA, **URL), {**INPHP, "looks": {}}),
    (CapSolver(KEY, app_id="app", pingback="https://a.example/done"), CREATETASK),
    (CreateTask(KEY, name="anticaptcha", dialect=ANTICAPTCHA, **URL), NUMBERED),
    (Solvora(KEY, **URL), SOLVORA),
]


@pytest.mark.parametrize(("account", "replies"), OURS, ids=lambda one: getattr(one, "name", ""))
def test_our_own_modules_keep_the_rules(account, replies):
    """Every rule that can be checked is kept."""
    found = check_provider(account, key=KEY, **replies)
    assert set(found.passed) | set(found.skipped) == set(RULES)
    assert set(found.skipped) <= {"batch_fits"}


def test_a_module_of_ones_own_keeps_the_rules():
    """With all replies given, and several ids a look, nothing is left unchecked."""
    found = check_provider(Good(), key=KEY, **INPHP)
    assert (found.passed, found.skipped) == (tuple(RULES), {})


@pytest.mark.parametrize("flawed", FLAWED, ids=lambda flawed: flawed.__name__)
def test_each_flaw_breaks_its_own_rule_and_no_other(flawed):
    """What is wrong is named, in a sentence that shows what was done and never the key."""
    with pytest.raises(NotConforming) as caught:
        check_provider(flawed(), key=KEY, **INPHP)
    assert {finding.rule for finding in caught.value.findings} == {flawed.rule}
    assert 0 < len(caught.value.findings) <= 3
    assert len({str(one) for one in caught.value.findings}) == len(caught.value.findings)
    assert str(caught.value).startswith(f"{flawed.__name__} breaks ")
    assert f"\n{flawed.rule}: " in str(caught.value)
    assert KEY not in str(caught.value)


def test_every_rule_has_a_flaw_and_says_what_it_demands():
    """No rule is there that nothing can break, or that nobody explains."""
    assert {flawed.rule for flawed in FLAWED} == set(RULES)
    assert all(rule.__doc__ for rule in RULES.values())


def test_what_cannot_be_checked_is_said():
    """Without replies of the service the rules that need them are skipped, not passed."""
    found = check_provider(CaptchaAI(KEY, multi_id=True), key=KEY)
    assert set(found.skipped) == {"samples", "money_whole", "ids_checked", "batch_fits"}
    assert "Accepted" in found.skipped["ids_checked"]
    assert "no images" in check_provider(Tokens(), key=KEY, **INPHP).skipped["images_refused"]


class Tokens(Good):
    """Takes no images."""

    def __init__(self):
        super().__init__()
        kept = self.inner.capabilities.kinds - {"image"}
        object.__setattr__(
            self.inner,
            "capabilities",
            evolve(self.inner.capabilities, kinds=kept),
        )


def test_tasks_of_ones_own_take_the_place_of_samples():
    """A kind that is nobody else's needs a task."""

    class Own(Good):
        @property
        def capabilities(self):
            return self.inner.capabilities

    account = Own()
    task = RawTask({"method": "audio"}, kind="raw")
    assert "submit_request" in check_provider(account, key=KEY, tasks=[task]).passed


def test_a_module_that_falls_apart_is_a_finding():
    """Whatever the module raises where it must not, the check goes on."""

    class Broken(Good):
        def look(self, asked):
            raise KeyError(KEY)

    with pytest.raises(NotConforming) as caught:
        check_provider(Broken(), key=KEY, **INPHP)
    assert "look_request: the module raised KeyError" in str(caught.value)
    assert "submit_total" not in str(caught.value)


@pytest.mark.parametrize(
    ("account", "key"), [(CaptchaAI(KEY), "short"), (CaptchaAI, KEY), (3, KEY)]
)
def test_what_is_no_module_is_refused(account, key):
    """A class instead of an account, and a key too short to be searched for."""
    with pytest.raises(UsageError):
        check_provider(account, key=key)
