"""The OpenAPI schema says what is served: each refusal is provoked and held against it.

Needs drf-spectacular and openapi-spec-validator, of the dependency group ``test``.
"""

import json
import re
from datetime import UTC, datetime

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.urls import include, path
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from openapi_spec_validator import validate
from rest_framework.generics import GenericAPIView
from rest_framework.serializers import IntegerField, Serializer
from rest_framework.views import APIView

from tests.browsing import COOKIE, HINT
from tests.openapi.calls import (
    API,
    BROWSERS,
    OPERATIONS,
    PROVOKED,
    SCHEMA,
    Caller,
    assert_as_described,
    codes_of,
    everything,
)
from tests.openapi.document import FILE, document
from tests.pages import HTTP_API, code_in, table
from token_lifecycle import browser_urls, lifecycle, urls
from token_lifecycle.authentication import (
    SessionTokenAuthentication,
    StatelessSessionTokenAuthentication,
)
from token_lifecycle.testing import PASSWORD, SessionFactory, UserFactory

REFUSALS = [
    (name, int(status), code)
    for name, (_, _, operation) in OPERATIONS.items()
    for status, answer in operation["responses"].items()
    for code in codes_of(answer)
]


# What the schema says


def test_the_schema_is_valid_and_made_without_a_warning():
    validate(document())


def test_the_schema_is_valid_in_the_words_of_openapi_3_1_too():
    newer = document(OAS_VERSION="3.1.1")
    validate(newer)
    shown = newer["components"]["schemas"]["AuthSession"]["properties"]["ip_address"]
    assert shown["type"] == ["string", "null"]


def test_the_file_in_the_docs_is_the_schema():
    assert json.loads(FILE.read_text()) == document(), "python -m tests.openapi.document"


def routes(mount, patterns):
    for pattern in patterns:
        path = re.sub(r"<str:(\w+)>", r"{\1}", f"{mount}{pattern.pattern}")
        for method in pattern.callback.cls().allowed_methods:
            if method != "OPTIONS":
                yield method, path


def test_every_method_of_every_route_is_in_the_schema_and_no_other():
    served = [*routes(API, urls.urlpatterns), *routes(BROWSERS, browser_urls.urlpatterns)]
    assert sorted((method, path) for method, path, _ in OPERATIONS.values()) == sorted(served)


def test_an_operation_has_a_name_of_its_own_that_tells_the_delivery():
    assert len(OPERATIONS) == sum(len(methods) for methods in SCHEMA["paths"].values())
    for name, (_, where, _) in OPERATIONS.items():
        assert name.startswith("auth_browser_" if where.startswith(BROWSERS) else "auth_")
    assert {"auth_obtain", "auth_browser_obtain"} <= OPERATIONS.keys()


def test_the_codes_of_the_schema_are_those_of_the_page():
    rows = [[code_in(cell) or [cell] for cell in row[:2]] for row in table(HTTP_API, "**Anywhere")]
    anywhere = {(status, code) for [status], [code] in rows}
    views = [[code_in(cell) or [cell] for cell in row[:2]] for row in table(HTTP_API, "### Codes")]
    bearer = {(status, code) for [status], [code] in views if status == "401" and code}
    refresh = {("401", code_in(cell)[0]) for cell, *_ in table(HTTP_API, "**At `refresh/`**")}
    # A schema has no place for the answer to a method that it does not have, and 500 is none today.
    elsewhere = {("405", "method_not_allowed"), ("500", "error")}
    found = {(str(status), code) for _, status, code in REFUSALS}
    assert found == (anywhere | bearer | refresh) - elsewhere


def test_the_names_come_from_the_settings(settings, options):
    options(COOKIE={"NAME": "tokens", "SECURE": False}, REFRESH_REFUSED_STATUS=403)
    settings.CSRF_HEADER_NAME = "HTTP_X_SHOP_CSRF"
    made = document()
    schemes = made["components"]["securitySchemes"]
    assert schemes["refreshCookie"]["name"] == "tokens"
    assert schemes["csrfToken"]["name"] == "X-SHOP-CSRF"
    answers = made["paths"]["/api/auth/refresh/"]["post"]["responses"]
    assert "401" not in answers
    assert {"permission_denied", "token_reused"} <= set(codes_of(answers["403"]))


def test_a_refused_refresh_with_400_shares_its_answer_with_bad_input(options):
    options(REFRESH_REFUSED_STATUS=400)
    answers = document()["paths"]["/api/auth/refresh/"]["post"]["responses"]
    assert {"invalid", "parse_error", "token_reused"} <= set(codes_of(answers["400"]))
    members = answers["400"]["content"]["application/json"]["schema"]["properties"]
    assert list(members) == ["detail", "code", "refresh", "non_field_errors"]


def test_the_username_is_named_as_the_user_model_names_it(monkeypatch):
    monkeypatch.setattr(get_user_model(), "USERNAME_FIELD", "email")
    content = document()["paths"]["/api/auth/obtain/"]["post"]["requestBody"]["content"]
    shape = content["application/json"]["schema"]
    assert shape["required"] == ["email", "password"]


def test_a_view_of_the_project_with_our_authenticator_asks_for_the_bearer():
    class Prices(APIView):
        authentication_classes = [StatelessSessionTokenAuthentication]
        schema = AutoSchema()
        serializer_class = None

        def get(self, request):
            """Nobody asks."""

    made = SchemaGenerator(patterns=[path("prices/", Prices.as_view())]).get_schema(public=True)
    assert made["paths"]["/prices/"]["get"]["security"][0] == {"accessToken": []}
    assert made["components"]["securitySchemes"]["accessToken"] == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a session that has not ended.",
    }


class PriceSerializer(Serializer):
    """Some answer of a project."""

    price = IntegerField()


class OfTheProject(SessionTokenAuthentication):
    """A subclass, as a project may write one."""


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_views_of_the_project_beside_ours_are_described_without_a_warning(first):
    """``manage.py spectacular --fail-on-warn`` has to pass."""

    def view(authenticator):
        class View(GenericAPIView):
            authentication_classes = [authenticator]
            schema = AutoSchema()
            serializer_class = PriceSerializer

            def get(self, request):
                """Nobody asks."""

        return View.as_view()

    classes = (SessionTokenAuthentication, StatelessSessionTokenAuthentication, OfTheProject)
    theirs = [path(f"{number}/", view(each)) for number, each in enumerate(classes)]
    ours = [path("zz/" if first == "theirs" else "0/auth/", include("token_lifecycle.urls"))]
    GENERATOR_STATS.reset()
    made = SchemaGenerator(patterns=ours + theirs).get_schema(public=True)
    complaints = {**GENERATOR_STATS._warn_cache, **GENERATOR_STATS._error_cache}
    assert not complaints
    assert made["paths"]["/2/"]["get"]["security"][0] == {"accessToken": []}


# What is served


@pytest.fixture
def issued(db):
    user = UserFactory()
    user.set_password(PASSWORD)
    user.save()
    return lifecycle.start_session(user)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_right_request_is_answered_as_the_schema_says(name, issued):
    SessionFactory(user=issued.session.user)
    response = Caller(name, issued).send()
    assert response.status_code in (200, 204), response.content
    assert_as_described(response, OPERATIONS[name][2])
    if name in ("auth_browser_obtain", "auth_browser_refresh"):
        assert {COOKIE, HINT} <= response.cookies.keys()


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("code", PROVOKED)
def test_whatever_befalls_a_request_its_answer_is_in_the_schema_and_what_is_there_happens(
    name, code, issued, options, settings
):
    caller = Caller(name, issued)
    with (
        time_machine.travel(datetime.now(UTC), tick=True) as clock,
        pytest.MonkeyPatch.context() as monkeypatch,  # the fixture lasts longer than the database
    ):
        tools = {"options": options, "settings": settings, "monkeypatch": monkeypatch}
        PROVOKED[code](caller, clock=clock, **tools)
        response = caller.send()
    assert_as_described(response, caller.operation)
    promised = {status for op, status, listed in REFUSALS if (op, listed) == (name, code)}
    if promised:
        assert ({response.status_code}, response.json()["code"]) == (promised, code)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_method_that_the_schema_does_not_have_is_not_allowed(name, issued):
    caller = Caller(name, issued)
    caller.method, caller.headers = "PUT", {**caller.headers, **everything(issued)}
    response = caller.send()
    methods = {method.upper() for method in SCHEMA["paths"][caller.path]}
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert set(response["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == methods
