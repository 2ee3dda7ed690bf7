"""CaptchaAI: a service of the `in.php` family (PROTOCOLS.md 1)."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from solvestream.providers._codes import Code, Codes
from solvestream.providers.inphp import Dialect, InPhp, ZeroBalance

CODES: Codes = {
    "CAPCHA_NOT_READY": Code("pending"),
    "CAPTCHA_NOT_READY": Code("pending"),
    "ERROR_NO_SLOT_AVAILABLE": Code("busy", 5),
    "ERROR_ZERO_BALANCE": Code("funds"),
    "ERROR_WRONG_USER_KEY": Code("key"),
    "ERROR_KEY_DOES_NOT_EXIST": Code("key"),
    "IP_BANNED": Code("ban", 300),
    "ERROR_CAPTCHA_UNSOLVABLE": Code("again"),
    "ERROR_BAD_DUPLICATES": Code("failed"),
    "ERROR_WRONG_CAPTCHA_ID": Code("lost"),
    "ERROR_TOO_BIG_CAPTCHA_FILESIZE": Code("input"),
    "ERROR_IMAGE_TYPE_NOT_SUPPORTED": Code("input"),
    "ERROR_PAGEURL": Code("input"),
    "ERROR_GOOGLEKEY": Code("input"),
    "ERROR_EMPTY_ACTION": Code("input"),
    "ERROR_ZERO_CAPTCHA_FILESIZE": Code("input"),
    "ERROR_WRONG_FILE_EXTENSION": Code("input"),
    "ERROR_UPLOAD": Code("input"),
    "ERROR_BAD_PARAMETERS": Code("input"),
    "ERROR_BAD_TOKEN_OR_PAGEURL": Code("input"),
    "ERROR_WRONG_ID_FORMAT": Code("input"),
    "ERROR_BAD_PROXY": Code("failed"),
    "ERROR_PROXY_CONNECTION_FAILED": Code("failed"),
    "ERROR_TOO_MUCH_REQUESTS": Code("throttled", 3),
    "MAX_USER_TURN": Code("throttled", 3),
    "ERROR_SERVER_ERROR": Code("trouble", 1),
    "ERROR_INTERNAL_SERVER_ERROR": Code("trouble", 1),
    "ERROR: 1003": Code("busy", 30),
    "ERROR: 1004": Code("ban", 300),
    "ERROR: 1005": Code("throttled", 60),
}
"""Error codes of the family (PROTOCOLS.md 1, "Errors")."""

DIALECT = Dialect(codes=CODES)


@frozen(eq=False, repr=False, kw_only=True)
class CaptchaAI(InPhp):
    """An account at CaptchaAI: `CaptchaAI("your key")`.

    Takes all kinds of task. Images are PNG, JPG or GIF of at most 100 KB; newer plans take
    1024 KB: pass `max_image_bytes=1_048_576`. See `InPhp` for the other options.
    """

    _key_variable: ClassVar[str] = "CAPTCHAAI_API_KEY"

    base_url: str = "https://ocr.captchaai.com"
    name: str = "captchaai"
    dialect: Dialect = DIALECT
    multi_id: bool | None = False
    zero_balance: ZeroBalance = "ask"
