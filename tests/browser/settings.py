"""Settings of the server that the browser tests talk to; see ``server.py``."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import MIDDLEWARE as SUITE_MIDDLEWARE

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BROWSER_TEST_DATABASE"],
        # Five tabs write at once: take the write lock at the start, and wait for it.
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL",
        },
    }
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

ROOT_URLCONF = "tests.browser.urls"
MIDDLEWARE = ["tests.browser.stage.stage", *SUITE_MIDDLEWARE]
CSRF_TRUSTED_ORIGINS = os.environ["BROWSER_TEST_TRUSTED_ORIGINS"].split()

# As a project would have it: Secure over https, and not over plain http on a developer's machine.
OVER_HTTPS = "BROWSER_TEST_CERTIFICATE" in os.environ
TOKEN_LIFECYCLE = {"THROTTLE_RATES": None, "COOKIE": {"SECURE": OVER_HTTPS}}
CSRF_COOKIE_SECURE = OVER_HTTPS
