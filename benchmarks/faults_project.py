"""The project of ``benchmarks.faults``: that of ``benchmarks.kills``, and a way to die in mid-work.

``FAULTS_SETTINGS`` in the environment is laid over the settings. As a program it makes the users.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from django.conf import settings

from . import kills_project
from .faults_clients import PASSWORD, name_of

#: A file. Whoever removes it dies.
DIE = os.environ.get("FAULTS_DIE", "")


def set_up() -> None:
    wanted = json.loads(os.environ.get("FAULTS_SETTINGS", "{}"))
    settings.DATABASES["default"]["CONN_MAX_AGE"] = wanted.get("CONN_MAX_AGE")
    if location := wanted.get("CACHE"):
        backend = "django.core.cache.backends.redis.RedisCache"
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": location}}


def die_if_asked(**_: Any) -> None:
    """A receiver: it is called after the commit and before anything is answered."""
    try:
        Path(DIE).unlink()
    except OSError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


set_up()
if DIE:
    from token_lifecycle.signals import token_rotated

    token_rotated.connect(die_if_asked)


def __getattr__(name: str) -> Any:
    return getattr(kills_project, name)


def main() -> None:
    from django.contrib.auth import get_user_model
    from django.contrib.auth.hashers import make_password

    users, password = get_user_model(), make_password(PASSWORD)
    names = map(name_of, range(int(sys.argv[1])))
    users.objects.bulk_create([users(username=name, password=password) for name in names])


if __name__ == "__main__":
    main()
