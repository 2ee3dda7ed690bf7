"""`Secret`: an account's key that shows itself nowhere."""

from __future__ import annotations

from typing import NoReturn

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
