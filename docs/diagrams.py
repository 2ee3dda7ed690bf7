"""Makes from the code what the docs show of it: two diagrams, and the commands' help.

python docs/diagrams.py          print the files that are not as the code is
python docs/diagrams.py --write  renew them
"""

from __future__ import annotations

import io
import re
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from rich.console import Console

from solvestream._core.lifecycle import TRANSITIONS, State
from solvestream.cli.app import app

DOCS = Path(__file__).parent
CLI = DOCS / "reference" / "cli.md"
_COMMANDS = re.compile(r"(?<=<!-- made by docs/diagrams.py -->\n).*", re.DOTALL)

BOX, LETTER = 32, 7.8
"""Pixels: the height of a box, the width of a letter."""
STYLE = """\
<style>
text { font: 13px ui-monospace, Menlo, Consolas, monospace; text-anchor: middle; fill: #222 }
.step { font-size: 12px; fill: #3b5bdb }
rect { fill: #f4f6fb; stroke: #555 }
.end { stroke-dasharray: 4 3 }
path { fill: none; stroke: #777 }
circle, marker path { fill: #777; stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e6e6 } .step { fill: #91a7ff }
  rect { fill: #23262e; stroke: #aaa }
}
</style>
<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0 8 4 0 8z"/></marker>"""

LIVE_X, LIVE_GAP = 138, 78
END_X, END_GAP, END_Y = 270, 92, 350


def states() -> str:
    """Draw the states of a job: live ones downwards, and a column for each end with its step."""
    live, ends = list(TRANSITIONS), [state for state in State if state.final]
    shapes = [arrow(f"M{LIVE_X} 4V20")]
    for row, state in enumerate(live):
        y, columns = row_y(row), [ends.index(to) for to in TRANSITIONS[state].values() if to.final]
        shapes.append(line(f"M{LIVE_X + 54} {y}H{END_X + END_GAP * max(columns)}"))
        shapes += [f'<circle cx="{END_X + END_GAP * one}" cy="{y}" r="4"/>' for one in columns]
        for step, to in TRANSITIONS[state].items():
            if not to.final:
                shapes += way(row, live.index(to), step.value)
        shapes += box(LIVE_X, y, state.value, 108)
    for column, end in enumerate(ends):
        first = min(row for row, state in enumerate(live) if end in TRANSITIONS[state].values())
        shapes += ending(END_X + END_GAP * column, row_y(first), end)
    return svg(END_X + END_GAP * (len(ends) - 1) + 66, END_Y + 24, shapes)


def ending(x: float, top: float, end: State) -> Iterator[str]:
    """Draw an end, and the one step that leads to it, from the first row that has it."""
    (step,) = {step for ways in TRANSITIONS.values() for step, to in ways.items() if to is end}
    yield arrow(f"M{x} {top}V{END_Y - BOX / 2}")
    yield label(x + 7, END_Y - 30, step.value, "start")
    yield from box(x, END_Y, end.value, 84, "end")


def row_y(row: int) -> int:
    """Return where a live state stands."""
    return 36 + LIVE_GAP * row


def way(here: int, there: int, step: str) -> Iterator[str]:
    """Draw a step between live states: down, up, or past others on the left."""
    if abs(there - here) == 1:
        down = there > here
        x, edge = (LIVE_X - 12, BOX / 2) if down else (LIVE_X + 12, -BOX / 2)
        yield arrow(f"M{x} {row_y(here) + edge}V{row_y(there) - edge}")
        y = (row_y(here) + row_y(there)) / 2 + 4
        yield label(x - 6, y, step, "end") if down else label(x + 6, y, step, "start")
    else:
        left = LIVE_X - 54
        yield arrow(f"M{left} {row_y(here)}H{left - 50}V{row_y(there)}H{left}")
        yield label(left - 44, (row_y(here) + row_y(there)) / 2 + 4, step, "start")


def arrows() -> str:
    """Draw the layers of the packages, from the import contracts."""
    config = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    (layers,) = [one["layers"] for one in contracts if one["type"] == "layers"]
    rows = [row.replace("solvestream.", "").split(" | ") for row in layers]
    width = max(sum(LETTER * len(name) + 34 for name in row) for row in rows) + 20
    shapes: list[str] = []
    for number, row in enumerate(rows):
        x = (width - sum(LETTER * len(name) + 34 for name in row)) / 2
        for name in row:
            wide = LETTER * len(name) + 34
            shapes += box(x + wide / 2, layer_y(number), name, wide - 14)
            x += wide
    for above, below in pairwise(range(len(rows))):
        edges = layer_y(above) + BOX / 2 + 3, layer_y(below) - BOX / 2 - 3
        shapes.append(arrow(f"M{width / 2} {edges[0]}V{edges[1]}"))
    return svg(width, layer_y(len(rows) - 1) + BOX, shapes)


def layer_y(number: int) -> int:
    """Return where a layer stands."""
    return 24 + 52 * number


def box(x: float, y: float, name: str, wide: float, kind: str = "") -> list[str]:
    """Draw a named box around a point."""
    place = f'x="{x - wide / 2:g}" y="{y - BOX / 2:g}" width="{wide:g}" height="{BOX}" rx="5"'
    return [f'<rect class="{kind}" {place}/>', f'<text x="{x:g}" y="{y + 4:g}">{name}</text>']


def label(x: float, y: float, step: str, anchor: str) -> str:
    """Write the name of a step, from its start or its end."""
    return f'<text class="step" x="{x:g}" y="{y:g}" style="text-anchor:{anchor}">{step}</text>'


def line(path: str) -> str:
    """Draw a line."""
    return f'<path d="{path}"/>'


def arrow(path: str) -> str:
    """Draw a line with a tip."""
    return f'<path d="{path}" marker-end="url(#tip)"/>'


def svg(width: float, height: float, shapes: list[str]) -> str:
    """Return a picture, that follows the light or dark of its reader."""
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    return "\n".join([head, STYLE, *shapes, "</svg>", ""])


def commands() -> str:
    """Return the page of the command line with the help of every command."""
    shown: list[str] = []
    for name in sorted(name for name in app if not name.startswith("-")):
        out = io.StringIO()
        app.help_print([name], console=Console(file=out, width=88))
        text = [line.rstrip() for line in out.getvalue().strip().splitlines()]
        shown += ["", f"## solvestream {name}", "", "```text", *text, "```"]
    return _COMMANDS.sub(lambda _: "\n".join([*shown, ""]), CLI.read_text(encoding="utf-8"))


def stale() -> dict[Path, str]:
    """Return the files that are not as the code is, with the text they should have."""
    made = {
        DOCS / "img" / "states.svg": states(),
        DOCS / "img" / "arrows.svg": arrows(),
        CLI: commands(),
    }
    return {
        path: text
        for path, text in made.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }


if __name__ == "__main__":
    for path, text in stale().items():
        print(path.relative_to(DOCS.parent))
        if "--write" in sys.argv:
            path.write_text(text, encoding="utf-8")
