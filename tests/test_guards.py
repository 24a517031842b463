"""The tests notice when a guard is gone: each is taken out of a copy of the app, one at a time."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests.guards import GUARDS

ROOT = Path(__file__).parent.parent
OF_A_GUARD = {"DATABASE_URL": "sqlite:///guards.sqlite3", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
UNNEEDED = shutil.ignore_patterns("browser", "client", "js", "custom_users", "*.sqlite3*")


@pytest.fixture
def copy(tmp_path):
    """The app and its tests elsewhere: what is imported is what lies beside the tests."""
    shutil.copytree(ROOT / "token_lifecycle", tmp_path / "token_lifecycle")
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=UNNEEDED)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(folder, tests):
    """Run these tests there, in a process of its own; the summary that pytest prints."""
    # The two plugins that they need: others take longer to load than the tests to run.
    options = "-q -rfEp --tb=no --no-migrations -p pytest_django.plugin -p time_machine"
    named = [f"tests/{test}" for test in tests]
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("CACHE_URL", "TOKEN_LIFECYCLE_REQUIRE_ALL")
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), *named],
        cwd=folder,
        env=environment | OF_A_GUARD,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def with_outcome(done, outcome):
    """The tests that ended so; of several with parameters each."""
    return re.findall(rf"^{outcome} tests/(.+?)(?: - .*)?$", done.stdout, re.MULTILINE)


def test_every_guarded_line_is_there_once():
    for guard in GUARDS:
        assert (ROOT / "token_lifecycle" / guard.file).read_text().count(guard.line) == 1, guard


# What a test notices does not depend on the database; the copies have SQLite.
if connection.vendor == "sqlite":

    def test_with_every_guard_in_place_the_tests_pass(copy):
        done = run(copy, [test for guard in GUARDS for test in guard.tests])
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.promise)
    def test_without_the_guard_its_tests_fail(copy, guard):
        file = copy / "token_lifecycle" / guard.file
        file.write_text(file.read_text().replace(guard.line, guard.weaker))
        done = run(copy, guard.tests)
        failed = with_outcome(done, "FAILED")
        unnoticed = [t for t in guard.tests if not any(name.startswith(t) for name in failed)]
        assert unnoticed == [], done.stdout + done.stderr
        # An error is no failure: the weaker line has to be one that runs.
        assert with_outcome(done, "ERROR") == [], done.stdout
