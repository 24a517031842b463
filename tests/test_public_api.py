"""What a project may build on: a change here is one for every project, and for the changelog.

Names, parameters and fields are written down once more on purpose.
"""

import dataclasses
import inspect
import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location

import pytest
from django.core.management import get_commands
from django.urls import reverse

from token_lifecycle import (
    api_errors,
    authentication,
    conf,
    delivery,
    device,
    exceptions,
    lifecycle,
    models,
    permissions,
    signals,
    testing,
    tokens,
)


def parameters(function):
    """``function``'s parameters with their defaults, as one would write them."""
    signature = inspect.signature(function)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


VERBS = {
    "start_session": "(user, *, device=None, auth_method='password', lifetime=None, now=None)",
    "rotate": "(refresh, *, device=None, now=None)",
    "check_access": "(claims, *, now=None)",
    "revoke_session": (
        "(session_id, *, user=None, reason=RevocationReason.LOGOUT,"
        " actor=None, device=None, now=None)"
    ),
    "revoke_sessions": (
        "(sessions, *, reason=RevocationReason.ADMIN, actor=None, device=None, now=None)"
    ),
    "revoke_sessions_of": (
        "(user, *, keep=None, reason=RevocationReason.LOGOUT_ALL,"
        " actor=None, device=None, now=None)"
    ),
    "revoke_by_token": (
        "(refresh, *, user=None, reason=RevocationReason.LOGOUT, device=None, now=None)"
    ),
    "revoke_everybody": "(*, actor=None, device=None, now=None)",
    "keep_session": "(session_id)",
    "is_vouched_for": "(claims)",
}


class TestLifecycle:
    def test_these_names_are_public(self):
        assert set(lifecycle.__all__) == {*VERBS, "prune", "sweep", "IssuedTokens", "Pruned"}
        assert all(hasattr(lifecycle, name) for name in lifecycle.__all__)

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_verb_keeps_its_parameters(self, verb):
        # 3.11 shows a default of an enum in another way.
        shown = parameters(getattr(lifecycle, verb))
        for reason in models.RevocationReason:
            shown = shown.replace(repr(reason), str.__str__(f"RevocationReason.{reason.name}"))
        assert shown == VERBS[verb]

    def test_pruning_keeps_its_parameters(self):
        given = inspect.signature(lifecycle.prune).parameters
        assert list(given) == [
            "batch_size",
            "busy",
            "dry_run",
            "progress",
            "now",
            "sleep",
            "clock",
        ]
        assert {p.kind for p in given.values()} == {inspect.Parameter.KEYWORD_ONLY}

    def test_sweeping_keeps_its_parameters(self):
        given = inspect.signature(lifecycle.sweep).parameters
        assert list(given) == ["batch_size", "limit", "progress", "rest", "now"]
        assert {p.kind for p in given.values()} == {inspect.Parameter.KEYWORD_ONLY}

    def test_what_a_sign_in_hands_out_keeps_its_fields(self):
        assert [field.name for field in dataclasses.fields(lifecycle.IssuedTokens)] == [
            "access",
            "refresh",
            "issued_at",
            "access_expires_at",
            "refresh_expires_at",
            "session",
        ]
        assert isinstance(lifecycle.IssuedTokens.expires_in, property)
        assert isinstance(lifecycle.IssuedTokens.refresh_expires_in, property)

    def test_what_pruning_tells_keeps_its_fields(self):
        fields = [field.name for field in dataclasses.fields(lifecycle.Pruned)]
        assert fields == ["sessions", "events"]


def test_these_models_are_public():
    for name in ("Session", "SessionEvent", "RevocationReason", "SessionStatus", "EventKind"):
        assert inspect.getmodule(getattr(models, name)) is models
    assert set(models.RevocationReason.values) == {
        "logout",
        "logout_all",
        "ended_by_user",
        "replaced",
        "password_change",
        "user_deactivated",
        "user_deleted",
        "admin",
        "reuse_detected",
        "session_limit",
    }
    assert set(models.SessionStatus.values) == {"live", "idle", "expired", "ended"}


CODES = {
    "TokenInvalid": "token_invalid",
    "TokenExpired": "token_expired",
    "SessionExpired": "session_expired",
    "SessionRevoked": "session_revoked",
    "TokenSuperseded": "token_superseded",
    "TokenReused": "token_reused",
    "UserInactive": "user_inactive",
    "PasswordChanged": "password_changed",
    "SessionLimitReached": "session_limit",
    "Unavailable": "unavailable",
}


def test_these_errors_are_public_and_keep_their_codes():
    errors = {name for name, value in vars(exceptions).items() if inspect.isclass(value)} - {"UUID"}
    assert errors == {*CODES, "TokenLifecycleError", "TokenRefused"}
    assert {name: getattr(exceptions, name).code for name in CODES} == CODES


def test_refusals_of_a_token_can_be_caught_together():
    refused = {
        name for name in CODES if issubclass(getattr(exceptions, name), exceptions.TokenRefused)
    }
    assert refused == set(CODES) - {"SessionLimitReached", "Unavailable"}
    assert issubclass(exceptions.TokenRefused, exceptions.TokenLifecycleError)


def test_these_signals_are_public():
    public = {name for name, value in vars(signals).items() if isinstance(value, signals.Signal)}
    assert public == {
        "session_started",
        "token_rotated",
        "reuse_detected",
        "new_client_seen",
        "session_revoked",
        "session_limit_reached",
        "database_caught_up",
        "everybody_ended",
    }


def test_a_device_keeps_its_fields():
    fields = [field.name for field in dataclasses.fields(device.Device)]
    assert fields == ["ip_address", "user_agent", "name"]
    assert parameters(device.Device) == "(*, ip_address=None, user_agent='', name='')"
    shown = parameters(device.Device.from_request)
    assert shown == "(request, *, trusted_proxies=None, name='')"


def test_the_authenticator_is_public_and_says_what_request_auth_is():
    assert inspect.isclass(authentication.SessionTokenAuthentication)
    fields = [field.name for field in dataclasses.fields(tokens.AccessClaims)]
    assert fields == ["session_id", "user_id", "expires_at", "auth_time", "claims"]


def test_the_authenticators_for_other_checks_are_public():
    stateless = authentication.StatelessSessionTokenAuthentication
    assert issubclass(stateless, authentication.SessionTokenAuthentication)
    assert authentication.SessionTokenAuthentication.revocation_check is None


def test_the_ways_to_hand_tokens_out_are_public():
    shown = parameters(delivery.deliver_to_browser)
    assert shown == "(request, response, issued, *, mount=None)"
    assert parameters(delivery.token_response) == "(issued)"


def test_the_exception_handler_is_public():
    assert parameters(api_errors.exception_handler) == "(exc, context)"


def test_the_permissions_are_public():
    assert parameters(permissions.SignedInRecently.within) == "(age)"
    assert inspect.isclass(permissions.RequireFresh)


def test_helpers_for_tests_are_public():
    assert parameters(testing.sign_in) == "(client, user, **options)"
    assert parameters(testing.authorization) == "(issued)"
    for name in ("UserFactory", "SessionFactory", "PASSWORD"):
        assert hasattr(testing, name)


@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [
        ("token_lifecycle.testing", "factory", "testing"),
        ("token_lifecycle.contrib.spectacular", "drf_spectacular", "openapi"),
    ],
)
def test_a_module_without_its_package_says_which_extra_brings_it(
    module, library, extra, monkeypatch
):
    # Once more under another name, for what the suite itself has imported must stay as it is.
    found = find_spec(module)
    anew = spec_from_file_location(f"{module}_anew", found.origin)
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ImportError, match=rf"^Install django-token-lifecycle\[{extra}\]\.$"):
        anew.loader.exec_module(module_from_spec(anew))


def test_these_settings_are_public():
    assert set(conf.DEFAULTS) == {
        "SESSION_LIFETIME",
        "IDLE_TIMEOUT",
        "REUSE_GRACE_PERIOD",
        "REVOCATION_CHECK",
        "REVOCATION_POLL_INTERVAL",
        "REVOCATION_WHEN_STALE",
        "REVOCATION_PUSH",
        "MAX_SESSIONS_PER_USER",
        "SESSION_LIMIT_POLICY",
        "COOKIE",
        "REFRESH_REFUSED_STATUS",
        "THROTTLE_RATES",
        "TRUSTED_PROXIES",
        "ACCESS_CLAIMS",
        "SIGNING_KEYS",
        "RECORD_ROTATIONS",
        "RETENTION",
        "ADMIN_USER_PANEL",
    }
    cookie = {"NAME", "SECURE", "SAMESITE", "DOMAIN", "PATH", "HINT_NAME"}
    assert set(conf.COOKIE_DEFAULTS) == cookie
    assert set(conf.THROTTLE_DEFAULTS) == {"obtain_address", "obtain_account", "refresh_session"}


ENDPOINTS = ["obtain", "refresh", "logout", "logout-all", "session-list", "session-detail", "jwks"]
DEVICES = ["list", "sign-out", "sign-out-others", "sign-out-all"]


@pytest.mark.parametrize(
    ("urlconf", "namespace", "names"),
    [
        ("token_lifecycle.urls", "token_lifecycle", ENDPOINTS),
        ("token_lifecycle.browser_urls", "token_lifecycle_browser", ["csrf", *ENDPOINTS]),
        ("token_lifecycle.device_urls", "token_lifecycle_devices", DEVICES),
    ],
)
def test_these_endpoints_are_public(urlconf, namespace, names):
    module = import_module(urlconf)
    assert module.app_name == namespace
    assert sorted(pattern.name for pattern in module.urlpatterns) == sorted(names)
    if namespace == "token_lifecycle_devices":
        return  # the tests' own URLconf leaves them out
    for name in names:
        arguments = ["x"] if name == "session-detail" else []
        assert reverse(f"{namespace}:{name}", args=arguments)


@pytest.mark.parametrize(
    "command",
    ["prune_sessions", "end_sessions", "session_report", "export_events", "make_signing_key"],
)
def test_these_commands_are_public(command):
    assert get_commands()[command] == "token_lifecycle"


def test_the_package_has_a_version_and_is_typed():
    package = import_module("token_lifecycle")
    assert package.__version__.count(".") == 2
    assert inspect.getmodule(package) is package
