"""Settings of the test suite. ``DATABASE_URL`` selects the database; SQLite without it."""

import os

import dj_database_url

SECRET_KEY = "a-test-key-that-is-long-enough-for-every-hmac-0123456789abcdef0123456789"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "tests.urls"

DATABASE_URL = os.environ.get("DATABASE_URL", "sqlite:///suite.sqlite3")
DATABASES = {"default": dj_database_url.parse(DATABASE_URL)}
match DATABASES["default"]["ENGINE"].rpartition(".")[2]:
    # Nothing of a test has to survive a power failure, and waiting for the disk takes most of
    # the time of a suite that commits so often.
    case "sqlite3":
        # A file, for threads and processes share it; and patience, for they all write to it.
        DATABASES["default"]["OPTIONS"] = {
            "timeout": 60,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
        }
        DATABASES["default"]["TEST"] = {"NAME": f"test_{DATABASES['default']['NAME']}"}
    case "postgresql":
        DATABASES["default"]["OPTIONS"] = {"options": "-c synchronous_commit=off"}

if CACHE_URL := os.environ.get("CACHE_URL"):
    # A Redis database for each worker, for the tests empty theirs.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"{CACHE_URL}/{8 + int(worker)}",
        }
    }

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "token_lifecycle",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
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

STATIC_URL = "static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["token_lifecycle.authentication.SessionTokenAuthentication"],
}

# The suite signs in and refreshes far more often than a person does.
TOKEN_LIFECYCLE = {"THROTTLE_RATES": None}
