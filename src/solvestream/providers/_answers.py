"""How an answer is read, by the task's kind (PROTOCOLS.md 1-3).

An answer is opaque: it may hold the word ERROR, be `0`, or have spaces and any script. The
shapes differ between services and between plain and JSON replies, so each reader takes
them all; `None` means that the answer is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from solvestream.providers._reply import compact, load_object, number
from solvestream.solutions import (
    Clearance,
    GeeTestV3Solution,
    GeeTestV4Solution,
    Solution,
    Text,
    Texts,
    Token,
)

Fields = Mapping[str, Any]


def read_answer(kind: str, value: object, beside: Fields) -> Solution | None:
    """Return the solution of a task of this kind.

    Args:
        kind: the task's; an unknown one is read like `raw`.
        value: the answer: text, or a JSON value.
        beside: fields next to it in a JSON reply.
    """
    return _READERS.get(kind, _raw)(value, beside)


def _string(value: object) -> str | None:
    """Text fit for a file or a journal: a lone surrogate stands as its escape (P19)."""
    if not isinstance(value, str):
        return None
    return value.encode(errors="backslashreplace").decode()


def _first(fields: Fields, *names: str) -> str | None:
    return next((text for name in names if (text := _string(fields.get(name)))), None)


def _agent(*places: Fields) -> str | None:
    names = ("user_agent", "userAgent", "useragent")
    return next((agent for fields in places if (agent := _first(fields, *names))), None)


def _text(value: object, _: Fields) -> Text | Texts | None:
    if isinstance(value, str):
        return Text(str(value) if value.isascii() else _string(value) or "")
    if not isinstance(value, Mapping):
        return None
    fields = cast("Fields", value)
    answers = fields.get("answers")
    if isinstance(answers, list):
        return _texts(cast("list[object]", answers))
    text = _string(fields.get("text"))
    return None if text is None else Text(text, number(fields.get("confidence")))


def _texts(answers: list[object]) -> Texts | None:
    texts = [text for answer in answers if (text := _string(answer)) is not None]
    return Texts(tuple(texts)) if texts and len(texts) == len(answers) else None


def _raw(value: object, beside: Fields) -> Solution | None:
    found = _text(value, beside)
    if found is not None or not isinstance(value, dict | list) or not value:
        return found
    text = _string(compact(cast("object", value)))
    return None if text is None else Text(text)


def _token(value: object, beside: Fields) -> Token | None:
    if not isinstance(value, Mapping):
        token = _string(value)
        return Token(token, _agent(beside)) if token else None
    fields = cast("Fields", value)
    token = _first(fields, "gRecaptchaResponse", "token")
    return Token(token, _agent(fields, beside)) if token else None


def _clearance(value: object, beside: Fields) -> Clearance | None:
    fields = _fields(value, beside, "cf_clearance", "user_agent")
    token = _first(fields, "cf_clearance", "token") if fields else None
    if token is None and isinstance(value, str) and not fields:
        token = _string(value)
    return Clearance(token, _agent(fields, beside)) if token else None


def _geetest_v3(value: object, beside: Fields) -> GeeTestV3Solution | None:
    names = ("challenge", "validate", "seccode")
    fields = _fields(value, beside, *names)
    found = [_first(fields, f"geetest_{name}", name) for name in names]
    return GeeTestV3Solution(*cast("list[str]", found)) if all(found) else None


def _geetest_v4(value: object, beside: Fields) -> GeeTestV4Solution | None:
    names = ("captcha_id", "lot_number", "pass_token", "gen_time", "captcha_output")
    fields = _fields(value, beside, *names)
    found = [_first(fields, name) for name in names]
    return GeeTestV4Solution(*cast("list[str]", found)) if all(found) else None


def _fields(value: object, beside: Fields, *names: str) -> Fields:
    """Named parts of an answer: a JSON object, one written as text, pairs, or the reply's own."""
    if isinstance(value, Mapping):
        return cast("Fields", value)
    if not isinstance(value, str):
        return beside
    if value.lstrip().startswith("{"):
        return load_object(value) or {}
    return cut_pairs(value, names)


def cut_pairs(text: str, names: tuple[str, ...]) -> dict[str, str]:
    """Cut `a:1,b:2` or `a=1;b=2` at the known names only.

    Values may hold commas, semicolons, colons and `|`. A name that comes again is part of
    the value it stands in.
    """
    starts: dict[str, tuple[int, int]] = {}
    for match in re.finditer(rf"(?:^|[,;]\s*)(?:geetest_)?({'|'.join(names)})[:=]", text):
        starts.setdefault(match[1], match.span())
    found: dict[str, str] = {}
    end = len(text)
    for name, (begin, value) in reversed(starts.items()):
        found[name], end = text[value:end], begin
    return found


_READERS: dict[str, Callable[[object, Fields], Solution | None]] = {
    "image": _text,
    "recaptcha_v2": _token,
    "recaptcha_v3": _token,
    "turnstile": _token,
    "cloudflare_challenge": _clearance,
    "geetest_v3": _geetest_v3,
    "geetest_v4": _geetest_v4,
}
