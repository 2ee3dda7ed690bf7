from __future__ import annotations

import pytest

from solvestream import CapSolver, CaptchaAI, Solvora, UsageError
from solvestream.cli.accounts import at_local, from_environment


def test_all_keys_in_the_environment_are_used(accounts):
    """One account for each service, in one order."""
    assert [type(one) for one in from_environment(None, None)] == [CaptchaAI, Solvora, CapSolver]


def test_a_service_is_chosen_by_name(accounts, service):
    """With its own address, or another."""
    (account,) = from_environment("capsolver", service.url)
    assert service.url in repr(account)
    (account,) = from_environment("capsolver", None)
    assert "https://api.capsolver.com" in repr(account)


def test_one_address_is_not_for_several_services(accounts, service):
    """A key is not sent to another's address by mistake."""
    with pytest.raises(UsageError, match="--service captchaai or solvora or capsolver"):
        from_environment(None, service.url)


def test_none_is_an_error_that_names_the_variables():
    """What to set is in the message."""
    with pytest.raises(UsageError, match="CAPTCHAAI_API_KEY.*CAPSOLVER_API_KEY.*SOLVORA_BASE_URL"):
        from_environment(None, None)


def test_solvora_needs_an_address(monkeypatch):
    """It has no public one."""
    monkeypatch.setenv("SOLVORA_API_KEY", "made-up")
    with pytest.raises(UsageError, match="SOLVORA_BASE_URL"):
        from_environment(None, None)


def test_a_local_service_is_looked_at_soon():
    """CaptchaAI's reference is 10 s; Solvora's own second stays."""
    captchaai = at_local("captchaai", "http://127.0.0.1:1", "made-up").capabilities.pace("image")
    solvora = at_local("solvora", "http://127.0.0.1:1", "made-up").capabilities.pace("image")
    assert captchaai.first_look == captchaai.interval == 0.5
    assert solvora.first_look == solvora.interval == 1.0
