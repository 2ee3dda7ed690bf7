"""T10: CPU of `import solvestream` beside `import httpx`, each in fresh interpreters.

    python benchmarks/imports.py

A child imports one module and tells what that took of its CPU; interpreter start-up is not
counted, bytecode is cached. Of seven children a round the least counts. It also tells which
optional packages are loaded once a client and an account can be built, and fails for any.
"""

from __future__ import annotations

import json
import subprocess
import sys

from _report import CLIENT_CORE, DOCS, Bars, Target, arguments, interleave, medians, pin, publish

USED = "solvestream, with Client and CaptchaAI"
"""What a program pays before its first task, should the package itself import lazily."""
IMPORTS = {
    "solvestream": "import solvestream",
    USED: "from solvestream import CaptchaAI, Client",
    "httpx": "import httpx",
    "aiohttp": "import aiohttp",
}
TRIES = 7
LATER = ("httpx", "httpcore", "cattrs", "rich", "cyclopts", "uvicorn", "uvloop", "trio", "PIL")
"""Everything that is to be imported when first used."""
WATCHED = (*LATER, "anyio", "attrs", "asyncio", "httptools", "certifi", "ssl", "typing_extensions")

CHILD = """
import sys, time
before = set(sys.modules)
start = time.process_time()
{statement}
took = time.process_time() - start
loaded = sys.modules.keys() - before
import json
print(json.dumps({{"ms": 1e3 * took, "modules": sorted(loaded)}}))
"""


def main() -> int:
    options = arguments(__doc__).parse_args()
    tries = 1 if options.quick else TRIES
    pin(CLIENT_CORE)
    modules = {name: imported(name)[1] for name in IMPORTS}  # this also writes the bytecode

    def once(name: str) -> dict[str, float]:
        return {"ms": min(imported(name)[0] for _ in range(tries))}

    rounds = interleave(tuple(IMPORTS), options.rounds, once)
    ms = {name: figures["ms"] for name, figures in medians(rounds).items()}
    loaded = [name for name in WATCHED if name in modules[USED]]
    early = [name for name in LATER if name in loaded]
    print(f"\nimport solvestream loads {len(modules['solvestream'])} modules, to use it {loaded}")
    return publish(
        "imports",
        targets=[
            Target(
                name="T10 CPU of import solvestream / httpx",
                value=ms["solvestream"] / ms["httpx"],
                limit=0.5,
            ),
            Target(name="T10 optional packages imported", value=float(len(early)), limit=0.0),
        ],
        charts=[
            Bars(
                title="Import in a fresh interpreter (line: half of httpx)",
                unit="ms of CPU",
                values=ms,
                reference=ms["httpx"] / 2,
            )
        ],
        facts={"ms": ms, "rounds": rounds, "loaded": loaded, "early": early, "modules": modules},
        results=options.results,
        copy_to=DOCS if options.docs else None,
    )


def imported(name: str) -> tuple[float, list[str]]:
    """Import one of `IMPORTS` in a fresh interpreter; give milliseconds of CPU and what was loaded."""
    command = [sys.executable, "-c", CHILD.format(statement=IMPORTS[name])]
    told = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60).stdout
    )
    return told["ms"], told["modules"]


if __name__ == "__main__":
    sys.exit(main())
