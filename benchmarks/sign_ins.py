"""How each contender signs a user in, and the requests that follow from it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from .exchange import USER_AGENT, Exchange

PASSWORD = "a pass phrase"
#: How many sessions a user has who lists them, or ends them all.
SESSIONS = 10


def _bearer(token: str, scheme: str = "Bearer") -> Mapping[str, str]:
    return {"Authorization": f"{scheme} {token}"}


def _password_of(user: Any) -> dict[str, str]:
    return {"username": user.get_username(), "password": PASSWORD}


def nothing_post(user: Any) -> Exchange:
    return Exchange(path="/nothing/", body={"refresh": "x" * 300})


def nothing_get(user: Any) -> Exchange:
    return Exchange(path="/nothing/")


# This app


def _start(user: Any) -> Any:
    from token_lifecycle import lifecycle
    from token_lifecycle.device import Device

    return lifecycle.start_session(
        user, device=Device(ip_address="127.0.0.1", user_agent=USER_AGENT)
    )


def by_hand(user: Any) -> Exchange:
    body = {"refresh": _start(user).refresh}
    return Exchange(path="/by-hand/refresh/", body=body, takes=("refresh",))


def ours_refresh(user: Any) -> Exchange:
    body = {"refresh": _start(user).refresh}
    return Exchange(path="/ours/refresh/", body=body, takes=("refresh",))


def ours_check(path: str) -> Callable[[Any], Exchange]:
    return lambda user: Exchange(path=path, headers=_bearer(_start(user).access))


def ours_sign_in(user: Any) -> Exchange:
    return Exchange(path="/ours/obtain/", body=_password_of(user))


def ours_list(user: Any) -> Exchange:
    access = [_start(user).access for _ in range(SESSIONS)]
    return Exchange(path="/ours/sessions/", headers=_bearer(access[0]))


def ours_logout_all(user: Any) -> Exchange:
    access = [_start(user).access for _ in range(SESSIONS)]
    return Exchange(path="/ours/logout-all/", body={}, headers=_bearer(access[0]))


# simplejwt


def simplejwt_refresh(user: Any) -> Exchange:
    from rest_framework_simplejwt.tokens import RefreshToken

    body = {"refresh": str(RefreshToken.for_user(user))}
    return Exchange(path="/simplejwt/refresh/", body=body, takes=("refresh",))


def simplejwt_check(path: str) -> Callable[[Any], Exchange]:
    def sign_in(user: Any) -> Exchange:
        from rest_framework_simplejwt.tokens import AccessToken

        return Exchange(path=path, headers=_bearer(str(AccessToken.for_user(user))))

    return sign_in


def simplejwt_sign_in(user: Any) -> Exchange:
    return Exchange(path="/simplejwt/obtain/", body=_password_of(user))


# django-rest-knox


def _knox_token(user: Any) -> str:
    from knox.models import AuthToken

    return AuthToken.objects.create(user)[1]


def knox_check(user: Any) -> Exchange:
    return Exchange(path="/knox/check/", headers=_bearer(_knox_token(user), "Token"))


def knox_sign_in(user: Any) -> Exchange:
    credentials = b64encode(f"{user.get_username()}:{PASSWORD}".encode()).decode()
    return Exchange(path="/knox/login/", body={}, headers=_bearer(credentials, "Basic"))


def knox_logout_all(user: Any) -> Exchange:
    tokens = [_knox_token(user) for _ in range(SESSIONS)]
    return Exchange(path="/knox/logout-all/", body={}, headers=_bearer(tokens[0], "Token"))


# django-oauth-toolkit


def _oauth_application(user: Any) -> Any:
    from oauth2_provider.models import Application

    return Application.objects.create(
        name="benchmark",
        user=user,
        client_type=Application.CLIENT_PUBLIC,
        authorization_grant_type=Application.GRANT_PASSWORD,
    )


def _oauth_access(user: Any, application: Any) -> Any:
    from oauth2_provider.models import AccessToken

    expires = timezone.now() + timedelta(minutes=15)
    return AccessToken.objects.create(
        user=user, application=application, token=str(uuid4()), expires=expires, scope="read"
    )


def oauth_refresh(user: Any) -> Exchange:
    from oauth2_provider.models import RefreshToken

    application = _oauth_application(user)
    refresh = RefreshToken.objects.create(
        user=user,
        application=application,
        token=str(uuid4()),
        access_token=_oauth_access(user, application),
    )
    body = {
        "grant_type": "refresh_token",
        "client_id": application.client_id,
        "refresh_token": refresh.token,
    }
    return Exchange(path="/oauth/token/", form=True, body=body, takes=("refresh_token",))


def oauth_check(user: Any) -> Exchange:
    access = _oauth_access(user, _oauth_application(user))
    return Exchange(path="/oauth/check/", headers=_bearer(access.token))


def oauth_sign_in(user: Any) -> Exchange:
    grant = {"grant_type": "password", "client_id": _oauth_application(user).client_id}
    return Exchange(path="/oauth/token/", form=True, body={**grant, **_password_of(user)})


# allauth


def allauth_sign_in(user: Any) -> Exchange:
    return Exchange(path="/allauth/app/v1/auth/login", body=_password_of(user))


def _allauth_tokens(user: Any) -> dict[str, str]:
    from .handlers import client_for, send

    exchange = allauth_sign_in(user)
    return send(client_for(exchange.path), exchange).json()["meta"]


def allauth_refresh(user: Any) -> Exchange:
    body = {"refresh_token": _allauth_tokens(user)["refresh_token"]}
    path = "/allauth/app/v1/tokens/refresh"
    return Exchange(path=path, body=body, takes=("data", "refresh_token"))


def allauth_check(user: Any) -> Exchange:
    access = _allauth_tokens(user)["access_token"]
    return Exchange(path="/check/allauth/", headers=_bearer(access))
