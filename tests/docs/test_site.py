"""The site is whole: it builds, every public name is in the reference, every page is found."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path

import pytest

import solvestream
from tests.docs.blocks import PAGES, ROOT

DOCS = ROOT / "docs"
CONFIG = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
UNSHOWN = {
    "solvestream.__main__": "a command",
    "solvestream.cli": "commands; the reference has what they print as help",
    "solvestream.client": "the home of what solvestream exports",
    "solvestream.errors": "the same",
    "solvestream.results": "the same",
    "solvestream.solutions": "the same",
    "solvestream.stream": "the same",
    "solvestream.tasks": "the same",
}


def public_modules():
    """Modules that users import from: a package with `__all__` speaks for what is in it."""
    found = []
    for module in pkgutil.walk_packages(solvestream.__path__, "solvestream."):
        hidden = any(part.startswith("_") for part in module.name.split("."))
        spoken_for = any(module.name.startswith(f"{one}.") for one in [*UNSHOWN, *found])
        if hidden or spoken_for or module.name in UNSHOWN:
            continue
        if not module.ispkg or hasattr(importlib.import_module(module.name), "__all__"):
            found.append(module.name)
    return ["solvestream", *found]


def public(module):
    """Classes, functions and exported values that a user may take from a module, by name."""
    if hasattr(module, "__all__"):
        return {name: getattr(module, name) for name in module.__all__ if name != "__version__"}
    return {
        name: one
        for name, one in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(one) or inspect.isfunction(one))
        and one.__module__ == module.__name__
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The outcome of a build, in a place of its own, and that place."""
    pytest.importorskip("zensical", reason="the dependency group `docs`")
    place = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, place / "docs")
    (place / "src").symlink_to(ROOT / "src")
    (place / "zensical.toml").write_bytes((ROOT / "zensical.toml").read_bytes())
    command = [Path(sys.executable).parent / "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    return done, place / CONFIG["site_dir"]


@pytest.fixture(scope="module")
def shown(built):
    """The identities of all objects that have a place in the built reference."""
    inventory = (built[1] / "objects.inv").read_bytes()
    lines = zlib.decompress(inventory.split(b"\n", 4)[4]).decode().splitlines()
    found = set()
    for path in {line.split()[0] for line in lines}:
        with contextlib.suppress(AttributeError):  # of an instance
            found.add(id(pkgutil.resolve_name(path)))
    return found


def test_the_site_builds_without_a_warning(built):
    """Every link leads somewhere, and every name of the reference exists."""
    done, _ = built
    assert done.returncode == 0, COLOUR.sub("", done.stdout + done.stderr)


@pytest.mark.parametrize("module", public_modules())
def test_every_public_name_is_in_the_reference(module, shown):
    """Under its own name, or under another module's that exports it."""
    names = public(importlib.import_module(module))
    assert [name for name, one in names.items() if id(one) not in shown] == []


def test_every_page_is_in_the_navigation_and_the_other_way_round():
    """Nothing is written that no reader finds, and nothing is promised that is not there."""
    listed = re.findall(r"'([\w/-]+\.md)'", str(CONFIG["nav"]))
    pages = (page.relative_to(DOCS).as_posix() for page in PAGES if DOCS in page.parents)
    assert sorted(listed) == sorted(pages)


def test_the_diagrams_are_those_of_the_code():
    """`python docs/diagrams.py --write` renews them."""
    done = subprocess.run(
        [sys.executable, DOCS / "diagrams.py"], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


def test_every_room_of_the_code_is_told_of():
    """`docs/design.md` says of each module and package of the top what it holds."""
    told = (DOCS / "design.md").read_text(encoding="utf-8")
    rooms = [one.name for one in pkgutil.iter_modules(solvestream.__path__)]
    missing = [name for name in rooms if f"`{name}.py`" not in told and f"`{name}/`" not in told]
    assert missing == ["__main__"]
