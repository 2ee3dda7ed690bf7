"""Faults that strike a look, as a table (`faults.json`, phase "poll")."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

from solvestream import DeadlineExceeded, TaskLost
from tests.faults.acts import always, drip, first, flood, paid, raw, refuse, says, silent
from tests.faults.case import Case
from tests.faults.service import FIRST_ID, Asked, Visit, http

LOOKS = {"captchaai": 9, "capsolver": 15, "solvora": 42}
"""Looks at three tasks of 12 s, at each service's pace, with one or two to spare for each."""


def looked_past(id: str, name: str, act, times: int = 1, **more) -> Case:  # noqa: A002
    """Build the case of looks that fail: the task is looked at again, and its answer comes."""
    more.setdefault("looks", LOOKS[more.get("service", "captchaai")] + times)
    return Case(id=id, name=name, on={"look": first(act, times)}, **more)


def broken() -> Iterator[Case]:
    """Yield faults of the connection, and of HTTP."""
    yield looked_past("P01", "reset", silent("reset"))
    yield looked_past("P01", "fin", silent("end"))
    yield looked_past("P01", "hang", silent(), service="captchaai")
    yield looked_past("P01", "cut", paid(lambda body: http(body)[:-2]))
    yield looked_past("P01", "refused", refuse)
    yield looked_past("P01", "six-in-a-row", silent("reset"), 6)
    yield looked_past("P01", "solvora", silent("reset"), service="solvora")
    yield looked_past("P01", "capsolver", silent("reset"), service="capsolver", at_once=False)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
    yield looked_past("P18", "status", drip(b"HTTP/1.1 200 OK\r\n", 1.0))
    yield looked_past("P18", "headers", drip(head + b"X: ", 2.0))
    yield looked_past("P18", "body", drip(head + b"Content-Length: 99999\r\n\r\n", 3.0))
    yield looked_past("P18", "solvora", drip(head, 1.0), service="solvora")
    huge = b"HTTP/1.1 200 OK\r\nContent-Length: 314572800\r\n\r\n"
    yield looked_past("P15", "length", flood(huge, b"x" * 65536, 64), check=_bounded)
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield looked_past("P15", "chunked", flood(chunked, chunk, 64), check=_bounded)
    yield looked_past("P15", "endless", flood(b"HTTP/1.1 200 OK\r\n\r\nOK|", b"x" * 65536, 64))
    bomb = gzip.compress(bytes(4 << 20))
    for coding in ("gzip", "deflate", "br", "gzip, gzip"):
        yield looked_past(
            "P16", coding, says(bomb, 200, f"Content-Encoding: {coding}"), check=_identity
        )
    for status in (500, 502, 503, 504):
        yield looked_past("P04", str(status), says("<html>", status), 2)


def _bounded(world, report) -> None:
    assert world.service.connections >= 2  # the one with too much on it was dropped


def _identity(world, report) -> None:
    assert {asked.headers["accept-encoding"] for asked in world.service.asked} == {"identity"}


def _object(value: str) -> str:
    return f'{{"status":1,"request":{value}}}'


DEEP = "[" * 100_000 + "]" * 100_000
BODIES: dict[str, bytes | str] = {
    "deep": _object(DEEP),
    "deep-list": DEEP,
    "digits": f'{{"status":{"1" * 5000},"request":"x"}}',
    "not-utf8": b"OK|\xff\xfe\x80",
    "nan": '{"status":1,"request":NaN}',
    "infinity": '{"status":Infinity,"request":"x"}',
    "list": '["OK","x"]',
    "null": "null",
    "number": "1",
    "string": '"OK|x"',
    "utf16": "OK|x".encode("utf-16"),
    "twice": '{"status":0,"status":1,"request":"x"}',
    "cut": '{"status":1,"request":"x"',
    "no-request": '{"status":1}',
    "status-2": '{"status":2,"request":"x"}',
    "true": '{"status":true,"request":"x"}',
    "empty": "",
    "nul": "\0",
    "empty-object": "{}",
}
ANSWERS = {
    "surrogate": (_object('"a\\ud800b"'), "a\\ud800b"),
    "nul": (_object('"a\\u0000b"'), "a\0b"),
    "bom": (b"\xef\xbb\xbfOK|text", "text"),
    "error-word": ("OK|ERROR_CAPTCHA_UNSOLVABLE", "ERROR_CAPTCHA_UNSOLVABLE"),
    "zero": ("OK|0", "0"),
    "bars": ("OK|a|b|c", "a|b|c"),
    "cyrillic": ("OK|привет", "привет"),
}
PAGES = {
    "maintenance": "<!DOCTYPE html><html><body>Down for maintenance</body></html>",
    "login": "\n <html><form>login</form></html>",
    "xml": '<?xml version="1.0"?><error/>',
    "ok-inside": "<html>OK|123</html>",
}
CHARSETS = ("rot13", "hex", "zlib", "base64", "idna", "undefined", "utf-7", "utf-16", "\xff")


def bodies() -> Iterator[Case]:
    """Yield bodies that no parser likes, and odd ones that are good."""
    for name, body in BODIES.items():
        yield looked_past("P19", name, says(body))
    for name, body in {"deep": _deep(), "list": "[]", "nan": '{"status":"ok","time":NaN}'}.items():
        yield looked_past("P19", f"solvora-{name}", says(body), service="solvora")
        yield looked_past(
            "P19", f"capsolver-{name}", says(body), service="capsolver", at_once=False
        )
    for name, (body, text) in ANSWERS.items():
        yield answered("P19", f"answer-{name}", body, text)
    for charset in CHARSETS:
        yield answered(
            "P20", charset, "OK|text", "text", f"Content-Type: text/x; charset={charset}"
        )
    yield answered("P21", "html", "OK|text", "text", "Content-Type: text/html")
    yield answered("P21", "json", "OK|text", "text", "Content-Type: application/json")
    yield answered("P21", "plain", _object('"text"'), "text", "Content-Type: text/plain")
    yield answered("P21", "none", "OK|text", "text", "Content-Type:")
    for name, page in PAGES.items():
        yield looked_past("P22", name, says(page))
        yield looked_past("P22", f"{name}-503", says(page, 503))
    yield looked_past("P22", "solvora", says(PAGES["login"]), service="solvora")
    yield looked_past("P22", "solvora-404", says(PAGES["login"], 404), service="solvora")
    yield looked_past("P22", "capsolver", says(PAGES["login"]), service="capsolver", at_once=False)


def _deep() -> str:
    return f'{{"status":"ok","errorId":0,"result":{DEEP}}}'


def answered(id: str, name: str, body, text: str, *headers: str, **more) -> Case:  # noqa: A002
    """Build the case of a reply that is odd and good: it is the answer."""

    async def act(visit: Visit, asked: Asked) -> bool:
        await visit.whole(asked)
        deal = visit.service.tasks.get(asked.ids[0])
        if deal is None or deal.label != 1 or not visit.service.done(deal):
            return await visit.service.usual(visit, asked)
        await visit.send(http(body, 200, *headers))
        return True

    def check(world, report) -> None:
        (result,) = [one for one in report.results if one.tag == 1]
        assert result.solution.text == text

    return Case(
        id=id,
        name=name,
        on={"look": always(act)},
        options={"words": lambda n: text if n == 1 else f"text {n}"},
        check=check,
        **more,
    )


def altered(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[bytes], bytes]:
    """Change the JSON of a good reply."""
    return lambda body: http(json.dumps(change(json.loads(body))))


def meanings() -> Iterator[Case]:
    """Yield replies whose meaning is odd."""
    gone = {"error": TaskLost, "facts": {"charged": "maybe", "verdict": "accepted"}}
    missing = says('{"detail":"task not found or expired"}', 404)
    yield Case(id="P11", name="404", service="solvora", on={"look": first(missing)}, **gone)
    yield Case(
        id="P11", name="wrong-id", on={"look": first(says("ERROR_WRONG_CAPTCHA_ID"))}, **gone
    )
    swap = altered(lambda reply: {**reply, "task_id": "other", "result": "EVIL", "time": 1.0})
    yield looked_past("P12", "solvora", paid(swap, "keep"), 3, service="solvora")
    evil = {"taskId": "other", "status": "ready", "solution": {"text": "EVIL"}}
    swap = altered(lambda reply: {**reply, **evil})
    yield looked_past("P12", "capsolver", paid(swap, "keep"), 3, service="capsolver", at_once=False)
    for value in (-1, None, "soon", [], 1e308, True):
        change = altered(lambda r, v=value: r if r["time"] is None else {**r, "time": v})
        yield Case(
            id="P27", name=repr(value), service="solvora", on={"look": always(paid(change, "keep"))}
        )
    never = says("CAPCHA_NOT_READY")
    late = {"error": DeadlineExceeded, "bad": 3, "facts": {"resumable": True}}
    yield Case(id="P06", name="captchaai", on={"look": always(never)}, looks=180, **late)
    gone_all = {"error": TaskLost, "bad": 3, "facts": {"charged": "maybe"}}  # kept for 300 s
    idle = says('{"errorId":0,"status":"idle"}')
    yield Case(
        id="P06", name="capsolver", service="capsolver", at_once=False, on={"look": always(idle)},
        **gone_all,
    )  # fmt: skip
    pending = says('{"status":"ok","result":"in_process","time":null}')
    yield Case(id="P06", name="solvora", service="solvora", on={"look": always(pending)}, **late)
    for name, body in {
        "idle": '{"errorId":0,"status":"idle"}',
        "no-task-id": '{"errorId":0,"status":"processing","taskId":null}',
        "no-status": '{"errorId":0}',
        "ready-bare": '{"errorId":0,"status":"ready"}',
        "ready-null": '{"errorId":0,"status":"ready","solution":null}',
    }.items():
        yield looked_past(
            "P33", f"capsolver-{name}", says(body), service="capsolver", at_once=False
        )
    for name, body in {
        "spelling": "CAPTCHA_NOT_READY",
        "ok-not-ready": "OK|CAPCHA_NOT_READY",
        "json-not-ready": '{"status":0,"request":"CAPCHA_NOT_READY"}',
    }.items():
        yield looked_past("P33", name, says(body))
    yield answered("P33", "in-result", '{"status":1,"result":"text"}', "text")
    yield answered("P33", "status-text", '{"status":"1","request":"text"}', "text")
    yield Case(
        id="P33",
        name="look-later",
        on={"look": first(raw(http(f"OK|{FIRST_ID}")[:30]), 3)},
        looks=15,
    )


POLL = [*broken(), *bodies(), *meanings()]
