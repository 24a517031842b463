"""Imports only go down: the rooms of the house, and what may be used without Django."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_no_import_goes_up():
    pytest.importorskip("importlinter", reason="needs the package import-linter")
    # A process of its own, for it configures the logging of the one it runs in.
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--config", ".importlinter", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "module",
    [
        "token_lifecycle",
        "token_lifecycle.exceptions",
        "token_lifecycle.rotation",
        "token_lifecycle.signals",
        "token_lifecycle.device",
    ],
)
@pytest.mark.parametrize("framework", ["rest_framework", "rest_framework_simplejwt"])
def test_the_lowest_floor_knows_no_rest_framework(module, framework):
    assert framework not in imported_by(module)


@pytest.mark.parametrize(
    "module", ["token_lifecycle", "token_lifecycle.exceptions", "token_lifecycle.rotation"]
)
def test_what_is_pure_knows_no_django(module):
    assert "django" not in imported_by(module)


def test_the_package_itself_imports_nothing_of_its_own():
    assert {name for name in imported_by("token_lifecycle") if "." in name} == set()


def imported_by(module):
    """The token_lifecycle modules and the foreign packages that importing ``module`` brings."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    packages = {name for name in loaded if "." not in name} - sys.stdlib_module_names
    return packages | {name for name in loaded if name.startswith("token_lifecycle.")}
