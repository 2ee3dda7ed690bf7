"""The structure is tested: names, arrows, docstrings, light imports, the wheel."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import solvestream

ROOT = Path(__file__).parent.parent
TESTS = sorted(Path(__file__).parent.rglob("test_*.py"))
DESIGN_NAMES = [
    "Client",
    "CaptchaAI",
    "Solvora",
    "CapSolver",
    "Pacing",
    "ImageToText",
    "RecaptchaV2",
    "RecaptchaV3",
    "Turnstile",
    "CloudflareChallenge",
    "GeeTestV3",
    "GeeTestV4",
    "Bls",
    "RawTask",
    "Proxy",
    "Text",
    "Texts",
    "Token",
    "GeeTestV3Solution",
    "GeeTestV4Solution",
    "Clearance",
    "Balance",
    "Ticket",
    "Result",
    "SolvestreamError",
    "InvalidTask",
    "AccountError",
    "TaskFailed",
    "TaskLost",
    "SubmitUnknown",
    "DeadlineExceeded",
    "Busy",
    "ProtocolError",
    "TransportError",
    "UsageError",
    "WrongLoop",
    "ClientClosed",
]


def public_modules():
    for module in pkgutil.walk_packages(solvestream.__path__, "solvestream."):
        if not any(part.startswith("_") for part in module.name.split(".")):
            yield module.name


def test_every_name_of_the_design_is_there():
    """What users import is what was promised."""
    assert set(DESIGN_NAMES) <= set(solvestream.__all__)


def test_each_public_name_is_exported_once_and_in_order():
    """No doubles, nothing missing, sorted."""
    names = [name for name in solvestream.__all__ if name != "__version__"]
    assert names == sorted(set(names))
    objects = [getattr(solvestream, name) for name in names]
    assert len({id(one) for one in objects}) == len(objects)
    visible = {n for n, v in vars(solvestream).items() if inspect.isclass(v)}
    assert visible == {n for n in names if inspect.isclass(getattr(solvestream, n))}


def test_every_public_class_and_method_has_a_docstring():
    """A user can ask help() for anything."""
    bare = []
    for name in solvestream.__all__:
        one = getattr(solvestream, name)
        if not inspect.isclass(one):
            continue
        methods = [
            f"{name}.{n}"
            for n, method in vars(one).items()
            if inspect.isfunction(method) and not n.startswith("_") and not method.__doc__
        ]
        bare += methods + ([] if one.__doc__ else [name])
    assert bare == []


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_every_test_says_in_one_sentence_what_it_shows(path):
    """The test suite reads as a list of facts."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test"
        ):
            assert ast.get_docstring(node), f"{path.name}:{node.lineno} {node.name}"


def test_importing_the_library_loads_nothing_optional():
    """`import solvestream` leaves httpx, the service and everything in extras alone."""
    heavy = [
        "httpx",
        "httpcore",
        "cattrs",
        "rich",
        "cyclopts",
        "uvicorn",
        "rapidocr",
        "numpy",
        "PIL",
        "trio",
        "sqlite3",
        "opentelemetry",
        "prometheus_client",
        "fastapi",
        "aiohttp",
        "pyarrow",
    ]
    code = f"import sys, solvestream; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_module_can_be_imported():
    """With all extras installed, nothing fails at import."""
    for name in public_modules():
        if not name.endswith("__main__"):
            importlib.import_module(name)


def test_the_package_under_test_is_the_built_wheel():
    """CI tests what users install: `src` is out of reach there."""
    place = Path(solvestream.__file__).resolve()
    if os.environ.get("SOLVESTREAM_TEST_WHEEL"):
        assert "site-packages" in place.parts
        assert ROOT / "src" not in place.parents
    assert (place.parent / "py.typed").exists()


def test_nothing_committed_names_a_machine_or_a_registry():
    """No path of one machine, no host of a package registry."""
    places = ["*.*", ".ci/*", *(f"{d}/**/*.*" for d in ("src", "tests", "docs", "benchmarks"))]
    paths = {path for place in places for path in ROOT.glob(place)}
    texts = [path for path in paths if path.suffix in {".py", ".md", ".toml", ".json", ".yml", ""}]
    assert len(texts) > 100
    hidden = [path for path in texts if "/.venv" in path.as_posix()]
    for path in set(texts) - set(hidden):
        text = path.read_text(errors="replace") if path.is_file() else ""
        for sign in ("index" + "-url", "/wo" + "rk/", "files.python" + "hosted"):
            assert sign not in text, f"{path}: {sign}"
