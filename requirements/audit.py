"""Ask for published weaknesses of everything that is locked: ``python3 dev.py audit``.

Where the advisories cannot be reached, pip-audit finds nothing and succeeds. So its word counts
only once it has named a weakness that is known. Without advisories this says that nothing was
audited, and fails only if ``TOKEN_LIFECYCLE_REQUIRE_AUDIT`` is 1, as before a release.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

LOCKS = Path(__file__).resolve().parent
#: It has CVE-2026-32597.
KNOWN = "pyjwt==2.11.0"


class UnreachableError(Exception):
    """There are no advisories from here."""


def locked() -> list[str]:
    """Every version that is locked, except the lowest promised: those are old on purpose."""
    locks = [lock for lock in LOCKS.glob("*.txt") if lock.name != "lowest.txt"]
    return sorted(
        {pin for lock in locks for pin in re.findall(r"^[\w.-]+==[^\s;]+", lock.read_text(), re.M)}
    )


def questions(pins: Iterable[str]) -> list[list[str]]:
    """One question holds each name once: Pythons may have different versions of a package."""
    asked: list[dict[str, str]] = []
    for pin in pins:
        name = pin.partition("==")[0]
        room = next((question for question in asked if name not in question), None)
        if room is None:
            room = {}
            asked.append(room)
        room[name] = pin
    return [list(question.values()) for question in asked]


def ask(pins: list[str]) -> list[dict]:
    """What pip-audit tells of these versions."""
    with tempfile.TemporaryDirectory() as folder:
        question = Path(folder) / "pins.txt"
        question.write_text("\n".join(pins))
        command = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off"]
        command += ["--format", "json", "--no-deps", "--disable-pip", "--requirement", question]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise UnreachableError(done.stderr)
    return json.loads(done.stdout)["dependencies"]


def weaknesses(pins: list[str]) -> list[str]:
    """A line for each weakness, and for each package that nobody can tell anything of."""
    return [
        f"{told['name']}: {found}"
        for told in ask(pins)
        for found in [
            *(f"{told['version']} has {weakness['id']}" for weakness in told.get("vulns", [])),
            *([told["skip_reason"]] if "skip_reason" in told else []),
        ]
    ]


def reachable() -> bool:
    try:
        return any(told.get("vulns") for told in ask([KNOWN]))
    except UnreachableError:
        return False


def main() -> int:
    if not reachable():
        print("NOT AUDITED: the advisories cannot be reached from here.")
        return int(os.environ.get("TOKEN_LIFECYCLE_REQUIRE_AUDIT") == "1")
    found = [line for question in questions(locked()) for line in weaknesses(question)]
    print("\n".join(found) or "No published weakness in anything that is locked.")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
