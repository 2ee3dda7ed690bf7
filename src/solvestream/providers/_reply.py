"""From a reply's bytes to plain values. Every function here is total (TRUST.md).

Replies are untrusted: strict UTF-8 whatever charset is declared, no content coding, JSON
without NaN or repeated names, numbers kept as they were written.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn, cast

from attrs import define

from solvestream._outcomes import AccountDown, Throttled, Unknown
from solvestream._wire import Response
from solvestream.providers._retry_after import retry_after

BOM = b"\xef\xbb\xbf"

is_id = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9_.:-]{1,128}").fullmatch
"""The grammar of a task id; one of dots alone could walk up a URL's path."""

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?").fullmatch
_HTML = re.compile(r"\s*<(?:!doctype|html|head|body|\?xml|!--)", re.IGNORECASE).match


_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Number(str):
    """A JSON number, exactly as it was written; ids are never turned into numbers."""

    __slots__ = ()


@define
class Success:
    """A reply that says yes.

    Attributes:
        value: id, answer or figure: text, or a JSON value.
        beside: the other fields of a JSON reply; empty for text.
    """

    value: object
    beside: Mapping[str, Any] = _NOTHING


@define
class Refusal:
    """A reply that says no, or not yet: the service's code, and its words if any."""

    code: str
    message: str = ""


def decode(response: Response) -> str | Unknown:
    """Return the body as text, without a BOM and trailing white space."""
    for value in response.values("content-encoding"):
        if value.strip().lower() not in {"", "identity"}:
            return Unknown("the reply is compressed, which was not asked for")
    try:
        return response.body.removeprefix(BOM).rstrip().decode()
    except UnicodeDecodeError:
        return Unknown("the reply is not UTF-8")


def is_html(text: str) -> bool:
    """Whether this is a page for people instead of a reply."""
    return _HTML(text) is not None


def load_object(text: str) -> dict[str, Any] | None:
    """Return a JSON object; `None` for anything else, however hostile."""
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def compact(value: object) -> str | None:
    """Return `dump(value)`; `None` where it is nested too deep."""
    try:
        return dump(value)
    except RecursionError:
        return None


def dump(value: object) -> str:
    """Return JSON text of what `load_object` read, its numbers as they were written."""
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return "{" + ", ".join(f"{json.dumps(name)}: {dump(item)}" for name, item in items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dump, cast("list[object]", value))) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def number(value: object) -> float | None:
    """Return a finite number of 0 or more, from a JSON number or text; else `None`."""
    if not isinstance(value, str) or len(value) > 40 or not _NUMBER(value):
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def whole(value: object) -> int | None:
    """Return a whole number of at most nine digits, from a JSON number or text; else `None`."""
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) else None


def good(status: int) -> bool:
    """Whether a success may come under this status. 206 is a part, others carry no body."""
    return 200 <= status <= 202


def says_no(status: int) -> bool:
    """Whether a refusal with a code we do not know counts under this status."""
    return good(status) or (400 <= status < 500 and status not in {401, 402, 429})


def judge_status(response: Response, message: str = "") -> AccountDown | Throttled | Unknown:
    """Return what the status alone says, where the body says nothing that counts."""
    status = response.status
    if status == 401:
        return AccountDown("401", "key", message=message)
    if status == 402:
        return AccountDown("402", "funds", message=message)
    wait = retry_after(response)
    if status == 429:
        return Throttled("429", wait)
    code = None if good(status) else str(status)
    return Unknown(message or f"HTTP {status} without a reply of this protocol", code, wait)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=Number, parse_float=Number, parse_constant=_refuse
)
