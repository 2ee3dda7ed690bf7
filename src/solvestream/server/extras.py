"""What the service needs beyond the library, and how to say that it is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class MissingExtra(ImportError):
    """A package of the extra `local` is not installed."""


def need(module: str) -> Any:
    """Import and return a module of the extra.

    Raises `MissingExtra`, which says what to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f'the local service needs {error.name or module}: pip install "solvestream[local]"'
        ) from None
