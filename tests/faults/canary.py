"""A key that must be seen nowhere, and everything a user might write down, searched for it."""

from __future__ import annotations

import base64
import binascii
import logging
import pickle
import traceback
from urllib.parse import quote, quote_plus

KEY = "Canary+k3y/9F=&%7zQ.secret"
"""Made up; the characters are such as are written differently in URLs, forms and JSON."""


LONG = 200_000


def _forms(key: str) -> frozenset[str]:
    raw = key.encode()
    found = {key, quote(key, safe=""), quote(key), quote_plus(key), raw.hex()}
    found.add("".join(f"%{byte:02x}" for byte in raw))
    for shift in range(3):  # the three ways in which base64 may cut it
        text = base64.b64encode(bytes(shift) + raw + b"\0\0").decode()
        found.add(text[4 : 4 * ((shift + len(raw)) // 3)])
    found |= {form.replace("+", "-").replace("/", "_") for form in tuple(found)}
    return frozenset(form.lower() for form in found)


FORMS = _forms(KEY)
"""How the key might be written, in lower case."""


def shows(text: str) -> bool:
    """Whether a text holds the key in any form or case."""
    lower = text.lower()
    return any(form in lower for form in FORMS)


class Canary(logging.Handler):
    """Hears all that is logged, and looks at whatever it is shown."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.found: list[str] = []
        self.heard = 0
        self.alarms: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a log record."""
        self.heard += 1
        self._search(f"log of {record.name}", f"{self.format(record)} {record.args!r}")
        if record.name == "asyncio" and record.levelno >= logging.ERROR:
            self.alarms.append(self.format(record))

    def look(self, *things: object) -> None:
        """Search what a user could print, log, pickle or send to Sentry."""
        for thing in things:
            where = type(thing).__name__
            self._search(f"repr of {where}", repr(thing))
            self._search(f"str of {where}", str(thing))
            if isinstance(thing, BaseException):
                self._look_at_error(thing)
            self._pickle(where, thing)

    def _look_at_error(self, error: BaseException) -> None:
        where = type(error).__name__
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        self._search(f"traceback of {where}", "".join(told.format()))
        seen: set[int] = set()
        chain: list[BaseException | None] = [error]
        while chain:
            one = chain.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            notes = getattr(one, "__notes__", ())
            self._search(f"chain of {where}", f"{one!r} {one.args!r} {notes!r} {vars(one)!r}")
            chain += [one.__cause__, one.__context__]

    def _pickle(self, where: str, thing: object) -> None:
        try:
            data = pickle.dumps(thing)
        except Exception as error:  # noqa: BLE001 - what cannot be pickled shows nothing so
            self._search(f"refusal to pickle {where}", repr(error))
        else:
            self._search(f"pickle of {where}", data.decode("latin-1"))

    def _search(self, where: str, text: str) -> None:
        if len(text) > LONG:  # an image's bytes in a pickle
            text = text[: LONG // 2] + text[-LONG // 2 :]
        if shows(text):
            self.found.append(where)


def self_test() -> None:
    """The canary sees the key however it is written; else it would prove nothing."""
    raw = KEY.encode()
    for text in (
        f"GET /res.php?key={quote(KEY)}",
        f"{KEY.upper()!r}",
        base64.b64encode(b"key=" + raw + b"&json=1").decode(),
        base64.urlsafe_b64encode(b"x" + raw).decode(),
        binascii.hexlify(raw).decode().upper(),
    ):
        assert shows(text), text
    assert not shows("key=***")
