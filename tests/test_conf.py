"""Every setting is read when it is needed, so that ``override_settings`` works."""

from datetime import timedelta

import pytest
from django.test import override_settings

from token_lifecycle.conf import (
    COOKIE_DEFAULTS,
    DEFAULT_ACCESS_LIFETIME,
    DEFAULTS,
    THROTTLE_DEFAULTS,
    AppSettings,
    app_settings,
)


def claims(session, user):
    """A hook as a project would write it."""
    return {"role": "nurse"}


VALUES = {
    "SESSION_LIFETIME": timedelta(days=1),
    "IDLE_TIMEOUT": timedelta(hours=1),
    "REUSE_GRACE_PERIOD": timedelta(0),
    "REVOCATION_CHECK": "none",
    "REVOCATION_POLL_INTERVAL": timedelta(seconds=5),
    "MAX_SESSIONS_PER_USER": 3,
    "SESSION_LIMIT_POLICY": "refuse",
    "REFRESH_REFUSED_STATUS": 400,
    "TRUSTED_PROXIES": 2,
    "RECORD_ROTATIONS": True,
    "RETENTION": timedelta(days=1),
    "ADMIN_USER_PANEL": False,
}


@pytest.mark.parametrize(("name", "value"), VALUES.items(), ids=VALUES)
def test_a_setting_is_live(name, value):
    with override_settings(TOKEN_LIFECYCLE={}):
        assert getattr(app_settings, name.lower()) == DEFAULTS[name]
        with override_settings(TOKEN_LIFECYCLE={name: value}):
            assert getattr(app_settings, name.lower()) == value
        assert getattr(app_settings, name.lower()) == DEFAULTS[name]


def test_every_setting_has_a_property():
    assert {name.lower() for name in DEFAULTS} <= set(dir(AppSettings))


@pytest.mark.parametrize("nothing", [{}, None])
def test_without_any_setting_the_defaults_hold(settings, nothing):
    settings.TOKEN_LIFECYCLE = nothing
    assert app_settings.session_lifetime == timedelta(days=30)
    assert app_settings.idle_timeout == timedelta(days=14)
    assert app_settings.reuse_grace_period == timedelta(seconds=10)
    assert app_settings.revocation_check == "database"
    assert app_settings.refresh_refused_status == 401
    assert app_settings.cookie == COOKIE_DEFAULTS
    assert app_settings.throttle_rates == THROTTLE_DEFAULTS


def test_a_project_without_the_setting_gets_the_defaults(settings):
    del settings.TOKEN_LIFECYCLE
    assert app_settings.project == {}
    assert app_settings.trusted_proxies == 0


def test_part_of_the_cookie_may_be_set(settings):
    settings.TOKEN_LIFECYCLE = {"COOKIE": {"SAMESITE": "Lax"}}
    assert app_settings.cookie == {**COOKIE_DEFAULTS, "SAMESITE": "Lax"}
    assert COOKIE_DEFAULTS["SAMESITE"] == "Strict"


def test_part_of_the_throttles_may_be_set_or_turned_off(settings):
    settings.TOKEN_LIFECYCLE = {"THROTTLE_RATES": {"obtain_account": "3/h", "obtain_address": None}}
    assert app_settings.throttle_rates == {
        "obtain_address": None,
        "obtain_account": "3/h",
        "refresh_session": THROTTLE_DEFAULTS["refresh_session"],
    }


def test_all_throttles_may_be_turned_off_together(settings):
    settings.TOKEN_LIFECYCLE = {"THROTTLE_RATES": None}
    assert app_settings.throttle_rates == dict.fromkeys(THROTTLE_DEFAULTS)


@pytest.mark.parametrize("hook", ["tests.test_conf.claims", claims])
def test_the_claims_hook_is_a_path_or_a_callable(settings, hook):
    settings.TOKEN_LIFECYCLE = {"ACCESS_CLAIMS": hook}
    assert app_settings.access_claims(None, None) == {"role": "nurse"}


def test_there_is_no_claims_hook_by_default(settings):
    settings.TOKEN_LIFECYCLE = {}
    assert app_settings.access_claims is None


@pytest.mark.parametrize("nothing", [{}, None])
def test_an_access_token_lives_fifteen_minutes_where_the_project_says_nothing(settings, nothing):
    settings.SIMPLE_JWT = nothing
    assert app_settings.access_token_lifetime == DEFAULT_ACCESS_LIFETIME == timedelta(minutes=15)


def test_the_lifetime_of_access_tokens_is_the_one_of_simple_jwt(settings):
    settings.SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=3)}
    assert app_settings.access_token_lifetime == timedelta(minutes=3)


def test_the_defaults_are_safe():
    """ASVS 7.1.1, 3.3: a project that configures nothing is not worse off for it."""
    assert DEFAULTS["SESSION_LIFETIME"] <= timedelta(days=30)
    assert DEFAULTS["IDLE_TIMEOUT"] < DEFAULTS["SESSION_LIFETIME"]
    assert DEFAULTS["REUSE_GRACE_PERIOD"] <= timedelta(seconds=10)
    assert DEFAULTS["REVOCATION_CHECK"] == "database"
    assert DEFAULTS["TRUSTED_PROXIES"] == 0
    assert COOKIE_DEFAULTS["SECURE"]
    assert COOKIE_DEFAULTS["SAMESITE"] == "Strict"
    assert all(THROTTLE_DEFAULTS.values())
