#!/usr/bin/env python3
"""Write the lock files beside this one from pyproject.toml: ``python3 dev.py lock``.

A lock names exact versions and the hashes of their files, for every Python and system there is.
What is locked keeps its version as long as pyproject.toml allows it. ``python3 dev.py lock
--upgrade`` takes the newest of all, ``--upgrade-package NAME`` of one.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
PROJECT = "pyproject.toml"

# A release that somebody else slipped in is as a rule found out and withdrawn within days. One
# that cannot wait is let through with ``--exclude-newer-package NAME=DATE``.
COMMON = ["--quiet", "--no-config", "--generate-hashes", "--exclude-newer", "7 days"]
# Whatever is wanted with an extra is locked with it: of "coverage[toml]" pip before 23.3 would take
# the newest version there is, and then miss its hash.
COMMON += ["--no-strip-extras"]
OLDEST_PYTHON = ["--python-version", "3.11"]
EVERY_PYTHON = ["--universal", *OLDEST_PYTHON]

# The benchmarks need what they are compared with, and nobody else does.
EXTRAS = [
    f"--extra={name}"
    for name in tomllib.loads((ROOT / PROJECT).read_text())["project"]["optional-dependencies"]
    if name != "benchmarks"
]
BUILD = ["--group=build"]
TEST = [PROJECT, "--group=test"]
LINT = [*TEST, "--group=lint"]
EVERYTHING = [*LINT, *EXTRAS, *BUILD, "--group=browser", "--group=fuzz"]

#: What can be installed alone. The versions are those of development.txt.
PARTS = {"build": BUILD, "demo": [PROJECT], "test": TEST, "lint": LINT}


def lock(output: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "uv", "pip", "compile", *COMMON, *arguments]
    told = ["--custom-compile-command", "python3 dev.py lock", "--output-file", str(output)]
    subprocess.run([*command, *told], check=True, cwd=ROOT)


def lock_lowest(choices: list[str]) -> None:
    """The lowest version that pyproject.toml promises of each dependency; newest tools beside."""
    with tempfile.TemporaryDirectory() as folder:
        promised = Path(folder) / "promised.txt"
        lock(promised, PROJECT, *EXTRAS, "--resolution=lowest-direct", *OLDEST_PYTHON)
        wanted = [*TEST, *EXTRAS, *BUILD, "--constraints", str(promised), "--no-annotate"]
        lock(LOCKS / "lowest.txt", *wanted, *OLDEST_PYTHON, *choices)


def main(choices: list[str]) -> None:
    lock(LOCKS / "development.txt", *EVERYTHING, *EVERY_PYTHON, *choices)
    for name, wanted in PARTS.items():
        part = LOCKS / f"{name}.txt"
        part.unlink(missing_ok=True)
        lock(part, *wanted, *EVERY_PYTHON, "--constraints", "requirements/development.txt")
    lock_lowest(choices)


if __name__ == "__main__":
    main(sys.argv[1:])
