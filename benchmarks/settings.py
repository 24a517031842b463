"""One project in which every contender that is installed lives beside the others."""

import importlib.util
import os
from datetime import timedelta

SECRET_KEY = "a-key-for-measuring-that-is-long-enough-0123456789abcdef0123456789"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "benchmarks.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


if url := os.environ.get("DATABASE_URL"):
    import dj_database_url

    DATABASES = {"default": dj_database_url.parse(url, conn_max_age=None)}
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": "benchmark.sqlite3",
            "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"},
            "TEST": {"NAME": "test_benchmark.sqlite3"},
        }
    }

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "token_lifecycle",
    *(["knox"] if installed("knox") else []),
    *(["oauth2_provider"] if installed("oauth2_provider") else []),
]
SILENCED_SYSTEM_CHECKS = ["token_lifecycle.W050", "token_lifecycle.W051"]
MIDDLEWARE: list[str] = []
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
REST_FRAMEWORK = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
}
TOKEN_LIFECYCLE = {"THROTTLE_RATES": None}
OAUTH2_PROVIDER = {"ROTATE_REFRESH_TOKEN": True}
