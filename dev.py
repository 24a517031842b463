#!/usr/bin/env python3
"""Set up and run, with nothing but Python: ``python3 dev.py demo`` or ``python3 dev.py test``.

Makes a virtual environment in .venv, installs what is locked in requirements/ and the project, and
runs the task. Arguments behind the task are passed on.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

#: The lock that each task installs, and what it runs.
TASKS = {
    "demo": ("demo", ["manage.py", "demo"]),
    "test": ("test", ["-m", "pytest"]),
    "openapi": ("test", ["-m", "tests.openapi"]),
    "lint": ("lint", ["-m", "ruff", "check"]),
    "lock": ("lint", ["requirements/compile.py"]),
    "audit": ("lint", ["requirements/audit.py"]),
}


def install(lock: str) -> None:
    """Install once; again only when the lock, pyproject.toml or the Python has changed."""
    if not PYTHON.exists():
        print("Creating .venv", flush=True)
        venv.create(VENV, with_pip=True)
    locks = [f"requirements/{name}.txt" for name in ("build", lock)]
    described = b"".join((ROOT / path).read_bytes() for path in (*locks, "pyproject.toml"))
    stamp = VENV / f"installed-{lock}"
    fingerprint = hashlib.sha256(described + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    print("Installing", flush=True)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = [argument for path in locks for argument in ("--requirement", path)]
    subprocess.run([*pip, "--require-hashes", *wanted], check=True, cwd=ROOT)
    # Isolated, the build would fetch its backend anew, whatever is locked.
    project = ["--no-deps", "--no-build-isolation", "--editable", "."]
    subprocess.run([*pip, *project], check=True, cwd=ROOT)
    stamp.write_text(fingerprint)


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - people try
        print("This project needs Python 3.11 or newer.")
        return 1
    if len(sys.argv) < 2 or sys.argv[1] not in TASKS:
        print(f"usage: python3 dev.py {{{'|'.join(TASKS)}}} [arguments]")
        return 2
    task, arguments = sys.argv[1], sys.argv[2:]
    lock, command = TASKS[task]
    install(lock)
    try:
        return subprocess.run([PYTHON, *command, *arguments], check=False, cwd=ROOT).returncode
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
