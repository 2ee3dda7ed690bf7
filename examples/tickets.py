"""Submit in one process, wait in another: a ticket is a line of JSON.

    python tickets.py submit a.png b.png > tickets.jsonl
    python tickets.py wait < tickets.jsonl

The key is in CAPTCHAAI_API_KEY; SOLVESTREAM_URL is the service's address, if not its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from solvestream import CaptchaAI, Client, ImageToText, Pacing, SolvestreamError, Ticket

URL = os.environ.get("SOLVESTREAM_URL", "https://ocr.captchaai.com")
PACING = Pacing(first_look=float(os.environ.get("SOLVESTREAM_FIRST_LOOK", "10")))


async def submit(client: Client, path: str) -> None:
    """Have an image accepted, which is when it is paid; print its ticket."""
    ticket = await client.submit(ImageToText(Path(path)))
    print(ticket.to_json())


async def wait(client: Client, line: str) -> None:
    """Print the answer to a ticket."""
    ticket = Ticket.from_json(line)
    try:
        print(f"{ticket.task_id}: {(await client.wait(ticket)).unwrap()}")
    except SolvestreamError as error:
        print(f"{ticket.task_id}: {error}", file=sys.stderr)


async def main(command: str, paths: list[str]) -> None:
    """Do it for all at once."""
    async with (
        Client(CaptchaAI.from_env(base_url=URL, pacing=PACING)) as client,
        asyncio.TaskGroup() as group,
    ):
        for item in paths if command == "submit" else sys.stdin:
            group.create_task((submit if command == "submit" else wait)(client, item))


asyncio.run(main(sys.argv[1], sys.argv[2:]))
