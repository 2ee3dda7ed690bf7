"""`python3 dev.py audit` (`faults.json` K12), with a pip-audit that says what the test wants."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPT = Path(__file__).parent.parent / "dev.py"
FLAW = {"id": "CVE-2026-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}
WELL = {"name": "anyio", "version": "4.9", "vulns": []}
BAD = {"name": "h11", "version": "0.1", "vulns": [FLAW]}
SKIPPED = {"name": "h11", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def answers(*found: object) -> str:
    return json.dumps({"dependencies": found, "fixes": []})


@pytest.fixture
def dev(monkeypatch):
    """Give the script, with a pip that resolves two dependencies and an environment in place."""
    spec = importlib.util.spec_from_file_location("dev", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def pip(*command: object) -> None:
        if "--report" in command:
            names = ("solvestream", "anyio", "h11")
            found = [{"metadata": {"name": name, "version": "1.0"}} for name in names]
            command[-2].write_text(json.dumps({"install": found}))

    monkeypatch.setattr(module, "run", pip)
    monkeypatch.setattr(module, "install", lambda *what: None)
    monkeypatch.setattr("sys.argv", ["dev.py", "audit"])
    return module


@pytest.mark.parametrize(
    ("told", "code", "says"),
    [
        (answers(WELL, WELL | {"name": "h11"}), 0, "2 of 2 run-time dependencies audited, 0 known"),
        (answers(WELL, BAD), 1, "h11 0.1: CVE-2026-1, fixed in 2.0"),
        (answers(BAD | {"vulns": [FLAW | {"fix_versions": []}]}), 1, "fixed in no release yet"),
        (answers(BAD, SKIPPED), 1, "1 of 2"),
        (answers(WELL, SKIPPED), 2, "this is no audit"),
        (answers(SKIPPED, SKIPPED), 2, "not found on PyPI"),
        (answers(WELL), 2, "1 of 2"),
        (answers(), 2, "0 of 2"),
        ("", 2, "no network"),
    ],
)
def test_k12_only_what_was_audited_counts(dev, monkeypatch, capsys, told, code, says):
    """0 means that every dependency was asked about and is well; silence of the service is 2."""
    asked = []

    def pip_audit(command, **options):
        asked.append((Path(command[0]).name, Path(command[-1]).read_text()))
        return SimpleNamespace(stdout=told, stderr="no network")

    monkeypatch.setattr(subprocess, "run", pip_audit)
    assert dev.main() == code
    assert says in capsys.readouterr().out
    assert asked == [("pip-audit", "anyio==1.0\nh11==1.0\n")]
