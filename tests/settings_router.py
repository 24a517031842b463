"""The suite's settings with users and sessions in a second database, and a replica that lags.

Everything about people is written to ``people``. Sessions are read from ``default``, whose tables
exist and stay empty: a replica that has heard of nothing yet. Whatever decides by what it reads
there takes every session for unknown.
"""

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

PEOPLE = {"admin", "auth", "contenttypes", "token_lifecycle"}


class PeopleRouter:
    def db_for_read(self, model, **hints):
        return "people" if model._meta.app_label in PEOPLE - {"token_lifecycle"} else "default"

    def db_for_write(self, model, **hints):
        return "people" if model._meta.app_label in PEOPLE else "default"

    def allow_relation(self, one, other, **hints):
        return True


DATABASE_ROUTERS = ["tests.settings_router.PeopleRouter"]

in_memory = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
people = DATABASES["default"]
DATABASES = {
    "default": in_memory,
    # A name of its own: the suite that started this one is using the other.
    "people": {**in_memory}
    if people["ENGINE"].endswith("sqlite3")
    else {**people, "NAME": f"{people['NAME']}_people"},
}
