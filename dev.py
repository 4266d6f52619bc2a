"""Every command of the project, from nothing but Python 3.11: `python3 dev.py NAME [arguments]`."""

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = str(VENV / "bin" / "python")
STAMP = VENV / "installed"
LINT, TYPES, LAYERS, TEST = ("ruff format --check", "ruff check"), "mypy", "lint-imports", "pytest"
WORKERS = "pytest --workers 2 tests/http"
PIN = (
    "uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade --quiet"
    " --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements.lock"
)
# Outside of the lock: what looks for weaknesses must not bring any along.
AUDIT = "uv tool run pip-audit==2.10.1 --require-hashes --disable-pip -r requirements.lock"
# Whether a body fits its schema is our own affair: a message that does not is held, its neighbours are not.
JUDGE = (
    "uv tool run --from schemathesis==4.32.5 st run http://127.0.0.1:8000/openapi.json --checks all"
    " --exclude-checks positive_data_acceptance,negative_data_rejection"
)
# The one definition of each command: justfile, hooks and CI call these.
COMMANDS = {
    "demo": ("Serve on this machine, with demo data.", ["calyx serve --demo"]),
    "serve": ("Serve on this machine.", ["calyx serve"]),
    "test": ("Run the tests; arguments go to pytest.", [TEST]),
    "workers": ("Ask a real server of two processes what the tests of HTTP ask.", [WORKERS]),
    "lint": ("Check format and code.", [*LINT]),
    "types": ("Check types.", [TYPES]),
    "layers": ("Check who may import whom.", [LAYERS]),
    "check": ("Do all that CI does.", [*LINT, TYPES, LAYERS, WORKERS, TEST]),
    "fix": ("Rewrite the format, and what lint can mend.", ["ruff check --fix", "ruff format"]),
    "schema": ("Write schema.graphql from the code.", ["calyx schema"]),
    "coverage": ("Run the tests and show what they miss.", ["pytest --cov --cov-report=term"]),
    "bench": ("Measure; nothing is judged.", ["python -m tests.benchmarks"]),
    "cluster": ("Kill a node and a database under load.", ["python -m tests.cluster"]),
    "chaos": ("Hurt it in every way, and see what it keeps.", ["python -m tests.chaos"]),
    "judge": ("Let schemathesis judge the HTTP API of a server that runs here; needs uv.", [JUDGE]),
    "setup": ("Install all of it, and the hook that checks each commit.", ["pre-commit install"]),
    "audit": ("Look for known weaknesses of what is locked; needs uv and a network.", [AUDIT]),
    "lock": ("Pin anew what pyproject.toml asks for; needs uv.", [PIN]),
}


def main() -> None:
    """Run the command that was asked for, once everything it needs is installed."""
    if sys.version_info < (3, 11):
        sys.exit("dev.py: Calyx needs Python 3.11 or later.")
    name, *arguments = sys.argv[1:] or ["help"]
    if name not in COMMANDS:
        print("python3 dev.py NAME [arguments], where NAME is", *_listed(), sep="\n")
        sys.exit(0 if name in {"help", "-h", "--help"} else f"dev.py: there is no {name!r}.")
    os.chdir(ROOT)
    install()
    os.environ["VIRTUAL_ENV"] = str(VENV)
    os.environ["PATH"] = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    *first, last = (step.split() for step in COMMANDS[name][1])
    for step in first:
        if status := subprocess.run(step, check=False).returncode:
            sys.exit(status)
    # The last step takes this process over: Ctrl-C and a stop signal reach it and nobody else.
    sys.stdout.flush()
    os.execvp(last[0], [*last, *arguments])


def install() -> None:
    """Make `.venv` hold the locked versions and the project itself, unless it already does."""
    wanted = hashlib.sha256()
    for file in ("requirements.lock", "pyproject.toml"):
        wanted.update((ROOT / file).read_bytes())
    stamp = [str(ROOT), wanted.hexdigest()]
    found = STAMP.read_text().splitlines() if STAMP.exists() else stamp[:1]
    if found == stamp and Path(PYTHON).exists():
        return
    print("dev.py: installing into .venv", file=sys.stderr)
    if found[:1] != stamp[:1]:
        # The folder was moved here, and its scripts name the Python of where it was.
        shutil.rmtree(VENV)
    installer = _uv() or _pip()
    # The build backend is in the lock too, so nothing is fetched that has no hash here.
    _run(*installer, "--no-deps", "--require-hashes", "-r", "requirements.lock")
    _run(*installer, "--no-deps", "--no-build-isolation", "-e", ".")
    STAMP.write_text("\n".join(stamp))


def _uv() -> list[str]:
    """Return uv's install command for a `.venv` that exists, or nothing where there is no uv."""
    if (uv := shutil.which("uv")) is None:
        return []
    if not Path(PYTHON).exists():
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV))
    return [uv, "pip", "install", "--quiet", "--python", PYTHON]


def _pip() -> list[str]:
    """Return pip's install command for a `.venv` that exists; exit where there is no pip at all."""
    options = ["install", "--quiet", "--disable-pip-version-check"]
    # Debian keeps ensurepip in a package of its own; the pip outside can install into `.venv`, too.
    inside, outside = find_spec("ensurepip") is not None, find_spec("pip") is not None
    if not Path(PYTHON).exists() or not (outside or _holds_pip()):
        if not (inside or outside):
            sys.exit("dev.py: neither pip nor uv is here. On Debian: apt install python3-venv")
        bare = [] if inside else ["--without-pip"]
        _run(sys.executable, "-m", "venv", "--clear", *bare, str(VENV))
    if _holds_pip():
        return [PYTHON, "-m", "pip", *options]
    return [sys.executable, "-m", "pip", "--python", PYTHON, *options]


def _holds_pip() -> bool:
    return any(VENV.glob("lib/python*/site-packages/pip"))


def _run(*step: str) -> None:
    if status := subprocess.run(step, check=False).returncode:
        sys.exit(f"dev.py: `{' '.join(step)}` failed; what it said is above. ({status})")


def _listed() -> list[str]:
    return [f"  {name:9} {what}" for name, (what, _) in COMMANDS.items()]


if __name__ == "__main__":
    main()
