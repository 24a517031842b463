"""The example project's commands, each in a process of its own, as its users run them."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent


def environment(**variables):
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "CACHE_URL", "DJANGO_SETTINGS_MODULE")
    }
    return {**kept, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", **variables}


def in_a_hurry(directory):
    """Variables for a database in ``directory``, and for passwords that are hashed at once."""
    hasher = "django.contrib.auth.hashers.MD5PasswordHasher"
    (directory / "hurried.py").write_text(
        "from example_project.settings import *\n"
        f"PASSWORD_HASHERS = [{hasher!r}]\n"
        # The tests sign in more often than a person does.
        "TOKEN_LIFECYCLE = {**TOKEN_LIFECYCLE, 'THROTTLE_RATES': None}\n"
    )
    return {
        "DATABASE_URL": f"sqlite:///{directory}/demo.sqlite3",
        "DJANGO_SETTINGS_MODULE": "hurried",
        "PYTHONPATH": str(directory),
    }


def manage(*arguments, program=("manage.py",), **variables):
    """Run ``manage.py`` in a process of its own; what it printed and its exit code."""
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def serving(directory):
    """The demo, serving; yields its address and the file it prints to."""
    address, printed = free_address(), directory / "printed.txt"
    with printed.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "manage.py", "demo", "--addr", address],
            cwd=ROOT,
            env=environment(**in_a_hurry(directory)),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(f"http://{address}/login/", server)
            yield f"http://{address}", printed
        finally:
            server.terminate()
            server.wait(10)


def wait_for(url, server):
    for _ in range(300):
        assert server.poll() is None, "the demo has stopped"
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"nobody answers at {url}")
