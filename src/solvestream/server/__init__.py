"""A local service that speaks all three protocols: for development, tests and load.

It reads images for real (`engine="read"`), or simulates latency, load and faults
(`engine="simulate"`). It imports nothing of the client: it is an independent implementation of
the same PROTOCOLS.md. The extra `local` holds what it runs on.

    with LocalService(Settings(latency=Latency(shape="uniform", low=2, high=6))) as service:
        ...  # service.url, service.key, service.ledger()
"""

from __future__ import annotations

from .app import App, create_app
from .extras import MissingExtra
from .process import LocalService
from .serving import run
from .settings import (
    DEFAULT_KEY,
    Account,
    Call,
    Fault,
    FaultKind,
    Latency,
    Scripted,
    Settings,
)
from .simulate import simulated_text, simulated_token

__all__ = [
    "DEFAULT_KEY",
    "Account",
    "App",
    "Call",
    "Fault",
    "FaultKind",
    "Latency",
    "LocalService",
    "MissingExtra",
    "Scripted",
    "Settings",
    "create_app",
    "run",
    "simulated_text",
    "simulated_token",
]
