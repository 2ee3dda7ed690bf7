"""HTML and SVG from values: what is no `Markup` is escaped, so nothing can be forgotten."""

from __future__ import annotations

from html import escape


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, /, *inside: str, **attributes: str | float | None) -> Markup:
    """Return one element.

    Attributes are named as in Python: `class_`, `stroke_width`; `None` leaves one out. Numbers
    are written to a tenth.
    """
    return Markup(f"<{name}{_written(attributes)}>{join(*inside)}</{name}>")


def empty(name: str, /, **attributes: str | float | None) -> Markup:
    """Return an element of HTML that has no end, as `meta`."""
    return Markup(f"<{name}{_written(attributes)}>")


def join(*parts: str) -> Markup:
    """Return parts one after the other, escaped where they are no markup."""
    return Markup("".join(one if isinstance(one, Markup) else escape(one) for one in parts))


def number(value: float) -> str:
    """Write a number to a tenth, without what says nothing."""
    return f"{value:.1f}".removesuffix(".0")


def _written(attributes: dict[str, str | float | None]) -> str:
    pairs = (
        (name.rstrip("_").replace("_", "-"), value)
        for name, value in attributes.items()
        if value is not None
    )
    return "".join(
        f' {name}="{escape(value) if isinstance(value, str) else number(value)}"'
        for name, value in pairs
    )
