"""The catalogue: every fault of `faults.json` has a test with its id in the name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FAULTS = ROOT.parent / "shared" / "faults.json"

WAITING: dict[str, str] = {}
"""Faults without a test, and what they wait for."""
PARTLY = {
    "D04": "results do not spill from memory to the journal",
    "D05": "statistics() counts what is kept, and does not call it stale",
    "K12": "no pip-audit, no hashes in a lock file, no SBOM in the wheel",
    "L01": "the loop's lag is a benchmark's to measure",
    "L02": "CPU per exchange is printed, and a benchmark's to judge",
}
"""Faults with a test, of which some part waits."""


@pytest.fixture(scope="module")
def names() -> list[str]:
    """Give the names of all tests in this directory."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-p", "no:randomly", str(Path(__file__).parent)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return [line.partition("::")[2] for line in done.stdout.splitlines() if "::" in line]


def counted(names: list[str]) -> Counter[str]:
    """Count tests by the id in their names."""
    found: Counter[str] = Counter()
    for name in names:
        plain = re.match(r"test_([a-z]\d\d)_", name)
        row = re.search(r"\[(?:\w+-)*?([A-Z]\d\d)(?:-|\])", name)
        if plain or row:
            found[(plain or row)[1].upper()] += 1
    return found


def test_every_fault_has_a_test(names):
    """All 102 ids stand in names of tests, but for those that wait for something not built."""
    found = counted(names)
    styles = Counter(
        "native" if "native" in name else "scope" if "scope" in name else "left alone"
        for name in names
    )
    kinds = Counter("httpx" if "httpx" in name else "pool" for name in names if "[" in name)
    print(f"{found.total()} tests of {len(found)} faults; {dict(styles)}; {dict(kinds)}")
    print(*(f"{fault}: {count}" for fault, count in sorted(found.items())), sep=", ")
    for fault, why in {**WAITING, **PARTLY}.items():
        print(f"waiting: {fault} {'in part ' * (fault in PARTLY)}- {why}")
    assert found.total() >= 600
    assert not set(WAITING) & set(found), "what is tested no longer waits"
    if FAULTS.exists():
        ids = {fault["id"] for fault in json.loads(FAULTS.read_text())}
        assert len(ids) == 102
        assert ids - set(found) == set(WAITING)
        assert set(found) <= ids
