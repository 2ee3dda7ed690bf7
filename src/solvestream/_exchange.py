"""One exchange at one account: build its request, read its reply. Total, like its parts.

A protocol module may be a user's own. Whatever it does wrong, a raise or an answer that is no
outcome, ends as trouble with one task or one look, and never reaches the engine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, cast

from solvestream._core.job import Job, Unfit
from solvestream._outcomes import (
    Accepted,
    LookOutcome,
    Mismatch,
    SubmitOutcome,
    Unknown,
)
from solvestream._wire import Broken, Response
from solvestream.errors import InvalidTask, ProtocolError, SolvestreamError
from solvestream.providers._protocol import Call, Provider
from solvestream.solutions import Solution
from solvestream.tasks import ImageToText, Task

T = TypeVar("T")
Looked = Mismatch | list[LookOutcome]

MAX_IMAGE = 16 << 20
"""Bytes of an image file read at most; what a service takes is far less."""
IMPROPER = "the protocol module gave no proper outcome"


def is_slow(task: Task[Solution]) -> bool:
    """Whether building its request reads a file, and so belongs into a thread."""
    return isinstance(task, ImageToText) and isinstance(task.image, Path)


def ask_submit(account: Provider, job: Job) -> Call[SubmitOutcome] | Unfit:
    """Build a submit's request, or say why the task is not fit for it."""
    task = job.task
    try:
        image = task.load(MAX_IMAGE) if isinstance(task, ImageToText) else None
        return account.submit(task, image)
    except SolvestreamError as error:
        if isinstance(error, InvalidTask) and isinstance(task, ImageToText):
            _name_file(error, task)
        return Unfit(bare(error))
    except Exception as error:  # noqa: BLE001 - a plug-in's bug must not end other tasks
        return Unfit(ProtocolError(f"the protocol module failed at the task ({name_of(error)})"))


def read_submit(call: Call[SubmitOutcome], response: Response | Broken) -> Broken | SubmitOutcome:
    """Read what came of a submit."""
    outcome = read(call, response)
    if isinstance(outcome, SolvestreamError):
        return Unknown(str(outcome))
    return outcome if _is_proper(outcome) else Unknown(IMPROPER)


def ask_look(account: Provider, jobs: list[Job]) -> Call[Looked] | Looked:
    """Build a look's request; where that fails, return what is known of the jobs: nothing."""
    try:
        return account.look(jobs)
    except Exception as error:  # noqa: BLE001 - a plug-in's bug must not end other tasks
        return _all_unknown(jobs, f"the protocol module failed at an id ({name_of(error)})")


def read_look(call: Call[Looked], jobs: list[Job], response: Response | Broken) -> Broken | Looked:
    """Read what came of a look: an outcome for each job, in their order."""
    outcomes = read(call, response)
    if isinstance(outcomes, SolvestreamError):
        return _all_unknown(jobs, str(outcomes))
    if isinstance(outcomes, Broken | Mismatch):
        return outcomes
    return outcomes if _fit(outcomes, jobs) else _all_unknown(jobs, IMPROPER)


def read(call: Call[T], response: Response | Broken) -> T | Broken | SolvestreamError:
    """Read a reply; a plug-in's own bug becomes an error."""
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


def _fit(outcomes: Any, jobs: list[Job]) -> bool:
    if not isinstance(outcomes, list) or len(outcomes) != len(jobs):  # pyright: ignore[reportUnknownArgumentType] - whatever a plug-in gave
        return False
    if len(outcomes) == 1:  # pyright: ignore[reportUnknownArgumentType] - the same
        return isinstance(outcomes[0], LookOutcome)
    return all(map(_is_look_outcome, outcomes))  # pyright: ignore[reportUnknownArgumentType] - the same


def _is_look_outcome(outcome: object) -> bool:
    return isinstance(outcome, LookOutcome)


def _all_unknown(jobs: list[Job], reason: str) -> list[LookOutcome]:
    return [Unknown(reason) for _ in jobs]
