"""Beside django-axes, which wants to be installed: hence a process of its own."""

import pytest

from tests.test_custom_users import run


def test_sign_ins_get_along_with_django_axes():
    pytest.importorskip("axes", reason="needs the package django-axes")
    done = run("tests/axes_suite.py", "tests.settings_axes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
