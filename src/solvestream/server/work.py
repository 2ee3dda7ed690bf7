"""A task as the service understood it, and what comes of it: plain values of no protocol.

Errors are named by `Reason`; each protocol module has a table of its own codes. A script or
fault may also give a code as the service spells it, which then passes through unchanged.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

from attrs import field, frozen


class Kind(StrEnum):
    """What is to be solved."""

    IMAGE = "image"
    RECAPTCHA_V2 = "recaptcha_v2"
    RECAPTCHA_V3 = "recaptcha_v3"
    RECAPTCHA_ENTERPRISE = "recaptcha_enterprise"
    TURNSTILE = "turnstile"
    CLOUDFLARE = "cloudflare"
    GEETEST_V3 = "geetest_v3"
    GEETEST_V4 = "geetest_v4"
    BLS = "bls"


class Reason(StrEnum):
    """Why a request, or a task, came to nothing."""

    MALFORMED_KEY = "malformed_key"
    UNKNOWN_KEY = "unknown_key"
    ZERO_BALANCE = "zero_balance"
    BANNED = "banned"
    NO_SLOT = "no_slot"
    THROTTLED = "throttled"
    UNKNOWN_TASK = "unknown_task"
    MALFORMED_ID = "malformed_id"
    NO_ACTION = "no_action"
    BAD_TASK = "bad_task"
    NOT_SUPPORTED = "not_supported"
    PAGE_URL = "page_url"
    SITE_KEY = "site_key"
    BAD_PROXY = "bad_proxy"
    EMPTY_IMAGE = "empty_image"
    BROKEN_UPLOAD = "broken_upload"
    TOO_BIG = "too_big"
    NOT_AN_IMAGE = "not_an_image"
    WRONG_EXTENSION = "wrong_extension"
    UNREADABLE = "unreadable"
    UNSOLVABLE = "unsolvable"


@frozen
class Refusal:
    """A named "no": a `Reason`, or a code as the service spells it."""

    code: Reason | str


@frozen(kw_only=True)
class Answer:
    """What a solved task yields.

    Images: `texts`, one for each image. Tokens: one text, or `parts` where the answer has names
    (GeeTest, Cloudflare).
    """

    texts: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(factory=dict[str, str])
    confidence: float | None = None

    @property
    def text(self) -> str:
        """The first text, or nothing."""
        return self.texts[0] if self.texts else ""


Outcome: TypeAlias = Answer | Refusal


@frozen(kw_only=True)
class Work:
    """One task to solve."""

    kind: Kind
    subject: str
    """Which one: an image's SHA-256, a site key, a captcha id."""
    images: tuple[bytes, ...] = field(default=(), repr=False)
    numeric: int = 0
    """0 any, 1 digits, 2 letters, 3 either, 4 none (PROTOCOLS.md 1)."""
    min_length: int = 0
    max_length: int = 0
    calc: bool = False
    """The image shows a sum, and its result is wanted."""
    score: float = 0.0
    """Under this confidence there is no answer and no charge (PROTOCOLS.md 3)."""


def image_subject(*images: bytes) -> str:
    """Return what stands for these images in scripts and the ledger: their SHA-256, in hex."""
    return hashlib.sha256(b"".join(images)).hexdigest()


def decode_base64(text: str) -> bytes | Refusal:
    """Return the bytes of a base64 text, with or without a `data:` prefix and line ends."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return Refusal(Reason.BROKEN_UPLOAD)


_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM")


def check_image(image: bytes, limit: int) -> Refusal | None:
    """Refuse what is empty, over `limit` bytes, or no PNG, JPEG, GIF or BMP by its first bytes."""
    if not image:
        return Refusal(Reason.EMPTY_IMAGE)
    if len(image) > limit:
        return Refusal(Reason.TOO_BIG)
    return None if image.startswith(_MAGIC) else Refusal(Reason.NOT_AN_IMAGE)
