"""`check_provider`: whether a protocol module keeps the rules that the client relies on.

A module of your own decides what is paid for: it says which replies to a submit mean that nothing
was bought, and so may be sent again. The rules are those of `solvestream.providers`; each is
checked with the module itself, with the replies of its service, and with hostile ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from attrs import frozen

from solvestream._outcomes import LookOutcome, SubmitOutcome
from solvestream.errors import UsageError
from solvestream.providers._protocol import Provider
from solvestream.tasks import Task
from solvestream.testing import _asking as asking
from solvestream.testing import _reading as reading
from solvestream.testing._case import Case, Reply, Skipped, response_of, tasks_of

RULES: Final[Mapping[str, Callable[[Case], Iterator[str]]]] = MappingProxyType(
    {
        rule.__name__: rule
        for rule in (
            asking.name,
            asking.capabilities,
            asking.key_hidden,
            asking.submit_request,
            asking.look_request,
            asking.small_requests,
            asking.ids_quoted,
            asking.images_refused,
            reading.samples,
            reading.submit_total,
            reading.look_total,
            reading.small_total,
            reading.money_unknown,
            reading.money_whole,
            reading.ids_checked,
            reading.key_unheard,
            reading.batch_fits,
            reading.codes_kept,
            reading.waits_bounded,
            reading.reading_pure,
        )
    }
)
"""Every rule by its name; its docstring says what it demands."""

_SHOWN: Final = 3
_EMPTY: Final[Mapping[Any, Any]] = MappingProxyType({})


@frozen
class Finding:
    """One way in which a module breaks a rule.

    Attributes:
        rule: name of the rule.
        problem: what was done, what came of it, and what should have; never holds the key.
    """

    rule: str
    problem: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.problem}"


@frozen
class Conformance:
    """What `check_provider` found of a module that keeps the rules.

    Attributes:
        passed: names of the rules that it keeps.
        skipped: names of those that could not be checked, and what was missing.
    """

    passed: tuple[str, ...]
    skipped: Mapping[str, str]


class NotConforming(AssertionError):
    """A module breaks rules; `findings` says which and how."""

    def __init__(self, name: str, findings: tuple[Finding, ...]) -> None:
        rules = len({finding.rule for finding in findings})
        text = f"{name} breaks {rules} of {len(RULES)} rules\n" + "\n".join(map(str, findings))
        super().__init__(text)
        self.findings = findings


def check_provider(
    provider: Provider,
    *,
    key: str,
    submits: Mapping[type[SubmitOutcome], Reply] = _EMPTY,
    looks: Mapping[type[LookOutcome], Reply] = _EMPTY,
    balance: Reply | None = None,
    tasks: Sequence[Task[Any]] = (),
) -> Conformance:
    """Check a protocol module against every rule; takes about a second, and sends nothing.

    Args:
        provider: an account of it, with a made-up key.
        key: that key, 8 characters or more; it must be found nowhere.
        submits: what the service replies to a submit, by what it means: `{Accepted: b"OK|1",
            Busy: b"ERROR_NO_SLOT"}`; a body with status 200, or a `Response`.
        looks: the same for a look at one task: `{Pending: ..., Solved: ..., Failed: ...}`.
        balance: what it replies to the question for the balance.
        tasks: tasks that it takes; needed for kinds that are not solvestream's own, and where
            a sample of one of these is not to its liking.

    Returns which rules it keeps, and which could not be checked for want of a reply. Raises
    `NotConforming`, an `AssertionError`, with all that it breaks; `UsageError` for a key too
    short to be searched for, and for what is no protocol module.
    """
    if len(key) < 8:
        raise UsageError("key: give a made-up one of 8 characters or more")
    if isinstance(provider, type) or not isinstance(provider, Provider):  # pyright: ignore[reportUnnecessaryIsInstance] - public edge
        raise UsageError(
            "provider: expected an account with name, capabilities and the five methods of "
            "solvestream.providers.Provider"
        )
    case = Case(
        provider=provider,
        key=key,
        tasks=tasks_of(provider, tasks),
        submits={kind: response_of(reply) for kind, reply in submits.items()},
        looks={kind: response_of(reply) for kind, reply in looks.items()},
        balance=None if balance is None else response_of(balance),
    )
    return _run(case)


def _run(case: Case) -> Conformance:
    passed: list[str] = []
    skipped: dict[str, str] = {}
    findings: list[Finding] = []
    for name in RULES:
        try:
            found = [Finding(name, case.hide(problem)) for problem in _problems(name, case)]
        except Skipped as reason:
            skipped[name] = str(reason)
            continue
        findings += found
        if not found:
            passed.append(name)
    if findings:
        raise NotConforming(type(case.provider).__name__, tuple(findings))
    return Conformance(tuple(passed), skipped)


def _problems(name: str, case: Case) -> Iterator[str]:
    """Yield the first problems with a rule. What the module raises where it must not is one."""
    try:
        yield from islice(_once(RULES[name](case)), _SHOWN)
    except Skipped:
        raise
    except Exception as error:  # noqa: BLE001 - a plug-in's bug is a finding
        problem = f"the module raised {type(error).__name__}"
    else:
        return
    yield problem


def _once(problems: Iterator[str]) -> Iterator[str]:
    """Yield each problem once: many replies break a rule in the same words."""
    told: set[str] = set()
    for problem in problems:
        if problem not in told:
            told.add(problem)
            yield problem
