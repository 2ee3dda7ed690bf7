"""The README's code is code."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import re
import textwrap
from pathlib import Path

import pytest

from solvestream.cli.render import pictures

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0][:40])
def test_every_block_compiles(block):
    """What is shown can be pasted."""
    compile(block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_service_of_your_own_reads_an_image():
    """The block about the local service, run as it stands, prints the text of an image."""
    (block,) = [block for block in BLOCKS if "LocalService" in block]
    (picture,) = pictures(1, seed=3)
    main = f"async def main(image):\n{textwrap.indent(block, '    ')}"
    names: dict = {}
    exec(main, names)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        asyncio.run(names["main"](picture.image))
    assert output.getvalue().strip() == picture.text
