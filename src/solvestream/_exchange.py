"""One exchange at one account: build the request, send it, read the reply. Total, like its parts.

A protocol module may be a user's own. Whatever it does wrong, a raise or an answer that is no
outcome, ends as trouble with one task or one look, and never reaches the engine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar, cast

import anyio.to_thread

from solvestream._core.job import Job, Unfit
from solvestream._outcomes import (
    Accepted,
    LookOutcome,
    Mismatch,
    SubmitOutcome,
    Unknown,
)
from solvestream._wire import Broken, Transport
from solvestream.errors import InvalidTask, ProtocolError, SolvestreamError
from solvestream.providers._protocol import Call, Provider
from solvestream.tasks import ImageToText

T = TypeVar("T")

MAX_IMAGE = 16 << 20
"""Bytes of an image file read at most; what a service takes is far less."""
IMPROPER = "the protocol module gave no proper outcome"


async def prepare(account: Provider, job: Job) -> Call[SubmitOutcome] | Unfit:
    """Build a submit's request, reading the image's file in a thread."""
    task = job.task
    image: bytes | None = None
    try:
        if isinstance(task, ImageToText):
            if isinstance(task.image, Path):
                image = await anyio.to_thread.run_sync(task.load, MAX_IMAGE)
            else:
                image = task.load(MAX_IMAGE)
        return account.submit(task, image)
    except SolvestreamError as error:
        if isinstance(error, InvalidTask) and isinstance(task, ImageToText):
            _name_file(error, task)
        return Unfit(bare(error))
    except Exception as error:  # noqa: BLE001 - a plug-in's bug must not end other tasks
        return Unfit(ProtocolError(f"the protocol module failed at the task ({name_of(error)})"))


async def submit(transport: Transport, call: Call[SubmitOutcome]) -> Broken | SubmitOutcome:
    """Send a submit and read its reply."""
    outcome = await send(transport, call)
    if isinstance(outcome, SolvestreamError):
        return Unknown(str(outcome))
    return outcome if _is_proper(outcome) else Unknown(IMPROPER)


async def look(
    account: Provider, jobs: list[Job], transport: Transport
) -> Broken | Mismatch | list[LookOutcome]:
    """Send a look and read its reply."""
    try:
        call = account.look(jobs)
    except Exception as error:  # noqa: BLE001 - a plug-in's bug must not end other tasks
        return _all_unknown(jobs, f"the protocol module failed at an id ({name_of(error)})")
    outcomes = await send(transport, call)
    if isinstance(outcomes, SolvestreamError):
        return _all_unknown(jobs, str(outcomes))
    if isinstance(outcomes, Broken | Mismatch):
        return outcomes
    fit = len(outcomes) == len(jobs) and all(map(_is_look_outcome, outcomes))
    return outcomes if fit else _all_unknown(jobs, IMPROPER)


async def send(transport: Transport, call: Call[T]) -> T | Broken | SolvestreamError:
    """Carry out an exchange and read its reply; a plug-in's own bug becomes an error."""
    response = await transport.send(call.request)
    if isinstance(response, Broken):
        return response
    try:
        return call.read(response)
    except SolvestreamError as error:
        return bare(error)
    except Exception as error:  # noqa: BLE001 - a plug-in's bug must not end other tasks
        return ProtocolError(f"the protocol module failed at a reply ({name_of(error)})")


def _name_file(error: InvalidTask, task: ImageToText) -> None:
    """Let an error about an image that came from a file name the file."""
    if isinstance(task.image, Path) and error.field == "image":
        error.value = str(task.image)
        error.args = (f"image={error.value}: {error.fix}",)


def bare(error: SolvestreamError) -> SolvestreamError:
    """Return an error without its traceback, whose frames hold requests and images."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def name_of(error: BaseException) -> str:
    """Return the name of an error's type; of a group's first."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return type(error).__name__


def _is_proper(outcome: object) -> bool:
    if isinstance(outcome, Accepted):
        return bool(outcome.task_id) and type(outcome.task_id) is str
    return isinstance(outcome, Broken | SubmitOutcome)


def _is_look_outcome(outcome: object) -> bool:
    return isinstance(outcome, LookOutcome)


def _all_unknown(jobs: list[Job], reason: str) -> list[LookOutcome]:
    return [Unknown(reason) for _ in jobs]
