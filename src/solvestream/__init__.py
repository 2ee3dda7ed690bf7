"""Keeps thousands of remote recognition tasks in flight and streams their results.

Hand a `Client` tasks and accounts; it submits within each account's slots, looks for answers
at the right moments and yields results through an async iterator::

    async with Client(CaptchaAI("KEY")) as client:
        async for result in client.stream(tasks):
            ...
"""

from __future__ import annotations

from solvestream.client import Client
from solvestream.errors import (
    AccountError,
    Busy,
    ClientClosed,
    DeadlineExceeded,
    InvalidTask,
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
    "Pacing",
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
]
