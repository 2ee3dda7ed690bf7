from __future__ import annotations

import asyncio
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.support import KEY, PAGE, Caller, in_base64, picture

PATHS = [
    "/in.php",
    "/res.php",
    "/solve.php",
    "/api/balance",
    "/api/ocr/solve",
    "/api/ocr/result/x",
    "/createTask",
    "/getTaskResult",
    "/getBalance",
    "/feedbackTask",
]
CONTENT_TYPES = [
    "application/x-www-form-urlencoded",
    "application/json",
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    "",
]
NAMES = ["method", "body", "googlekey", "sitekey", "pageurl", "gt", "version", "proxy", "minLen"]
NAMES += ["action", "id", "ids", "json", "numeric", "file", "image_base64_1", "captcha_id"]
VALUES = ["", "0", "1", "4", "²", "base64", "post", "userrecaptcha", "turnstile", "geetest", "bls"]
VALUES += ["get", "get2", "reportbad", "1,2", "v3", PAGE, in_base64(picture()), "a:b", "\x00", "é"]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(VALUES),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "body", "images", "module", "score", "websiteURL", "invalid"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def send(method: str, url: str, **request) -> httpx.Response:
    """Send one request to a fresh service."""

    async def exchange() -> httpx.Response:
        return await Caller().http.request(method, url, **request)

    return asyncio.run(exchange())


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=40, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD"]),
    body=st.binary(max_size=200),
    query=st.binary(max_size=50).map(quote),
    kind=st.sampled_from(CONTENT_TYPES),
)
def test_arbitrary_bytes_are_answered(path, method, body, query, kind):
    """Whatever comes, the service answers, and never with a 5xx of its own."""
    reply = send(method, f"{path}?{query}", content=body, headers={"content-type": kind})
    assert reply.status_code < 500


@pytest.mark.parametrize("path", ["/in.php", "/res.php", "/solve.php"])
@settings(max_examples=150, deadline=None)
@given(fields=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES)))
def test_arbitrary_fields_are_answered(path, fields):
    """Right names with wrong values, in any mixture, are answered by name."""
    reply = send("POST", path, data={"key": KEY, **fields})
    assert reply.status_code == 200
    assert reply.text


@pytest.mark.parametrize("path", ["/createTask", "/getTaskResult", "/feedbackTask"])
@settings(max_examples=150, deadline=None)
@given(task=JSON, task_id=JSON, result=JSON)
def test_arbitrary_json_is_answered(path, task, task_id, result):
    """Any JSON in place of the known fields is answered with the family's own errors."""
    import json

    body = json.dumps({"clientKey": KEY, "task": task, "taskId": task_id, "result": result})
    reply = send("POST", path, content=body)
    assert reply.status_code in {200, 400}
    assert "errorId" in reply.json()
