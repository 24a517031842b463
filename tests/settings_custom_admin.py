"""The settings of ``tests.settings_custom_user``, with Django's admin."""

from tests.settings_custom_user import *  # noqa: F403
from tests.settings_custom_user import DATABASES, INSTALLED_APPS

INSTALLED_APPS = ["django.contrib.admin", *INSTALLED_APPS]
ROOT_URLCONF = "tests.custom_users.admin_urls"

# A database of its own: the other suite may run at the same time.
if not DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["NAME"] += "_admin"
