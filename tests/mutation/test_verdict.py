"""The verdict, changed in every way that mutmut leaves out: patterns, table, each verdict named.

Each change must be noticed by `tests/core/test_verdict.py`.
"""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from solvestream._core import verdict
from solvestream._wire import Sent
from tests.core import test_verdict as guard

TESTS = [test for name, test in vars(guard).items() if name.startswith("test_")]
ENUMS = {"Verdict": verdict.Verdict, "Sent": Sent}


def changes() -> Iterator[tuple[str, ast.Module]]:
    """Yield each changed module and what is changed; it shares the enum with the original."""
    tree = ast.parse(inspect.getsource(verdict))
    tree.body = [node for node in tree.body if getattr(node, "name", "") != "Verdict"]
    for place in range(len(list(ast.walk(tree)))):
        for number in itertools.count():
            changed = copy.deepcopy(tree)
            node = list(ast.walk(changed))[place]
            told = change(node, number)
            if told is None:
                break
            yield f"line {getattr(node, 'lineno', 0)}: {told}", ast.fix_missing_locations(changed)


def change(node: ast.AST, number: int) -> str | None:
    """Make the n-th change of a node in place; `None` when there are no more."""
    match node:
        case ast.MatchOr(patterns=parts) if number < len(parts):
            before, parts[number] = parts[number], parts[number - 1]  # a pattern needs two
            return f"without {ast.unparse(before)}"
        case ast.Dict(keys=keys, values=values) if number < len(keys):
            del values[number]
            return f"without {ast.unparse(keys.pop(number))}"
        case ast.Attribute(value=ast.Name(id=name)) if name in ENUMS:
            others = [one.name for one in ENUMS[name] if one.name != node.attr]
            if number < len(others):
                was, node.attr = node.attr, others[number]
                return f"{name}.{was} is {node.attr}"
    return None


def calls(test: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each case of a test."""
    axes = []
    for mark in getattr(test, "pytestmark", []):
        names, cases = mark.args
        if isinstance(names, str):
            names, cases = (names,), [(case,) for case in cases]
        axes.append([dict(zip(names, case, strict=True)) for case in cases])
    for parts in itertools.product(*axes):
        yield {name: value for part in parts for name, value in part.items()}


def noticed() -> bool:
    try:
        for test in TESTS:
            for case in calls(test):
                test(**case)
    except AssertionError:
        return True
    return False


def test_every_change_of_the_verdict_is_noticed(monkeypatch: pytest.MonkeyPatch):
    """None survives; the verdict as it is passes, and there are as many changes as there should."""
    assert not noticed()
    survivors, count = [], 0
    for told, tree in changes():
        module = {"__name__": "changed", "Verdict": verdict.Verdict}
        exec(compile(tree, "changed", "exec"), module)
        monkeypatch.setattr(guard, "judge", module["judge"])
        count += 1
        if not noticed():
            survivors.append(told)
    print(f"{count} changes, {len(survivors)} not noticed")
    assert survivors == []
    assert count >= 40
