"""Every error becomes one JSON answer with a code."""

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404
from rest_framework import exceptions as drf

from token_lifecycle import exceptions
from token_lifecycle.api_errors import (
    BearerRefused,
    CsrfFailed,
    InvalidCredentials,
    PayloadTooLarge,
    ServiceUnavailable,
    exception_handler,
    refusing_bearers,
)

REFUSALS = [
    exceptions.TokenInvalid,
    exceptions.TokenExpired,
    exceptions.SessionExpired,
    exceptions.SessionRevoked,
    exceptions.TokenSuperseded,
    exceptions.TokenReused,
    exceptions.UserInactive,
    exceptions.PasswordChanged,
]


def answer(error):
    return exception_handler(error, {})


@pytest.mark.parametrize("error", REFUSALS)
def test_a_refused_token_is_401_with_a_challenge_and_its_own_code(error):
    response = answer(error())
    assert response.status_code == 401
    assert response.data == {"detail": error.summary, "code": error.code}
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'  # RFC 9110 §15.5.2


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("error", REFUSALS)
def test_the_status_of_a_refused_token_can_be_chosen(settings, error, status):
    settings.TOKEN_LIFECYCLE = {"REFRESH_REFUSED_STATUS": status}
    response = answer(error())
    assert (response.status_code, response.data["code"]) == (status, error.code)
    assert "WWW-Authenticate" not in response


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (exceptions.SessionLimitReached(), 403, "session_limit"),
        (exceptions.Unavailable(), 503, "unavailable"),
        (exceptions.TokenLifecycleError(), 500, "error"),
        (ServiceUnavailable(), 503, "unavailable"),
        (InvalidCredentials(), 401, "invalid_credentials"),
        (CsrfFailed(), 403, "csrf_failed"),
        (PayloadTooLarge(), 413, "too_large"),
        (RequestDataTooBig(), 413, "too_large"),
        (OperationalError("gone"), 503, "unavailable"),
        (InterfaceError("gone"), 503, "unavailable"),
        (Http404("secret reason"), 404, "not_found"),
        (PermissionDenied("secret reason"), 403, "permission_denied"),
        (drf.NotAuthenticated(), 401, "not_authenticated"),
        (drf.PermissionDenied(), 403, "permission_denied"),
        (drf.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (drf.UnsupportedMediaType("x"), 415, "unsupported_media_type"),
        (drf.ParseError("Malformed JSON."), 400, "parse_error"),
        (drf.Throttled(), 429, "throttled"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_other_error_has_its_status_and_code(error, status, code):
    response = answer(error)
    assert (response.status_code, response.data["code"]) == (status, code)
    assert response.data.keys() == {"detail", "code"}
    assert "secret" not in response.data["detail"]
    assert "gone" not in response.data["detail"]


class ReadOnly(Exception):
    """What psycopg says of a write at a replica."""

    sqlstate = "25006"


class ReadOnly2(Exception):
    """What psycopg2 says of it."""

    pgcode = "25006"


def caused(error, cause=None):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("cause", [ReadOnly(), ReadOnly2()])
def test_a_database_that_cannot_be_written_yet_is_as_good_as_none(cause):
    response = answer(caused(InternalError("read-only transaction"), cause))
    assert (response.status_code, response["Retry-After"]) == (503, "1")


def test_any_other_internal_error_of_the_database_is_a_mistake_and_shows():
    assert answer(caused(InternalError("current transaction is aborted"))) is None


@pytest.mark.parametrize("error", [exceptions.Unavailable(), OperationalError()])
def test_an_answer_that_is_worth_another_try_says_when(error):
    assert answer(error)["Retry-After"] == "1"


def test_errors_of_fields_stay_where_clients_of_simplejwt_look_for_them():
    response = answer(drf.ValidationError({"refresh": ["This field is required."]}))
    assert response.status_code == 400
    assert response.data == {
        "detail": "The request is not valid.",
        "code": "invalid",
        "refresh": ["This field is required."],
    }


def test_errors_of_no_field_have_a_name_too():
    response = answer(drf.ValidationError(["No object."]))
    assert response.data["non_field_errors"] == ["No object."]


@pytest.mark.parametrize("name", ["detail", "code", "non_field_errors", "errors"])
@pytest.mark.parametrize("key", ["detail", "code", "errors"])
def test_detail_and_code_are_ours_whatever_a_project_calls_its_errors(settings, key, name):
    settings.REST_FRAMEWORK = {"NON_FIELD_ERRORS_KEY": key}
    response = answer(drf.ValidationError({name: ["No object."]}))
    assert response.data["detail"] == "The request is not valid."
    assert response.data["code"] == "invalid"
    if name == key:
        assert response.data["non_field_errors"] == ["No object."]


def test_an_error_with_several_sentences_has_its_code_beside_them():
    response = answer(drf.APIException(["One.", "Two."], code="both"))
    assert response.data == {"detail": ["One.", "Two."], "code": ["both", "both"]}


def test_a_mistake_of_the_code_is_not_dressed_up_as_an_answer():
    assert answer(ValueError("x")) is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (exceptions.TokenExpired(), "token_expired"),
        (exceptions.TokenInvalid(), "token_invalid"),
        (exceptions.UserInactive(), "user_inactive"),
        (exceptions.SessionRevoked(), "session_revoked"),
        (exceptions.SessionExpired(), "session_revoked"),
        (exceptions.PasswordChanged(), "session_revoked"),
        (exceptions.TokenReused(), "session_revoked"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_a_refused_bearer_has_one_of_four_codes_under_any_exception_handler(error, code):
    refused = BearerRefused(error)
    assert refused.status_code == 401
    assert refused.detail["code"] == code
    assert refused.detail["detail"]


@pytest.mark.parametrize("cause", [OperationalError("gone"), exceptions.Unavailable()], ids=repr)
def test_why_nothing_can_say_whether_a_session_is_live_is_logged_once(caplog, cause):
    with pytest.raises(ServiceUnavailable) as raised, refusing_bearers():
        raise cause
    answer(raised.value)
    (record,) = [record for record in caplog.records if record.name == "token_lifecycle"]
    assert record.levelname == "ERROR"
    assert record.exc_info[1] is cause


def test_every_error_of_the_tree_has_an_answer():
    def below(cls):
        return {cls}.union(*map(below, cls.__subclasses__()))

    for error in below(exceptions.TokenLifecycleError):
        assert answer(error()).status_code in (401, 403, 500, 503)
