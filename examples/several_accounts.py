"""Use several accounts at once: `python several_accounts.py a.png b.png ...`.

Each image goes to an account that reads images and has room. Keys are in CAPTCHAAI_API_KEY,
CAPSOLVER_API_KEY and SOLVORA_API_KEY, Solvora's address in SOLVORA_BASE_URL; SOLVESTREAM_URL
is the address of a service that speaks all three protocols, as `solvestream serve` does.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from solvestream import CapSolver, CaptchaAI, Client, ImageToText, Pacing, Solvora

URL = os.environ.get("SOLVESTREAM_URL")
WHERE: dict[str, Any] = {"base_url": URL} if URL else {}
FIRST_LOOK = float(os.environ.get("SOLVESTREAM_FIRST_LOOK", "10"))


async def main(paths: list[str]) -> None:
    """Print each text with the account that read it, then what each account did."""
    accounts = (
        CaptchaAI.from_env(**WHERE, slots=2, pacing=Pacing(first_look=FIRST_LOOK)),
        Solvora.from_env(**WHERE, slots=2),
        CapSolver.from_env(**WHERE),
    )
    async with Client(*accounts) as client:
        tasks = (ImageToText(Path(path), tag=path) for path in paths)
        async for result in client.stream(tasks, ordered=True):
            answer = result.solution.text if result.ok else result.error
            print(f"{result.tag}: {answer} ({result.account})")
        for name, did in client.statistics().accounts.items():
            print(f"{name}: {did.submits} submits, {did.looks} looks, {did.solved} solved")


asyncio.run(main(sys.argv[1:]))
