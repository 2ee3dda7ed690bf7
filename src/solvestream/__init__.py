"""Keeps thousands of remote recognition tasks in flight and streams their results.

Hand a `Client` tasks and accounts; it submits within each account's slots, looks for answers
at the right moments and yields results through an async iterator::

    async with Client(CaptchaAI("KEY")) as client:
        async for result in client.stream(tasks):
            ...

Names are loaded when they are first used: importing the package alone costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solvestream._http.pool_transport import PoolTransport
    from solvestream._sync import SyncClient, SyncResultStream, sync
    from solvestream.client import Client
    from solvestream.errors import (
        AccountError,
        BudgetExceeded,
        Busy,
        ClientClosed,
        DeadlineExceeded,
        InvalidTask,
        JournalError,
        ProtocolError,
        SolvestreamError,
        SubmitUnknown,
        TaskFailed,
        TaskLost,
        TransportError,
        UsageError,
        WrongLoop,
    )
    from solvestream.providers._protocol import Pacing
    from solvestream.providers.capsolver import CapSolver
    from solvestream.providers.captchaai import CaptchaAI
    from solvestream.providers.solvora import Solvora
    from solvestream.results import AccountStatistics, Balance, Result, Statistics, Threads, Ticket
    from solvestream.solutions import (
        Clearance,
        GeeTestV3Solution,
        GeeTestV4Solution,
        Solution,
        Text,
        Texts,
        Token,
    )
    from solvestream.stream import ResultStream
    from solvestream.tasks import (
        Bls,
        CloudflareChallenge,
        GeeTestV3,
        GeeTestV4,
        ImageToText,
        Proxy,
        RawTask,
        RecaptchaV2,
        RecaptchaV3,
        Task,
        Turnstile,
    )

__version__ = "0.1.0"

__all__ = [
    "AccountError",
    "AccountStatistics",
    "Balance",
    "Bls",
    "BudgetExceeded",
    "Busy",
    "CapSolver",
    "CaptchaAI",
    "Clearance",
    "Client",
    "ClientClosed",
    "CloudflareChallenge",
    "DeadlineExceeded",
    "GeeTestV3",
    "GeeTestV3Solution",
    "GeeTestV4",
    "GeeTestV4Solution",
    "ImageToText",
    "InvalidTask",
    "JournalError",
    "Pacing",
    "PoolTransport",
    "ProtocolError",
    "Proxy",
    "RawTask",
    "RecaptchaV2",
    "RecaptchaV3",
    "Result",
    "ResultStream",
    "Solution",
    "SolvestreamError",
    "Solvora",
    "Statistics",
    "SubmitUnknown",
    "SyncClient",
    "SyncResultStream",
    "Task",
    "TaskFailed",
    "TaskLost",
    "Text",
    "Texts",
    "Threads",
    "Ticket",
    "Token",
    "TransportError",
    "Turnstile",
    "UsageError",
    "WrongLoop",
    "__version__",
    "sync",
]

_HOMES = {
    "solvestream._http.pool_transport": ("PoolTransport",),
    "solvestream._sync": ("SyncClient", "SyncResultStream", "sync"),
    "solvestream.client": ("Client",),
    "solvestream.errors": (
        "AccountError",
        "BudgetExceeded",
        "Busy",
        "ClientClosed",
        "DeadlineExceeded",
        "InvalidTask",
        "JournalError",
        "ProtocolError",
        "SolvestreamError",
        "SubmitUnknown",
        "TaskFailed",
        "TaskLost",
        "TransportError",
        "UsageError",
        "WrongLoop",
    ),
    "solvestream.providers._protocol": ("Pacing",),
    "solvestream.providers.capsolver": ("CapSolver",),
    "solvestream.providers.captchaai": ("CaptchaAI",),
    "solvestream.providers.solvora": ("Solvora",),
    "solvestream.results": (
        "AccountStatistics",
        "Balance",
        "Result",
        "Statistics",
        "Threads",
        "Ticket",
    ),
    "solvestream.solutions": (
        "Clearance",
        "GeeTestV3Solution",
        "GeeTestV4Solution",
        "Solution",
        "Text",
        "Texts",
        "Token",
    ),
    "solvestream.stream": ("ResultStream",),
    "solvestream.tasks": (
        "Bls",
        "CloudflareChallenge",
        "GeeTestV3",
        "GeeTestV4",
        "ImageToText",
        "Proxy",
        "RawTask",
        "RecaptchaV2",
        "RecaptchaV3",
        "Task",
        "Turnstile",
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # or every name would pass a type checker

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOME[name]), name)
        return value


def __dir__() -> list[str]:
    return __all__
