"""The same two families elsewhere (PROTOCOLS.md 4): nothing but data.

Each goes into the family's class::

    InPhp(key, base_url="https://...", name="2captcha", dialect=TWOCAPTCHA)
    CreateTask(key, base_url="https://...", name="anticaptcha", dialect=ANTICAPTCHA)
"""

from __future__ import annotations

from collections.abc import Mapping

from solvestream.providers import captchaai, createtask, inphp
from solvestream.providers._codes import Code, Codes
from solvestream.providers._inphp_form import Spelling
from solvestream.providers._protocol import Pacing

TWOCAPTCHA = inphp.Dialect(
    codes=captchaai.CODES,
    kinds=frozenset({"image", "raw", *inphp.ANSWER_TTL}),
    spelling=Spelling(lengths="min_len", proxies="user:pass@host:port", geetest_v4="geetest_v4"),
    multi_id=True,
    get2=True,
    threads=False,
)
"""2Captcha v1 (PROTOCOLS.md 4): `InPhp(key, base_url=..., name="2captcha", dialect=TWOCAPTCHA)`."""


NUMBERS: Mapping[str, Code] = {
    "1": Code("key"),
    "2": Code("busy", 5),
    "3": Code("input"),
    "4": Code("input"),
    "10": Code("funds"),
    "11": Code("ban", 600),
    "12": Code("again"),
    "13": Code("failed"),
    "15": Code("input"),
    "16": Code("lost"),
    "21": Code("ban", 600),
    "22": Code("input"),
    "23": Code("input"),
}
"""Shared `errorId` numbers of the family (PROTOCOLS.md 4)."""


_TOKENS = {
    "recaptcha_v2": ("RecaptchaV2TaskProxyless", "RecaptchaV2Task"),
    "turnstile": ("TurnstileTaskProxyless", "TurnstileTask"),
    "geetest_v3": ("GeeTestTaskProxyless", "GeeTestTask"),
}

_NAMES: Codes = {
    "ERROR_KEY_DOES_NOT_EXIST": NUMBERS["1"],
    "ERROR_NO_SLOT_AVAILABLE": NUMBERS["2"],
    "ERROR_ZERO_CAPTCHA_FILESIZE": NUMBERS["3"],
    "ERROR_TOO_BIG_CAPTCHA_FILESIZE": NUMBERS["4"],
    "ERROR_ZERO_BALANCE": NUMBERS["10"],
    "ERROR_IP_NOT_ALLOWED": NUMBERS["11"],
    "ERROR_CAPTCHA_UNSOLVABLE": NUMBERS["12"],
    "ERROR_BAD_DUPLICATES": NUMBERS["13"],
    "ERROR_IMAGE_TYPE_NOT_SUPPORTED": NUMBERS["15"],
    "ERROR_NO_SUCH_CAPCHA_ID": NUMBERS["16"],
    "ERROR_IP_BLOCKED": NUMBERS["21"],
    "ERROR_TASK_ABSENT": NUMBERS["22"],
    "ERROR_TASK_NOT_SUPPORTED": NUMBERS["23"],
}

ANTICAPTCHA = createtask.Dialect(
    codes={
        **_NAMES,
        **NUMBERS,
        "ERROR_CAPTCHA_UNSOLVABLE": Code("again", charged="yes"),
        "12": Code("again", charged="yes"),
    },
    image_options={
        "numeric": "numeric",
        "case_sensitive": "case",
        "min_length": "minLength",
        "max_length": "maxLength",
        "phrase": "phrase",
        "calc": "math",
        "instructions": "comment",
        "website_url": "websiteURL",
    },
    tokens=_TOKENS,
    int_ids=True,
    pacing=Pacing(first_look=5.0, interval=3.0, max_looks=100, deadline=300.0),
    retention=60.0,
)
"""Anti-Captcha: `CreateTask(key, base_url=..., name="anticaptcha", dialect=ANTICAPTCHA)`."""

CAPMONSTER = createtask.Dialect(
    codes={**_NAMES, **NUMBERS},
    image_options={"numeric": "numeric", "case_sensitive": "case", "calc": "math"},
    tokens=_TOKENS,
    int_ids=True,
    pacing=Pacing(first_look=2.0, interval=2.0, max_looks=120, deadline=300.0),
    min_interval=2.0,
    retention=300.0,
)
"""CapMonster Cloud: `CreateTask(key, base_url=..., name="capmonster", dialect=CAPMONSTER)`."""
