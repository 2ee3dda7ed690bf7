"""The bill of materials in the wheel."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
from pathlib import Path

import pytest

HOOK = Path(__file__).parent.parent / "hatch_build.py"


def needed() -> dict[str, str]:
    """Return what the installed package says it needs, without extras, by name."""
    lines = importlib.metadata.requires("solvestream")
    plain = [line for line in lines if "extra ==" not in line]
    return {re.match(r"[\w.-]+", line)[0].replace("_", "-").lower(): line for line in plain}


def listed(text: str) -> dict[str, str]:
    """Return what a bill lists, by name."""
    told = json.loads(text)
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    (edge,) = told["dependencies"]
    assert edge["ref"] == told["metadata"]["component"]["bom-ref"]
    assert edge["dependsOn"] == [one["bom-ref"] for one in told["components"]]
    return {one["name"]: one["properties"][0]["value"] for one in told["components"]}


def test_the_bill_lists_exactly_what_is_needed_at_run_time():
    """Each declared dependency once, with its range, and nothing else."""
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", HOOK)
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    text = hook.bill("solvestream", "1.0", list(needed().values()))
    assert set(listed(text)) == set(needed())
    assert text == hook.bill("solvestream", "1.0", [*reversed(needed().values())])


def test_the_wheel_holds_its_bill():
    """What is installed has the bill beside its metadata (PEP 770)."""
    if not os.environ.get("SOLVESTREAM_TEST_WHEEL"):
        pytest.skip("an editable install has none")
    files = importlib.metadata.files("solvestream")
    (bill,) = [file for file in files if file.parent.name == "sboms"]
    assert bill.name == "solvestream.cdx.json"
    assert set(listed(bill.read_text())) == set(needed())
    for name, requirement in listed(bill.read_text()).items():
        assert requirement.replace(" ", "").startswith(name)
