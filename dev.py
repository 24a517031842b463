#!/usr/bin/env python3
"""Set up and run, with nothing but Python: ``python3 dev.py demo`` or ``python3 dev.py test``.

Makes a virtual environment in .venv, installs the project into it, and runs the task. Arguments
behind the task are passed on.
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

#: What each task installs and runs.
TASKS = {
    "demo": (["-e", "."], ["manage.py", "demo"]),
    "test": (["-e", ".", "--group", "test"], ["-m", "pytest"]),
    "lint": (["-e", ".", "--group", "test", "--group", "lint"], ["-m", "ruff", "check"]),
}


def install(task: str, wanted: list[str]) -> None:
    """Install once; again only when pyproject.toml or the Python has changed."""
    if not PYTHON.exists():
        print("Creating .venv", flush=True)
        venv.create(VENV, with_pip=True)
    described = (ROOT / "pyproject.toml").read_bytes() + sys.version.encode()
    stamp = VENV / f"installed-{task}"
    fingerprint = hashlib.sha256(described).hexdigest()
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    print("Installing", flush=True)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Dependency groups are understood from pip 25.1 on.
    subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True, cwd=ROOT)
    subprocess.run([*pip, *wanted], check=True, cwd=ROOT)
    stamp.write_text(fingerprint)


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - people try
        print("This project needs Python 3.11 or newer.")
        return 1
    if len(sys.argv) < 2 or sys.argv[1] not in TASKS:
        print(f"usage: python3 dev.py {{{'|'.join(TASKS)}}} [arguments]")
        return 2
    task, arguments = sys.argv[1], sys.argv[2:]
    wanted, command = TASKS[task]
    install(task, wanted)
    try:
        return subprocess.run([PYTHON, *command, *arguments], check=False, cwd=ROOT).returncode
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
