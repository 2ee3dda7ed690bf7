"""A table of odd replies, and what they come to."""

from __future__ import annotations

from attrs import frozen

from solvestream._wire import Limits, Trouble

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnext"
LIMITS = Limits(connect=8, read=8, total=10, body=1000)
HEAD = b"HTTP/1.1 200 OK\r\n"
BODY = b"Content-Length: 5\r\n\r\nhello"
COUNTED = HEAD + BODY
CODED = HEAD + b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"\r\n5\r\nhello\r\n0\r\n\r\n"
PROTOCOL, RESET, TOO_LARGE = Trouble.PROTOCOL, Trouble.RESET, Trouble.TOO_LARGE


@frozen
class Case:
    """A reply and what it comes to, for llhttp (ours) and h11 (httpx's).

    Attributes:
        keeps: whether the connection may serve again, for each of the two.
        end: the server ends the connection behind the reply.
    """

    reply: bytes
    ours: bytes | Trouble
    theirs: bytes | Trouble
    keeps: tuple[bool, bool] = (False, False)
    end: bool = False


def whole(reply, body=b"hello", keeps=(True, True), **options):
    return Case(reply, body, body, keeps, **options)


def bad(reply, trouble=PROTOCOL, **options):
    return Case(reply, trouble, trouble, **options)


CASES = {
    # Chunks.
    "chunk-extension": whole(CODED + b'\r\n5;a=b;c="d"\r\nhello\r\n0;x\r\nT: 1\r\n\r\n'),
    "chunk-size-letters": bad(CODED + b"\r\nzz\r\nhello\r\n0\r\n\r\n"),
    "chunk-size-negative": bad(CODED + b"\r\n-5\r\nhello\r\n0\r\n\r\n"),
    "chunk-size-0x": bad(CODED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk-size-none": bad(CODED + b"\r\n\r\nhello\r\n0\r\n\r\n"),
    "chunk-size-huge": Case(CODED + b"\r\n" + b"f" * 17 + b"\r\nhello", PROTOCOL, RESET, end=True),
    "chunk-size-400-digits": bad(CODED + b"\r\n" + b"1" * 400 + b"\r\nhello", end=True),
    "chunk-without-end": bad(CODED + b"\r\n5\r\nhelloXX0\r\n\r\n"),
    "chunk-too-large": bad(CODED + b"\r\n3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n", TOO_LARGE),
    "trailer-with-length": bad(CODED + b"\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\n\r\n"),
    # Two lengths, or none that is one.
    "length-twice": Case(HEAD + b"Content-Length: 5\r\n" + BODY, PROTOCOL, b"hello", (False, True)),
    "length-conflict": bad(HEAD + b"Content-Length: 6\r\n" + BODY),
    "length-list": Case(
        HEAD + b"Content-Length: 5, 5\r\n\r\nhello", PROTOCOL, b"hello", (False, True)
    ),
    "length-plus": bad(HEAD + b"Content-Length: +5\r\n\r\nhello"),
    "length-negative": bad(HEAD + b"Content-Length: -5\r\n\r\nhello"),
    "length-empty": bad(HEAD + b"Content-Length: \r\n\r\nhello"),
    "length-huge": Case(
        HEAD + b"Content-Length: " + b"9" * 20 + b"\r\n\r\nhello", PROTOCOL, RESET, end=True
    ),
    "length-400-digits": bad(HEAD + b"Content-Length: " + b"9" * 400 + b"\r\n\r\nhello"),
    "length-beyond-limit": bad(HEAD + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001, TOO_LARGE),
    "coding-then-length": Case(
        CODED + b"Content-Length: 3\r\n" + CHUNKS, PROTOCOL, b"hello", (False, True)
    ),
    "length-then-coding": Case(
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n" + CHUNKS,
        PROTOCOL, b"hello", (False, True),
    ),
    "coding-unknown": Case(HEAD + b"Transfer-Encoding: xchunked\r\n" + CHUNKS, RESET, PROTOCOL, end=True),
    "coding-behind-chunked": Case(
        HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\nhello", b"hello", PROTOCOL, end=True
    ),
    "coding-twice": Case(
        CODED + b"Transfer-Encoding: chunked\r\n" + CHUNKS, b"hello", PROTOCOL, (True, False)
    ),
    "coding-gzip": Case(
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n" + CHUNKS, b"hello", PROTOCOL, (True, False)
    ),
    # Lines.
    "bare-lf": Case(COUNTED.replace(b"\r\n", b"\n"), PROTOCOL, b"hello", (False, True)),
    "bare-cr": bad(HEAD + b"X: a\rb\r\n" + BODY),
    "folded": Case(HEAD + b"X: a\r\n b\r\n" + BODY, PROTOCOL, b"hello", (False, True)),
    "nul-in-value": bad(HEAD + b"X: a\x00b\r\n" + BODY),
    "nul-in-name": bad(HEAD + b"X\x00: a\r\n" + BODY),
    "control-in-value": Case(HEAD + b"X: a\x01b\r\n" + BODY, PROTOCOL, b"hello", (False, True)),
    "space-before-colon": bad(HEAD + b"X : a\r\n" + BODY),
    "no-colon": bad(HEAD + b"Xa\r\n" + BODY),
    "no-name": bad(HEAD + b": a\r\n" + BODY),
    "latin": whole(HEAD + b"X: \xff\xfe\r\n" + BODY),
    "blank-lines-first": Case(b"\r\n\r\n" + COUNTED, b"hello", PROTOCOL, (True, False)),
    "many-lines": bad(HEAD + b"X: y\r\n" * 201 + BODY, TOO_LARGE),
    "long-line": bad(HEAD + b"X: " + b"x" * 200_000 + b"\r\n" + BODY, TOO_LARGE),
    # Status lines.
    "no-reason": whole(b"HTTP/1.1 200\r\n" + BODY),
    "status-short": bad(b"HTTP/1.1 20 OK\r\n" + BODY),
    "status-long": bad(b"HTTP/1.1 2000 OK\r\n" + BODY),
    "status-zero": bad(b"HTTP/1.1 000 OK\r\n" + BODY),
    "status-negative": bad(b"HTTP/1.1 -20 OK\r\n" + BODY),
    "version-lower": bad(b"http/1.1 200 OK\r\n" + BODY),
    "version-long": bad(b"HTTP/1.1111 200 OK\r\n" + BODY),
    "version-1.0": whole(b"HTTP/1.0 200 OK\r\n" + BODY, keeps=(False, False)),
    "not-http": bad(b"ICY 200 OK\r\n" + BODY),
    # Interim replies.
    "early-hints": whole(b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n" * 3 + COUNTED),
    "continue-unasked": whole(b"HTTP/1.1 100 Continue\r\n\r\n" + COUNTED),
    "interim-flood": Case(
        b"HTTP/1.1 103 E\r\n\r\n" * 100 + COUNTED, PROTOCOL, b"hello", (False, True)
    ),
    "switching": bad(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + COUNTED),
    # Bodies where none belong, and bytes behind the reply.
    "204-with-body": whole(b"HTTP/1.1 204 No\r\n" + BODY, b"", (False, False)),
    "304-with-body": whole(b"HTTP/1.1 304 No\r\n" + BODY, b"", (False, False)),
    "longer-than-length": whole(
        HEAD + b"Content-Length: 3\r\n\r\nhello", b"hel", (False, False)
    ),
    "sent-twice": whole(COUNTED + COUNTED.replace(b"hello", b"FALSE"), keeps=(False, False)),
    "chunked-twice": whole(CODED + CHUNKS + COUNTED, keeps=(False, False)),
    "junk-behind": whole(COUNTED + b"junk", keeps=(False, False)),
    "half-a-reply-behind": whole(COUNTED + b"HTTP/1.1 200 OK\r\nCont", keeps=(False, False)),
    "blank-line-behind": whole(COUNTED + b"\r\n", keeps=(True, False)),
    "compressed-unasked": whole(HEAD + b"Content-Encoding: gzip\r\n" + BODY),
    # Connections.
    "close": whole(HEAD + b"Connection: close\r\n" + BODY, keeps=(False, False)),
    "close-and-more": whole(
        HEAD + b"Connection: close\r\n" + BODY + COUNTED, keeps=(False, False)
    ),
    "keep-and-close": whole(HEAD + b"Connection: keep-alive, close\r\n" + BODY, keeps=(False, False)),
    "keep-mismatch": whole(
        HEAD + b"Connection: keep-alive\r\n" + BODY, keeps=(False, False), end=True
    ),
    "until-the-end": whole(HEAD + b"\r\nhello", keeps=(False, False), end=True),
    "until-the-end-too-large": bad(HEAD + b"\r\n" + b"x" * 1001, TOO_LARGE, end=True),
}  # fmt: skip
BOUNDED = {name for name, case in CASES.items() if TOO_LARGE in {case.ours, case.theirs}}


def odd_first(case, *, drip=False):
    """Make a script whose first reply is the case's, and every other one good."""

    async def script(visit):
        await visit.request()
        if visit.number > 1:
            await visit.send(GOOD)
        elif drip:
            for value in case.reply:
                await visit.send(bytes([value]))
        else:
            await visit.send(case.reply)
        while visit.number > 1 or not case.end:
            await visit.request()
            await visit.send(GOOD)

    return script
