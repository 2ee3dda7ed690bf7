"""solvestream with a journal: as `ours`, whose client is given one."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from clients import ours
from solvestream import Client

warm_up = ours.warm_up


async def solve_all(url: str, key: str, count: int, **options: Any) -> list[str | BaseException]:
    with tempfile.TemporaryDirectory() as folder:
        journaled = partial(Client, journal=Path(folder) / "run.db")
        with patch.object(ours, "Client", journaled):
            return await ours.solve_all(url, key, count, **options)
