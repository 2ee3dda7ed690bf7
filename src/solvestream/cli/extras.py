"""What each command needs beyond the library, and how to say that it cannot be done."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

Extra = Literal["cli", "local", "demo", "parquet"]

MODULES: dict[Extra, tuple[str, ...]] = {
    "cli": ("cyclopts", "rich"),
    "local": ("uvicorn", "rapidocr", "onnxruntime", "PIL"),
    "parquet": ("pyarrow",),
    "demo": ("PIL", "font_hanken_grotesk", "font_source_serif_pro"),
}
"""The modules of each extra that a command looks for before it begins."""


class MissingExtra(Exception):
    """Packages of an extra are not installed. The message says what to install."""


class CannotRun(Exception):
    """A command cannot do its work here. The message says why."""


def need(*extras: Extra) -> None:
    """Raise `MissingExtra` unless all of these are installed; imports none of it."""
    for extra in extras:
        absent = [module for module in MODULES[extra] if not _installed(module)]
        if absent:
            names = ", ".join(absent)
            raise MissingExtra(
                f'this needs {names}, not installed here: pip install "solvestream[{extra}]"'
            )


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # found by half: blocked, or without a spec
        return False
