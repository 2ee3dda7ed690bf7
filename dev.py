"""Sets up `.venv` in this checkout and runs the demo or the tests. Needs only Python 3.11 and pip.

python3 dev.py demo     install, then `solvestream demo` (further arguments are passed on)
python3 dev.py test     install, then every check that CI makes (arguments go to pytest)
python3 dev.py docs     build the docs site into build/site, without a warning
python3 dev.py mutate   change the code in small ways, and see whether the tests notice
python3 dev.py audit    ask for known vulnerabilities of what `pip install solvestream` brings
python3 dev.py setup    install for development: editable, with all tools
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / "python"
STAMP = VENV / "installed"

EVERYTHING = [".[demo]"]
for group in ("lint", "test", "bench", "docs"):
    EVERYTHING += ["--group", group]

CHECKS = [
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["mypy", "src"],
    ["pyright"],
    ["lint-imports", "--no-cache"],
    ["bandit", "-q", "-c", "pyproject.toml", "-r", "src"],
]


def main() -> int:
    """Run what the first argument names."""
    if sys.version_info < (3, 11):  # noqa: UP036 - told kindly instead of by a syntax error
        print("solvestream needs Python 3.11 or newer")
        return 2
    what, rest = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if what == "demo":
        install("-e", ".[demo]")
        return call(BIN / "solvestream", "demo", *rest)
    if what == "test":
        return test(rest)
    if what == "setup":
        install("-e", *EVERYTHING)
        return 0
    if what == "docs":
        install("-e", *EVERYTHING)
        return call(BIN / "zensical", "build", "--clean", "--strict")
    if what == "mutate":
        install("-e", *EVERYTHING)
        return call(PYTHON, "-m", "tests.mutation", *rest)
    if what == "audit":
        install("-e", *EVERYTHING)
        return audit()
    print(__doc__)
    return 2


def test(arguments: list[str]) -> int:
    """Check the sources, then test the built wheel: `src` is not importable then."""
    install(*EVERYTHING)
    call(PYTHON, "-m", "pip", "uninstall", "-q", "-y", "solvestream", quiet=True)
    run(PYTHON, "-m", "build", "--wheel", "--outdir", VENV / "wheel", ".")
    wheel = max((VENV / "wheel").glob("*.whl"), key=lambda path: path.stat().st_mtime)
    run(PYTHON, "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", wheel)
    failed = [check[0] for check in CHECKS if call(BIN / check[0], *check[1:])]
    environment = {**os.environ, "SOLVESTREAM_TEST_WHEEL": "1"}
    if call(PYTHON, "-m", "pytest", "-q", "-n", "auto", *arguments, env=environment):
        failed.append("pytest")
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return int(bool(failed))


def audit() -> int:
    """Have pip resolve the run-time dependencies as for a user, and pip-audit ask about them."""
    pip = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run(*pip, "pip-audit>=2.9,<3")
    with tempfile.TemporaryDirectory() as folder:
        report, pins = Path(folder, "report.json"), Path(folder, "pins.txt")
        run(*pip, "--dry-run", "--ignore-installed", "--report", report, ".")
        found = [one["metadata"] for one in json.loads(report.read_text())["install"]]
        wanted = {one["name"]: one["version"] for one in found if one["name"] != "solvestream"}
        pins.write_text("".join(f"{name}=={version}\n" for name, version in wanted.items()))
        command = [BIN / "pip-audit", "-f", "json", "--no-deps", "--disable-pip", "-r", pins]
        told = subprocess.run(command, capture_output=True, text=True)
    if not told.stdout:
        print(told.stderr)
    return judge(told.stdout, len(wanted))


def judge(told: str, wanted: int) -> int:
    """Return 0 if all were audited and none is known to be vulnerable, 1 if one is, else 2.

    pip-audit itself exits with 0 when the advisory service knew nothing of a package.
    """
    try:
        answers = json.loads(told)["dependencies"]
    except (ValueError, KeyError):
        answers = []
    bad = [(one, flaw) for one in answers for flaw in one.get("vulns", ())]
    for one, flaw in bad:
        fixed = ", ".join(flaw["fix_versions"]) or "no release yet"
        print(f"{one['name']} {one['version']}: {flaw['id']}, fixed in {fixed}")
    for reason in filter(None, (one.get("skip_reason") for one in answers)):
        print(reason)
    audited = sum("vulns" in one for one in answers)
    print(f"{audited} of {wanted} run-time dependencies audited, {len(bad)} known vulnerabilities")
    if not bad and audited < wanted:
        print("this is no audit: the advisory service said nothing of the others")
        return 2
    return int(bool(bad))


def install(*what: str) -> None:
    """Create the environment and install, unless just that is installed already."""
    project = (ROOT / "pyproject.toml").read_bytes()
    stamp = hashlib.sha256(project + repr(what).encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == stamp:
        return
    if not PYTHON.exists():
        print(f"creating {VENV.name}", flush=True)
        venv.create(VENV, with_pip=True)
    print("installing (a minute or two the first time)", flush=True)
    pip = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run(*pip, "--upgrade", "pip>=25.1")
    run(*pip, *what)
    STAMP.write_text(stamp)


def run(*command: object) -> None:
    """Run a command, and stop with its exit code if it fails."""
    if code := call(*command):
        sys.exit(code)


def call(*command: object, quiet: bool = False, env: dict[str, str] | None = None) -> int:
    """Run a command in the checkout; returns its exit code and tells how long it took."""
    started = time.monotonic()
    output = subprocess.DEVNULL if quiet else None
    code = subprocess.run([*map(str, command)], cwd=ROOT, env=env, stdout=output).returncode
    if not quiet:
        name = " ".join(Path(str(part)).name for part in command[:4])
        print(f"[{time.monotonic() - started:.0f} s] {name}: exit {code}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
