"""The settings, typed and read live: ``override_settings`` works, nothing is frozen at import.

Keys, algorithm, issuer, audience, claim names and the access token's lifetime stay in
``SIMPLE_JWT``; see :mod:`token_lifecycle.tokens`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

SETTING = "TOKEN_LIFECYCLE"

#: simplejwt's own default is five minutes, which makes a client refresh three times as often.
DEFAULT_ACCESS_LIFETIME = timedelta(minutes=15)

DEFAULTS: Mapping[str, Any] = {
    "SESSION_LIFETIME": timedelta(days=30),
    "IDLE_TIMEOUT": timedelta(days=14),
    "REUSE_GRACE_PERIOD": timedelta(seconds=10),
    "REVOCATION_CHECK": "database",
    "REVOCATION_POLL_INTERVAL": timedelta(seconds=1),
    "REVOCATION_WHEN_STALE": "database",
    "REVOCATION_PUSH": None,
    "MAX_SESSIONS_PER_USER": None,
    "SESSION_LIMIT_POLICY": "evict_oldest",
    "COOKIE": {},
    "REFRESH_REFUSED_STATUS": 401,
    "THROTTLE_RATES": {},
    "TRUSTED_PROXIES": 0,
    "ACCESS_CLAIMS": None,
    "SIGNING_KEYS": None,
    "RECORD_ROTATIONS": False,
    "RETENTION": timedelta(days=30),
    "ADMIN_USER_PANEL": True,
}

COOKIE_DEFAULTS: Mapping[str, Any] = {
    "NAME": None,
    "SECURE": True,
    "SAMESITE": "Strict",
    "DOMAIN": None,
    "PATH": None,
    "HINT_NAME": "tl_hint",
}

#: Sign-ins per client address and per account, refreshes per session. None turns one off.
THROTTLE_DEFAULTS: Mapping[str, str | None] = {
    "obtain_address": "30/min",
    "obtain_account": "10/min",
    "refresh_session": "60/min",
}


class AppSettings:
    """One property per setting; the README's table says what each means."""

    @property
    def project(self) -> dict[str, Any]:
        """What the project wrote, unchecked; the system checks look at it."""
        return cast("dict[str, Any]", getattr(settings, SETTING, None) or {})

    def _get(self, name: str) -> Any:
        return self.project.get(name, DEFAULTS[name])

    @property
    def session_lifetime(self) -> timedelta:
        return cast("timedelta", self._get("SESSION_LIFETIME"))

    @property
    def idle_timeout(self) -> timedelta:
        return cast("timedelta", self._get("IDLE_TIMEOUT"))

    @property
    def reuse_grace_period(self) -> timedelta:
        return cast("timedelta", self._get("REUSE_GRACE_PERIOD"))

    @property
    def revocation_check(self) -> str:
        return cast("str", self._get("REVOCATION_CHECK"))

    @property
    def revocation_poll_interval(self) -> timedelta:
        return cast("timedelta", self._get("REVOCATION_POLL_INTERVAL"))

    @property
    def revocation_when_stale(self) -> str:
        return cast("str", self._get("REVOCATION_WHEN_STALE"))

    @property
    def revocation_push(self) -> dict[str, str] | None:
        """The ``BACKEND`` that brings notices at once, and what it is called with."""
        return cast("dict[str, str] | None", self._get("REVOCATION_PUSH"))

    @property
    def max_sessions_per_user(self) -> int | None:
        return cast("int | None", self._get("MAX_SESSIONS_PER_USER"))

    @property
    def session_limit_policy(self) -> str:
        return cast("str", self._get("SESSION_LIMIT_POLICY"))

    @property
    def cookie(self) -> dict[str, Any]:
        return {**COOKIE_DEFAULTS, **self._get("COOKIE")}

    @property
    def refresh_refused_status(self) -> int:
        return cast("int", self._get("REFRESH_REFUSED_STATUS"))

    @property
    def throttle_rates(self) -> dict[str, str | None]:
        """Rates by scope; ``THROTTLE_RATES = None`` turns every throttle of this app off."""
        rates = self._get("THROTTLE_RATES")
        return dict.fromkeys(THROTTLE_DEFAULTS) if rates is None else {**THROTTLE_DEFAULTS, **rates}

    @property
    def trusted_proxies(self) -> int:
        return cast("int", self._get("TRUSTED_PROXIES"))

    @property
    def access_claims(self) -> Callable[..., Mapping[str, Any]] | None:
        """The project's hook ``(session, user) -> dict``, imported; None where there is none."""
        hook = self._get("ACCESS_CLAIMS")
        return cast(
            "Callable[..., Mapping[str, Any]] | None",
            import_string(hook) if isinstance(hook, str) else hook,
        )

    @property
    def signing_keys(self) -> list[dict[str, Any]] | None:
        """The ring of keys, the one that signs first; None for the single key of ``SIMPLE_JWT``."""
        return cast("list[dict[str, Any]] | None", self._get("SIGNING_KEYS"))

    @property
    def record_rotations(self) -> bool:
        return cast("bool", self._get("RECORD_ROTATIONS"))

    @property
    def retention(self) -> timedelta:
        return cast("timedelta", self._get("RETENTION"))

    @property
    def admin_user_panel(self) -> bool:
        return cast("bool", self._get("ADMIN_USER_PANEL"))

    @property
    def simple_jwt(self) -> dict[str, Any]:
        """The project's ``SIMPLE_JWT``, unchecked and without simplejwt's defaults."""
        return cast("dict[str, Any]", getattr(settings, "SIMPLE_JWT", None) or {})

    @property
    def access_token_lifetime(self) -> timedelta:
        return cast(
            "timedelta",
            self.simple_jwt.get("ACCESS_TOKEN_LIFETIME", DEFAULT_ACCESS_LIFETIME),
        )

    @property
    def leeway(self) -> timedelta:
        """What clocks may differ by; PyJWT takes seconds as well."""
        leeway = self.simple_jwt.get("LEEWAY") or 0
        return leeway if isinstance(leeway, timedelta) else timedelta(seconds=leeway)

    @property
    def access_token_reach(self) -> timedelta:
        """How long after it was issued an access token may still be honoured."""
        return self.access_token_lifetime + self.leeway


app_settings = AppSettings()
