"""`Secret`: an account's key that shows itself nowhere."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import quote

from solvestream.errors import UsageError


class Secret:
    """Holds a key; `repr`, `str`, formatting and pickling never show it.

    The key is taken out by `reveal()` at the last moment, while a request is built.
    Raises `UsageError` for a key that is empty, holds white space or is not ASCII; the
    message tells its length only.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        problem = _problem(value)
        if problem is not None:
            del value  # tracebacks that show locals must not show it
            raise UsageError(f"key: {problem}")
        self._value = value

    def reveal(self) -> str:
        """Return the key itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise UsageError("a key is never pickled; build the account where it is used")


def sealed(value: Any) -> tuple[Secret | None, str | None]:
    """Return a key as a `Secret`, or what is wrong with it; never raises while it holds it."""
    if isinstance(value, Secret):
        return value, None
    problem = _problem(value)
    return (Secret(value), None) if problem is None else (None, f"key: {problem}")


def without(secret: Secret, text: str) -> str:
    """Return a text without a secret: as it is, percent-encoded, in hex or base64, in any case."""
    key = secret.reveal()
    if len(key) < 8:  # too short for a real one, and part of too many words
        return text.replace(key, "***")
    data = key.encode()
    forms = {key, quote(key, safe=""), data.hex(), *_in_base64(data)}
    for form in sorted(forms, key=len, reverse=True):
        text = re.sub(re.escape(form), "***", text, flags=re.IGNORECASE)
    return text


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield what base64 makes of data amid other data, at each of the three places it may start."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        first = -(-before * 8 // 6)
        last = (before + len(data)) * 8 // 6
        core = text[first:last]
        if len(core) >= 8:
            yield core
            yield core.replace("+", "-").replace("/", "_")


def _problem(value: object) -> str | None:
    if not isinstance(value, str):
        return f"expected a string, got {type(value).__name__}"
    if not value:
        return "it is empty; pass the key shown in your account"
    if not value.isascii() or not value.isprintable() or " " in value:
        return (
            f"{len(value)} characters with white space, line ends or non-ASCII among them; "
            "strip it, a key has none"
        )
    return None
