from __future__ import annotations


def test_all_accounts_tell_what_is_left(command, accounts, monkeypatch, service):
    """A line each, in the unit of the service."""
    done = command("balance", "--service", "solvora")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("solvora: ")
    assert done.out.endswith(" solves\n")


def test_as_json(command, accounts, service):
    """One object, by account."""
    done = command("balance", "--service", "capsolver", "--base-url", service.url, "--json")
    (told,) = done.lines
    assert done.code == 0
    assert told["capsolver"]["unit"] == "USD"
    assert told["capsolver"]["amount"] > 900


def test_one_account_that_fails_hides_no_other(command, monkeypatch, service):
    """Those that can tell do, and the exit code is 1; no key is shown."""
    monkeypatch.setenv("SOLVORA_API_KEY", service.key)
    monkeypatch.setenv("SOLVORA_BASE_URL", service.url)
    monkeypatch.setenv("CAPSOLVER_API_KEY", "made-up-wrong-key-1234567890")
    monkeypatch.setattr("solvestream.CapSolver.from_env", _capsolver_at(service.url))
    done = command("balance")
    assert done.code == 1
    assert done.out.startswith("solvora: ")
    assert done.err.startswith("capsolver: ERROR_KEY_DOES_NOT_EXIST")
    assert "made-up-wrong" not in done.out + done.err


def _capsolver_at(url: str):
    from solvestream import CapSolver

    return lambda: CapSolver("made-up-wrong-key-1234567890", base_url=url)
