"""One project in which every contender that is installed lives beside the others."""

import importlib.util
import os
import tempfile
from datetime import timedelta
from pathlib import Path

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
    file = Path(tempfile.gettempdir()) / f"benchmark-{os.getpid()}.sqlite3"
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(file),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "timeout": 30,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            },
            "TEST": {"NAME": str(file)},
        }
    }
if name := os.environ.get("BENCHMARK_DATABASE"):
    # For the server's processes: the database that the measuring process has made.
    DATABASES["default"]["NAME"] = name

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "token_lifecycle",
]
if installed("knox"):
    INSTALLED_APPS += ["knox"]
if installed("oauth2_provider"):
    INSTALLED_APPS += ["oauth2_provider"]

#: What allauth insists on finding here. Nobody else has to pay for it: see ``handlers``.
MIDDLEWARE: list[str] = []
if installed("allauth") and installed("cryptography"):
    INSTALLED_APPS += [
        "django.contrib.messages",
        "django.contrib.sessions",
        "allauth",
        "allauth.account",
        "allauth.headless",
    ]
    MIDDLEWARE += [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "allauth.account.middleware.AccountMiddleware",
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

# They warn about the simplejwt that is set up beside this app, and that is why it is here.
SILENCED_SYSTEM_CHECKS = [f"token_lifecycle.{number}" for number in ("W050", "W051", "W053")]
# A microsecond: the price of a password hash is the project's choice and drowns everything else.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
REST_FRAMEWORK = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]}

# Said at every request, it would be measured with it.
LOGGING = {"version": 1, "loggers": {"oauth2_provider": {"level": "ERROR"}}}

# Every contender the same way: HS256 where it makes JWTs, rotation on, no throttles.
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
}
TOKEN_LIFECYCLE = {"THROTTLE_RATES": None}
OAUTH2_PROVIDER = {"ROTATE_REFRESH_TOKEN": True}
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "allauth.headless.tokens.strategies.jwt.JWTTokenStrategy"
HEADLESS_JWT_ALGORITHM = "HS256"
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 900
HEADLESS_JWT_ROTATE_REFRESH_TOKEN = True
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_RATE_LIMITS = False
