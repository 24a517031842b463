"""A browser in front of ``browser_urls``: CSRF is enforced, and its token sent along."""

import json

from django.test import Client

ORIGIN = "https://testserver"
COOKIE = "__Secure-refresh_token"
HINT = "tl_hint"


class Browser(Client):
    """Speaks JSON over https and obeys no ``Path``: what it holds, it sends."""

    def __init__(self, mount="/browser/"):
        super().__init__(enforce_csrf_checks=True)
        self.mount = mount
        self.get(f"{mount}csrf/", secure=True)

    def send(
        self, name, body=None, *, method="POST", bearer=None, cookies=None, without=(), **changes
    ):
        """One request to an endpoint, as the browser client sends it but for what is changed.

        ``cookies`` replaces the jar, for a header that no jar can make.
        """
        extra = {
            "CONTENT_TYPE": "application/json",
            "HTTP_ORIGIN": ORIGIN,
            "HTTP_X_CSRFTOKEN": self.cookies["csrftoken"].value,
        }
        if bearer is not None:
            extra["HTTP_AUTHORIZATION"] = f"Bearer {bearer}"
        if cookies is not None:
            extra["HTTP_COOKIE"] = f"csrftoken={self.cookies['csrftoken'].value}; {cookies}"
        extra |= changes
        for key in without:
            extra.pop(key)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        data = b"" if body is None else data
        return self.generic(method, f"{self.mount}{name}", data, "", secure=True, **extra)

    def sign_in(self, user, password, **extra):
        return self.send(
            "obtain/", {"username": user.get_username(), "password": password}, **extra
        )

    @property
    def token(self):
        """The refresh token in the jar; None where there is none."""
        cookie = self.cookies.get(COOKIE)
        return cookie.value if cookie is not None and cookie.value else None

    @token.setter
    def token(self, value):
        self.cookies[COOKIE] = value


def stored(response):
    """The value of the refresh cookie that an answer sets; None where it sets none."""
    cookie = response.cookies.get(COOKIE)
    return None if cookie is None else cookie.value


def is_deleted(response):
    """Whether an answer deletes both cookies."""
    return all(
        name in response.cookies and response.cookies[name]["max-age"] == 0
        for name in (COOKIE, HINT)
    )
