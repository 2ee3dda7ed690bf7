"""Keeps what the layers below httpx log of our requests out of every log: it holds the key."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Final

_LOGGERS: Final = frozenset({"httpx", "httpcore", "httpx2", "httpcore2", "h2", "hpack"})

silent: ContextVar[bool] = ContextVar("solvestream_silent", default=False)
"""Set while one of our exchanges runs."""


class _Silence(logging.Filter):
    """Drops records written while one of our exchanges runs: they may hold the key."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep what is written for anybody else."""
        del record
        return not silent.get()


_silence: Final = _Silence()
_heard: set[str] = set()


def mute() -> None:
    """Put the filter on all loggers of the layers below, those made since the last time too."""
    known = logging.root.manager.loggerDict
    if len(known) == len(_heard):
        return
    for name in known.keys() - _heard:
        if name.partition(".")[0] in _LOGGERS:
            logging.getLogger(name).addFilter(_silence)
    _heard.update(known)
