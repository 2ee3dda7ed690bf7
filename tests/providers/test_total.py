"""Reading is total: whatever comes gives an outcome, and money is never misread."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from solvestream._outcomes import (
    Accepted,
    AccountDown,
    Busy,
    Failed,
    Lost,
    Mismatch,
    Pending,
    Solved,
    Throttled,
    Unknown,
)
from solvestream._wire import Response
from solvestream.errors import SolvestreamError
from solvestream.providers._answers import cut_pairs
from solvestream.providers._reply import dump, load_object
from solvestream.providers._retry_after import retry_after
from solvestream.solutions import Text
from tests.providers.support import ACCOUNTS, Asked, build_task, call_of, image, outcome_of

SUBMIT = Accepted | Solved | Busy | Throttled | Failed | Unknown | AccountDown
LOOK = Solved | Pending | Throttled | Failed | Lost | Unknown | AccountDown
ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}").fullmatch

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["ok", "fail", "ready", "idle", "in_process", "CAPCHA_NOT_READY", "ERROR_ZERO_BALANCE", "1"]
    ),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner)
)
names = st.sampled_from(
    [
        *("status", "request", "result", "task_id", "time", "solves", "errorId", "errorCode"),
        *("errorDescription", "solution", "taskId", "text", "answers", "balance", "detail"),
        *("price", "user_agent", "threads", "working_threads", "challenge"),
    ]
)
objects = st.dictionaries(names, values).map(lambda found: json.dumps(found).encode())
bodies = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=40).map(lambda text: text.encode(errors="replace")),
    st.text(max_size=40).map(lambda text: b"OK|" + text.encode(errors="replace")),
    st.lists(st.sampled_from(["a", "", "CAPCHA_NOT_READY", "ERROR_X", "OK"])).map(
        lambda parts: "|".join(parts).encode()
    ),
    objects,
)
headers = st.lists(
    st.tuples(
        st.sampled_from(["retry-after", "date", "content-encoding", "content-type"]), st.text()
    ),
    max_size=3,
).map(tuple)
responses = st.builds(
    Response, st.integers(200, 599) | st.just(200), headers, bodies, st.booleans()
)
accounts = st.sampled_from(list(ACCOUNTS.values())).map(lambda build: build())
hostile = [
    b'{"status":1,"request":' + b"[" * 100_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"status":1,"request":' + b"9" * 5_000 + b"}",
    b'{"errorId":0,"status":"ready","solution":{"text":NaN}}',
    b'{"errorId":0,"status":"ready","solution":' + b'{"a":[' * 400 + b"]}" * 400 + b"}",
    b'{"status":"ok","result":"\\ud800","task_id":"t"}',
    b"\xff\xfeO\x00K\x00",
    b"\x00",
    b"null",
    b"[1]",
    b'"OK|1"',
]


def storable(value: object) -> bool:
    """Whether everything in an outcome can be written to a UTF-8 file."""
    return bool(repr(value).encode()) and (
        not isinstance(value, Solved)
        or not isinstance(value.solution, Text)
        or isinstance(value.solution.text.encode(), bytes)
    )


@given(accounts, responses, st.sampled_from(["image", "raw"]))
@settings(max_examples=400, deadline=None)
@example(ACCOUNTS["captchaai"](), Response(200, (), b"OK|" + b"1" * 129), "image")
def test_any_reply_to_a_submit_gives_an_outcome(account: Any, response: Response, kind: str):
    """No bytes, status or header raise, and an id outside the grammar is never accepted."""
    if kind not in account.capabilities.kinds:
        kind = "image"
    fields = {"image": "png"} if kind == "image" else {"fields": {"a": "b"}}
    task = {"type": "ImageToText" if kind == "image" else "RawTask", **fields}
    outcome = call_of(account, {"submit": task}).read(response)
    assert isinstance(outcome, SUBMIT)
    assert storable(outcome)
    if isinstance(outcome, Accepted):
        assert ID(outcome.task_id)
        assert type(outcome.task_id) is str
        assert 200 <= response.status <= 202
        assert outcome.verified == response.delimited


@given(
    accounts,
    responses,
    st.lists(st.sampled_from(["image", "recaptcha_v2", "geetest_v3", "geetest_v4", "raw"])),
)
@settings(max_examples=400, deadline=None)
def test_any_reply_to_a_look_gives_as_many_outcomes_as_ids(
    account: Any, response: Response, kinds: list[str]
):
    """A look at n ids gives n outcomes or a mismatch, whatever comes."""
    kinds = (kinds or ["image"])[: account.capabilities.max_batch]
    outcomes = account.look([Asked(str(n), kind) for n, kind in enumerate(kinds)]).read(response)
    if isinstance(outcomes, Mismatch):
        assert len(kinds) > 1
        return
    assert len(outcomes) == len(kinds)
    assert all(isinstance(outcome, LOOK) and storable(outcome) for outcome in outcomes)


@given(accounts, responses)
@settings(max_examples=300, deadline=None)
def test_any_reply_to_the_small_calls_gives_a_value_or_our_error(account: Any, response: Response):
    """Balance, report and threads read into their value or raise a `SolvestreamError`."""
    calls = [account.balance()]
    calls += [account.report("1", correct=True)] if account.capabilities.reports else []
    calls += [account.threads()] if account.capabilities.threads else []
    for call in calls:
        found = outcome_of(call.read, response)
        assert found is None or isinstance(found, SolvestreamError) or storable(found)


@pytest.mark.parametrize("service", ACCOUNTS)
@pytest.mark.parametrize("body", hostile, ids=lambda body: str(body[:30]))
def test_hostile_bodies_are_survived(service: str, body: bytes):
    """Deep nesting, endless digits, NaN and lone surrogates crash nothing."""
    account = ACCOUNTS[service]()
    response = Response(200, (), body)
    submit = account.submit(build_task({"type": "ImageToText", "image": "png"}), image("png"))
    for call in (submit, account.look([Asked("t", "raw")]), account.balance()):
        outcome_of(call.read, response)


@given(st.text(), st.text())
def test_retry_after_is_total_and_bounded(value: str, date: str):
    """Any header gives 0 to 300 seconds, or nothing."""
    found = retry_after(Response(429, (("retry-after", value), ("date", date))))
    assert found is None or 0 <= found <= 300


@given(
    st.lists(st.text(st.characters(exclude_characters="abcde"), max_size=9), min_size=3, max_size=3)
)
def test_pairs_are_cut_at_known_names_only(parts: list[str]):
    """Values come back whole, whatever commas, colons, semicolons and bars they hold."""
    pairs = dict(zip(("ab", "cd", "ae"), parts, strict=True))
    for join, is_ in ((",", ":"), (";", "=")):
        text = join.join(f"{name}{is_}{value}" for name, value in pairs.items())
        assert cut_pairs(text, tuple(pairs)) == pairs


@given(st.text())
def test_pairs_are_cut_out_of_anything(text: str):
    """Text without pairs gives none, and never an error."""
    assert set(cut_pairs(text, ("challenge", "validate"))) <= {"challenge", "validate"}


@given(st.dictionaries(st.text(), values))
@settings(deadline=None)
def test_json_is_given_back_as_it_was_written(found: dict[str, Any]):
    """What is read and dumped again is the same JSON, numbers digit by digit."""
    text = json.dumps(found)
    read = load_object(text)
    if "NaN" in text or "Infinity" in text:
        return
    assert read is not None
    assert json.loads(dump(read)) == found
