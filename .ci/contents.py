#!/usr/bin/env python3
"""Is all of it in the packages, and nothing else? ``.ci/contents.py WHEEL SDIST``"""

import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: What somebody needs who builds and tests from the source package.
SOURCES = ["pyproject.toml", "README.md", "LICENSE", "dev.py", "manage.py", ".importlinter"]
SOURCES += ["SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/README.md"]
SOURCES += ["requirements/test.txt", "tests/settings.py", ".ci/run", ".ci/contents.py"]
SOURCES += ["package.json", "package-lock.json", ".npmrc"]
#: Kinds that a build forgets, because git ignores them or because they are no Python.
KINDS = ["py.typed", "*.html", "*.js", "*.d.ts", "migrations/0*.py", "contrib/**/*.py"]


def installed() -> set[str]:
    package = ROOT / "token_lifecycle"
    forgettable = {kind: list(package.rglob(kind)) for kind in KINDS}
    if lost := [kind for kind, found in forgettable.items() if not found]:
        sys.exit(f"no such files: {', '.join(lost)}")
    if stale := [po for po in package.rglob("*.po") if not po.with_suffix(".mo").exists()]:
        sys.exit(f"not compiled: {stale}")
    return {
        str(path.relative_to(ROOT))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def main(wheel: str, sdist: str) -> None:
    wanted = installed()
    in_wheel = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    if in_wheel != wanted:
        sys.exit(f"the wheel differs: {sorted(in_wheel ^ wanted)}")
    with tarfile.open(sdist) as archive:
        in_sdist = {member.name.partition("/")[2] for member in archive if member.isfile()}
    if lost := sorted({*wanted, *SOURCES} - in_sdist):
        sys.exit(f"not in the source package: {lost}")


if __name__ == "__main__":
    main(*sys.argv[1:])
