"""Settings of the example project: SQLite and nothing else to install.

``DATABASE_URL`` selects another database (it needs the extra ``demo`` and the driver),
``CACHE_URL`` a Redis for the throttles' counters and for revocations, and ``REVOCATION_CHECK`` how
access tokens are checked.
"""

import os
from datetime import timedelta
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

# This is a demonstration on your own machine: a known key, known passwords, debug pages.
SECRET_KEY = "example-only-example-only-example-only-0123456789-abcdefghijklmnop"
DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
ASGI_APPLICATION = "example_project.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "token_lifecycle",
    # Sign-ins to the admin are sessions like any other: listed, and ended with the rest.
    "token_lifecycle.contrib.browser_sessions",
    "example_project.shop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "token_lifecycle.contrib.browser_sessions.middleware.BrowserSessionMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def database() -> dict:
    """The database that ``DATABASE_URL`` names, or a file beside ``manage.py``."""
    if url := os.environ.get("DATABASE_URL"):
        import dj_database_url

        chosen = dict(dj_database_url.parse(url))
    else:
        chosen = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "example.sqlite3"}
    if chosen["ENGINE"] == "django.db.backends.sqlite3":
        chosen["OPTIONS"] = {
            # Readers do not wait for the writer (WAL), writers queue up instead of failing
            # (timeout), and a transaction that will write says so at once (IMMEDIATE).
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
        }
    return chosen


DATABASES = {"default": database()}

if "CACHE_URL" in os.environ:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["CACHE_URL"],
        }
    }

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"

STATIC_URL = "static/"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["token_lifecycle.authentication.SessionTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}

# What describes the endpoints where drf-spectacular is installed (example_project/urls.py).
SPECTACULAR_SETTINGS = {"TITLE": "Signing in at the paper shop", "VERSION": "1"}

SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=15)}

TOKEN_LIFECYCLE = {
    # Off only because the demo is plain http on localhost. Leave this line out in a project of
    # your own: the cookie is then sent over https alone, and named so that browsers insist.
    "COOKIE": {"SECURE": False},
    # The default, said here because the page counts it down.
    "REUSE_GRACE_PERIOD": timedelta(seconds=10),
    # So that the admin shows what a refresh leaves behind. Busy sites leave it off.
    "RECORD_ROTATIONS": True,
    # "memory" asks no database, and with a Redis the list there hears of every end at once.
    "REVOCATION_CHECK": os.environ.get("REVOCATION_CHECK", "database"),
}
if "CACHE_URL" in os.environ:
    TOKEN_LIFECYCLE["REVOCATION_PUSH"] = {
        "BACKEND": "token_lifecycle.contrib.redis_push.RedisPush",
        "LOCATION": os.environ["CACHE_URL"],
    }

# New sign-ins are mailed (example_project/shop/apps.py), here to the terminal.
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

# What happens to sessions, on the terminal beside the requests.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"token_lifecycle": {"handlers": ["console"], "level": "INFO"}},
}
