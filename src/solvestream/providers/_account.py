"""What every account has: a key, an address, a name, and the user's own pacing."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import quote

from attrs import Attribute, field, frozen

from solvestream._secret import Secret, sealed, without
from solvestream._wire import Limits, Origin, Response
from solvestream.errors import InvalidTask, SolvestreamError, UsageError, shorten
from solvestream.providers._codes import Codes
from solvestream.providers._protocol import Call, Pacing
from solvestream.providers._reply import Refusal, is_html, is_id
from solvestream.tasks import Task

T = TypeVar("T")

LOOK = Limits(read=15.0, total=20.0)
"""Bounds of a look and of the small calls; submits have the 60 s of `DEFAULT_LIMITS`."""

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+").fullmatch
_PATH = re.compile(r"[A-Za-z0-9/_.~%-]*").fullmatch


def _secret(key: str | Secret) -> Secret:
    return key if isinstance(key, Secret) else Secret(key)


def plain(_: object, option: Attribute[Any], value: object) -> None:
    """Raise `UsageError` for an option that cannot be sent; one named `pingback` is a URL."""
    text = "" if value is None else str(value)
    url = option.name == "pingback" and value is not None
    if not text.isascii() or not text.isprintable() or (url and "://" not in text):
        shape = "an absolute URL, as https://example.com/done" if url else "printable ASCII"
        raise UsageError(f"{option.name}: give {shape}")


class _Sealing(type):
    """Hides the key before an account is built: no frame of a traceback with locals has it."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        """Build an account whose key is a `Secret` already."""
        problem = None
        if args:
            key, problem = sealed(args[0])
            args = (key, *args[1:])
        elif "key" in options:
            options["key"], problem = sealed(options["key"])
        if problem is not None:
            raise UsageError(problem)
        return super().__call__(*args, **options)


@frozen(eq=False, repr=False)
class Account(metaclass=_Sealing):
    """A key and an address at a service. Base of all protocol modules here.

    Attributes:
        key: the account's key; shown nowhere.
        base_url: https address of the service. Plain http is taken on loopback only, or
            with `allow_http=True`: the key goes over this wire. Else `UsageError`.
        name: stands in tickets and results; unique in a client.
        pacing: your own first look, interval, number of looks and deadline for all kinds
            of task, instead of the service's reference.
        slots: how many tasks may be under way at once, 1 or more, if you know; else it is learned.
        price: USD a task costs at most, if you know; 0 on a plan that is paid by the month.
            Needed for `Client(max_spend=)`.
        allow_http: take plain http; default: on loopback only.
        max_image_bytes: images over it are refused before a byte leaves; 1 or more bytes.
    """

    _key_variable: ClassVar[str] = ""
    _url_variable: ClassVar[str] = ""

    key: Secret = field(converter=_secret)
    base_url: str = field(kw_only=True)
    name: str = field(kw_only=True)
    pacing: Pacing | None = field(default=None, kw_only=True)
    slots: int | None = field(default=None, kw_only=True)
    price: float | None = field(default=None, kw_only=True)
    allow_http: bool = field(default=False, kw_only=True)
    max_image_bytes: int = field(default=10 << 20, kw_only=True)
    _origin: Origin = field(init=False, repr=False)
    _path: str = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        origin, path = _parse_base_url(self.base_url, self.allow_http)
        self._set(_origin=origin, _path=path)
        if not self.name or not self.name.isprintable():
            raise UsageError("name: give a printable name, or leave it out")
        if self.slots is not None and self.slots < 1:
            raise UsageError(f"slots={self.slots}: give 1 or more, or None to learn it")
        if self.price is not None and not 0 <= self.price < math.inf:
            raise UsageError(f"price={self.price}: give USD, 0 or more, or None")
        if self.max_image_bytes < 1:
            raise UsageError(f"max_image_bytes={self.max_image_bytes}: give 1 or more bytes")

    def __repr__(self) -> str:
        if not hasattr(self, "_origin"):  # refused while it was being built
            return f"<{type(self).__name__} unfinished>"
        return f"<{type(self).__name__} {self.name!r} at {self._origin}{self._path}>"

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """Build the account with the key, and where needed the address, from the environment.

        Raises `UsageError` naming a variable that is missing.
        """
        if cls._url_variable and "base_url" not in options:
            options["base_url"] = _variable(cls._url_variable)
        return cls(_variable(cls._key_variable), **options)

    def scrub(self, text: str) -> str:
        """One line of a service's own words, without the key should they echo it.

        In whatever case, percent-encoded, as hex or in base64.
        """
        return shorten(without(self.key, text), 200)

    def _clean(self, refusal: Refusal, codes: Codes) -> Refusal:
        """Scrub a service's words. A code of the table is no secret and stays as it is."""
        if refusal.code in codes and not refusal.message:
            return refusal
        code = refusal.code if refusal.code in codes else self.scrub(refusal.code)
        return Refusal(code, self.scrub(refusal.message))

    def _excerpt(self, text: str) -> str:
        return "a page of HTML" if is_html(text) else self.scrub(text) or "nothing"

    def _set(self, **derived: object) -> None:
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def _paces(self, reference: Mapping[str, Pacing]) -> Mapping[str, Pacing]:
        return reference if self.pacing is None else {"": self.pacing}

    def _check(self, task: Task[Any], kinds: frozenset[str]) -> None:
        """Raise `InvalidTask` for a task that is bad in itself, or not for this service."""
        if task.kind not in kinds:
            fix = f"{self.name} takes {', '.join(sorted(kinds))}; use an account that takes it"
            raise InvalidTask(field="kind", value=task.kind, fix=fix, account=self.name)
        task.check()

    def _holds_key(self, task_id: str) -> bool:
        """Whether an id would carry the key into tickets and journals."""
        return len(self.key.reveal()) >= 8 and self.key.reveal() in task_id


def raising(read: Callable[[Response], T | SolvestreamError]) -> Callable[[Response], T]:
    """Turn a reader that answers with an error into one that raises it.

    The raising frame holds nothing of the reply, so a traceback with locals shows no key
    that a service may have echoed (`faults.json` K03).
    """

    def read_or_raise(response: Response) -> T:
        found = read(response)
        if isinstance(found, SolvestreamError):
            raise found
        return found

    return read_or_raise


def no_call(account: str, what: str) -> Call[Any]:
    """Refuse a call that a service does not have."""
    raise UsageError(f"{account} has no call for {what}; see its capabilities")


def quote_id(task_id: str) -> str:
    """Return an id for a URL. One of the grammar needs nothing; others come from tickets."""
    return task_id if is_id(task_id) else quote(task_id, safe="", errors="backslashreplace")


def check_text(field_name: str, value: str) -> str:
    """Return a text that can be sent as UTF-8. Raises `InvalidTask` for lone surrogates."""
    if value.isascii() or value == value.encode(errors="ignore").decode():
        return value
    raise InvalidTask(field=field_name, value=value, fix="it holds lone surrogates; remove them")


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise UsageError(f"the environment variable {name} is missing; set it, or pass the value")
    return value


def _parse_base_url(url: str, allow_http: bool) -> tuple[Origin, str]:
    parsed = None
    with suppress(ValueError, TypeError, AttributeError):
        parsed = Origin.parse(url)
    if (
        parsed is None or not _HOST(parsed[0].host) or not _PATH(parsed[1])
    ):  # the address itself is not shown: it might hold a key
        raise UsageError(
            "base_url: no address of a service; give https://host[:port][/path], without user "
            "name, query or fragment"
        )
    origin, path = parsed
    if origin.scheme == "http" and not allow_http and not _is_loopback(origin.host):
        raise UsageError(
            f"base_url={origin}: the key would go over the wire in the open; use https://, or "
            "pass allow_http=True if that wire is yours"
        )
    return origin, path


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
