"""Tells griffe, which reads the sources for the reference, what it cannot see by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import griffe

MAKERS = frozenset({"frozen", "define"})
KINDS = griffe.ParameterKind


class AttrsSignatures(griffe.Extension):
    """Gives attrs classes the `__init__` they have at run time."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Go through all classes, once all are known."""
        for one in list(walk(pkg)):
            if isinstance(one, griffe.Class) and maker(one) and "__init__" not in one.members:
                one.set_member("__init__", init(one))


class LiteralBlocks(griffe.Extension):
    """Takes the second colon off `::`, which is not for Markdown."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Go through all docstrings."""
        for one in walk(pkg):
            if one.docstring is not None:
                one.docstring.value = one.docstring.value.replace("::\n", ":\n")


def walk(one: griffe.Object) -> Iterator[griffe.Object]:
    """Yield an object and all that is in it."""
    yield one
    for member in one.members.values():
        if isinstance(member, griffe.Object):
            yield from walk(member)


def maker(one: griffe.Class) -> str | None:
    """Return the decorator's text, as `frozen(kw_only=True)`, of an attrs class."""
    for decorator in one.decorators:
        text = str(decorator.value)
        if text.partition("(")[0] in MAKERS:
            return text
    return None


def init(one: griffe.Class) -> griffe.Function:
    """Return the `__init__` attrs gives a class."""
    options: dict[str, griffe.Parameter] = {}
    for level in [*reversed(one.mro()), one]:
        made = maker(level)
        if made is not None:
            options |= parameters(level, kw_only="kw_only=True" in made)
    me = griffe.Parameter("self", kind=KINDS.positional_or_keyword)
    ordered = sorted(options.values(), key=named)
    return griffe.Function("__init__", parameters=griffe.Parameters(me, *ordered), parent=one)


def named(option: griffe.Parameter) -> bool:
    """Whether an option can be given by name only."""
    return option.kind is KINDS.keyword_only


def parameters(one: griffe.Class, *, kw_only: bool) -> dict[str, griffe.Parameter]:
    """Return what the class's own fields are in `__init__`."""
    found: dict[str, griffe.Parameter] = {}
    for member in one.members.values():
        if not isinstance(member, griffe.Attribute) or "instance-attribute" not in member.labels:
            continue
        given = options_of(member.value)
        if given.get("init") == "False" or member.annotation is None:
            continue
        name, by_name = member.name.lstrip("_"), kw_only or given.get("kw_only") == "True"
        found[name] = griffe.Parameter(
            name,
            annotation=taken(one, given.get("converter")) or member.annotation,
            kind=KINDS.keyword_only if by_name else KINDS.positional_or_keyword,
            default=given.get("default", "..." if "factory" in given else None),
        )
    return found


def options_of(value: Any) -> dict[str, Any]:
    """Return the options of `field(...)`, or the plain default as one."""
    if not isinstance(value, griffe.ExprCall) or str(value.function) != "field":
        return {} if value is None else {"default": value}
    named = [one for one in value.arguments if isinstance(one, griffe.ExprKeyword)]
    return {one.name: str(one.value) if one.name != "default" else one.value for one in named}


def taken(one: griffe.Class, converter: str | None) -> Any:
    """Return the type a field's converter takes, where it is a function of the same module."""
    function = one.module.members.get(converter or "")
    return function.parameters[0].annotation if isinstance(function, griffe.Function) else None
