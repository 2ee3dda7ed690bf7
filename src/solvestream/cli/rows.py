"""From a result to the row that is printed or written: one object of JSON, or flat columns.

===========  =======================================================================
`line`       number of the input line, from 1; none for paths
`tag`        of the input line, as it was given
`path`       of the image
`ok`         whether there is an answer
`text`       what was read; of a token the token, of a clearance the cookie's value
`confidence` 0 to 1, where the service tells
`error`      what went wrong; in JSON an object of `type` and the next four
`message`    in words, with what to do
`code`       as the service sent it
`charged`    whether it cost money: `no`, `yes` or `maybe`
`resumable`  whether the answer may still be had by its ticket
`account`    who had it
`elapsed`    seconds from hand-over to the end
`polls`      how often the service was asked
`cost`       USD, where the service tells
`expires_at` until when a token is good, in seconds since the epoch
`ticket`     what `Ticket.from_json` takes
`redelivered` whether it may have been written before
`truth`      of the input line; not after `resume`, as no journal holds it
`correct`    whether `text` is just that
`solution`   an answer of more than a text, by its class and fields
`key`        by which a later run knows the task (`keys`); none without output and journal
===========  =======================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from attrs import asdict

from solvestream import Clearance, Result, Text, Texts, Token
from solvestream._journal.values import encode_solution
from solvestream.cli.fields import Place
from solvestream.solutions import Solution

COLUMNS: dict[str, type] = {
    "line": int,
    "tag": str,
    "path": str,
    "ok": bool,
    "text": str,
    "confidence": float,
    "error": str,
    "message": str,
    "code": str,
    "charged": str,
    "resumable": bool,
    "account": str,
    "elapsed": float,
    "polls": int,
    "cost": float,
    "expires_at": float,
    "ticket": str,
    "redelivered": bool,
    "truth": str,
    "correct": bool,
    "solution": str,
    "key": str,
}
"""The columns of CSV and Parquet, and their types; text in JSON where a value has parts."""

_PLACE = ("line", "tag", "path")


def row(result: Result[Any]) -> dict[str, Any]:
    """Return a result as the object that is a line of JSON."""
    solution: Solution | None = result.solution
    place, text = place_of(result.tag), text_of(solution)
    truth = result.tag.truth if isinstance(result.tag, Place) else None
    return {
        "line": place.get("line"),
        "tag": place.get("tag"),
        "path": place.get("path"),
        "ok": result.ok,
        "text": text,
        "confidence": solution.confidence if isinstance(solution, Text) else None,
        "error": None if result.error is None else _error(result),
        "account": result.account,
        "elapsed": round(result.elapsed, 3),
        "polls": result.polls,
        "cost": result.cost,
        "expires_at": result.expires_at,
        "ticket": None if result.ticket is None else asdict(result.ticket),
        "redelivered": result.redelivered,
        "truth": truth,
        "correct": None if truth is None else text == _word(truth),
        "solution": _whole(solution),
        "key": key_of(result),
    }


def flat(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as columns of plain values, by the names of `COLUMNS`."""
    error = cast("Mapping[str, Any]", one["error"] or {})
    named = {**one, **error, "error": error.get("type")}
    return {name: _typed(named.get(name), kind) for name, kind in COLUMNS.items()}


def place_of(tag: Any) -> Mapping[str, Any]:
    """Return where a task came from: its tag by `--input`, also from a journal, or a path."""
    if isinstance(tag, dict) and "line" in tag:
        place = cast("dict[str, Any]", tag)
        return {name: place[name] for name in _PLACE if name in place}
    return {"path": tag} if isinstance(tag, str) else {"tag": tag}


def key_of(result: Result[Any]) -> str | None:
    """Return the stable key of a result's task, if it was given one."""
    if result.task is not None:
        return result.task.job_key
    source = result.ticket or result.error
    return None if source is None else source.job_key


def text_of(solution: Solution | None) -> str | None:
    """Return an answer that is one text: what was read, the token, or the cookie's value."""
    match solution:
        case Text(text=text) | Token(token=text) | Clearance(cf_clearance=text):
            return text
        case Texts(answers=answers):
            return " ".join(answers)
        case _:
            return None


def _whole(solution: Solution | None) -> Any:
    """Return an answer that has more to it than a text, as a journal may hold it."""
    if solution is None or isinstance(solution, Text | Texts):
        return None
    return json.loads(encode_solution(solution))


def _error(result: Result[Any]) -> dict[str, Any]:
    error = result.error
    assert error is not None
    return {
        "type": type(error).__name__,
        "message": str(error),
        "code": error.code,
        "charged": error.charged,
        "resumable": error.resumable,
    }


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _typed(value: Any, kind: type) -> Any:
    """Return a value as its column holds it: text as it is, what has parts as JSON."""
    if value is None or isinstance(value, kind):
        return value
    return json.dumps(value) if kind is str else kind(value)
