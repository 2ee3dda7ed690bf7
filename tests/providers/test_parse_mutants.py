"""What mutation testing found untold: the words of errors, and the edges of parsers."""

from __future__ import annotations

import pytest

from solvestream._outcomes import AccountDown, Failed, Lost, Unknown
from solvestream.errors import AccountError, ProtocolError, TaskLost
from solvestream.providers import Response, captchaai
from solvestream.providers._codes import Code, as_error, find_code, look_outcome, submit_outcome
from solvestream.providers._inphp_parse import parse, split_batch
from solvestream.providers._reply import (
    Refusal,
    Success,
    decode,
    dump,
    judge_status,
    load_object,
    says_no,
)
from solvestream.providers._retry_after import retry_after

CODES = {
    "E_GONE": Code("lost"),
    "E_TROUBLE": Code("trouble", 4.0),
    "E_TWICE": Code("again", charged="yes"),
}


def reply(*headers: tuple[str, str], status: int = 200, body: bytes = b"", delimited: bool = True):
    return Response(status, headers, body, delimited=delimited)


@pytest.mark.parametrize("coding", ["gzip", "XXXX"])
def test_a_reply_with_a_coding_says_so(coding):
    """Only `identity` and nothing are read; the reason names what was wrong."""
    told = decode(reply(("content-encoding", coding)))
    assert told == Unknown("the reply is compressed, which was not asked for")
    assert decode(reply(("content-encoding", " Identity "), body=b"x")) == "x"
    assert decode(reply(("content-encoding", ""), body=b"x")) == "x"


def test_a_reply_that_is_no_text_says_so():
    """The reason names the encoding that was expected."""
    assert decode(reply(body=b"\xff")) == Unknown("the reply is not UTF-8")


def test_text_is_given_back_as_it_was_written():
    """Letters beyond ASCII are no escapes."""
    assert dump({"a": ["é", "\u2028"]}) == '{"a": ["é", "\u2028"]}'


@pytest.mark.parametrize(
    ("status", "counts"),
    [(200, True), (400, True), (401, False), (402, False), (403, True), (429, False), (430, True)],
)
def test_which_status_an_unlisted_refusal_may_come_under(status, counts):
    """401, 402 and 429 speak for themselves; any other 4xx lets the body speak."""
    assert says_no(status) is counts


def test_a_status_without_words_is_named():
    """The reason is the service's words, or else the status; a good one has no code."""
    assert judge_status(reply(status=502)) == Unknown(
        "HTTP 502 without a reply of this protocol", "502"
    )
    assert judge_status(reply(status=502), "down for a while") == Unknown("down for a while", "502")
    assert judge_status(reply()).code is None


@pytest.mark.parametrize("outcome", [submit_outcome, look_outcome])
def test_a_code_that_may_be_cut_is_told_with_the_reason(outcome):
    """`ERROR_NO_SLOT` may be the beginning of a longer code when the connection just ended."""
    told = outcome(Refusal("ERROR_NO"), CODES, reply(delimited=False))
    assert told == Unknown("a reply that may be cut short", "ERROR_NO")
    assert isinstance(outcome(Refusal("ERROR_NO"), CODES, reply()), Failed)
    assert isinstance(outcome(Refusal("E_TWICE"), CODES, reply(delimited=False)), Failed)


def test_what_a_code_comes_to_keeps_the_words_of_the_service():
    """A lost task, a doubtful submit and trouble are told with code, words and wait."""
    gone = Refusal("E_GONE", "deleted")
    assert look_outcome(gone, CODES, reply()) == Lost("E_GONE", "deleted")
    assert submit_outcome(gone, CODES, reply()) == Unknown("a submit answered by E_GONE", "E_GONE")
    trouble = submit_outcome(Refusal("E_TROUBLE"), CODES, reply())
    assert trouble == Unknown("the service is in trouble: E_TROUBLE", "E_TROUBLE", 4.0)


@pytest.mark.parametrize(
    ("outcome", "kind", "text", "code"),
    [
        (AccountDown("E", "ban", 60.0, "slow down"), AccountError, "mine: E slow down", "E"),
        (AccountDown("E", "key"), AccountError, "mine: E", "E"),
        (Lost("E", "deleted"), TaskLost, "mine: E deleted", "E"),
        (Lost("E"), TaskLost, "mine: E", "E"),
        (Unknown("cut", "E"), ProtocolError, "mine: cut", "E"),
        (Failed("E", message="no such id"), ProtocolError, "mine: no such id", "E"),
        (Failed("E"), ProtocolError, "mine: E", "E"),
        (None, ProtocolError, "mine: no reply", None),
    ],
    ids=["ban", "key", "lost, why", "lost", "unknown", "failed, why", "failed", "nothing"],
)
def test_the_error_of_a_small_call_says_who_and_what(outcome, kind, text, code):
    """The account is named first, then the service's code and words, as far as there are any."""
    error = as_error(outcome, "mine")
    assert type(error) is kind
    assert (str(error), error.code, error.account) == (text, code, "mine")
    for name in ("retry_after", "cause"):
        assert getattr(error, name, None) == getattr(outcome, name, None)


def test_only_a_code_that_begins_as_one_is_one():
    """A text that holds a code further on is no refusal."""
    assert find_code("x ERROR_BAD", {}) is None
    assert find_code("ERROR_BAD", {}) == Refusal("ERROR_BAD")


def test_an_unknown_status_of_the_reply_is_none_of_the_protocol():
    """`status` is 0 or 1, or is not there at all."""
    assert parse('{"status": 2, "request": "1"}', captchaai.CODES) is None
    assert parse('{"status": "yes", "request": "1"}', captchaai.CODES) is None


def test_an_empty_request_with_no_result_stays_empty():
    """`result` stands in only where it is there."""
    told = parse('{"status": 1, "request": ""}', captchaai.CODES)
    assert told == Success("", {"status": "1", "request": ""})


def test_a_batch_in_json_begins_as_json():
    """White space before the brace makes it text, which is split as such."""
    assert split_batch('{"request": "a|b"}', 2) == ["a", "b"]
    assert split_batch(' {"request": "a|b"}', 2) == [' {"request": "a', 'b"}']


def test_a_header_of_no_use_asks_for_nothing():
    """No header, an empty one and words: nothing to wait for."""
    for headers in ((), (("retry-after", ""),), (("retry-after", "soon"),)):
        assert retry_after(reply(*headers)) is None


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '{"a": NaN}', "[1]", "{"])
def test_what_is_no_plain_object_is_nothing(text):
    """A name that occurs twice, NaN, a list, a piece."""
    assert load_object(text) is None
