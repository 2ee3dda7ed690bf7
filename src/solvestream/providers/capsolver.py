"""CapSolver: a service of the `createTask` family (PROTOCOLS.md 3)."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from solvestream.providers._codes import Code, Codes
from solvestream.providers._protocol import Pacing
from solvestream.providers.createtask import CreateTask, Dialect

CODES: Codes = {
    "ERROR_SERVICE_UNAVALIABLE": Code("throttled", 3),
    "ERROR_RATE_LIMIT": Code("throttled", 3),
    "ERROR_ZERO_BALANCE": Code("funds"),
    "ERROR_KEY_DOES_NOT_EXIST": Code("key"),
    "ERROR_KEY_DENIED_ACCESS": Code("key"),
    "ERROR_SETTLEMENT_FAILED": Code("funds"),
    "ERROR_KEY_TEMP_BLOCKED": Code("ban", 300),
    "ERROR_IP_BANNED": Code("ban", 1800),
    "ERROR_INVALID_TASK_DATA": Code("input"),
    "ERROR_BAD_REQUEST": Code("input"),
    "ERROR_TASK_NOT_SUPPORTED": Code("input"),
    "ERROR_INVALID_IMAGE": Code("input"),
    "ERROR_PARSE_IMAGE_FAIL": Code("input"),
    "ERROR_UNKNOWN_QUESTION": Code("input"),
    "ERROR_CAPTCHA_UNSOLVABLE": Code("again"),
    "ERROR_TASK_TIMEOUT": Code("failed"),
    "ERROR_PROXY_BANNED": Code("failed"),
    "ERROR_TASKID_INVALID": Code("lost"),
    "ERROR_TASK_NOT_FOUND": Code("lost"),
}
"""Error codes (PROTOCOLS.md 3). The first one is spelled so by the service."""

DIALECT = Dialect(
    codes=CODES,
    image_types=("PNG", "JPG", "GIF", "BMP", "WebP"),
    image_options={
        "website_url": "websiteURL",
        "module": "module",
        "score": "score",
        "case_sensitive": "case",
    },
    feedback=True,
    pacing=Pacing(first_look=3.0, interval=3.0, max_looks=120, deadline=300.0),
    retention=300.0,
)


@frozen(eq=False, repr=False, kw_only=True)
class CapSolver(CreateTask):
    """An account at CapSolver: `CapSolver("your key")`.

    Takes images, which it answers at once, and raw tasks. See `CreateTask` for the options.
    """

    _key_variable: ClassVar[str] = "CAPSOLVER_API_KEY"

    base_url: str = "https://api.capsolver.com"
    name: str = "capsolver"
    dialect: Dialect = DIALECT
