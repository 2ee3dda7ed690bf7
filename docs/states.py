"""Writes the state diagram of `docs/design.md` from the table in the code.

python docs/states.py          print it
python docs/states.py --write  put it into docs/design.md
"""

from __future__ import annotations

import sys
from pathlib import Path

from solvestream._core.lifecycle import TRANSITIONS, State

DESIGN = Path(__file__).parent / "design.md"
START, END = "<!-- states: made by docs/states.py -->\n", "<!-- end of states -->"


def diagram() -> str:
    """Return the states and steps of a job as a Mermaid diagram."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.QUEUED.value}"]
    for state, steps in TRANSITIONS.items():
        lines += [f"    {state.value} --> {to.value}: {step.value}" for step, to in steps.items()]
    lines += [f"    {state.value} --> [*]" for state in State if state.final]
    return "\n".join([*lines, "```", ""])


def page() -> str:
    """Return `docs/design.md` with the diagram as it should be."""
    text = DESIGN.read_text(encoding="utf-8")
    head, tail = text.split(START)[0], text.split(END)[1]
    return f"{head}{START}{diagram()}{END}{tail}"


if __name__ == "__main__":
    if "--write" in sys.argv:
        DESIGN.write_text(page(), encoding="utf-8")
    else:
        print(diagram())
