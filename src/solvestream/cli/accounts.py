"""Accounts for a command: from the environment, or at a local service. Keys come no other way."""

from __future__ import annotations

import os
from typing import Any, Literal, TypeAlias

from solvestream import CapSolver, CaptchaAI, Pacing, Solvora, UsageError

Account: TypeAlias = CaptchaAI | Solvora | CapSolver
Service = Literal["captchaai", "solvora", "capsolver"]

SERVICES: dict[Service, type[Account]] = {
    "captchaai": CaptchaAI,
    "solvora": Solvora,
    "capsolver": CapSolver,
}

_KEYS: dict[Service, str] = {
    "captchaai": "CAPTCHAAI_API_KEY",
    "solvora": "SOLVORA_API_KEY",
    "capsolver": "CAPSOLVER_API_KEY",
}

_SOON = Pacing(first_look=0.5, interval=0.5, max_looks=10_000)
"""For a local service behind CaptchaAI's protocol, whose reference is 10 s and 5 s.

Solvora's reference is 1 s already, and CapSolver's protocol answers images at once.
"""


def from_environment(service: Service | None, base_url: str | None) -> list[Account]:
    """Return the account of a service, or all accounts whose keys are in the environment.

    Raises `UsageError` when there is none, or one `base_url` for several.
    """
    found: list[Service] = (
        [service] if service else [name for name in SERVICES if os.environ.get(_KEYS[name])]
    )
    if not found:
        raise UsageError(
            "no account: set CAPTCHAAI_API_KEY, CAPSOLVER_API_KEY, or SOLVORA_API_KEY with "
            "SOLVORA_BASE_URL"
        )
    if base_url and len(found) > 1:
        raise UsageError(f"--base-url: say whose it is: --service {' or '.join(found)}")
    options: dict[str, Any] = {"base_url": base_url} if base_url else {}
    return [SERVICES[name].from_env(**options) for name in found]


def at_local(service: Service, url: str, key: str) -> Account:
    """Return an account at a local service, looked at as soon as its protocol allows."""
    pacing = _SOON if service == "captchaai" else None
    return SERVICES[service](key, base_url=url, pacing=pacing)
