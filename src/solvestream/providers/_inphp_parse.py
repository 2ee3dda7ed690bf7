"""One parser for the plain and the JSON replies of the `in.php` family (PROTOCOLS.md 1).

Which of the two was asked for decides nothing. "Not ready" is looked for before success;
only an unsuccessful reply holds an error code; the answer starts after the first `|`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from solvestream.providers._codes import Codes, find_code
from solvestream.providers._reply import Refusal, Success, load_object, number

NOT_READY = frozenset({"CAPCHA_NOT_READY", "CAPTCHA_NOT_READY"})
_NOTHING: Mapping[str, Any] = {}


def parse(text: str, codes: Codes) -> Success | Refusal | None:
    """Return what a reply says; `None` for one that is not of this protocol."""
    if text.startswith("OK|"):
        return _unless_pending(text[3:], _NOTHING)
    if not text.lstrip().startswith("{"):
        return find_code(text, codes)
    fields = load_object(text)
    return None if fields is None else _parse_fields(fields, codes)


def _parse_fields(fields: Mapping[str, Any], codes: Codes) -> Success | Refusal | None:
    value = fields.get("request")
    if value is None or value == "":
        value = fields.get("result", value)
    match fields.get("status"):
        case "1":
            return _unless_pending(value, fields)
        case "0":
            return find_code(value, codes, fields.get("error_text"))
        case None:
            return find_code(value, codes) or Success(value, fields)
        case _:
            return None


def _unless_pending(value: object, beside: Mapping[str, Any]) -> Success | Refusal:
    if isinstance(value, str) and value in NOT_READY:
        return Refusal(value)
    return Success(value, beside)


def split_batch(text: str, size: int) -> list[str] | None:
    """Return the parts of a reply to `size` ids; `None` where it does not fit them.

    It has no `OK|` in front: one that does answers a single id, whose answer would else be
    given to two.
    """
    fields = load_object(text) if text.startswith("{") else None
    joined = text if fields is None else fields.get("request")
    if not isinstance(joined, str) or joined.startswith("OK|"):
        return None
    parts = joined.split("|")
    return parts if len(parts) == size else None


def split_price(value: object) -> tuple[object, float | None]:
    """Cut the price off an answer to `get2`; it stands after the last `|`."""
    if not isinstance(value, str):
        return value, None
    answer, bar, price = value.rpartition("|")
    cost = number(price)
    return (answer, cost) if bar and cost is not None else (value, None)
