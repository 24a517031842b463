"""Who is measured: each contender signs a user in once, and then answers one request at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models
from django.test import Client
from django.utils import timezone

from token_lifecycle import lifecycle
from token_lifecycle.models import Session, SessionEvent

Request = Callable[[], Any]


@dataclass(frozen=True)
class Contender:
    """One line of the table."""

    name: str
    job: str
    """"refresh" or "check"; only lines of one job are compared."""
    prepare: Callable[[Client, Any], Request]
    """Sign the user in; the returned function makes one request and returns the response."""
    tables: tuple[type[models.Model], ...] = ()
    """Where rows may grow."""


def contenders() -> Iterator[Contender]:
    """Those that are installed."""
    yield Contender("a view that does nothing", "refresh", _nothing_post)
    yield Contender("token_lifecycle", "refresh", _ours_refresh, (Session, SessionEvent))
    yield Contender("simplejwt with blacklist", "refresh", _simplejwt_refresh, _blacklist())
    if apps.is_installed("oauth2_provider"):
        yield Contender("django-oauth-toolkit", "refresh", _oauth_refresh, _oauth_models())
    yield Contender("a view that does nothing", "check", _get("/nothing/"))
    yield Contender("token_lifecycle, database", "check", _ours_check)
    yield Contender("simplejwt", "check", _simplejwt_check("/simplejwt/check/"))
    yield Contender("simplejwt, stateless", "check", _simplejwt_check("/simplejwt/stateless/"))
    if apps.is_installed("knox"):
        yield Contender("django-rest-knox", "check", _knox_check)


def _post(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json")


def _get(path: str, header: str = "") -> Callable[[Client, Any], Request]:
    extra = {"HTTP_AUTHORIZATION": header} if header else {}
    return lambda client, _: lambda: client.get(path, **extra)


def _rotating(client: Client, path: str, refresh: str) -> Request:
    """Present the newest refresh token and keep the one that comes back."""
    held = {"refresh": refresh}

    def request() -> Any:
        response = _post(client, path, held)
        held["refresh"] = response.json()["refresh"]
        return response

    return request


def _nothing_post(client: Client, user: Any) -> Request:
    return lambda: _post(client, "/nothing/", {"refresh": "x" * 300})


def _ours_refresh(client: Client, user: Any) -> Request:
    return _rotating(client, "/ours/refresh/", lifecycle.start_session(user).refresh)


def _ours_check(client: Client, user: Any) -> Request:
    return _get("/ours/check/", f"Bearer {lifecycle.start_session(user).access}")(client, user)


def _simplejwt_refresh(client: Client, user: Any) -> Request:
    from rest_framework_simplejwt.tokens import RefreshToken

    return _rotating(client, "/simplejwt/refresh/", str(RefreshToken.for_user(user)))


def _simplejwt_check(path: str) -> Callable[[Client, Any], Request]:
    def prepare(client: Client, user: Any) -> Request:
        from rest_framework_simplejwt.tokens import AccessToken

        return _get(path, f"Bearer {AccessToken.for_user(user)}")(client, user)

    return prepare


def _blacklist() -> tuple[type[models.Model], ...]:
    from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

    return (OutstandingToken, BlacklistedToken)


def _knox_check(client: Client, user: Any) -> Request:
    from knox.models import AuthToken

    _, token = AuthToken.objects.create(user)
    return _get("/knox/check/", f"Token {token}")(client, user)


def _oauth_models() -> tuple[type[models.Model], ...]:
    from oauth2_provider.models import AccessToken, RefreshToken

    return (AccessToken, RefreshToken)


def _oauth_refresh(client: Client, user: Any) -> Request:
    from oauth2_provider.models import AccessToken, Application, RefreshToken

    application = Application.objects.create(
        name="bench",
        user=get_user_model().objects.get(pk=user.pk),
        client_type=Application.CLIENT_PUBLIC,
        authorization_grant_type=Application.GRANT_PASSWORD,
    )
    access = AccessToken.objects.create(
        user=user,
        application=application,
        token="first-access",
        expires=timezone.now() + timedelta(minutes=15),
        scope="read",
    )
    RefreshToken.objects.create(
        user=user, application=application, token="first-refresh", access_token=access
    )
    held = {"refresh_token": "first-refresh"}

    def request() -> Any:
        response = client.post(
            "/oauth/token/",
            {"grant_type": "refresh_token", "client_id": application.client_id, **held},
        )
        held["refresh_token"] = response.json()["refresh_token"]
        return response

    return request
