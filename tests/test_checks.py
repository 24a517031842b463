"""The system checks: which setting is reported under which id, and that none ever raises."""

import re
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest
from django.apps import apps
from django.core import checks as django_checks
from django.core.management import call_command
from django.db import connection, connections
from django.test import override_settings
from django.urls import include, path
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.views import TokenRefreshView, TokenVerifyView

from token_lifecycle import checks
from token_lifecycle.authentication import SessionTokenAuthentication
from token_lifecycle.conf import COOKIE_DEFAULTS, DEFAULTS, THROTTLE_DEFAULTS

NOT_CALLABLE = "nothing to call"
LONG = "0123456789abcdefghijklmnopqrstuvwxyz" * 2


def hook(session, user):
    return {}


CHECKS = [*checks.CHECKS, checks.cookies.check_insecure_cookie]


def check_error_codes(expected, /, **settings):
    """What all checks together report for these settings."""
    with override_settings(**{"SIMPLE_JWT": {}, "TOKEN_LIFECYCLE": {}, **settings}):
        found = [message for check in CHECKS for message in check()]
    assert [message.id.removeprefix("token_lifecycle.") for message in found] == expected
    assert all(message.msg for message in found)


def test_a_project_that_configures_nothing_has_nothing_to_fix():
    check_error_codes([])


def test_every_setting_has_a_rule():
    assert set(checks.values.RULES) == set(DEFAULTS)


def test_every_default_obeys_its_rule():
    check_error_codes([], TOKEN_LIFECYCLE=dict(DEFAULTS))


@pytest.mark.parametrize("value", [[], "x", 5, ("a",), {1}], ids=repr)
def test_what_is_no_dict_is_reported(value):
    check_error_codes(["E001"], TOKEN_LIFECYCLE=value)


@pytest.mark.parametrize("nothing", [None, {}])
def test_nothing_at_all_is_fine(nothing):
    check_error_codes([], TOKEN_LIFECYCLE=nothing)


@pytest.mark.parametrize("name", ["SESION_LIFETIME", "session_lifetime", 5, None])
def test_an_unknown_setting_is_reported(name):
    check_error_codes(["E002"], TOKEN_LIFECYCLE={name: 1})


MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
GOOD_VALUES = [
    ("SIGNING_KEYS", None),
    ("SIGNING_KEYS", [{"KID": "x", "ALGORITHM": "HS256", "SIGNING_KEY": LONG}]),
    ("SESSION_LIFETIME", DAY),
    ("IDLE_TIMEOUT", timedelta(seconds=1)),
    ("REUSE_GRACE_PERIOD", timedelta(0)),
    ("REVOCATION_CHECK", "none"),
    ("REVOCATION_CHECK", "memory"),
    ("REVOCATION_POLL_INTERVAL", MINUTE),
    ("REVOCATION_WHEN_STALE", "refuse"),
    ("REVOCATION_PUSH", None),
    ("REVOCATION_PUSH", {"BACKEND": "tests.test_checks.hook", "SESSION": "a", "USER": "b"}),
    ("MAX_SESSIONS_PER_USER", 1),
    ("MAX_SESSIONS_PER_USER", None),
    ("SESSION_LIMIT_POLICY", "refuse"),
    ("COOKIE", {}),
    ("REFRESH_REFUSED_STATUS", 400),
    ("REFRESH_REFUSED_STATUS", 403),
    ("THROTTLE_RATES", None),
    ("THROTTLE_RATES", {}),
    ("TRUSTED_PROXIES", 3),
    ("ACCESS_CLAIMS", "tests.test_checks.hook"),
    ("ACCESS_CLAIMS", hook),
    ("RECORD_ROTATIONS", True),
    ("RETENTION", timedelta(0)),
    ("ADMIN_USER_PANEL", False),
]
BAD_VALUES = [
    ("SIGNING_KEYS", []),
    ("SIGNING_KEYS", "x"),
    ("SIGNING_KEYS", ["x"]),
    ("SESSION_LIFETIME", 86400),
    ("SESSION_LIFETIME", timedelta(0)),
    ("IDLE_TIMEOUT", None),
    ("IDLE_TIMEOUT", -DAY),
    ("REUSE_GRACE_PERIOD", 10),
    ("REUSE_GRACE_PERIOD", -MINUTE),
    ("REVOCATION_CHECK", "Database"),
    ("REVOCATION_CHECK", None),
    ("REVOCATION_POLL_INTERVAL", timedelta(0)),
    ("REVOCATION_POLL_INTERVAL", timedelta(milliseconds=99)),
    ("REVOCATION_WHEN_STALE", "allow"),
    ("REVOCATION_PUSH", "redis://host"),
    ("REVOCATION_PUSH", {"LOCATION": "redis://host"}),
    ("REVOCATION_PUSH", {"BACKEND": "tests.test_checks.hook", "DB": 1}),
    ("MAX_SESSIONS_PER_USER", 0),
    ("MAX_SESSIONS_PER_USER", True),
    ("MAX_SESSIONS_PER_USER", "3"),
    ("SESSION_LIMIT_POLICY", "evict"),
    ("COOKIE", None),
    ("COOKIE", "__Host-x"),
    ("REFRESH_REFUSED_STATUS", 200),
    ("REFRESH_REFUSED_STATUS", "401"),
    ("THROTTLE_RATES", "10/min"),
    ("TRUSTED_PROXIES", -1),
    ("TRUSTED_PROXIES", True),
    ("TRUSTED_PROXIES", "1"),
    ("ACCESS_CLAIMS", 5),
    ("RECORD_ROTATIONS", 1),
    ("RETENTION", 30),
    ("RETENTION", -DAY),
    ("ADMIN_USER_PANEL", None),
    ("ADMIN_USER_PANEL", 1),
]


@pytest.mark.parametrize(("name", "value"), GOOD_VALUES)
def test_a_value_of_the_right_kind_is_accepted(name, value):
    check_error_codes([], TOKEN_LIFECYCLE={name: value})


@pytest.mark.parametrize(("name", "value"), BAD_VALUES)
def test_a_value_of_the_wrong_kind_is_reported_by_name(name, value):
    check_error_codes(["E003"], TOKEN_LIFECYCLE={name: value})
    with override_settings(TOKEN_LIFECYCLE={name: value}):
        assert name in checks.values.check_shape()[0].msg


def test_each_setting_has_a_good_and_a_bad_value_here():
    assert {name for name, _ in GOOD_VALUES} == {name for name, _ in BAD_VALUES} == set(DEFAULTS)


@pytest.mark.parametrize(
    ("mode", "access", "expected"),
    [
        ("memory", DAY, []),
        ("memory", DAY + MINUTE, ["E022"]),
        ("database", DAY + MINUTE, []),
        ("memory", "a day", ["E023"]),
    ],
)
def test_a_list_in_memory_has_to_hold_what_ends_within_an_access_lifetime(mode, access, expected):
    check_error_codes(
        expected,
        TOKEN_LIFECYCLE={"REVOCATION_CHECK": mode},
        SIMPLE_JWT={"ACCESS_TOKEN_LIFETIME": access},
    )


@pytest.mark.parametrize(
    "push",
    [
        {"BACKEND": "tests.nowhere.Push"},
        {"BACKEND": "token_lifecycle.contrib.redis_push.RedisPush"},
        {"BACKEND": "token_lifecycle.contrib.redis_push.RedisPush", "LOCATION": ":hunter2@host"},
    ],
)
def test_a_push_that_cannot_be_made_is_reported_without_its_address(push):
    check_error_codes(["E032"], TOKEN_LIFECYCLE={"REVOCATION_PUSH": push})
    with override_settings(TOKEN_LIFECYCLE={"REVOCATION_PUSH": push}):
        assert "hunter2" not in checks.values.check_push()[0].msg


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        ({"NAME": "refresh"}, []),
        ({"NAME": "__Host-refresh", "PATH": "/"}, []),
        ({"NAME": "__Host-Http-refresh", "PATH": "/"}, []),
        ({"NAME": "__Secure-refresh", "DOMAIN": "example.com", "PATH": "/browser/"}, []),
        ({"SAMESITE": "Lax"}, []),
        ({"SAMESITE": "None"}, []),
        ({"SECURE": False, "NAME": "refresh"}, ["W010"]),
        ({"HINT_NAME": "signed_in"}, []),
        ({"MAX_AGE": 5}, ["E002"]),
        ({"SAMESITE": "strict"}, ["E010"]),
        ({"SAMESITE": None}, ["E010"]),
        ({"SAMESITE": ["Lax"]}, ["E010"]),
        ({"SAMESITE": "None", "SECURE": False}, ["E011", "W010"]),
        ({"NAME": "__Secure-x", "SECURE": False}, ["E012", "W010"]),
        ({"NAME": "__secure-x", "SECURE": False}, ["E012", "W010"]),
        ({"NAME": "__Http-x", "SECURE": False}, ["E012", "W010"]),
        ({"NAME": "__Host-x", "PATH": "/", "SECURE": False}, ["E012", "W010"]),
        ({"HINT_NAME": "__Secure-hint", "SECURE": False}, ["E012", "W010"]),
        ({"NAME": "__Host-x"}, ["E013"]),
        ({"NAME": "__HOST-x", "PATH": "/browser/"}, ["E013"]),
        ({"NAME": "__Host-x", "PATH": "/", "DOMAIN": "example.com"}, ["E013"]),
        ({"HINT_NAME": "__Host-hint", "DOMAIN": "example.com"}, ["E013"]),
        ({"HINT_NAME": "__Host-hint"}, []),
        ({"NAME": "a b"}, ["E014"]),
        ({"NAME": "a;b"}, ["E014"]),
        ({"NAME": "a\r\nSet-Cookie: b"}, ["E014"]),
        ({"NAME": "refresh/token"}, ["E014"]),
        ({"NAME": "r[0]"}, ["E014"]),
        ({"NAME": "expires"}, ["E014"]),
        ({"NAME": "\N{SNOWMAN}"}, ["E014"]),
        ({"NAME": ""}, ["E014"]),
        ({"NAME": 5}, ["E014"]),
        ({"HINT_NAME": None}, ["E014"]),
        ({"HINT_NAME": "a,b"}, ["E014"]),
        ({"DOMAIN": "a.example; Path=/"}, ["E014"]),
        ({"DOMAIN": 5}, ["E014"]),
        ({"PATH": "/a b/"}, ["E014", "E070"]),
        ({"PATH": "/a\n"}, ["E014", "E070"]),
        ({"PATH": ""}, ["E014"]),
        ({"PATH": "/\N{SNOWMAN}/"}, ["E014", "E070"]),
        ({"NAME": "same", "HINT_NAME": "same"}, ["E015"]),
        ({"HINT_NAME": "__Secure-refresh_token"}, ["E015"]),
        ({"HINT_NAME": "refresh_token", "SECURE": False}, ["E015", "W010"]),
        ({"HINT_NAME": "refresh_token"}, []),
        ({"SECURE": "False"}, ["E017"]),
        ({"SECURE": 1}, ["E017"]),
        ({"SECURE": None}, ["E017", "W010"]),
        ({"PATH": "/browser"}, []),
        ({"PATH": "/browser/"}, []),
        ({"PATH": "/"}, []),
        ({"PATH": "/auth/"}, ["E070"]),
        ({"PATH": "/browser/refresh/"}, ["E070"]),
        ({"PATH": "/brow"}, ["E070"]),
    ],
    ids=ascii,
)
def test_a_cookie_that_browsers_would_drop_is_reported(cookie, expected):
    check_error_codes(expected, TOKEN_LIFECYCLE={"COOKIE": cookie})


def test_an_insecure_cookie_is_reported_when_deploying_only():
    with override_settings(TOKEN_LIFECYCLE={"COOKIE": {"SECURE": False}}):
        plain = {message.id for message in django_checks.run_checks()}
        deploying = {
            message.id for message in django_checks.run_checks(include_deployment_checks=True)
        }
    assert "token_lifecycle.W010" not in plain
    assert "token_lifecycle.W010" in deploying


@pytest.mark.parametrize(
    ("app", "jwt", "expected"),
    [
        ({"REUSE_GRACE_PERIOD": MINUTE}, {"ACCESS_TOKEN_LIFETIME": MINUTE}, []),
        ({"REUSE_GRACE_PERIOD": DAY}, {}, ["E020"]),
        ({"REUSE_GRACE_PERIOD": 2 * MINUTE}, {"ACCESS_TOKEN_LIFETIME": MINUTE}, ["E020"]),
        ({"SESSION_LIFETIME": MINUTE}, {}, ["W021"]),
        ({"SESSION_LIFETIME": MINUTE}, {"ACCESS_TOKEN_LIFETIME": MINUTE}, []),
        ({"SESSION_LIFETIME": 5}, {}, ["E003"]),
        ({"REUSE_GRACE_PERIOD": 5}, {}, ["E003"]),
        ({}, {"ACCESS_TOKEN_LIFETIME": 5}, ["E023"]),
    ],
)
def test_durations_that_contradict_each_other_are_reported(app, jwt, expected):
    check_error_codes(expected, TOKEN_LIFECYCLE=app, SIMPLE_JWT=jwt)


@pytest.mark.parametrize("rate", ["10/min", "1/s", "5/hour", "100/d", None])
@pytest.mark.parametrize("name", THROTTLE_DEFAULTS)
def test_a_rate_that_rest_framework_reads_is_accepted(name, rate):
    check_error_codes([], TOKEN_LIFECYCLE={"THROTTLE_RATES": {name: rate}})


@pytest.mark.parametrize(
    "rate",
    [
        "10",
        "10/",
        "/min",
        "ten/min",
        "10/year",
        "10/ min",
        "10/min/2",
        "-1/min",
        "1.5/s",
        10,
        b"1/s",
    ],
)
def test_a_rate_that_rest_framework_cannot_read_is_reported(rate):
    check_error_codes(["E030"], TOKEN_LIFECYCLE={"THROTTLE_RATES": {"obtain_account": rate}})


def test_a_throttle_of_an_unknown_name_is_reported():
    check_error_codes(["E002"], TOKEN_LIFECYCLE={"THROTTLE_RATES": {"refresh": "1/s"}})


@pytest.mark.parametrize(
    "path",
    [
        "tests.test_checks.nothing",
        "tests.nothing.hook",
        "nothing",
        "",
        ".",
        "..x",
        "tests.test_checks.NOT_CALLABLE",
    ],
)
def test_a_claims_hook_that_cannot_be_called_is_reported(path):
    check_error_codes(["E031"], TOKEN_LIFECYCLE={"ACCESS_CLAIMS": path})


def test_a_claims_hook_whose_module_is_broken_is_reported():
    broken = mock.Mock(side_effect=RuntimeError("broken"))
    with mock.patch.object(checks.values, "import_string", broken):
        check_error_codes(["E031"], TOKEN_LIFECYCLE={"ACCESS_CLAIMS": "project.claims.hook"})


@pytest.mark.parametrize(
    ("jwt", "expected"),
    [
        ({"SIGNING_KEY": LONG[:32]}, []),
        ({"SIGNING_KEY": LONG[:31]}, ["E040"]),
        ({"SIGNING_KEY": LONG[:32].encode()}, []),
        ({"SIGNING_KEY": b"short"}, ["E040"]),
        ({"SIGNING_KEY": ""}, ["E040", "E044"]),
        ({"SIGNING_KEY": "a" * 64}, ["E040"]),
        ({"SIGNING_KEY": "abcdefg" * 10}, ["E040"]),
        ({"ALGORITHM": "HS384", "SIGNING_KEY": LONG[:47]}, ["E040"]),
        ({"ALGORITHM": "HS384", "SIGNING_KEY": LONG[:48]}, []),
        ({"ALGORITHM": "HS512", "SIGNING_KEY": LONG[:63]}, ["E040"]),
        ({"ALGORITHM": "HS512", "SIGNING_KEY": LONG[:64]}, []),
        ({"ALGORITHM": ["HS256"], "SIGNING_KEY": "x"}, ["E044"]),
        ({"SIGNING_KEY": None}, ["E044"]),
    ],
)
def test_a_key_that_can_be_guessed_is_reported(jwt, expected):
    check_error_codes(expected, SIMPLE_JWT=jwt)


def test_the_secret_key_is_looked_at_where_it_signs():
    check_error_codes(["E040"], SECRET_KEY="django-insecure")


@pytest.mark.parametrize(
    ("jwt", "expected"),
    [
        ({"ROTATE_REFRESH_TOKENS": True}, ["W051"]),
        ({"ROTATE_REFRESH_TOKENS": False}, []),
        ({"BLACKLIST_AFTER_ROTATION": True}, ["W051"]),
        ({"REFRESH_TOKEN_LIFETIME": DAY}, ["W051"]),
    ],
)
def test_settings_of_simplejwt_that_do_nothing_here_are_reported(jwt, expected):
    check_error_codes(expected, SIMPLE_JWT=jwt)


def test_the_blacklist_of_simplejwt_is_reported():
    def is_installed(name):
        return name == "rest_framework_simplejwt.token_blacklist"

    with mock.patch.object(apps, "is_installed", is_installed):
        check_error_codes(["W050"])


@pytest.mark.parametrize(
    ("jwt", "expected"),
    [
        ({"ACCESS_TOKEN_LIFETIME": MINUTE}, []),
        ({"ACCESS_TOKEN_LIFETIME": 900}, ["E023"]),
        ({"ACCESS_TOKEN_LIFETIME": None}, ["E023"]),
        ({"ACCESS_TOKEN_LIFETIME": -MINUTE}, ["E023"]),
        ({"LEEWAY": 5}, []),
        ({"LEEWAY": 0.5}, []),
        ({"LEEWAY": MINUTE}, []),
        ({"LEEWAY": None}, []),
        ({"LEEWAY": "5"}, ["E023"]),
        ({"LEEWAY": True}, ["E023"]),
        ({"LEEWAY": -1}, ["E023"]),
        ({"LEEWAY": -MINUTE}, ["E023"]),
        ({"LEEWAY": float("nan")}, ["E023"]),
        ({"LEEWAY": float("inf")}, ["E023"]),
        ({"USER_ID_FIELD": "pk"}, []),
        ({"USER_ID_FIELD": "username"}, []),
        ({"USER_ID_FIELD": "uuid"}, ["E024"]),
        ({"USER_ID_FIELD": "groups"}, ["E024"]),
        ({"USER_ID_FIELD": "is_anonymous"}, ["E024"]),
        ({"USER_ID_FIELD": None}, ["E024"]),
        ({"USER_ID_FIELD": []}, ["E024"]),
        ({"USER_ID_CLAIM": "sub"}, []),
        ({"USER_ID_CLAIM": "sid"}, ["E025"]),
        ({"USER_ID_CLAIM": "exp"}, ["E025"]),
        ({"USER_ID_CLAIM": ""}, ["E025"]),
        ({"USER_ID_CLAIM": 5}, ["E025"]),
        ({"USER_ID_CLAIM": "jti"}, ["E025", "E025"]),
        ({"USER_ID_CLAIM": "token_type"}, ["E025", "E025"]),
        ({"USER_ID_CLAIM": "t", "TOKEN_TYPE_CLAIM": "t"}, ["E025", "E025"]),
        ({"TOKEN_TYPE_CLAIM": "typ", "JTI_CLAIM": "id"}, []),
        ({"TOKEN_TYPE_CLAIM": None, "JTI_CLAIM": ""}, []),
        ({"JTI_CLAIM": "sec"}, ["E025"]),
    ],
    ids=str,
)
def test_what_simplejwts_settings_say_of_tokens_has_to_be_possible(jwt, expected):
    check_error_codes(expected, SIMPLE_JWT=jwt)


OUR_API = path("a/", include("token_lifecycle.urls"))
OUR_BROWSER = path("a/", include("token_lifecycle.browser_urls"))


class TestMounts:
    @pytest.mark.parametrize(
        ("mounted", "expected"),
        [
            ([OUR_API, path("b/", include([OUR_BROWSER]))], []),
            ([OUR_API, OUR_BROWSER], ["W071"]),
            ([path("x/", include([OUR_API])), path("x/a/", include(OUR_BROWSER.url_patterns))], []),
            ([path("x/", include([OUR_API])), path("x/", include([OUR_BROWSER]))], ["W071"]),
            ([OUR_BROWSER, path("a/b/", include("token_lifecycle.browser_urls"))], ["W072"]),
            ([OUR_BROWSER, path("b/", include("token_lifecycle.browser_urls"))], []),
            ([OUR_BROWSER, path("a/b/", include("token_lifecycle.urls"))], []),
        ],
    )
    def test_one_that_hides_or_disturbs_another_is_reported(self, mounted, expected):
        check_error_codes(expected, ROOT_URLCONF=urlconf(mounted))

    def test_one_below_another_is_in_order_where_both_share_a_cookie(self):
        nested = [OUR_BROWSER, path("a/b/", include("token_lifecycle.browser_urls"))]
        everywhere = {"COOKIE": {"PATH": "/a/"}}
        check_error_codes([], ROOT_URLCONF=urlconf(nested), TOKEN_LIFECYCLE=everywhere)

    def test_a_cookie_path_is_judged_only_where_the_mount_is_known(self):
        varying = [path("<tenant>/", include([OUR_BROWSER]))]
        elsewhere = {"COOKIE": {"PATH": "/x/"}}
        check_error_codes([], ROOT_URLCONF=urlconf(varying), TOKEN_LIFECYCLE=elsewhere)
        check_error_codes([], ROOT_URLCONF=urlconf([]), TOKEN_LIFECYCLE=elsewhere)

    @pytest.mark.parametrize(
        "view",
        [TokenRefreshView, type("Own", (TokenVerifyView,), {})],
    )
    def test_views_of_simplejwt_are_reported(self, view):
        mounted = [path("x/", include([path("token/", view.as_view())]))]
        check_error_codes(["W053"], ROOT_URLCONF=urlconf(mounted))

    def test_a_broken_urlconf_is_left_to_djangos_own_checks(self):
        check_error_codes([], ROOT_URLCONF="tests.nothing")


def urlconf(patterns):
    return type("URLconf", (), {"urlpatterns": patterns})


class Ours(SessionTokenAuthentication):
    pass


class Both(SessionTokenAuthentication, JWTAuthentication):
    pass


class Theirs(JWTAuthentication):
    pass


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        (["token_lifecycle.authentication.SessionTokenAuthentication"], []),
        (["rest_framework.authentication.SessionAuthentication"], []),
        ([Ours, Both, f"{__name__}.Ours"], []),
        (["rest_framework_simplejwt.authentication.JWTAuthentication"], ["E052"]),
        (["rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"], ["E052"]),
        ([Ours, Theirs], ["E052"]),
        ([f"{__name__}.Theirs"], ["E052"]),
        (["tests.nothing.Authentication", "x", "", 5, None], []),
        ("rest_framework_simplejwt.authentication.JWTAuthentication", []),
        (None, []),
    ],
    ids=str,
)
def test_an_authenticator_that_lets_ended_sessions_in_is_reported(configured, expected):
    framework = {"DEFAULT_AUTHENTICATION_CLASSES": configured}
    check_error_codes(expected, REST_FRAMEWORK=framework)


@pytest.mark.parametrize(
    ("backend", "rates", "expected"),
    [
        ("locmem.LocMemCache", {}, ["W034"]),
        ("locmem.LocMemCache", {"obtain_address": None}, ["W034"]),
        ("locmem.LocMemCache", None, []),
        ("locmem.LocMemCache", dict.fromkeys(THROTTLE_DEFAULTS), []),
        ("locmem.LocMemCache", 5, ["W034"]),
        ("redis.RedisCache", {}, []),
        ("nothing.Cache", {}, []),
    ],
)
def test_throttles_that_count_in_one_process_are_reported_when_deploying(backend, rates, expected):
    caches = {"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}
    with override_settings(CACHES=caches, TOKEN_LIFECYCLE={"THROTTLE_RATES": rates}):
        found = checks.surroundings.check_cache()
    assert [message.id.removeprefix("token_lifecycle.") for message in found] == expected


@pytest.mark.parametrize("name", ["CSRF_USE_SESSIONS", "CSRF_COOKIE_HTTPONLY"])
def test_a_csrf_token_that_pages_cannot_read_is_reported(name):
    check_error_codes(["W016"], **{name: True})


def test_a_project_without_the_browser_endpoints_may_hide_its_csrf_token():
    check_error_codes([], CSRF_USE_SESSIONS=True, ROOT_URLCONF="token_lifecycle.urls")


def test_local_time_without_a_zone_is_refused():
    check_error_codes(["E060"], USE_TZ=False)


@pytest.mark.parametrize("knows_zones", [False, True])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", None])
def test_a_database_that_keeps_local_time_without_a_zone_is_refused(zone, knows_zones):
    wrong = zone == "Europe/Berlin" and not knows_zones
    with (
        mock.patch.dict(connection.settings_dict, TIME_ZONE=zone),
        mock.patch.object(connection.features, "supports_timezones", knows_zones),
        mock.patch.object(connection, "connect", side_effect=AssertionError("a check connects")),
    ):
        check_error_codes(["E064"] if wrong else [])


def test_the_local_time_of_another_database_is_its_own_affair():
    elsewhere = {"other": {**connection.settings_dict, "TIME_ZONE": "Europe/Berlin"}}
    with mock.patch.dict(connections.settings, elsewhere):
        check_error_codes([])


def test_a_database_that_commits_nothing_by_itself_is_refused(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "AUTOCOMMIT", False)
    check_error_codes(["E065"])


def test_every_id_is_tested_here():
    rooms = [
        room
        for room in Path(checks.__file__).parent.glob("*.py")
        if room.stem not in ("keys", "material")
    ]
    ids = {number for room in rooms for number in re.findall(r"[EW]\d{3}", room.read_text())}
    tests = Path(__file__).read_text()
    assert ids
    assert {number for number in ids if f'"{number}"' not in tests} == set()


odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.timedeltas(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.text() | st.integers()),
)


def mapping_of(names):
    return st.dictionaries(st.sampled_from(sorted(names)), odd_values, max_size=4)


odd_settings = (
    odd_values
    | mapping_of(DEFAULTS)
    | mapping_of(COOKIE_DEFAULTS).map(lambda cookie: {"COOKIE": cookie})
)
jwt_names = [
    *("ALGORITHM", "SIGNING_KEY", "VERIFYING_KEY", "JWK_URL", "ACCESS_TOKEN_LIFETIME", "LEEWAY"),
    *("ROTATE_REFRESH_TOKENS", "USER_ID_FIELD", "USER_ID_CLAIM", "TOKEN_TYPE_CLAIM", "JTI_CLAIM"),
]


@hypothesis_settings(deadline=None)
@given(app=odd_settings, jwt=mapping_of(jwt_names))
def test_no_check_raises_whatever_the_settings_hold(app, jwt):
    with override_settings(TOKEN_LIFECYCLE=app, SIMPLE_JWT=jwt):
        for check in CHECKS:
            assert all(isinstance(message, django_checks.CheckMessage) for message in check())


@pytest.mark.django_db
def test_the_checks_are_registered():
    with (
        override_settings(TOKEN_LIFECYCLE={"SESION_LIFETIME": 1}),
        pytest.raises(Exception, match="SESION_LIFETIME"),
    ):
        call_command("check")
