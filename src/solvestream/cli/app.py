"""The commands and their options; what they do is in the module of each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from attrs import asdict, evolve, frozen
from cyclopts import App, CycloptsError, Group, Parameter, UnknownOptionError
from cyclopts.validators import Number

import solvestream
from solvestream import ImageToText, InvalidTask, JournalError, UsageError
from solvestream.cli.accounts import SERVICES, Service, at_local, from_environment
from solvestream.cli.extras import CannotRun, need

EXIT_CODES = (
    "Exit codes: 0 all went well; 1 something failed; 2 called wrongly, an extra is missing, or a "
    "--fail-if holds; 130 stopped."
)

app = App(
    name="solvestream",
    help="Keeps recognition tasks in flight at services and streams their results.",
    help_epilogue=EXIT_CODES,
    help_formatter="plain",
    version=solvestream.__version__,
    suppress_keyboard_interrupt=False,
    print_error=False,
)

app.register_install_completion_command(  # pyright: ignore[reportUnknownMemberType] - its keywords are untyped
    help="Have the shell complete commands and options: bash, zsh, fish, PowerShell.",
)

_image = Group("Image options")
_count = Number(gte=1)


@Parameter(name="*", group=_image)
@frozen(kw_only=True)
class ImageOptions:
    """What is known of the text in the images; services get what they understand."""

    numeric: Annotated[
        int | None, Parameter(help="1 digits, 2 letters, 3 either, 4 neither; 0 any.")
    ] = None
    case_sensitive: Annotated[
        bool | None, Parameter(help="Upper and lower case matter.", negative="")
    ] = None
    min_length: Annotated[int | None, Parameter(help="1 to 20 characters.")] = None
    max_length: Annotated[int | None, Parameter(help="1 to 20 characters.")] = None
    phrase: Annotated[bool | None, Parameter(help="More than one word.", negative="")] = None
    calc: Annotated[bool | None, Parameter(help="A sum: give its result.", negative="")] = None
    language: Annotated[int | None, Parameter(help="1 Cyrillic, 2 Latin; 0 any.")] = None
    instructions: Annotated[str | None, Parameter(help="A note for who reads it.")] = None
    module: Annotated[str | None, Parameter(help="The service's reading module.")] = None
    score: Annotated[float | None, Parameter(help="Lowest confidence, 0.8 to 1.")] = None


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    try:
        return app(list(arguments), exit_on_error=False, result_action="return_value") or 0
    except CycloptsError as error:
        print(f"solvestream: {_words(error)}", file=sys.stderr)
        return 2
    except (UsageError, InvalidTask) as error:
        print(f"solvestream: {error}", file=sys.stderr)
        return 2
    except (CannotRun, JournalError) as error:
        print(f"solvestream: {error}", file=sys.stderr)
        return 1


def _words(error: CycloptsError) -> str:
    """Say what was wrong; the value of an unknown option might be a key, and is left out."""
    text = str(error)
    if isinstance(error, UnknownOptionError):
        given = error.token.keyword or error.token.value
        text = text.replace(given, given.partition("=")[0])
    return text


@app.command
def serve(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, Parameter(help="0 picks a free one.", validator=Number(gte=0, lte=65535))
    ] = 8080,
    engine: Annotated[
        Literal["read", "simulate"], Parameter(help="Read images for real, or make answers up.")
    ] = "read",
    key: Annotated[str | None, Parameter(help="A key you make up for this service.")] = None,
    slots: Annotated[
        int | None, Parameter(help="Tasks in work at once; default: no bound.", validator=_count)
    ] = None,
    max_image_bytes: Annotated[
        int, Parameter(help="Larger images are refused.", validator=_count)
    ] = 102_400,
    latency: Annotated[
        str | None, Parameter(help="Seconds a task takes, LOW:HIGH (simulate).")
    ] = None,
    failure_rate: Annotated[
        float | None, Parameter(help="Share that is unsolvable, 0 to 1 (simulate).")
    ] = None,
    seed: Annotated[int | None, Parameter(help="Of all chance (simulate).")] = None,
) -> int:
    """Run a local service that speaks all three protocols.

    It is CaptchaAI, Solvora and CapSolver on one port: it reads images for real, or simulates
    latency and failures. Stop it with Ctrl-C.
    """
    need("local")
    from solvestream.cli import serve as command  # noqa: PLC0415 - imported when used

    settings = command.settings(
        engine=engine,
        key=key,
        slots=slots,
        max_image_bytes=max_image_bytes,
        latency=latency,
        failure_rate=failure_rate,
        seed=seed,
    )
    return command.serve(settings, host=host, port=port)


@app.command
def demo(
    *,
    tasks: Annotated[int, Parameter(help="Images to read.", validator=_count)] = 200,
    seed: Annotated[int, Parameter(help="Of the images.")] = 7,
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
) -> int:
    """Read images with known text through three protocols at once.

    No network, no key. It renders labels, meter readings and receipt lines, starts the local service, and compares
    what comes back with the truth. Fails if an image does, or if under 95 % are read exactly.
    """
    need("local", "demo")
    from solvestream.cli.demo import demo  # noqa: PLC0415 - imported when used

    return demo(tasks=tasks, seed=seed, as_json=json)


@Parameter(name="*")
@frozen(kw_only=True)
class RunOptions:
    """Where tasks are solved, and how; the same for all commands that do so."""

    service: Annotated[
        Service | None,
        Parameter(help=f"{', '.join(SERVICES)}; default: all with a key.", show_choices=False),
    ] = None
    local: Annotated[
        bool, Parameter(help="Start the local service, for this run.", negative="")
    ] = False
    base_url: Annotated[str | None, Parameter(help="Address of the service.")] = None
    output: Annotated[
        Path | None, Parameter(help="FILE.jsonl, .csv or .parquet; gone on with if it exists.")
    ] = None
    journal: Annotated[
        Path | None, Parameter(help="File that survives a crash: nothing is bought twice.")
    ] = None
    in_flight: Annotated[int, Parameter(help="Tasks under way at most.", validator=_count)] = 1_000
    limit: Annotated[int | None, Parameter(help="Tasks of this run at most.", validator=_count)] = (
        None
    )
    ordered: Annotated[bool, Parameter(help="Results in the order of the tasks.", negative="")] = (
        False
    )
    deadline: Annotated[float | None, Parameter(help="Seconds for each task.")] = None
    fail_if: Annotated[
        tuple[str, ...],
        Parameter(
            help='As "accuracy<0.95" or "p95>60"; repeatable.', negative="", show_default=False
        ),
    ] = ()


@app.command(usage="Usage: solvestream solve [OPTIONS] PATH|DIR|PATTERN...")
def solve(
    *paths: Annotated[Path, Parameter(help="Image files, directories, patterns.")],
    input: Annotated[  # noqa: A002 - the option's name
        Path | None,
        Parameter(
            help="Tasks, one a line: FILE.jsonl, FILE.csv, or - for stdin.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    options: RunOptions | None = None,
    image: ImageOptions | None = None,
) -> int:
    """Solve tasks, as images to read: one line of JSON a result, as it comes.

    Keys come from the environment alone: CAPTCHAAI_API_KEY, CAPSOLVER_API_KEY, SOLVORA_API_KEY
    with SOLVORA_BASE_URL. The same command again, with --journal or --output, does what is left.
    Ctrl-C waits for what is paid; twice leaves, and tickets stay in the journal or on stderr.
    """
    if bool(paths) == bool(input):
        raise UsageError("solve: name either image files and directories, or --input FILE")
    return _solve(paths, None if input is None else str(input), options or RunOptions(), image)


@app.command
def stream(*, options: RunOptions | None = None, image: ImageOptions | None = None) -> int:
    """Solve tasks from standard input, one a line, as they come.

    The same as `solve --input -`: a line is a JSON object as {"image": "a.png"}, or a row of CSV
    below a line of names.
    """
    return _solve((), "-", options or RunOptions(), image)


def _solve(
    paths: Sequence[Path], name: str | None, options: RunOptions, image: ImageOptions | None
) -> int:
    from solvestream.cli import solve as command  # noqa: PLC0415 - imported when used
    from solvestream.cli.inputs import open_input  # noqa: PLC0415 - the same
    from solvestream.cli.output import check_output  # noqa: PLC0415 - the same
    from solvestream.cli.thresholds import Threshold  # noqa: PLC0415 - the same

    fields: dict[str, Any] = asdict(image or ImageOptions()) | {"deadline": options.deadline}
    ImageToText(b"any", **fields).check()
    check_output(options.output)
    if options.output and options.journal and options.output.resolve() == options.journal.resolve():
        raise UsageError(f"--output: {options.output} is the journal; give each a file of its own")
    if options.local and (options.base_url or options.journal):
        name = "--base-url" if options.base_url else "--journal"
        raise UsageError(f"{name}: not with --local, which ends with the run")
    plan = command.Plan(
        in_flight=options.in_flight,
        ordered=options.ordered,
        journal=None if options.journal is None else str(options.journal),
        output=options.output,
        limit=options.limit,
        thresholds=tuple(Threshold.of(text) for text in options.fail_if),
    )
    if not options.local:
        accounts = from_environment(options.service, options.base_url)
        with open_input(list(map(str, paths)), name, **fields) as tasks:
            return command.solve(tasks, evolve(plan, accounts=accounts))
    need("local")
    from solvestream.cli.local import local_service  # noqa: PLC0415 - imported when used

    with open_input(list(map(str, paths)), name, **fields) as tasks, local_service() as here:
        account = at_local(options.service or "capsolver", here.url, here.key)
        return command.solve(tasks, evolve(plan, accounts=[account]))


@app.command
def resume(
    path: Annotated[Path, Parameter(help="The journal of `solve --journal`.")],
    /,
    *,
    service: Annotated[
        Service | None, Parameter(help="Whose account; default: all in the environment.")
    ] = None,
    base_url: Annotated[str | None, Parameter(help="Address of the service.")] = None,
    in_flight: Annotated[int, Parameter(help="Tasks under way at most.", validator=_count)] = 1_000,
) -> int:
    """Finish what an earlier run left in its journal; prints as `solve` does.

    Paid tasks are looked up again, and nothing is bought. Results that were printed just before
    the end may come again, with `redelivered` true. What may have been bought, and has no id, is
    a `SubmitUnknown`. Keys come from the environment alone: CAPTCHAAI_API_KEY, CAPSOLVER_API_KEY,
    SOLVORA_API_KEY with SOLVORA_BASE_URL. Stopped, it can be called again.
    """
    from solvestream.cli import solve as command  # noqa: PLC0415 - imported when used

    accounts = from_environment(service, base_url)
    return command.resume(command.Plan(accounts=accounts, journal=str(path), in_flight=in_flight))


@app.command
def journal(
    path: Annotated[Path, Parameter(help="The journal.")],
    /,
    *,
    left: Annotated[bool, Parameter(help="Only what nobody has taken yet.", negative="")] = False,
    json: Annotated[bool, Parameter(help="JSON lines on a terminal too.", negative="")] = False,
) -> int:
    """Show what is in a journal, also while a run is writing it.

    A table on a terminal, a line of JSON for each task elsewhere, and how many are in which
    state: `intent` (about to be sent), `accepted`, `solved`, `failed`, `rejected`, `lost`,
    `unknown` (may have been bought) or `expired`; and `taken` once the reader had it.
    """
    from solvestream.cli.journal import journal  # noqa: PLC0415 - imported when used

    return journal(str(path), left=left, as_json=json)


@app.command
def balance(
    *,
    service: Annotated[
        Service | None, Parameter(help="Whose account; default: all in the environment.")
    ] = None,
    base_url: Annotated[str | None, Parameter(help="Address of the service.")] = None,
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
) -> int:
    """Show what is left on your accounts, in USD or solves.

    Keys come from the environment alone: CAPTCHAAI_API_KEY, CAPSOLVER_API_KEY, SOLVORA_API_KEY
    with SOLVORA_BASE_URL.
    """
    from solvestream.cli.balance import balance  # noqa: PLC0415 - imported when used

    return balance(from_environment(service, base_url), as_json=json)


@app.command
def report(
    path: Annotated[Path, Parameter(help="The journal.")],
    /,
    *,
    output: Annotated[
        str | None, Parameter(alias="-o", help="The page; default: beside the journal.")
    ] = None,
) -> int:
    """Make one page of HTML from a journal, also while a run is writing it.

    Throughput, tasks in flight, latency, each task's way, errors, refusals, spend. It holds no
    key and no answer, needs no other file, and can be sent to anybody who may see the tags.
    """
    from solvestream.cli.report import report  # noqa: PLC0415 - imported when used

    return report(str(path), output=output)
