"""Every wire case of PROTOCOLS.md 1-4 as one file under `vectors/`: what is asked, what comes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from solvestream.errors import InvalidTask
from tests.providers.support import (
    ACCOUNTS,
    KEY,
    call_of,
    outcome_of,
    plain,
    plain_request,
    response_of,
)

VECTORS = Path(__file__).with_name("vectors")
FILES = sorted(VECTORS.rglob("*.json"))


def load(path: Path) -> dict[str, Any]:
    """Read one vector."""
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_vector(path: Path) -> None:
    """A task becomes exactly this request, or this reply is read as exactly this outcome."""
    vector = load(path)
    account = ACCOUNTS[path.parent.name](**vector.get("options", {}))
    if "message" in vector:
        with pytest.raises(InvalidTask) as caught:
            call_of(account, vector["call"])
        assert plain(caught.value) == vector["outcome"]
        assert all(words in str(caught.value) for words in vector["message"])
        return
    call = call_of(account, vector["call"])
    if "request" in vector:
        expected = vector["request"]
        request = plain_request(call.request)
        assert {name: request[name] for name in expected} == expected
        assert set(request) - set(expected) <= {"fresh", "limits"}
        assert request["fresh"] == ("submit" in vector["call"])
    if "reply" in vector:
        outcome = outcome_of(call.read, response_of(vector["reply"]))
        assert plain(outcome) == vector["outcome"]
        assert KEY not in f"{outcome!r} {outcome}"


def test_every_vector_says_what_it_shows() -> None:
    """Each file has one sentence for people, and either a request or an outcome."""
    for path in FILES:
        vector = load(path)
        assert vector["shows"].endswith("."), path
        assert "request" in vector or "outcome" in vector, path


def test_every_code_of_every_table_has_a_vector() -> None:
    """No error code is in a table without a reply that was read with it, on submit or look."""
    for service in ("captchaai", "capsolver", "anticaptcha"):
        account = ACCOUNTS[service]()
        seen = "".join(path.read_text("utf-8") for path in (VECTORS / service).glob("*.json"))
        missing = [code for code in account.dialect.codes if f'"{code}"' not in seen]
        assert not missing


def test_invalid_tasks_name_field_value_and_fix() -> None:
    """A refusal before the wire tells the field, shows the value and how to put it right."""
    vectors = [load(path) | {"service": path.parent.name} for path in FILES]
    refused = [vector for vector in vectors if "message" in vector]
    assert refused
    for vector in refused:
        account = ACCOUNTS[vector["service"]](**vector.get("options", {}))
        with pytest.raises(InvalidTask) as caught:
            call_of(account, vector["call"])
        assert caught.value.field
        assert caught.value.value
        assert caught.value.fix
