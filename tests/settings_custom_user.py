"""The suite's settings with a user model of ``tests.custom_users``: ``CUSTOM_USER`` names it."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS

CUSTOM_USER = os.environ.get("CUSTOM_USER", "Member")
AUTH_USER_MODEL = f"custom_users.{CUSTOM_USER}"
# The admin asks of a user what these models do not have.
INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "django.contrib.admin"]
INSTALLED_APPS += ["tests.custom_users"]
ROOT_URLCONF = "tests.custom_users.urls"

# A database of its own: the suite that started this one is using the other.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
else:
    DATABASES["default"]["NAME"] += f"_{CUSTOM_USER.lower()}"
