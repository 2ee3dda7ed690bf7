"""How a run is watched: a live screen on a terminal, lines of progress elsewhere, a table at last.

All of it is on standard error.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Self

from attrs import define, field
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style

from solvestream import Statistics
from solvestream.cli import view
from solvestream.cli.view import Figures, Line
from solvestream.observe.tally import Tally

FRAME = 0.25
"""Seconds between frames of the live screen."""
LINE = 10.0
"""Seconds between lines of progress."""
RECENT = 10.0
"""Seconds over which the rate is taken."""


@define
class Frame:
    """Lines that rich shall draw as they are, cut at the edge of the screen."""

    lines: list[Line] = field(factory=list[Line])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield a segment a line: nothing is wrapped, highlighted or measured."""
        for style, text in self.lines:
            yield Segment(text[: options.max_width], Style.parse(style))
            yield Segment.line()


@define(eq=False)
class Screen:
    """Shows a run while it goes on. It lives in the loop of the run.

    A thread does the writing: a terminal may stand still, as by Ctrl-S, and answers that are paid
    for do not wait. Frames are left out meanwhile.

    Attributes:
        tally: what has happened, by events.
        total: tasks there will be, if that is known.
        skipped: returns how many tasks were finished before.
        live: draw frames; else print lines.
        stopping: what to say while the run comes to its end.
    """

    tally: Tally
    total: int | None
    skipped: Callable[[], int]
    live: bool
    stopping: str = ""
    _statistics: Callable[[], Statistics] | None = None
    _began: float = 0.0
    _recent: deque[tuple[float, int]] = field(factory=deque[tuple[float, int]])
    _timer: asyncio.TimerHandle | None = None
    _frame: Frame = field(factory=Frame)
    _drawn: Live | None = None
    _shows: SimpleQueue[Callable[[], object] | None] = field(
        factory=SimpleQueue["Callable[[], object] | None"]
    )
    _writer: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._writer = threading.Thread(target=self._write, name="screen", daemon=True)
        self._writer.start()
        return self

    def watch(self, statistics: Callable[[], Statistics]) -> None:
        """Begin to show; to be called in the loop."""
        self._statistics = statistics
        if self.live:
            console = Console(stderr=True, highlight=False)
            self._drawn = Live(
                self._frame,
                console=console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
            )
            self._drawn.start()
        self._go_on()

    def say(self, text: str) -> None:
        """Tell something that stays to be seen."""
        self.stopping = text
        if self._drawn is None:
            self._shows.put(partial(print, text, file=sys.stderr, flush=True))

    def _write(self) -> None:
        for show in iter(self._shows.get, None):
            with suppress(OSError):  # nobody looks any more
                show()

    def print_row(self, row: Any) -> None:
        """Print a row on the terminal that the screen is drawn on, above it."""
        text = json.dumps(row)
        if self._drawn is None:
            print(text, flush=True)
        else:
            self._drawn.console.out(text, highlight=False)

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._shows.put(None)
        self._writer.join()
        if self._drawn is not None:
            self._drawn.stop()
            self._drawn = None

    def finish(self) -> None:
        """Show the table and the last line."""
        figures = self.figures()
        console = Console(stderr=True, highlight=False)
        width = console.width if console.is_terminal else 1_000
        for style, text in view.table(figures) if self.tally.ended else ():
            console.out(text[:width], style=style or None, highlight=False)
        print(view.last(figures), file=sys.stderr, flush=True)

    def figures(self) -> Figures:
        """Return this moment."""
        gone = time.monotonic() - self._began
        return Figures(
            tally=self.tally,
            accounts={} if self._statistics is None else self._statistics().accounts,
            total=self.total,
            skipped=self.skipped(),
            now=time.time(),
            gone=gone,
            rate=self._rate(gone),
            stopping=self.stopping,
        )

    def _rate(self, gone: float) -> float:
        recent = self._recent
        since, solved = recent[0] if recent else (0.0, 0)
        return (self.tally.solved - solved) / max(gone - since, FRAME)

    def _go_on(self) -> None:
        self.tick()
        pause = FRAME if self.live else LINE
        self._timer = asyncio.get_running_loop().call_later(pause, self._go_on)

    def tick(self) -> None:
        """Show this moment: a frame, or a line."""
        figures = self.figures()
        recent = self._recent
        recent.append((figures.gone, self.tally.solved))
        while recent[0][0] < figures.gone - RECENT:
            recent.popleft()
        if not self._shows.empty():
            return
        if self._drawn is not None:
            self._frame.lines = list(view.screen(figures))
            self._shows.put(self._drawn.refresh)
        elif figures.gone > LINE / 2:
            self._shows.put(partial(print, view.progress(figures), file=sys.stderr, flush=True))
