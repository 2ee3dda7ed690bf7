"""Faults that strike a submit, as a table (`faults.json`, phase "submit")."""

from __future__ import annotations

from collections.abc import Iterator

from solvestream import AccountError, InvalidTask, SubmitUnknown, TransportError
from tests.faults.acts import (
    always,
    drip,
    first,
    flood,
    paid,
    raw,
    refuse,
    reset_after,
    says,
    silent,
    stall,
)
from tests.faults.case import Case
from tests.faults.service import FIRST_ID, http

UNKNOWN = {"verdict": "unknown", "charged": "maybe", "resumable": False}
FREE = {"charged": "no", "verdict": "rejected"}
BIG = 4 << 20


def lost(id: str, name: str, act, **more) -> Case:  # noqa: A002 - the id of the fault
    """Build the case of one submit that was paid and whose reply is no use."""
    more.setdefault("facts", UNKNOWN)
    return Case(id=id, name=name, on={"submit": first(act)}, error=SubmitUnknown, **more)


def retried(id: str, name: str, act, **more) -> Case:  # noqa: A002 - the id of the fault
    """Build the case of one submit that was refused for free and is sent again."""
    more.setdefault("submits", 4)
    return Case(id=id, name=name, on={"submit": first(act)}, **more)


def broken() -> Iterator[Case]:
    """Yield faults of the connection."""
    yield Case(
        id="S01",
        name="small",
        greet=first(refuse),
        error=SubmitUnknown,
        facts=UNKNOWN,
        charges=2,
        submits=2,
        httpx={"error": None, "charges": 3, "submits": 3},  # its body is a write of its own
    )
    incomplete = {"verdict": "incomplete", "charged": "no"}
    big = {"size": BIG, "charges": 3, "submits": 4}
    yield Case(id="S01", name="large", greet=first(refuse), **big)
    yield Case(
        id="S01",
        name="large-always",
        greet=always(refuse),
        error=TransportError,
        facts=incomplete,
        bad=3,
        size=BIG,
        charges=0,
        submits=0,
    )
    yield retried("S03", "once", reset_after(200_000), size=BIG)
    yield Case(
        id="S03",
        name="always",
        on={"submit": always(reset_after(200_000))},
        error=TransportError,
        facts=incomplete,
        bad=3,
        size=BIG,
        charges=0,
        submits=6,
    )
    blind = {"error": SubmitUnknown, "facts": UNKNOWN, "charges": 2, "submits": 3}
    yield retried("S04", "once", stall, size=BIG, httpx=blind)
    yield lost("S06", "reset", silent("reset"))
    yield lost("S07", "hang", silent())
    yield lost("S07", "fin", silent("end"))
    yield lost("S07", "hang-solvora", silent(), service="solvora")


def malformed() -> Iterator[Case]:
    """Yield replies that are cut or no HTTP."""
    for size in (0, 1, 9, 13):
        yield lost("S09", f"cut-{size}", paid(lambda b, n=size: http(b)[: 35 + n]))
    yield lost("S09", "cut-id", paid(lambda body: http(body)[:-3]))
    yield lost("S09", "cut-id-reset", paid(lambda body: http(body)[:-3], "reset"))
    yield lost("S09", "cut-id-hang", paid(lambda body: http(body)[:-3], "hang"))
    # A complete end-delimited reply is believed; a cut one shows at the first look.
    bare = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    yield Case(id="S10", name="whole", on={"submit": first(paid(lambda body: bare + body))})
    for cut in (1, 3, 7):
        yield lost("S10", f"cut-{cut}", paid(lambda b, n=cut: bare + b[:-n]))
    yield lost("S10", "cut-all", paid(lambda b: bare + b[:3]))
    yield lost("S10", "cut-code", raw(bare + b"ERROR_NO_SLOT"))
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield lost("S11", "no-end", paid(lambda b: chunked + b"%x\r\n%b\r\n" % (len(b), b)))
    yield lost(
        "S11", "no-end-hang", paid(lambda b: chunked + b"%x\r\n%b\r\n" % (len(b), b), "hang")
    )
    yield lost("S11", "in-chunk", paid(lambda b: chunked + b"%x\r\n%b" % (len(b), b[:-2])))
    yield lost("S11", "bad-size", paid(lambda b: chunked + b"zz\r\n" + b))
    garbage = {
        "words": b"hello there\r\n\r\n",
        "nul": b"\0" * 50 + b"\r\n\r\n",
        "tls": b"\x15\x03\x03\x00\x02\x02\x28",
        "http09": b"OK|73548291",
        "version": b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\nOK",
        "status": b"HTTP/1.1 2x0 OK\r\nContent-Length: 2\r\n\r\nOK",
        "status-999": http("OK|73548291", 999),
        "nul-in-header": b"HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 11\r\n\r\nOK|73548291",
        "two-lengths": http("OK|73548291", 200, "Content-Length: 5"),
        "bad-length": b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nOK|73548291",
    }
    for name, data in garbage.items():
        yield lost("S12", name, raw(data))
    for code in (100, 103, 102):
        early = b"HTTP/1.1 %d X\r\n\r\n" % code
        yield Case(
            id="S41",
            name=f"{code}-few",
            on={"submit": first(paid(lambda b, e=early: e * 3 + http(b), "keep"))},
        )
    hints = b"HTTP/1.1 103 X\r\nLink: </x>\r\n\r\n"
    yield lost("S41", "2000", paid(lambda b: hints * 2000 + http(b)), httpx={"error": None})
    yield lost("S42", "200-KB", raw(http("OK|73548291", 200, "X: " + "y" * 200_000)))
    many = [f"X-{n}: y" for n in range(10_000)]
    yield lost("S42", "10000", raw(http("OK|73548291", 200, *many)))
    head = b"HTTP/1.1 200 OK\r\n"
    yield lost("S42", "endless", flood(head, b"X-Y: " + b"z" * 1000 + b"\r\n", 1000), charges=2)
    yield lost("S42", "drip", drip(head, 1.0))


def bodies() -> Iterator[Case]:
    """Yield well-framed replies that say nothing, or something odd."""
    yield lost("S14", "empty", raw(http("")))
    yield lost("S14", "spaces", raw(http("  \r\n ")))
    yield lost("S14", "empty-solvora", raw(http("")), service="solvora")
    yield lost("S14", "empty-capsolver", raw(http("")), service="capsolver")
    tolerated = {
        "crlf": lambda b: b + b"\r\n",
        "bom": lambda b: b"\xef\xbb\xbf" + b,
        "spaces": lambda b: b + b"   ",
        "json": lambda b: b'{"status":1,"request":"%b"}' % b[3:],
        "json-int": lambda b: b'{"status":"1","request":%b}' % b[3:],
    }
    for name, change in tolerated.items():
        act = paid(lambda b, c=change: http(c(b)), "keep")
        yield Case(id="S16", name=name, on={"submit": first(act)})
    odd = {
        "lower": b"ok|73548291",
        "inner-space": b"OK |73548291",
        "leading-space": b" OK|73548291",
        "space-in-id": b"OK| 73548291",
        "no-bar": b"OK73548291",
        "no-id": b"OK|",
        "dots": b"OK|..",
        "slash": b"OK|7/../8",
        "two-lines": b"OK|7354\nOK|8291",
        "utf16": "OK|73548291".encode("utf-16"),
        "long-id": b"OK|" + b"7" * 200,
    }
    for name, data in odd.items():
        yield lost("S16", name, raw(http(data), "keep"))


STATUSES = (500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527)


def statuses() -> Iterator[Case]:
    """Yield replies of gateways, and redirects."""
    for status in STATUSES:
        yield lost("S17", str(status), raw(http("<html>gateway</html>", status), "keep"))
    for status in (200, 204, 206, 304):
        yield lost("S17", f"page-{status}", raw(http("<html>login</html>", status), "end"))
    yield lost("S17", "success-under-502", raw(http(f"OK|{FIRST_ID}", 502), "keep"))
    yield retried("S18", "429", says("slow down", 429, "Retry-After: 7"))
    yield retried("S18", "429-solvora", says("", 429, "Retry-After: 7"), service="solvora")
    dates = {
        "past": "Sun, 06 Nov 1994 08:49:37 GMT",
        "9999": "Fri, 31 Dec 9999 23:59:59 GMT",
        "no-zone": "Sun, 22 Nov 2026 08:49:37 -0000",
        "wide": "\xef\xbc\x97",
        "list": "7, 8",
    }
    numbers = {name: name for name in ("-1", "0", "1e9", "nan", "1e309", "inf", "")}
    for name, value in {**numbers, **dates}.items():
        yield retried("S19", name, says("", 429, f"Retry-After: {value}"))
    # 300 s are the longest a service can make us wait; the others, paid, are resumable then.
    yield retried(
        "S19",
        "digits",
        says("", 429, "Retry-After: " + "9" * 400),
    )
    for status in (301, 302, 303, 307, 308):
        away = f"Location: http://127.0.0.1:{{port}}/in.php?again={status}"
        yield lost("S21", str(status), raw(http("", status, away), "keep"))


def refusals() -> Iterator[Case]:
    """Yield documented refusals."""
    yield retried("S22", "captchaai", says("ERROR_NO_SLOT_AVAILABLE"))
    yield retried("S22", "json", says('{"status":0,"request":"ERROR_NO_SLOT_AVAILABLE"}'))
    yield retried("S31", "no-slot-500", says("ERROR_NO_SLOT_AVAILABLE", 500))
    yield lost("S31", "unlisted-500", raw(http("ERROR_SOMETHING_NEW", 500), "keep"))
    yield lost("S31", "trouble-500", raw(http("ERROR_SERVER_ERROR", 500), "keep"))
    big = {"error": InvalidTask, "facts": FREE, "charges": 2, "submits": 3}
    for code in ("ERROR_TOO_BIG_CAPTCHA_FILESIZE", "ERROR_IMAGE_TYPE_NOT_SUPPORTED"):
        yield Case(id="N12", name=code, on={"submit": first(says(code))}, **big)
    for status, body, service in (
        (200, "ERROR_WRONG_USER_KEY", "captchaai"),
        (200, "ERROR_KEY_DOES_NOT_EXIST", "captchaai"),
        (401, '{"detail":"invalid key"}', "solvora"),
        (401, '{"errorId":1,"errorCode":"ERROR_KEY_DOES_NOT_EXIST"}', "capsolver"),
    ):
        yield Case(
            id="S27",
            name=f"{service}-{status}-{len(body)}",
            service=service,
            on={"submit": always(says(body, status))},
            error=AccountError,
            facts={"charged": "no"},
            bad=3,
            charges=0,
        )
    same = b"OK|%d" % FIRST_ID
    for service in ("captchaai", "solvora"):
        yield Case(
            id="S32",
            name=service,
            service=service,
            on={"submit": lambda n: paid(_same, "keep") if n == 2 else None},
            error=SubmitUnknown,
            facts={**UNKNOWN, "code": None},
        )
    yield Case(
        id="S33",
        on={"submit": lambda n: paid(lambda b: http(same), "keep") if n > 1 else None},
        error=SubmitUnknown,
        facts=UNKNOWN,
        bad=2,
        check=_never_cached,
    )
    yield lost("S38", "fin", silent("end"), service="capsolver")
    yield lost("S38", "cut", paid(lambda b: http(b)[:-5]), service="capsolver")
    yield lost("S38", "hang", silent(), service="capsolver")


def _same(body: bytes) -> bytes:
    """Give the first id once more."""
    return http(body.replace(str(FIRST_ID + 1).encode(), str(FIRST_ID).encode()))


def _never_cached(world, report) -> None:
    submits = [asked for asked in world.service.asked if asked.kind == "submit"]
    assert {asked.method for asked in submits} == {"POST"}
    assert {asked.headers["cache-control"] for asked in submits} == {"no-store"}


SUBMIT = [*broken(), *malformed(), *bodies(), *statuses(), *refusals()]
