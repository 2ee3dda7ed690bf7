"""What the races ask for, and whether the answers are right. Standard library only."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable

PAGE = "https://example.com/page"
_PNG = b"\x89PNG\r\n\x1a\n"


class Lost(Exception):
    """A client that reports errors as values gave up on a task; the message is its reason."""


def image(number: int) -> bytes:
    """Return the image of a task: what the service takes for a PNG, different for each task."""
    return _PNG + b"%d" % number


def number_of(picture: bytes) -> int:
    """Return whose image it is."""
    return int(picture.removeprefix(_PNG))


def image_base64(number: int) -> str:
    """Return the image of a task as base64."""
    return base64.b64encode(image(number)).decode()


def site_key(number: int) -> str:
    """Return the site key of a token task, different for each."""
    return f"site-{number}"


def answers(number: int) -> set[str]:
    """Return what the service answers to the image and to the site key of a task."""
    token = hashlib.sha256(site_key(number).encode()).hexdigest()
    return {hashlib.sha256(image(number)).hexdigest()[:8], f"token-{token[:24]}"}


async def at_once(solve: Callable[[int], Awaitable[str]], count: int) -> list[str | BaseException]:
    """Run one coroutine a task, all at once, as everybody does."""
    return await asyncio.gather(*(solve(n) for n in range(count)), return_exceptions=True)
