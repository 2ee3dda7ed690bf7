"""The tasks a user hands over: frozen values, checked when they are taken, not when built.

A bad task in a stream becomes one failed result instead of an exception in the user's own
generator; `task.check()` tells earlier for those who want to know. Every task also takes

* `tag`: anything of yours; it comes back on the result.
* `deadline`: seconds from hand-over to the end, greater than 0; default: the account's own.
* `job_key`: a stable identity. Two tasks of one key under way at once are bought once.
* `priority`: higher ones are submitted first; default 0.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic
from urllib.parse import urlsplit

from attrs import field, frozen

from solvestream.errors import InvalidTask, shorten
from solvestream.solutions import (
    Clearance,
    GeeTestV3Solution,
    GeeTestV4Solution,
    S_co,
    Solution,
    Text,
    Token,
)


@frozen
class Proxy:
    """A proxy the service shall use for a token task; never for images.

    Attributes:
        type: `http`, `https`, `socks4` or `socks5`, in either case.
        host: name or address, without scheme.
        port: 1 to 65535.
        username: with a password, or neither.
        password: not shown in `repr`.
    """

    type: str
    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise `InvalidTask` for a part that no service accepts."""
        if str(self.type).lower() not in {"http", "https", "socks4", "socks5"}:
            raise _invalid("proxy.type", self.type, "use http, https, socks4 or socks5")
        if type(self.host) is not str or not self.host or any(c in self.host for c in "/@ \r\n"):
            raise _invalid("proxy.host", self.host, "give a host name or address alone")
        if not 1 <= _number(self.port) <= 65535:
            raise _invalid("proxy.port", self.port, "give a port from 1 to 65535")
        if (self.username is None) != (self.password is None):
            raise _invalid(
                "proxy.username", self.username, "give user name and password, or neither"
            )


@frozen(kw_only=True)
class Task(Generic[S_co]):
    """What all tasks share. Use one of the classes below, or `RawTask`.

    Attributes:
        tag: anything of yours; it comes back on the result. Default `None`.
        deadline: seconds from hand-over to the end, greater than 0; default: the account's own.
        job_key: a stable identity, 1 to 200 characters; default: one is made.
        priority: higher ones are submitted first; a whole number, default 0.
    """

    kind: ClassVar[str] = ""

    tag: Any = None
    deadline: float | None = None
    job_key: str | None = None
    priority: int = 0

    def check(self) -> None:
        """Raise `InvalidTask` naming field, value and fix; touches neither disk nor network."""
        if self.deadline is not None and not 0 < _number(self.deadline) < math.inf:
            raise _invalid("deadline", self.deadline, "give seconds greater than 0, or None")
        if not isinstance(self.priority, int):  # pyright: ignore[reportUnnecessaryIsInstance] - public edge
            raise _invalid("priority", self.priority, "give a whole number")
        key = self.job_key
        if key is not None and not (type(key) is str and 0 < len(key) <= 200):
            raise _invalid("job_key", self.job_key, "give 1 to 200 characters")


_NONE = (None,) * 5


@frozen
class ImageToText(Task[Text]):
    """Read the text in an image (PROTOCOLS.md 1-3).

    Options a service does not know are not sent to it.

    Attributes:
        image: the bytes, a `Path` (read at the last moment), or a string of base64, with or
            without a `data:` prefix and line breaks.
        numeric: 0 any (default), 1 digits only, 2 letters only, 3 either, 4 neither.
        case_sensitive: upper and lower case matter.
        min_length: 1 to 20 characters, and not more than `max_length`.
        max_length: 1 to 20 characters.
        phrase: the answer has more than one word.
        calc: the image shows a sum; the answer is its result.
        language: 0 any (default), 1 Cyrillic, 2 Latin.
        instructions: a note for whoever reads the image.
        module: the service's reading module (CapSolver: `common`, `queueit`).
        score: lowest confidence accepted, 0.8 to 1 (CapSolver).
        website_url: the page the image is from (CapSolver).
        upload: send as a file upload instead of base64 where both exist (CaptchaAI).
        proxy: not for images; anything but `None` is refused.
    """

    kind: ClassVar[str] = "image"

    image: bytes | Path | str = field(
        repr=lambda image: f"<{len(image)}>" if isinstance(image, bytes | str) else repr(image)
    )
    numeric: int | None = field(default=None, kw_only=True)
    case_sensitive: bool | None = field(default=None, kw_only=True)
    min_length: int | None = field(default=None, kw_only=True)
    max_length: int | None = field(default=None, kw_only=True)
    phrase: bool | None = field(default=None, kw_only=True)
    calc: bool | None = field(default=None, kw_only=True)
    language: int | None = field(default=None, kw_only=True)
    instructions: str | None = field(default=None, kw_only=True)
    module: str | None = field(default=None, kw_only=True)
    score: float | None = field(default=None, kw_only=True)
    website_url: str | None = field(default=None, kw_only=True)
    upload: bool = field(default=False, kw_only=True)
    proxy: None = field(default=None, kw_only=True)

    def check(self) -> None:
        """Raise `InvalidTask` for options out of range; the image itself is checked by `load`."""
        super().check()
        if self.image.__class__ is bytes and self.image and self._has_no_option():
            return
        for name, value, low, high in (
            ("numeric", self.numeric, 0, 4),
            ("language", self.language, 0, 2),
            ("min_length", self.min_length, 1, 20),
            ("max_length", self.max_length, 1, 20),
            ("score", self.score, 0.8, 1),
        ):
            if value is not None:
                _check_range(name, value, low, high)
        if (self.min_length or 0) > (self.max_length or 20):
            raise _invalid(
                "min_length", self.min_length, f"it exceeds max_length={self.max_length}; swap them"
            )
        if self.website_url is not None:
            check_url("website_url", self.website_url)
        if self.proxy is not None:
            raise _invalid("proxy", self.proxy, "an image is read without a proxy; leave it out")
        if not isinstance(self.image, bytes | Path | str):  # pyright: ignore[reportUnnecessaryIsInstance] - public edge
            raise _invalid("image", self.image, "give bytes, a Path, or base64 as str")
        if not isinstance(self.image, Path) and not len(self.image):
            raise _invalid("image", self.image, "it is empty; give the image's bytes")

    def _has_no_option(self) -> bool:
        """As nearly always: there is nothing to check, for each of thousands of tasks, twice."""
        given = (self.numeric, self.language, self.min_length, self.max_length, self.score)
        return given == _NONE and self.website_url is self.proxy is None

    def load(self, limit: int) -> bytes:
        """Return the image's bytes, reading the file or decoding base64.

        Never reads more than `limit` bytes and one. Raises `InvalidTask` for a missing, empty
        or unreadable file, and for broken base64. May block on the disk: call it in a thread
        when `image` is a `Path`.
        """
        if isinstance(self.image, Path):
            data = _read(self.image, limit + 1)
        elif isinstance(self.image, str):
            data = _decode(self.image)
        else:
            data = bytes(self.image)
        if not data:
            raise _invalid("image", str(self.image), "it is empty; give an image file")
        return data


@frozen
class RecaptchaV2(Task[Token]):
    """A reCAPTCHA v2 of a page of yours; answered by a `Token` (PROTOCOLS.md 1).

    Attributes:
        site_key: the page's public key.
        page_url: absolute http(s) URL of the page.
        invisible: the invisible variant.
        enterprise: the Enterprise variant.
        proxy: what the service shall go through.
    """

    kind: ClassVar[str] = "recaptcha_v2"

    site_key: str
    page_url: str
    invisible: bool = field(default=False, kw_only=True)
    enterprise: bool = field(default=False, kw_only=True)
    proxy: Proxy | None = field(default=None, kw_only=True)

    def check(self) -> None:
        """Raise `InvalidTask` for a missing key, a bad URL or a bad proxy."""
        super().check()
        _check_fields(self, "site_key")


@frozen
class RecaptchaV3(Task[Token]):
    """A reCAPTCHA v3 of a page of yours; answered by a `Token` (PROTOCOLS.md 1).

    Attributes:
        site_key: the page's public key.
        page_url: absolute http(s) URL of the page.
        action: the action the page names.
        min_score: 0 to 1.
        enterprise: the Enterprise variant.
        proxy: what the service shall go through.
    """

    kind: ClassVar[str] = "recaptcha_v3"

    site_key: str
    page_url: str
    action: str | None = field(default=None, kw_only=True)
    min_score: float | None = field(default=None, kw_only=True)
    enterprise: bool = field(default=False, kw_only=True)
    proxy: Proxy | None = field(default=None, kw_only=True)

    def check(self) -> None:
        """Raise `InvalidTask` for a missing key, a bad URL, score or proxy."""
        super().check()
        _check_fields(self, "site_key")
        if self.min_score is not None:
            _check_range("min_score", self.min_score, 0, 1)


@frozen
class Turnstile(Task[Token]):
    """A Turnstile of a page of yours; answered by a `Token` (PROTOCOLS.md 1).

    Attributes:
        site_key: the page's public key.
        page_url: absolute http(s) URL of the page.
        proxy: what the service shall go through; default: nothing.
    """

    kind: ClassVar[str] = "turnstile"

    site_key: str
    page_url: str
    proxy: Proxy | None = field(default=None, kw_only=True)

    def check(self) -> None:
        """Raise `InvalidTask` for a missing key, a bad URL or a bad proxy."""
        super().check()
        _check_fields(self, "site_key")


@frozen
class CloudflareChallenge(Task[Clearance]):
    """A Cloudflare challenge page of yours; answered by a `Clearance` (PROTOCOLS.md 1).

    Attributes:
        page_url: absolute http(s) URL of the page.
        site_key: the page's public key, where it has one.
        user_agent: the one the service shall use; the answer is bound to it.
        proxy: what the service shall go through; many demand one.
    """

    kind: ClassVar[str] = "cloudflare_challenge"

    page_url: str
    site_key: str | None = field(default=None, kw_only=True)
    user_agent: str | None = field(default=None, kw_only=True)
    proxy: Proxy | None = field(default=None, kw_only=True)

    def check(self) -> None:
        """Raise `InvalidTask` for a bad URL or a bad proxy."""
        super().check()
        _check_fields(self)


@frozen
class GeeTestV3(Task[GeeTestV3Solution]):
    """A GeeTest v3; answered by a `GeeTestV3Solution` (PROTOCOLS.md 1).

    Attributes:
        gt: the page's public id.
        challenge: a fresh challenge; each serves once.
        page_url: absolute http(s) URL of the page.
        api_server: host of GeeTest's API when the page names one.
        proxy: what the service shall go through.
    """

    kind: ClassVar[str] = "geetest_v3"

    gt: str
    challenge: str
    page_url: str
    api_server: str | None = field(default=None, kw_only=True)
    proxy: Proxy | None = field(default=None, kw_only=True)

    def check(self) -> None:
        """Raise `InvalidTask` for missing parts, a bad URL or a bad proxy."""
        super().check()
        _check_fields(self, "gt", "challenge")


@frozen
class GeeTestV4(Task[GeeTestV4Solution]):
    """A GeeTest v4; answered by a `GeeTestV4Solution` (PROTOCOLS.md 1).

    Attributes:
        captcha_id: the page's public id.
        page_url: absolute http(s) URL of the page.
        proxy: what the service shall go through; default: nothing.
    """

    kind: ClassVar[str] = "geetest_v4"

    captcha_id: str
    page_url: str
    proxy: Proxy | None = field(default=None, kw_only=True)

    def check(self) -> None:
        """Raise `InvalidTask` for a missing id, a bad URL or a bad proxy."""
        super().check()
        _check_fields(self, "captcha_id")


@frozen
class Bls(Task[Text]):
    """A BLS challenge; answered by a `Text` (PROTOCOLS.md 1).

    Attributes:
        site_key: the page's public key.
        page_url: absolute http(s) URL of the page.
        instructions: what the page asks for.
        code: the page's own code.
        images: one to nine images, for an account that takes BLS so (`bls="images"`).
    """

    kind: ClassVar[str] = "bls"

    site_key: str
    page_url: str
    instructions: str | None = field(default=None, kw_only=True)
    code: str | None = field(default=None, kw_only=True)
    images: tuple[bytes, ...] = field(
        default=(), kw_only=True, repr=lambda images: f"<{len(images)}>"
    )

    def check(self) -> None:
        """Raise `InvalidTask` for a missing key, a bad URL or more than nine images."""
        super().check()
        _check_fields(self, "site_key")
        if len(self.images) > 9:
            raise _invalid("images", f"{len(self.images)} images", "give nine at most")


@frozen
class RawTask(Task[Solution]):
    """Whatever a service adds tomorrow: fields sent as they are.

    Attributes:
        fields: the submit's own fields (form fields, or the JSON `task` object), key left out.
        kind: how to read the answer: one of the kinds above; default `raw`, a `Text`.
    """

    fields: Mapping[str, Any] = field(repr=lambda fields: f"<{', '.join(fields)}>")
    kind: str = field(default="raw", kw_only=True)  # type: ignore[misc]  # pyright: ignore[reportIncompatibleVariableOverride] - one task class whose kind is data

    def check(self) -> None:
        """Raise `InvalidTask` when there are no fields, or the key is among them."""
        super().check()
        if not self.fields:
            raise _invalid("fields", self.fields, "give the submit's fields")
        for name in ("key", "clientKey", "api"):
            if name in self.fields:
                raise _invalid("fields", name, "leave the key out; the account adds it")
        if self.kind == "image" and ("proxy" in self.fields or "proxyAddress" in self.fields):
            raise _invalid("proxy", "in fields", "an image is read without a proxy; leave it out")


def check_url(name: str, url: object) -> None:
    """Raise `InvalidTask` unless the value is an absolute http(s) URL."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise _invalid(name, url, "give an absolute URL, as https://example.com/page")


def _invalid(name: str, value: object, fix: str) -> InvalidTask:
    return InvalidTask(field=name, value=value, fix=fix)


def _check_fields(task: Any, *required: str) -> None:
    for name in required:
        value = getattr(task, name)
        if not isinstance(value, str) or not value.strip():
            raise _invalid(name, value, "it is empty; give the page's own")
    check_url("page_url", task.page_url)
    proxy = getattr(task, "proxy", None)
    if proxy is not None:
        if not isinstance(proxy, Proxy):
            raise _invalid("proxy", type(proxy).__name__, "give a Proxy(type, host, port)")
        proxy.check()


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= _number(value) <= high:
        raise _invalid(name, value, f"give {low} to {high}")


def _number(value: object) -> float:
    """Return a number, or NaN for what is none, which no range holds."""
    return value if isinstance(value, int | float) else math.nan


def _read(path: Path, limit: int) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise _invalid("image", str(path), "it is no file; give the path of an image file")
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise _invalid("image", str(path), f"the file cannot be read ({reason}); check the path")


def _decode(text: str) -> bytes:
    head, comma, rest = text.partition(",")
    if head.lower().startswith("data:"):
        if not comma or not head.lower().endswith(";base64"):
            raise _invalid("image", shorten(head, 30), "give a data: URI that ends in ;base64,...")
        text = rest
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        pass
    raise _invalid(
        "image", shorten(text, 30), "this str is not base64; for a file give a Path, not a str"
    )
