"""The code blocks of a page, and how each is run.

* A `python` block runs in the page's namespace; `await` at its top level is fine.
* A block of any language with `title="name.py"` is a file: it is written, for another block to run.
* A `sh` block runs in the page's directory, line after line. One that begins with
  `solvestream serve` is started, and runs until the page has ended.
* A `text` block with `title="Output"` is what the block before it prints; `...` is anything.
* `<!-- not run: reason -->` before a block says why it is not. Other languages are not run.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<why>[^>]+) -->\s*\n)?"
    r"^(?P<indent> *)```(?P<language>\w+)(?P<rest>[^\n]*)\n(?P<code>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
_TITLE = re.compile(r'title="([^"]+)"')


@frozen(kw_only=True)
class Block:
    """A fenced block: what it is, where it begins, and why it is not run, if so."""

    language: str
    code: str
    line: int
    title: str | None
    why: str | None

    @property
    def is_output(self) -> bool:
        """Whether it is what the block before it prints."""
        return self.title == "Output"

    @property
    def is_file(self) -> bool:
        """Whether it is written to a file."""
        return self.title is not None and not self.is_output

    @property
    def is_run(self) -> bool:
        """Whether it is run where it stands."""
        return self.language in {"python", "sh"} and not (self.why or self.title)


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            language=found["language"],
            code=textwrap.dedent(found["code"]),
            line=text.count("\n", 0, found.start("code")) + 1,
            title=title[1] if (title := _TITLE.search(found["rest"])) else None,
            why=found["why"],
        )
        for found in _BLOCK.finditer(text)
    ]
