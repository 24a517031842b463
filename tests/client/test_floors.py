"""What the client stands on: nothing but the standard library, until a transport is chosen."""

from __future__ import annotations

import subprocess
import sys

import pytest

import token_lifecycle.client

#: For a new interpreter, in which some packages cannot be imported: what does a module bring along?
SCRIPT = """
import sys
sys.path[:0] = {path!r}
sys.modules.update(dict.fromkeys({blocked!r}))
before = set(sys.modules)
import {module}
packages = {{name.partition(".")[0] for name in set(sys.modules) - before}}
sys.stdout.write(" ".join(packages - set(sys.stdlib_module_names)))
"""


def imported_by(module, blocked):
    script = SCRIPT.format(path=sys.path, module=module, blocked=blocked)
    command = [sys.executable, "-W", "error", "-I", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_client_imports_nothing_but_itself():
    blocked = ["django", "rest_framework", "httpx", "requests"]
    assert imported_by("token_lifecycle.client", blocked) == {"token_lifecycle"}


@pytest.mark.parametrize(("library", "other"), [("httpx", "requests"), ("requests", "httpx")])
def test_each_half_imports_its_own_library_and_not_the_other(library, other):
    blocked = ["django", "rest_framework", other]
    assert library in imported_by(f"token_lifecycle.client.{library}", blocked)


def test_every_public_name_is_there_and_says_what_it_is():
    client = token_lifecycle.client
    assert all(getattr(client, name).__doc__ for name in client.__all__)
    assert client.__all__ == sorted(client.__all__)
