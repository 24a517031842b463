"""Other user models. Django fixes the model when it starts, hence a process for each."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(suite, settings, **environment):
    """Run a suite that this one does not collect, with settings of its own."""
    command = [sys.executable, "-m", "pytest", suite, f"--ds={settings}", "-q"]
    command += ["-p", "no:cacheprovider", "--no-cov", "--create-db"]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("model", ["Member", "Account", "Customer", "Guest", "Chief"])
def test_a_session_lives_its_life_with_another_user_model(model):
    done = run("tests/custom_users/suite.py", "tests.settings_custom_user", CUSTOM_USER=model)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_a_session_lives_its_life_where_users_have_no_password():
    suite, settings = "tests/custom_users/no_password_suite.py", "tests.settings_custom_user"
    done = run(suite, settings, CUSTOM_USER="Visitor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_a_session_lives_its_life_in_a_second_database():
    done = run("tests/second_database.py", "tests.settings_router")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
