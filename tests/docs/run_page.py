"""Runs one page as a reader would: `python run_page.py PAGE`, in an empty directory.

An error's traceback names the page and the line.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from doctest import ELLIPSIS, OutputChecker
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from blocks import ROOT, Block, blocks

SERVE = "solvestream serve"
HERE = "http://127.0.0.1:8080"
"""Where `solvestream serve` is in the pages; in a test it takes a free port."""
SOLVORA = "https://ocr.example"
"""A Solvora service in the pages."""
SHOP = "https://shop.example"
"""A web site in the pages: the page's own directory."""

SYNOPSIS = """
from solvestream import *
from solvestream.cli.render import pictures
image = next(pictures(1, seed=3)).image
task = ImageToText(image)
tasks = [ImageToText(image) for _ in range(5)]
"""
SYNOPSES = {"README.md", "trust.md"}
"""Pages that use names without saying where they are from."""


def run(page: Path) -> None:
    """Run the blocks of a page, in one namespace and one event loop."""
    names: dict[str, Any] = {"__name__": "__main__"}
    where = {SOLVORA: os.environ["DOCS_SERVICE"]}
    exec(SYNOPSIS if page.name in SYNOPSES else "", names)
    printed = ""
    with asyncio.Runner() as runner, shop() as where[SHOP], servants() as serve:
        for block in blocks(page):
            code = moved(block.code, where)
            if block.is_output:
                check(page, block, printed)
            elif block.is_file:
                write(Path(str(block.title)), code)
            elif block.is_run and code.startswith(SERVE):
                where[HERE] = serve(code)
            elif block.is_run:
                sh = block.language == "sh"
                code = code if sh else "\n" * (block.line - 1) + code
                printed = run_sh(code) if sh else run_python(code, page, names, runner)


def write(path: Path, code: str) -> None:
    """Write a block that is a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, encoding="utf-8")


def run_sh(code: str) -> str:
    """Run commands; return what they print."""
    done = subprocess.run(["sh", "-euc", code], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{code}exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def run_python(code: str, page: Path, names: dict[str, Any], runner: asyncio.Runner) -> str:
    """Run a block as a notebook would: what awaits at the top level is awaited."""
    name = str(page.relative_to(ROOT))
    compiled = compile(code, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with redirect_stdout(io.StringIO()) as out:
        made = eval(compiled, names)
        if inspect.iscoroutine(made):
            runner.run(made)
    return out.getvalue()


def check(page: Path, block: Block, printed: str) -> None:
    """Compare what a block printed with what the page says."""
    if not OutputChecker().check_output(block.code, printed, ELLIPSIS):
        sys.exit(f"{page.name}:{block.line} says\n{block.code}\nbut this was printed:\n{printed}")


def moved(code: str, where: dict[str, str]) -> str:
    """Put the addresses of this run in the place of those that the pages show."""
    for shown, real in where.items():
        code = code.replace(shown, real)
    return code


@contextmanager
def shop() -> Iterator[str]:
    """Serve the page's directory: a web site for those who crawl one."""
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def servants() -> Iterator[Any]:
    """Start `solvestream serve` when asked, and end it with the page."""
    started: list[subprocess.Popen[str]] = []

    def serve(command: str) -> str:
        arguments = [*command.split("#", maxsplit=1)[0].split(), "--port", "0"]
        child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        started.append(child)
        assert child.stdout is not None
        return child.stdout.readline().split()[-1]

    try:
        yield serve
    finally:
        for child in started:
            child.terminate()
            child.communicate()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
